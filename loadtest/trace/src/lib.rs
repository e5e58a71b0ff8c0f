//! Arrival traces: who asked for how many tokens, and when. It owns the public formats, reading them one
//! line at a time with errors that name file, line and column, and a generator of synthetic traces; it
//! refuses to replay anything or to hold a whole trace in memory.

mod access_log;
mod azure;
mod burstgpt;
mod clock;
mod columns;
mod error;
mod format;
mod generate;
mod mooncake;
mod plain;
mod reader;

pub use error::{Problem, TraceError};
pub use format::{Format, detect};
pub use generate::{GenerateSpec, Generated, LengthSpec, generate};
pub use reader::{Reader, open, read};

use std::time::Duration;

/// One request of a trace.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Entry {
    /// Arrival since the first entry of the trace.
    pub at: Duration,
    /// Tokens of the prompt.
    pub prompt_tokens: u64,
    /// Tokens of the answer; 0 where the trace records a failure or none.
    pub output_tokens: u64,
    /// Ids of the prompt's leading blocks; equal leading ids mean an equal prefix. Empty when unknown.
    pub prefix_ids: Vec<u64>,
    /// Model asked for, if the trace says so.
    pub model: Option<String>,
    /// Who asked, if the trace says so: a consumer's name or a session's id.
    pub consumer: Option<String>,
    /// Whether a stream was asked for, if the trace says so.
    pub stream: Option<bool>,
}
