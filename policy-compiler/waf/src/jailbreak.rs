//! Signs that a text wants a model to break its instructions, for what users write and what tools return. It owns the
//! signs, their weights and the threshold; it refuses to judge system prompts or what is asked for.

mod chain;
mod phrase;
mod signal;
mod texture;
mod words;

pub use signal::Signal;

use chain::{Chains, State};
use smallvec::SmallVec;

/// The score from which a text counts as an attempt. On the half of the public prompts that weights were chosen on, no
/// benign one reaches it; `docs/waf-signals.md` has the figures of the other half.
pub const THRESHOLD: u16 = 50;

/// The most bytes of one text that are read: its beginning and its end where it is longer.
pub const READ_AT_MOST: usize = 256 * 1024;

/// Who wrote a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Origin {
    /// The user of the application.
    User,
    /// A tool, a page or a document: none of them has anything to tell the model to do.
    Tool,
}

/// What a text adds up to.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Verdict {
    /// The sum of the signals' points, at most 1000.
    pub score: u16,
    /// Each signal seen, with its points, in the order of [`Signal::ALL`].
    pub signals: SmallVec<[(Signal, u16); 8]>,
}

impl Verdict {
    /// Whether the score reaches `threshold`.
    pub fn reaches(&self, threshold: u16) -> bool {
        self.score >= threshold
    }
}

/// Scores texts. Building one reads the table of phrases; scoring allocates nothing that grows with the text.
#[derive(Debug)]
pub struct Scorer {
    chains: Chains,
}

impl Default for Scorer {
    fn default() -> Self {
        Self::new()
    }
}

impl Scorer {
    /// A scorer of the phrases this crate knows.
    pub fn new() -> Self {
        Self { chains: Chains::new(phrase::PHRASES) }
    }

    /// The signs in a text of this origin, in time linear in its length.
    pub fn score(&self, text: &str, origin: Origin) -> Verdict {
        let mut state = State::new(&self.chains);
        let mut texture = texture::Texture::default();
        for part in parts(text) {
            words::read(part, &self.chains, &mut state);
            texture.read(part);
        }
        let mut points = self.chains.best(state);
        texture.points(&mut points);
        points.verdict(origin)
    }
}

/// The text, or its beginning and its end where it is longer than what is read.
fn parts(text: &str) -> impl Iterator<Item = &str> {
    let half = READ_AT_MOST / 2;
    if text.len() <= READ_AT_MOST {
        return [text, ""].into_iter();
    }
    let first = text.get(..text.floor_char_boundary(half)).unwrap_or_default();
    let second = text.get(text.ceil_char_boundary(text.len() - half)..).unwrap_or_default();
    [first, second].into_iter()
}

#[cfg(test)]
mod tests;
