//! What an answer's encoder does, whatever its dialect. It owns that interface; it refuses bytes.

use bytes::Bytes;

use super::steps::{Frames, Steps};
use crate::engine::Emission;

/// Turns the tokens of one answer into bytes.
pub(super) trait Encode: Send {
    /// Writes what a token brings: before the first one the beginning, after the last one the end.
    fn write(&mut self, emission: Emission, steps: &mut Steps);

    /// The whole answer in one piece.
    fn whole(&self) -> Bytes;

    /// The events a fault puts in place of good ones.
    fn frames(&self) -> Frames;
}

/// A server-sent event with a name, as Anthropic's and OpenAI's typed streams have it.
pub(super) fn named_event(name: &str, data: &serde_json::Value) -> Bytes {
    Bytes::from(format!("event: {name}\ndata: {data}\n\n"))
}
