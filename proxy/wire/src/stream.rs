//! What one event of a backend's stream is, in each API. It owns the reading of an event in a single
//! pass; it refuses to hold anything between events (the tap does) and to look at generated text
//! beyond its length.

mod chunk;
mod messages;
mod responses;
mod tap;
#[cfg(test)]
mod tests;

use std::ops::Range;

use vocabulary::Operation;

use crate::json::{Fault, Kind, Reader};
use crate::sse::Event;
use crate::usage::Counts;
pub use tap::{Finish, Observed, Relayed, StreamEnd, StreamTap};

/// What an event means to the gateway.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum EventClass {
    /// The stream is complete: `[DONE]`, `message_stop`, `response.completed` or `response.incomplete`.
    Done,
    /// Generated output: text, reasoning, a refusal, a tool call, or the reason why it finished.
    Output,
    /// An event without output: the role or the message that opens an answer, a prompt filter's result,
    /// a ping, the frame of a content block. May be held back until there is output.
    Preamble,
    /// Usage and no choices: the extra chunk of `include_usage`.
    UsageOnly,
    /// An error inside a stream that began with success.
    Error,
    /// No data: a comment to keep the connection alive. Also `[DONE]` in an API that has none, which is
    /// kept from the caller.
    KeepAlive,
    /// Data that is not a JSON object.
    Malformed,
}

/// Classifies an event of a stream of this operation.
#[must_use]
pub fn classify(operation: Operation, event: &Event) -> EventClass {
    match event.data() {
        Some(data) => Reading::of(Protocol::of(operation), &data).class,
        None => EventClass::KeepAlive,
    }
}

/// The streams there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Protocol {
    /// Chunks of one shape, then `[DONE]`: chat and completions.
    Chunks,
    /// Anthropic's typed events.
    Messages,
    /// OpenAI's typed events with sequence numbers.
    Responses,
}

impl Protocol {
    const fn of(operation: Operation) -> Self {
        match operation {
            Operation::Messages | Operation::CountTokens => Self::Messages,
            Operation::Responses => Self::Responses,
            _ => Self::Chunks,
        }
    }
}

/// All that is taken from one event's data.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Reading {
    class: EventClass,
    counts: Option<Counts>,
    /// The counts are of the whole answer, as far as it has come.
    counts_output: bool,
    /// Bytes of generated text, unescaped.
    output_bytes: u64,
    /// The model has said why it finished.
    finished: bool,
    /// Where the `usage` member stands in the data, with the one comma that goes when it goes.
    usage_member: Option<Range<usize>>,
    /// The key of the response's id.
    response: Option<u64>,
    sequence_number: Option<u64>,
}

impl Reading {
    fn new(class: EventClass) -> Self {
        Self {
            class,
            counts: None,
            counts_output: true,
            output_bytes: 0,
            finished: false,
            usage_member: None,
            response: None,
            sequence_number: None,
        }
    }

    fn of(protocol: Protocol, data: &[u8]) -> Self {
        if data.first() != Some(&b'{') && data.trim_ascii() == b"[DONE]" {
            let chunks = protocol == Protocol::Chunks;
            return Self::new(if chunks { EventClass::Done } else { EventClass::KeepAlive });
        }
        let read = match protocol {
            Protocol::Chunks => chunk::read(data),
            Protocol::Messages => messages::read(data),
            Protocol::Responses => responses::read(data),
        };
        read.unwrap_or_else(|_| Self::new(EventClass::Malformed))
    }
}

/// The length of a generated string, unescaped; other values are none.
fn text(reader: &mut Reader<'_>) -> Result<u64, Fault> {
    if reader.peek()? == Kind::String {
        return Ok(reader.string()?.len() as u64);
    }
    reader.skip()?;
    Ok(0)
}

/// Whether a member is there and not `null`.
fn present(reader: &mut Reader<'_>) -> Result<bool, Fault> {
    let present = reader.peek()? != Kind::Null;
    reader.skip()?;
    Ok(present)
}
