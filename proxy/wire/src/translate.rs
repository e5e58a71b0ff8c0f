//! Chat requests, answers, streams and errors, carried from one dialect to another. It owns what is the
//! same thing in two dialects and what is not; it refuses to drop what it cannot carry: that is refused
//! by field, or reported.
//!
//! Every dialect is decoded into one neutral form and encoded from it, so three callers' dialects and
//! two backends' need no six translators. Where caller and backend speak the same dialect there is
//! nothing to translate, and the bytes should pass as they are.
//!
//! What is refused: what would change the answer a caller gets (several choices, log probabilities,
//! audio, server-side tools, a temperature out of the backend's range). What is [reported](Request::lost):
//! advice the backend's dialect has no place for (a seed, a cache hint, a service tier), and reasoning
//! another provider signed. A field nobody here knows is reported as `unknown fields`, at any depth; a
//! role, content part, tool or format of an unknown kind is always refused. Of answers, what only tells
//! how they came about (fingerprints, service tiers) is left behind.

mod chat;
mod definition;
mod document;
mod error;
mod messages;
mod neutral;
mod responses;
mod stream;
mod writer;

use std::fmt;

use bytes::Bytes;
use vocabulary::Usage;

pub use error::error;
pub use stream::{Stream, Translated};

/// A dialect that callers speak.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Format {
    /// OpenAI chat completions, `/v1/chat/completions`.
    Chat,
    /// Anthropic messages, `/v1/messages`.
    Messages,
    /// OpenAI responses, `/v1/responses`.
    Responses,
}

/// A dialect that backends speak.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Backend {
    /// OpenAI chat completions and all that speak it: Azure OpenAI, vLLM, llama.cpp, Mistral.
    Chat,
    /// Anthropic messages.
    Messages,
}

impl From<Backend> for Format {
    fn from(backend: Backend) -> Self {
        match backend {
            Backend::Chat => Self::Chat,
            Backend::Messages => Self::Messages,
        }
    }
}

/// How an Anthropic model is asked to reason. Models up to 4.5 know only a budget; from 4.6 on they are
/// asked to decide for themselves under an effort, and from 4.7 on a budget is an error.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum ThinkingStyle {
    /// `thinking.type: "adaptive"` and `output_config.effort`.
    #[default]
    Adaptive,
    /// `thinking.type: "enabled"` and a share of the output tokens as `budget_tokens`.
    Budget,
}

/// What a request needs that the caller did not say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RequestOptions<'a> {
    /// The model's name at the backend.
    pub model: &'a str,
    /// Most output tokens when the caller sets no bound; Anthropic demands one.
    pub default_max_tokens: u64,
    /// Ask a chat backend for usage at the end of a stream.
    pub include_usage: bool,
    /// How an Anthropic model is asked to reason.
    pub thinking: ThinkingStyle,
}

/// A request in the backend's dialect.
#[derive(Clone, PartialEq, Eq)]
pub struct Request {
    /// The body to send.
    pub body: Bytes,
    /// Fields of the caller's, as the caller spells them, that the backend's dialect has no place for.
    /// They are advice; the answer is what was asked for without them.
    pub lost: Vec<&'static str>,
}

/// A request that the backend's dialect cannot express, or that is no request.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{field}` {why}")]
pub struct Untranslatable {
    /// Where, in the caller's spelling: `messages[3].content[0].type`. Made of the dialect's own names
    /// and of indices, so it can be shown and logged.
    pub field: String,
    /// What is wrong there and what to do, as the rest of a sentence that begins with the field.
    pub why: &'static str,
}

/// A backend's answer that is not in its dialect.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the backend's answer cannot be read: `{field}` {why}")]
pub struct Malformed {
    /// Where, in the backend's spelling.
    pub field: String,
    /// What is wrong there.
    pub why: &'static str,
}

/// What an answer in the caller's dialect needs that the backend's does not say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Envelope {
    /// Tells answers apart; the dialect's prefix (`chatcmpl-`, `msg_`, `resp_`) is put before it.
    pub id: String,
    /// When the answer began, in seconds since the epoch.
    pub created_unix: u64,
    /// The model's name as the caller shall see it.
    pub model: String,
}

/// An answer in the caller's dialect.
#[derive(Clone, PartialEq, Eq)]
pub struct Answer {
    /// The body to send.
    pub body: Bytes,
    /// What the backend counted, if it did.
    pub usage: Option<Usage>,
}

/// Carries a request's body from the caller's dialect to the backend's.
///
/// # Errors
/// [`Untranslatable`]: the caller's mistake, or something the backend's dialect cannot express.
pub fn request(
    from: Format,
    to: Backend,
    body: &[u8],
    options: &RequestOptions<'_>,
) -> Result<Request, Untranslatable> {
    let call = match from {
        Format::Chat => chat::read_request(body),
        Format::Messages => messages::read_request(body),
        Format::Responses => responses::read_request(body),
    };
    let written = call.and_then(|call| match to {
        Backend::Chat => chat::write_request(call, options, body.len()),
        Backend::Messages => messages::write_request(call, options, body.len()),
    });
    written.map_err(|fault| Untranslatable { field: fault.place(), why: fault.why() })
}

/// Carries a whole answer from the backend's dialect to the caller's.
///
/// # Errors
/// [`Malformed`], when the body is not an answer in the backend's dialect.
pub fn answer(from: Backend, to: Format, body: &[u8], envelope: &Envelope) -> Result<Answer, Malformed> {
    let completion = match from {
        Backend::Chat => chat::read_answer(body),
        Backend::Messages => messages::read_answer(body),
    };
    let completion = completion.map_err(|fault| Malformed { field: fault.place(), why: fault.why() })?;
    let body = match to {
        Format::Chat => chat::write_answer(&completion, envelope),
        Format::Messages => messages::write_answer(&completion, envelope),
        Format::Responses => responses::write_answer(&completion, envelope),
    };
    Ok(Answer { body: body.into(), usage: completion.counts.map(neutral::Counts::usage) })
}

/// Only the size and what was lost: a body is content.
impl fmt::Debug for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Request").field("body_bytes", &self.body.len()).field("lost", &self.lost).finish()
    }
}

/// Only the size and the usage: a body is content.
impl fmt::Debug for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Answer").field("body_bytes", &self.body.len()).field("usage", &self.usage).finish()
    }
}
