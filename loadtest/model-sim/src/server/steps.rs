//! What to do to the connection, in order. It owns how a wire fault turns a good answer into a bad one;
//! it refuses to do it: `answer` carries the steps out.

use std::collections::VecDeque;

use bytes::Bytes;

use crate::faults::FaultKind;
use crate::log::Outcome;

/// One thing to do.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Step {
    /// Send bytes: part of the answer, with the output tokens in it and the events it completes.
    Send { bytes: Bytes, tokens: u64, events: u64 },
    /// Let what was sent reach the socket before going on.
    Flush,
    /// Make the next bytes end inside a chunk.
    Truncate,
    /// Close the connection here, or reset it.
    Break { reset: bool },
    /// End our side of the connection, and go on reading.
    HalfClose,
    /// Do nothing any more, without ending.
    Hang,
    /// The answer is at its end.
    End(Outcome),
}

/// Events that take the place of good ones, in the answer's dialect.
#[derive(Clone, Debug, Default)]
pub(super) struct Frames {
    /// An event that is not JSON.
    pub(super) broken: Bytes,
    /// What ends a stream that fails.
    pub(super) error: Bytes,
}

/// Events on their way to becoming steps.
#[derive(Debug)]
pub(super) struct Steps {
    fault: Option<FaultKind>,
    frames: Frames,
    pushed: u64,
    /// After a fault that ends the answer nothing more is taken.
    closed: bool,
    queue: VecDeque<Step>,
}

impl Steps {
    pub(super) const fn new(fault: Option<FaultKind>, frames: Frames) -> Self {
        Self { fault, frames, pushed: 0, closed: false, queue: VecDeque::new() }
    }

    pub(super) fn next(&mut self) -> Option<Step> {
        self.queue.pop_front()
    }

    pub(super) fn peek(&self) -> Option<&Step> {
        self.queue.front()
    }

    pub(super) fn put_back(&mut self, step: Step) {
        self.queue.push_front(step);
    }

    /// Adds an event, with the fault where it strikes.
    pub(super) fn event(&mut self, bytes: Bytes, tokens: u64) {
        if self.closed {
            return;
        }
        let position = self.pushed;
        self.pushed += 1;
        if self.fault.as_ref().and_then(FaultKind::error_position) == Some(position) {
            let send = Step::Send { bytes: self.frames.error.clone(), tokens: 0, events: 1 };
            self.close([send, Step::End(Outcome::Failed)]);
            return;
        }
        match self.fault {
            Some(FaultKind::HangMidStream { after_events }) if position == after_events => {
                self.close([Step::Hang])
            }
            Some(FaultKind::DropMidStream { after_events }) if position == after_events => {
                self.close([Step::Flush, Step::Break { reset: false }]);
            }
            Some(FaultKind::ResetMidStream { after_events }) if position == after_events => {
                self.close([Step::Flush, Step::Break { reset: true }]);
            }
            Some(FaultKind::TruncatedChunk { after_events }) if position == after_events => {
                let send = Step::Send { bytes, tokens: 0, events: 0 };
                self.close([Step::Flush, Step::Truncate, send, Step::Flush, Step::Break { reset: false }]);
            }
            Some(FaultKind::HalfClose { after_events }) if position == after_events => {
                self.close([Step::Flush, Step::HalfClose, Step::Hang]);
            }
            Some(FaultKind::MalformedSse { after_events }) if position == after_events => {
                let broken = self.frames.broken.clone();
                self.queue.push_back(Step::Send { bytes: broken, tokens: 0, events: 1 });
                self.queue.push_back(Step::Send { bytes, tokens, events: 1 });
            }
            Some(FaultKind::SplitEvents) => self.split(bytes, position, tokens),
            _ => self.queue.push_back(Step::Send { bytes, tokens, events: 1 }),
        }
    }

