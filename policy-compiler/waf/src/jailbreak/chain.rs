//! Phrases as chains of word sets within a number of words, and the trie that knows their words. It owns matching,
//! one step a word; it refuses to look back at the text.

use super::Signal;
use super::signal::Points;

/// The most steps of a chain.
const STEPS: usize = 4;

/// How many words are judged together: what stands far apart in a long document does not add up.
const STRETCH: u32 = 512;

/// The place of the first word, beyond the reach of what never was.
const FIRST: u32 = STRETCH;

/// Some words one after the other, others between them or not.
#[derive(Debug)]
pub(super) struct Phrase {
    pub(super) signal: Signal,
    pub(super) weight: u16,
    /// In how many words, first and last included.
    pub(super) within: u32,
    /// Words of each step with spaces between, in lower case, without apostrophes; one that ends in `*` stands for
    /// all it begins.
    pub(super) steps: &'static [&'static str],
}

/// Bytes a word is made of: a to z and digits.
const LETTERS: usize = 36;

#[derive(Debug, Clone)]
struct Node {
    next: [u16; LETTERS],
    /// Steps of words that end here, and of those that only begin so, as places in `Chains::uses`.
    exact: Vec<Use>,
    stem: Vec<Use>,
}

#[derive(Debug, Clone, Copy)]
struct Use {
    phrase: u16,
    step: u8,
}

/// Phrases, ready to be looked for.
#[derive(Debug)]
pub(super) struct Chains {
    phrases: &'static [Phrase],
    nodes: Vec<Node>,
}

/// How far each phrase has come.
#[derive(Debug)]
pub(super) struct State {
    /// For each phrase and step, the place of the word the chain began with, counted from one.
    begun: Vec<[u32; STEPS]>,
    /// For each phrase, the place of the word that completed it last.
    fired: Vec<u32>,
    word: u32,
    /// The most any stretch of [`STRETCH`] words has scored, and for what.
    best: Points,
}

impl State {
    pub(super) fn new(chains: &Chains) -> Self {
        let count = chains.phrases.len();
        Self { begun: vec![[0; STEPS]; count], fired: vec![0; count], word: FIRST, best: Points::default() }
    }
}

/// A place in the trie while a word is spelt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Place(u16);

impl Place {
    pub(super) const ROOT: Self = Self(0);
    const NOWHERE: Self = Self(u16::MAX);
}

fn letter(byte: u8) -> Option<usize> {
    match byte {
        b'a'..=b'z' => Some(usize::from(byte - b'a')),
        b'0'..=b'9' => Some(usize::from(byte - b'0') + 26),
        _ => None,
    }
}

impl Chains {
    pub(super) fn new(phrases: &'static [Phrase]) -> Self {
        let mut chains = Self { phrases, nodes: vec![Node::empty()] };
        for (place, phrase) in phrases.iter().enumerate() {
            for (step, words) in phrase.steps.iter().take(STEPS).enumerate() {
                let used = Use { phrase: place as u16, step: step as u8 };
                words.split_ascii_whitespace().for_each(|word| chains.add(word, used));
            }
        }
        chains
    }

    fn add(&mut self, word: &str, used: Use) {
        let mut at = 0_usize;
        for slot in word.bytes().filter_map(letter) {
            let fresh = self.nodes.len();
            let Some(next) = self.nodes.get_mut(at).and_then(|node| node.next.get_mut(slot)) else { return };
            if *next == u16::MAX {
                *next = fresh as u16;
                self.nodes.push(Node::empty());
                at = fresh;
            } else {
                at = usize::from(*next);
            }
        }
        if let Some(node) = self.nodes.get_mut(at) {
            if word.ends_with('*') { node.stem.push(used) } else { node.exact.push(used) }
        }
    }

    /// One more byte of a word, which must be in lower case.
    pub(super) fn step(&self, place: Place, byte: u8) -> Place {
        let node = self.nodes.get(usize::from(place.0));
        let next = letter(byte).and_then(|slot| node?.next.get(slot));
        next.map_or(Place::NOWHERE, |next| Place(*next))
    }

    /// A word is over. Says whether any phrase has a use for it.
    pub(super) fn word(&self, spelt: &[u8], state: &mut State) -> bool {
        let mut place = Place::ROOT;
        let mut stems: [Option<u16>; 3] = [None; 3];
        for &byte in spelt {
            place = self.step(place, byte);
            let Some(node) = self.nodes.get(usize::from(place.0)) else { break };
            if !node.stem.is_empty() {
                stems.rotate_right(1);
                stems[0] = Some(place.0);
            }
        }
        state.word = state.word.saturating_add(1);
        if state.word.is_multiple_of(STRETCH / 4) {
            self.compare(state);
        }
        let ended =
            self.nodes.get(usize::from(place.0)).map(|node| node.exact.as_slice()).unwrap_or_default();
        if ended.is_empty() && stems[0].is_none() {
            return false;
        }
        let begun = stems.iter().flatten().filter_map(|stem| self.nodes.get(usize::from(*stem)));
        let uses = begun.flat_map(|node| node.stem.iter()).chain(ended);
        let mut used = false;
        // Later steps first, so that one word does not serve two steps of a phrase.
        for step in (0..STEPS as u8).rev() {
            for one in uses.clone().filter(|one| one.step == step) {
                used = true;
                self.advance(*one, state);
            }
        }
        used
    }

    fn advance(&self, used: Use, state: &mut State) {
        let place = usize::from(used.phrase);
        let (Some(phrase), Some(begun)) = (self.phrases.get(place), state.begun.get_mut(place)) else {
            return;
        };
        let step = usize::from(used.step);
        let start = match step.checked_sub(1) {
            None => state.word,
            Some(before) => begun.get(before).copied().unwrap_or_default(),
        };
        if start == 0 || state.word - start >= phrase.within {
            return;
        }
        if let Some(slot) = begun.get_mut(step) {
            *slot = start;
        }
        if step + 1 == phrase.steps.len()
            && let Some(fired) = state.fired.get_mut(place)
        {
            *fired = state.word;
        }
    }

    /// Compares the last stretch of words with the best one so far.
    fn compare(&self, state: &mut State) {
        let from = state.word.saturating_sub(STRETCH);
        let mut points = Points::default();
        for (phrase, fired) in self.phrases.iter().zip(&state.fired) {
            if *fired > from {
                points.add(phrase.signal, phrase.weight);
            }
        }
        if points.sum() > state.best.sum() {
            state.best = points;
        }
    }

    /// The points of the stretch of words that scored most.
    pub(super) fn best(&self, mut state: State) -> Points {
        self.compare(&mut state);
        state.best
    }
}

impl Node {
    fn empty() -> Self {
        Self { next: [u16::MAX; LETTERS], exact: Vec::new(), stem: Vec::new() }
    }
}
