//! Server-sent events (WHATWG HTML, "Server-sent events", §9.2) cut out of a byte stream. It owns
//! framing and the bound on one event's size; it refuses to interpret data and to alter a byte: the raw
//! bytes of all events, one after the other, are the stream.

mod event;
#[cfg(test)]
mod tests;

use bytes::{Bytes, BytesMut};
use memchr::memchr2;

pub use event::{Event, Fields};

/// A comment to keep an idle stream's connection alive. Clients take no notice of it.
pub const COMMENT: &[u8] = b": keep-alive\n\n";

const BOM: &[u8] = b"\xEF\xBB\xBF";

/// An event that outgrew the splitter's bound. The splitter yields nothing after it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a server-sent event is larger than {max} bytes")]
pub struct EventTooLarge {
    /// The bound.
    pub max: usize,
}

/// What a stream ends with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Tail {
    /// Nothing: the last event was complete.
    Clean,
    /// An event that only the end of the stream could show to be complete.
    Event(Event),
    /// An event without its closing blank line. The standard says to discard it.
    Truncated(Event),
}

/// How a line ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum LineEnd {
    Lf,
    Cr,
    CrLf,
}

/// Cuts a stream into [events](Event): blocks that end in a blank line.
///
/// Feed chunks as they arrive and take events until there are none. The events do not depend on how
/// the stream was chunked. An event inside one chunk is a slice of it; one that spans chunks is copied
/// once.
#[derive(Debug)]
pub struct Splitter {
    max: usize,
    /// What has been pushed and not yet been given out as events or moved to `carry`.
    chunk: Bytes,
    /// How much of `chunk` has been scanned; all of it belongs to the event under way.
    scanned: usize,
    /// The event under way, as far as it lies in earlier chunks.
    carry: BytesMut,
    /// The line under way has no bytes yet.
    blank: bool,
    /// The last byte scanned was a CR that an LF may follow.
    after_cr: bool,
    last_end: Option<LineEnd>,
    /// No event has been given out yet: the stream may begin with a byte order mark.
    first: bool,
    /// The last event ended in a lone CR, decided without seeing the next byte: should that be an LF,
    /// it is part of that line end.
    owed_lf: bool,
    /// Bytes at the start of the event under way that belong to no line.
    lead: usize,
    /// The stream is over, or an event was too large.
    ended: bool,
}

impl Splitter {
    /// A splitter that refuses events of more than `max_event_bytes`.
    #[must_use]
    pub fn new(max_event_bytes: usize) -> Self {
        Self {
            max: max_event_bytes,
            chunk: Bytes::new(),
            scanned: 0,
            carry: BytesMut::new(),
            blank: true,
            after_cr: false,
            last_end: None,
            first: true,
            owed_lf: false,
            lead: 0,
            ended: false,
        }
    }

    /// Adds the next bytes of the stream. Cheapest when [`next_event`](Self::next_event) has returned
    /// nothing since the last push.
    pub fn push(&mut self, chunk: Bytes) {
        if self.ended || chunk.is_empty() {
            return;
        }
        if self.chunk.is_empty() {
            self.chunk = chunk;
            return;
        }
        let mut joined = BytesMut::with_capacity(self.chunk.len() + chunk.len());
        joined.extend_from_slice(&self.chunk);
        joined.extend_from_slice(&chunk);
        self.chunk = joined.freeze();
    }

    /// The next complete event, if one has arrived.
    ///
    /// # Errors
    /// [`EventTooLarge`], once; from then on the splitter is silent.
    pub fn next_event(&mut self) -> Option<Result<Event, EventTooLarge>> {
        if self.ended {
            return None;
        }
        let complete = self.scan();
        if self.carry.len() + self.scanned > self.max {
            self.ended = true;
            self.chunk = Bytes::new();
            self.carry = BytesMut::new();
            return Some(Err(EventTooLarge { max: self.max }));
        }
        if complete {
            return Some(Ok(self.cut()));
        }
        if self.scanned > 0 {
            self.carry.extend_from_slice(&self.chunk);
            self.chunk = Bytes::new();
            self.scanned = 0;
        }
        None
    }

    /// Ends the stream and says what was left over. Take all events first.
    pub fn finish(&mut self) -> Tail {
        if self.ended {
            return Tail::Clean;
        }
        self.ended = true;
        self.carry.extend_from_slice(&self.chunk);
        if self.carry.is_empty() {
            return Tail::Clean;
        }
        let closed = self.carry.len() == self.lead || (self.after_cr && self.blank);
        let raw = std::mem::take(&mut self.carry).freeze();
        let event = self.event(raw);
        if closed { Tail::Event(event) } else { Tail::Truncated(event) }
    }

    /// Scans on; whether `carry` and the scanned part of `chunk` are now a whole event.
    fn scan(&mut self) -> bool {
        loop {
            let rest = self.chunk.get(self.scanned..).unwrap_or_default();
            let Some(next) = rest.first() else { return false };
            if std::mem::take(&mut self.owed_lf) && *next == b'\n' {
                self.scanned += 1;
                self.lead += 1;
                continue;
            }
            if std::mem::take(&mut self.after_cr) {
                let lf = *next == b'\n';
                self.scanned += usize::from(lf);
                if self.end_line(if lf { LineEnd::CrLf } else { LineEnd::Cr }) {
                    return true;
                }
                continue;
            }
            let Some(length) = memchr2(b'\n', b'\r', rest) else {
                self.blank = false;
                self.scanned = self.chunk.len();
                return false;
            };
            self.blank &= length == 0;
            let lf = rest.get(length) == Some(&b'\n');
            self.scanned += length + 1;
            if lf {
                if self.end_line(LineEnd::Lf) {
                    return true;
                }
            } else if self.blank && self.last_end == Some(LineEnd::Cr) {
                // A stream with CR line ends: to wait for the next byte would be to wait for the next
                // event.
                self.owed_lf = true;
                return true;
            } else {
                self.after_cr = true;
            }
        }
    }

    /// Ends the line under way; whether it was the blank one that closes an event.
    fn end_line(&mut self, end: LineEnd) -> bool {
        self.last_end = Some(end);
        std::mem::replace(&mut self.blank, true)
    }

    /// Cuts the scanned event off.
    fn cut(&mut self) -> Event {
        let here = self.chunk.split_to(self.scanned);
        self.scanned = 0;
        self.blank = true;
        if self.carry.is_empty() {
            return self.event(here);
        }
        self.carry.extend_from_slice(&here);
        let raw = self.carry.split().freeze();
        self.event(raw)
    }

    fn event(&mut self, raw: Bytes) -> Event {
        if std::mem::take(&mut self.first) && raw.starts_with(BOM) {
            self.lead = BOM.len();
        }
        Event::new(raw, std::mem::take(&mut self.lead))
    }
}
