//! A backend's stream on its way to the caller. It owns what is taken from it (usage, first output,
//! completeness) and what is taken out of it (usage the caller did not ask for); it refuses to time,
//! buffer or send.

use std::fmt;
use std::ops::Range;

use bytes::Bytes;
use vocabulary::{Operation, Reason, Usage, UsageSource};

use super::{EventClass, Protocol, Reading};
use crate::error::stream_error_event;
use crate::sse::{Event, EventTooLarge, Splitter, Tail};
use crate::usage::{Counts, Shape};

/// Reads a stream of the operation's own API and yields what to relay, event by event.
#[derive(Debug)]
pub struct StreamTap {
    operation: Operation,
    protocol: Protocol,
    splitter: Splitter,
    usage_wanted: bool,
    /// The last word on each count.
    counts: Option<Counts>,
    observed: Observed,
}

/// One event of the stream, read and made ready for the caller.
#[derive(Clone, PartialEq, Eq)]
pub struct Relayed {
    /// What to send; empty when the event is not for the caller.
    pub bytes: Bytes,
    /// What the event is.
    pub class: EventClass,
}

/// What has been seen of a stream so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Observed {
    /// The last usage block; in Messages the last word on each count. Never a sum: some backends repeat
    /// cumulative usage on every event.
    pub usage: Option<Usage>,
    /// The usage knows the input only: the stream of Messages has not come to its end.
    pub usage_lacks_output: bool,
    /// Output-bearing events.
    pub output_events: u64,
    /// Bytes of generated text in them.
    pub output_bytes: u64,
    /// The model has given its reason to finish.
    pub finished: bool,
    /// The event that completes the stream has come.
    pub done: bool,
    /// An error has come.
    pub error: bool,
    /// The [key](crate::response_key) of the response's id, in Responses.
    pub response: Option<u64>,
    /// The last `sequence_number`, in Responses.
    pub sequence_number: Option<u64>,
}

impl Observed {
    /// The backend's own count or, as far as there is none, an estimate: `prompt_tokens` as given, and
    /// as output a token per four bytes, but at least one per output-bearing event.
    #[must_use]
    pub fn usage_or_estimate(&self, prompt_tokens: u64) -> (Usage, UsageSource) {
        let output = self.output_bytes.div_ceil(4).max(self.output_events);
        match self.usage {
            Some(usage) if !self.usage_lacks_output => (usage, UsageSource::Provider),
            Some(usage) => (Usage { output: output.max(usage.output), ..usage }, UsageSource::Gateway),
            None => (Usage { input: prompt_tokens, output, ..Usage::default() }, UsageSource::Gateway),
        }
    }
}

/// How a stream ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StreamEnd {
    /// With the event that completes it.
    Complete,
    /// Without that event, though the model had finished and every event was whole.
    NoDone,
    /// In the middle: the answer is cut short.
    Truncated,
}

/// The end of a stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finish {
    /// A last event to send, that only the end of the stream could show to be complete.
    pub last: Option<Relayed>,
    /// How it ended.
    pub end: StreamEnd,
    /// What to send after `last`: the event that completes the stream, where only that is missing
    /// ([`StreamEnd::NoDone`]), because clients wait for it. Empty otherwise.
    pub terminator: Bytes,
}

impl StreamTap {
    /// A tap that refuses events of more than `max_event_bytes`. With `usage_wanted` false, the extra
    /// usage event and all `usage` members of chat and completions are kept from the caller; in
    /// Messages and Responses usage is part of every stream.
    #[must_use]
    pub fn new(operation: Operation, max_event_bytes: usize, usage_wanted: bool) -> Self {
        Self {
            operation,
            protocol: Protocol::of(operation),
            splitter: Splitter::new(max_event_bytes),
            usage_wanted,
            counts: None,
            observed: Observed::default(),
        }
    }

    /// Adds the next bytes of the backend's body.
    pub fn push(&mut self, chunk: Bytes) {
        self.splitter.push(chunk);
    }

    /// The next event, if one has arrived whole.
    ///
    /// # Errors
    /// [`EventTooLarge`], once; nothing follows it.
    pub fn next_event(&mut self) -> Option<Result<Relayed, EventTooLarge>> {
        Some(self.splitter.next_event()?.map(|event| self.relay(event)))
    }

    /// What has been seen so far.
    #[must_use]
    pub fn observed(&self) -> &Observed {
        &self.observed
    }

