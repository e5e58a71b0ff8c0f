//! What goes into a simulated server and what comes out. It owns the words of that exchange; it refuses to
//! decide anything, which `backend` does.

use std::time::Duration;

use vocabulary::Operation;

use crate::cache::{CachePoint, CacheUse};
use crate::engine::SeqId;
use crate::faults::FaultKind;

/// A request, counted.
#[derive(Clone, Debug, Default)]
pub struct Arrival {
    /// The caller's id for it; one of the server's own when absent.
    pub request_id: Option<String>,
    /// What is asked; nothing is generated for embeddings.
    pub operation: Option<Operation>,
    /// The model asked for.
    pub model: String,
    /// Whether a stream is asked for.
    pub stream: bool,
    /// Tokens of the prompt.
    pub prompt_tokens: u64,
    /// Choices asked for; 0 counts as 1.
    pub choices: u64,
    /// The caller's ceiling on output tokens, per choice.
    pub max_output_tokens: Option<u64>,
    /// The exact number of output tokens wanted, per choice; wins over the ceiling.
    pub output_tokens: Option<u64>,
    /// Key of this request's draws; its position in order of arrival when absent.
    pub key: Option<u64>,
    /// The fault this request asks for itself.
    pub fault: Option<FaultKind>,
    /// The length an answer of a given content has by itself, per choice; no other length is drawn or
    /// asked for then, only the ceiling cuts it.
    pub natural_output_tokens: Option<u64>,
    /// Output tokens spent on reasoning before the answer, per choice, as far as the answer has them.
    pub reasoning_tokens: u64,
    /// Texts before which the answer ends.
    pub stop: Vec<String>,
    /// Prefixes of the prompt that may be read from or written to the cache, shortest first.
    pub cache_points: Vec<CachePoint>,
}

/// The server's word on an arrival.
#[derive(Clone, Debug, PartialEq)]
pub enum Verdict {
    /// Taken: the engine will emit for `seq`, unless `fault` says it hangs or is reset.
    Accepted(Plan),
    /// Refused and ended.
    Refused(Refusal),
}

/// What will come out.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    /// The sequence in the engine, and the record in the log.
    pub seq: SeqId,
    /// Output tokens per choice.
    pub output_tokens: u64,
    /// Choices, at least 1. Token `i` of the sequence belongs to choice `i % choices`.
    pub choices: u64,
    /// Of them, spent on reasoning: the first ones.
    pub reasoning_tokens: u64,
    /// Why the answer ends.
    pub ending: Ending,
    /// How the prompt met the cache.
    pub cache: CacheUse,
    /// When the quota's window starts anew.
    pub resets_in: Option<Duration>,
    /// Seed of the answer's text; see `tokens::token_text`.
    pub text_seed: u64,
    /// The request's id.
    pub request_id: String,
    /// Headers for the answer.
    pub headers: Vec<(&'static str, String)>,
    /// What is to go wrong on the wire.
    pub fault: Option<FaultKind>,
}

/// Why an answer ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ending {
    /// It is complete.
    Natural,
    /// It met its ceiling.
    Ceiling,
    /// This stop text would have come next.
    Stop(String),
    /// The content filter struck.
    Filter,
}

/// Why not.
#[derive(Clone, Debug, PartialEq)]
pub struct Refusal {
    /// The record in the log.
    pub seq: SeqId,
    /// Status.
    pub status: u16,
    /// OpenAI's `error.type`.
    pub kind: &'static str,
    /// OpenAI's `error.code`.
    pub code: &'static str,
    /// For people.
    pub message: String,
    /// When the quota's window starts anew.
    pub resets_in: Option<Duration>,
    /// The request's id.
    pub request_id: String,
    /// Headers for the answer.
    pub headers: Vec<(&'static str, String)>,
}
