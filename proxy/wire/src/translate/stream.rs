//! A stream, carried event by event. It owns the order in which things may be said and what is known of
//! the stream so far; it refuses to hold an answer's text, unless the caller's dialect repeats it at the
//! end (only the responses dialect does), and then no more than a bound.

use std::fmt;

use bytes::Bytes;
use vocabulary::{Operation, Reason};

use super::document::Str;
use super::neutral::{Counts, StopReason};
use super::{Backend, Envelope, Format, chat, messages, responses};
use crate::error::stream_error_event;
use crate::sse::Event;
use crate::stream::{EventClass, Observed};

/// One thing said in a stream.
pub(super) enum Delta<'d> {
    /// The answer begins, and this much is known of its cost.
    Start(Option<Counts>),
    /// A block begins. Blocks do not overlap.
    Open(Block<'d>),
    /// More of the open block: text, reasoning, or a tool call's arguments.
    More(Str<'d>),
    /// The provider's signature under the open block of reasoning.
    Signature(Str<'d>),
    Close,
    Stop(StopReason, Option<Str<'d>>),
    /// Totals so far; never to be summed.
    Counts(Counts),
    End,
    Error {
        kind: Option<Str<'d>>,
        message: Option<Str<'d>>,
    },
    Ping,
}

/// What a block holds.
pub(super) enum Block<'d> {
    Text,
    Refusal,
    Thinking,
    Redacted(Str<'d>),
    Tool { id: Str<'d>, name: Str<'d> },
}

/// More text than is held for a dialect that repeats it.
pub(super) struct TooLong;

enum Source {
    Chat(chat::Reader),
    Messages(messages::Reader),
}

enum Target {
    Chat(chat::Writer),
    Messages(messages::Writer),
    Responses(Box<responses::Writer>),
}

/// Carries a stream from the backend's dialect to the caller's.
///
/// Give it the events as the [splitter](crate::Splitter) cuts them, and send what comes back. The bytes
/// do not depend on when events arrive. It keeps a few numbers; for a caller of the responses dialect,
/// whose last event repeats the answer, also the answer so far, at most 8 MiB.
pub struct Stream {
    source: Source,
    target: Target,
    observed: Observed,
    state: State,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Flowing,
    /// An event could not be carried on; the caller may still be told.
    Broken,
    /// The caller has been told how it ended.
    Over,
}

/// What became of one event.
#[derive(Clone, PartialEq, Eq)]
pub struct Translated {
    /// What to send: none, one or several whole events.
    pub bytes: Bytes,
    /// What the backend's event is. `[DONE]` and `message_stop` are [`EventClass::Done`].
    pub class: EventClass,
}

impl Stream {
    /// A stream at its beginning. With `usage_wanted` false a chat caller is not told the usage, which
    /// in the other dialects is part of every answer. `estimated_prompt_tokens` is what an Anthropic
    /// caller is told first, when the backend counts only at the end.
    #[must_use]
    pub fn new(
        from: Backend,
        to: Format,
        envelope: Envelope,
        usage_wanted: bool,
        estimated_prompt_tokens: u64,
    ) -> Self {
        let source = match from {
            Backend::Chat => Source::Chat(chat::Reader::default()),
            Backend::Messages => Source::Messages(messages::Reader::default()),
        };
        let target = match to {
            Format::Chat => Target::Chat(chat::Writer::new(&envelope, usage_wanted)),
            Format::Messages => Target::Messages(messages::Writer::new(&envelope, estimated_prompt_tokens)),
            Format::Responses => Target::Responses(Box::new(responses::Writer::new(envelope))),
        };
        Self { source, target, observed: Observed::default(), state: State::Flowing }
    }

    /// What has been seen so far.
    #[must_use]
    pub fn observed(&self) -> &Observed {
        &self.observed
    }

    /// Carries one event. After an error, the end, or an event that is [`EventClass::Malformed`],
    /// nothing more is said to the caller; after a malformed one, [`fail`](Self::fail) may be.
    pub fn event(&mut self, event: &Event) -> Translated {
        let silent = |class| Translated { bytes: Bytes::new(), class };
        let Some(data) = event.data() else {
            // A comment means the same in every dialect.
            let bytes = if self.state == State::Flowing { event.raw().clone() } else { Bytes::new() };
            return Translated { bytes, class: EventClass::KeepAlive };
        };
        if self.state != State::Flowing {
            return silent(EventClass::KeepAlive);
        }
        let mut deltas = Vec::new();
        let read = match &mut self.source {
            Source::Chat(reader) => reader.read(&data, &mut deltas),
            Source::Messages(reader) => reader.read(&data, &mut deltas),
        };
        if read.is_err() {
            self.state = State::Broken;
            return silent(EventClass::Malformed);
        }
        let class = self.observe(&deltas);
        let mut out = Vec::with_capacity(data.len() + 256);
        match self.write(&deltas, &mut out) {
            Ok(()) => Translated { bytes: out.into(), class },
            Err(TooLong) => {
                self.state = State::Broken;
                silent(EventClass::Malformed)
            }
        }
    }

    /// The backend's body has ended. What is still owed to the caller follows when the answer was
    /// finished and only the backend's own last word is missing; nothing, when it was cut short.
    pub fn finish(&mut self) -> Bytes {
        let mut out = Vec::new();
        if self.state == State::Flowing && self.observed.finished {
            let mut deltas = Vec::new();
            if let Source::Chat(reader) = &mut self.source {
                reader.close(&mut deltas);
            }
            deltas.push(Delta::End);
            if self.write(&deltas, &mut out).is_err() {
                out.clear();
            }
            self.state = State::Over;
        }
        out.into()
    }

    /// Ends the stream with an error of the gateway's own, and without the dialect's sign of success.
    /// Nothing, when the stream has ended already.
    pub fn fail(&mut self, reason: Reason, message: &str) -> Bytes {
        if self.state == State::Over {
            return Bytes::new();
        }
        self.state = State::Over;
        self.observed.error = true;
        let mut out = Vec::new();
        match &mut self.target {
            Target::Chat(_) => return stream_error_event(Operation::Chat, reason, message, "", 0),
            Target::Messages(writer) => {
                return stream_error_event(Operation::Messages, reason, message, writer.id(), 0);
            }
            Target::Responses(writer) => writer.error(reason.code(), message, &mut out),
        }
        out.into()
    }

    fn write(&mut self, deltas: &[Delta<'_>], out: &mut Vec<u8>) -> Result<(), TooLong> {
        for delta in deltas {
            self.estimate(delta, out);
            if matches!(delta, Delta::End | Delta::Error { .. }) {
                self.state = State::Over;
            }
            match &mut self.target {
                Target::Chat(writer) => writer.write(delta, out),
                Target::Messages(writer) => writer.write(delta, out),
                Target::Responses(writer) => writer.write(delta, out)?,
            }
        }
        Ok(())
    }

    /// Anthropic's callers are always told the usage: an estimate, when the backend has counted nothing.
    fn estimate(&mut self, next: &Delta<'_>, out: &mut Vec<u8>) {
        if let (Delta::End, Target::Messages(writer), None) = (next, &mut self.target, self.observed.usage) {
            let (usage, _) = self.observed.usage_or_estimate(writer.estimated_prompt_tokens());
            writer.write(
                &Delta::Counts(Counts { input: usage.input, output: usage.output, ..Counts::default() }),
                out,
            );
        }
    }

    fn observe(&mut self, deltas: &[Delta<'_>]) -> EventClass {
        let seen = &mut self.observed;
        let (mut output, mut usage_only, mut preamble) = (false, false, false);
        let mut special = None;
        for delta in deltas {
            match delta {
                Delta::Start(counts) => {
                    preamble = true;
                    // The prompt has been counted, and no output yet.
                    seen.usage = counts.map(Counts::usage);
                    seen.usage_lacks_output = counts.is_some();
                }
                Delta::Counts(counts) => {
                    usage_only = true;
                    seen.usage_lacks_output = false;
                    seen.usage = Some(counts.usage());
                }
                Delta::More(text) => {
                    output = true;
                    seen.output_bytes += text.text_bytes();
                }
                Delta::Open(Block::Tool { name, .. }) => {
                    output = true;
                    seen.output_bytes += name.text_bytes();
                }
                Delta::Open(Block::Redacted(_)) => output = true,
                Delta::Stop(..) => {
                    output = true;
                    seen.finished = true;
                }
                Delta::End => {
                    special = Some(EventClass::Done);
                    seen.done = true;
                }
                Delta::Error { .. } => {
                    special = Some(EventClass::Error);
                    seen.error = true;
                }
                Delta::Ping => special = Some(EventClass::KeepAlive),
                Delta::Open(_) | Delta::Close | Delta::Signature(_) => preamble = true,
            }
        }
        seen.output_events += u64::from(output);
        match special {
            Some(class) => class,
            None if output => EventClass::Output,
            None if usage_only && !preamble => EventClass::UsageOnly,
            None => EventClass::Preamble,
        }
    }
}

/// Only what was observed: a stream's text is content.
impl fmt::Debug for Stream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Stream")
            .field("observed", &self.observed)
            .field("state", &self.state)
            .finish_non_exhaustive()
    }
}

/// Only the size: an event's bytes are content.
impl fmt::Debug for Translated {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Translated").field("class", &self.class).field("bytes", &self.bytes.len()).finish()
    }
}
