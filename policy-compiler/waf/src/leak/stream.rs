//! Text that arrives in pieces, as an answer does that is streamed: what is clean goes on at once, a leak is masked.
//! It owns the bytes not yet decided; it refuses to keep more than [`super::HELD_AT_MOST`] of them.

use std::borrow::Borrow;

use super::scan::{Sink, State};
use super::{Detector, Kind, Leak};

/// Masks and records leaks in text that comes in pieces. However the text is cut, what comes out and what is found
/// are those of [`Detector::mask`] and [`Detector::find`] on the whole.
#[derive(Clone)]
pub struct LeakStream<D> {
    detector: D,
    state: State,
    held: String,
    leaks: Vec<Leak>,
}

impl<D: Borrow<Detector>> LeakStream<D> {
    /// A stream from its beginning.
    pub fn new(detector: D) -> Self {
        Self { detector, state: State::default(), held: String::new(), leaks: Vec::new() }
    }

    /// Takes the next piece and adds to `out` what may go on.
    pub fn push(&mut self, piece: &str, out: &mut String) {
        self.advance(piece, false, out);
    }

    /// Ends the text and adds to `out` what was kept back. A leak that goes on to the very end counts.
    pub fn finish(&mut self, out: &mut String) {
        self.advance("", true, out);
    }

    /// What has been found and seen to its end so far.
    pub fn leaks(&self) -> &[Leak] {
        &self.leaks
    }

    /// How many bytes are kept back.
    pub fn held(&self) -> usize {
        self.held.len()
    }

    fn advance(&mut self, piece: &str, last: bool, out: &mut String) {
        let mut sink = Masking { out, leaks: &mut self.leaks };
        if self.held.is_empty() {
            let taken = self.detector.borrow().run(&mut self.state, piece, last, &mut sink);
            self.held.push_str(piece.get(taken..).unwrap_or_default());
        } else {
            self.held.push_str(piece);
            let taken = self.detector.borrow().run(&mut self.state, &self.held, last, &mut sink);
            self.held.drain(..taken);
        }
    }
}

impl<D> std::fmt::Debug for LeakStream<D> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("LeakStream")
            .field("held", &self.held.len())
            .field("leaks", &self.leaks)
            .finish_non_exhaustive()
    }
}

struct Masking<'a> {
    out: &'a mut String,
    leaks: &'a mut Vec<Leak>,
}

impl Sink for Masking<'_> {
    fn pass(&mut self, text: &str) {
        self.out.push_str(text);
    }

    fn begins(&mut self, kind: Kind) {
        self.out.push_str(kind.label());
    }

    fn found(&mut self, leak: Leak) {
        self.leaks.push(leak);
    }
}
