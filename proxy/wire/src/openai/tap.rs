//! A backend's stream on its way to the caller. It owns what is taken from it (usage, first output,
//! completeness) and what is taken out of it (usage the caller did not ask for); it refuses to time,
//! buffer or send.

use std::fmt;
use std::ops::Range;

use bytes::Bytes;
use vocabulary::{Usage, UsageSource};

use super::stream::{Chunk, EventClass};
use crate::sse::{Event, EventTooLarge, Splitter, Tail};

/// Reads a stream of chat or text completions and yields what to relay, event by event.
#[derive(Debug)]
pub struct StreamTap {
    splitter: Splitter,
    usage_wanted: bool,
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
    /// The last usage block. Never a sum: some backends repeat cumulative usage on every chunk.
    pub usage: Option<Usage>,
    /// Output-bearing events.
    pub output_events: u64,
    /// Bytes of generated text in them.
    pub output_bytes: u64,
    /// A choice has given its reason to finish.
    pub finished: bool,
    /// `[DONE]` has come.
    pub done: bool,
    /// An error object has come.
    pub error: bool,
}

impl Observed {
    /// The backend's own count or, when there is none, an estimate: `prompt_tokens` as given, and as
    /// output a token per four bytes, but at least one per output-bearing event.
    #[must_use]
    pub fn usage_or_estimate(&self, prompt_tokens: u64) -> (Usage, UsageSource) {
        match self.usage {
            Some(usage) => (usage, UsageSource::Provider),
            None => {
                let output = self.output_bytes.div_ceil(4).max(self.output_events);
                (Usage { input: prompt_tokens, output, ..Usage::default() }, UsageSource::Gateway)
            }
        }
    }
}

/// How a stream ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StreamEnd {
    /// With `[DONE]`.
    Complete,
    /// Without `[DONE]`, though a choice had finished and every event was whole.
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
}

impl StreamTap {
    /// A tap that refuses events of more than `max_event_bytes`. With `usage_wanted` false, the extra
    /// usage event and all `usage` members are kept from the caller.
    #[must_use]
    pub fn new(max_event_bytes: usize, usage_wanted: bool) -> Self {
        Self { splitter: Splitter::new(max_event_bytes), usage_wanted, observed: Observed::default() }
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

    /// Ends the stream; take all events first.
    pub fn finish(&mut self) -> Finish {
        let (last, whole) = match self.splitter.finish() {
            Tail::Clean => (None, true),
            Tail::Event(event) => (Some(self.relay(event)), true),
            // Some servers close right after `data: [DONE]`; a client may be waiting for the blank line.
            Tail::Truncated(event) if event.data().is_some_and(|data| Chunk::is_done(&data)) => {
                self.observed.done = true;
                let bytes = Bytes::from_static(b"data: [DONE]\n\n");
                (Some(Relayed { bytes, class: EventClass::Done }), true)
            }
            Tail::Truncated(_) => (None, false),
        };
        let end = match self.observed {
            Observed { done: true, .. } => StreamEnd::Complete,
            Observed { finished: true, .. } if whole => StreamEnd::NoDone,
            _ => StreamEnd::Truncated,
        };
        Finish { last, end }
    }

    fn relay(&mut self, event: Event) -> Relayed {
        let Some(data) = event.data() else {
            return Relayed { bytes: event.into_raw(), class: EventClass::KeepAlive };
        };
        let chunk = Chunk::read(&data);
        self.observe(&chunk);
        let class = chunk.class;
        let bytes = match chunk.usage_member {
            _ if self.usage_wanted => None,
            _ if class == EventClass::UsageOnly => Some(Bytes::new()),
            Some(member) => without(&event, &data, member),
            None => None,
        };
        Relayed { bytes: bytes.unwrap_or_else(|| event.raw().clone()), class }
    }

    fn observe(&mut self, chunk: &Chunk) {
        let seen = &mut self.observed;
        seen.usage = chunk.usage.or(seen.usage);
        seen.output_events += u64::from(chunk.class == EventClass::Output);
        seen.output_bytes += chunk.output_bytes;
        seen.finished |= chunk.finished;
        seen.done |= chunk.class == EventClass::Done;
        seen.error |= chunk.class == EventClass::Error;
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
