//! An answer that arrives in pieces: what is harmless goes on at once, the rest is made so. It owns the bytes not yet
//! decided; it refuses to keep more than [`super::HELD_AT_MOST`] of them.

use std::borrow::Borrow;

use super::scan::{Sink, State};
use super::{Finding, Inspector};

/// Neutralises and records active content in text that comes in pieces. However the text is cut, what comes out and
/// what is found are those of [`Inspector::neutralise`] and [`Inspector::find`] on the whole.
#[derive(Clone)]
pub struct OutputStream<D> {
    inspector: D,
    state: State,
    held: String,
    findings: Vec<Finding>,
}

impl<D: Borrow<Inspector>> OutputStream<D> {
    /// A stream from its beginning.
    pub fn new(inspector: D) -> Self {
        Self { inspector, state: State::default(), held: String::new(), findings: Vec::new() }
    }

    /// Takes the next piece and adds to `out` what may go on.
    pub fn push(&mut self, piece: &str, out: &mut String) {
        self.advance(piece, false, out);
    }

    /// Ends the text and adds to `out` what was kept back.
    pub fn finish(&mut self, out: &mut String) {
        self.advance("", true, out);
    }

    /// What has been found and seen to its end so far.
    pub fn findings(&self) -> &[Finding] {
        &self.findings
    }

    /// How many bytes are kept back.
    pub fn held(&self) -> usize {
        self.held.len()
    }

    fn advance(&mut self, piece: &str, last: bool, out: &mut String) {
        let mut sink = Neutralising { out, findings: &mut self.findings };
        if self.held.is_empty() {
            let taken = self.inspector.borrow().run(&mut self.state, piece, last, &mut sink);
            self.held.push_str(piece.get(taken..).unwrap_or_default());
        } else {
            self.held.push_str(piece);
            let taken = self.inspector.borrow().run(&mut self.state, &self.held, last, &mut sink);
            self.held.drain(..taken);
        }
    }
}

impl<D> std::fmt::Debug for OutputStream<D> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("OutputStream")
            .field("held", &self.held.len())
            .field("findings", &self.findings)
            .finish_non_exhaustive()
    }
}

struct Neutralising<'a> {
    out: &'a mut String,
    findings: &'a mut Vec<Finding>,
}

impl Sink for Neutralising<'_> {
    fn pass(&mut self, text: &str) {
        self.out.push_str(text);
    }

    fn found(&mut self, finding: Finding) {
        self.findings.push(finding);
    }
}