    /// The last event of a stream that breaks off here: see [`stream_error_event`].
    #[must_use]
    pub fn error_event(&self, reason: Reason, message: &str, request_id: &str) -> Bytes {
        let next = self.observed.sequence_number.map_or(0, |last| last.saturating_add(1));
        stream_error_event(self.operation, reason, message, request_id, next)
    }

    /// Ends the stream; take all events first.
    pub fn finish(&mut self) -> Finish {
        let (last, whole) = match self.splitter.finish() {
            Tail::Clean => (None, true),
            Tail::Event(event) => (Some(self.relay(event)), true),
            Tail::Truncated(event) => {
                let last = self.complete(&event);
                let whole = last.is_some();
                (last, whole)
            }
        };
        let end = match self.observed {
            Observed { done: true, .. } => StreamEnd::Complete,
            Observed { finished: true, .. } if whole => StreamEnd::NoDone,
            _ => StreamEnd::Truncated,
        };
        let terminator = Bytes::from_static(match (end, self.protocol) {
            (StreamEnd::NoDone, Protocol::Chunks) => b"data: [DONE]\n\n",
            (StreamEnd::NoDone, Protocol::Messages) => {
                b"event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n"
            }
            _ => b"",
        });
        Finish { last, end, terminator }
    }

    /// The last event with its blank line, if it is the one that completes the stream: some servers
    /// close right after its data, and a client may be waiting for the blank line.
    fn complete(&mut self, event: &Event) -> Option<Relayed> {
        let reading = Reading::of(self.protocol, &event.data()?);
        if reading.class != EventClass::Done {
            return None;
        }
        self.observe(&reading);
        let line_ended = event.raw().ends_with(b"\n") || event.raw().ends_with(b"\r");
        let rest: &[u8] = if line_ended { b"\n" } else { b"\n\n" };
        Some(Relayed { bytes: [event.raw(), rest].concat().into(), class: EventClass::Done })
    }

    fn relay(&mut self, event: Event) -> Relayed {
        let Some(data) = event.data() else {
            return Relayed { bytes: event.into_raw(), class: EventClass::KeepAlive };
        };
        let reading = Reading::of(self.protocol, &data);
        self.observe(&reading);
        let class = reading.class;
        let bytes = match reading.usage_member {
            // `[DONE]` where the API has none.
            None if class == EventClass::KeepAlive => Some(Bytes::new()),
            None => None,
            Some(_) if self.usage_wanted => None,
            Some(_) if class == EventClass::UsageOnly => Some(Bytes::new()),
            Some(member) => without(&event, &data, member),
        };
        drop(data);
        Relayed { bytes: bytes.unwrap_or_else(|| event.into_raw()), class }
    }

    fn observe(&mut self, reading: &Reading) {
        let seen = &mut self.observed;
        if let Some(counts) = reading.counts {
            let (counts, shape) = match self.protocol {
                Protocol::Chunks => (counts, Shape::Completions),
                Protocol::Responses => (counts, Shape::Responses),
                Protocol::Messages => (counts.after(self.counts.unwrap_or_default()), Shape::Messages),
            };
            self.counts = Some(counts);
            seen.usage = Some(counts.usage(shape));
            seen.usage_lacks_output = !reading.counts_output;
        }
        seen.output_events += u64::from(reading.class == EventClass::Output);
        seen.output_bytes += reading.output_bytes;
        seen.finished |= reading.finished;
        seen.done |= reading.class == EventClass::Done;
        seen.error |= reading.class == EventClass::Error;
        seen.response = reading.response.or(seen.response);
        seen.sequence_number = reading.sequence_number.or(seen.sequence_number);
    }
}

/// The event without a member of its data.
fn without(event: &Event, data: &[u8], member: Range<usize>) -> Option<Bytes> {
    let data = [data.get(..member.start)?, data.get(member.end..)?].concat();
    let raw = event.raw();
    let mut bytes = Vec::with_capacity(raw.len());
    if let Some(place) = event.data_range() {
        bytes.extend_from_slice(raw.get(..place.start)?);
        bytes.extend_from_slice(&data);
        bytes.extend_from_slice(raw.get(place.end..)?);
    } else {
        // The data had several lines: the fields are written anew.
        for (name, value) in event.fields().filter(|(name, _)| *name != b"data") {
            bytes.extend([name, b": ", value, b"\n"].concat());
        }
        for line in data.split(|byte| *byte == b'\n') {
            bytes.extend([b"data: ", line, b"\n"].concat());
        }
        bytes.push(b'\n');
    }
    Some(bytes.into())
}

/// Only the size: an event's bytes are content.
impl fmt::Debug for Relayed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Relayed").field("class", &self.class).field("bytes", &self.bytes.len()).finish()
    }
}