    /// Ends the stream after the events so far.
    pub(super) fn end(&mut self) {
        let outcome =
            if self.fault == Some(FaultKind::MissingDone) { Outcome::Failed } else { Outcome::Completed };
        self.close([Step::End(outcome)]);
    }

    /// An answer in one piece. Faults of the stream break it in its middle, whatever their count: it was
    /// generated all the same, and is billed.
    pub(super) fn whole(&mut self, bytes: Bytes, tokens: u64) {
        let half = bytes.slice(..bytes.len() / 2);
        let part = Step::Send { bytes: half, tokens, events: 0 };
        match self.fault {
            Some(FaultKind::HangMidStream { .. }) => self.close([part, Step::Hang]),
            Some(FaultKind::HalfClose { .. }) => {
                self.close([part, Step::Flush, Step::HalfClose, Step::Hang]);
            }
            Some(FaultKind::DropMidStream { .. } | FaultKind::TruncatedChunk { .. }) => {
                self.close([part, Step::Flush, Step::Break { reset: false }]);
            }
            Some(FaultKind::ResetMidStream { .. }) => {
                self.close([part, Step::Flush, Step::Break { reset: true }]);
            }
            _ => self.close([Step::Send { bytes, tokens, events: 0 }, Step::End(Outcome::Completed)]),
        }
    }

    fn split(&mut self, bytes: Bytes, position: u64, tokens: u64) {
        // The cut wanders over the event, so that in a long stream it falls everywhere once.
        let at = 1 + (position.wrapping_mul(7) % (bytes.len().max(2) as u64 - 1)) as usize;
        let (head, tail) = (bytes.slice(..at.min(bytes.len())), bytes.slice(at.min(bytes.len())..));
        self.queue.push_back(Step::Send { bytes: head, tokens: 0, events: 0 });
        self.queue.push_back(Step::Flush);
        self.queue.push_back(Step::Send { bytes: tail, tokens, events: 1 });
    }

    fn close<const N: usize>(&mut self, steps: [Step; N]) {
        if !self.closed {
            self.queue.extend(steps);
            self.closed = true;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(fault: FaultKind) -> (u64, Step) {
        let mut steps = Steps::new(Some(fault), Frames::default());
        for _ in 0..5 {
            steps.event(Bytes::from_static(b"data: {}\n\n"), 1);
        }
        steps.end();
        let all: Vec<Step> = std::iter::from_fn(|| steps.next()).collect();
        let sent =
            all.iter().map(|step| if let Step::Send { events, .. } = step { *events } else { 0 }).sum();
        (sent, all.last().cloned().unwrap())
    }

    #[test]
    fn a_fault_strikes_after_the_events_it_names() {
        assert_eq!(run(FaultKind::HangMidStream { after_events: 2 }), (2, Step::Hang));
        assert_eq!(run(FaultKind::DropMidStream { after_events: 0 }), (0, Step::Break { reset: false }));
        assert_eq!(run(FaultKind::ResetMidStream { after_events: 3 }), (3, Step::Break { reset: true }));
        assert_eq!(run(FaultKind::TruncatedChunk { after_events: 1 }), (1, Step::Break { reset: false }));
        assert_eq!(run(FaultKind::ErrorEvent { after_events: 1 }), (2, Step::End(Outcome::Failed)));
        assert_eq!(run(FaultKind::Overloaded { in_stream: true }), (1, Step::End(Outcome::Failed)));
        assert_eq!(run(FaultKind::HalfClose { after_events: 2 }), (2, Step::Hang));
        assert_eq!(run(FaultKind::MalformedSse { after_events: 1 }), (6, Step::End(Outcome::Completed)));
        assert_eq!(run(FaultKind::SplitEvents), (5, Step::End(Outcome::Completed)));
    }

    #[test]
    fn a_fault_after_more_events_than_there_are_never_strikes() {
        assert_eq!(run(FaultKind::DropMidStream { after_events: 9 }), (5, Step::End(Outcome::Completed)));
    }
}
