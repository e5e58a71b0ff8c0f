//! What earlier requests taught about short values: names of hosts, clients and paths come again and again. It owns
//! the bounds on what is kept; it refuses to know what an answer means.

use std::sync::Arc;

use hashbrown::{Equivalent, HashMap};

use crate::gate::Bits;

/// Values up to so many bytes, with their names, are remembered, and so many of them.
const SHORT: usize = 256;
const MOST: usize = 4_096;

/// Answers by what was asked.
#[derive(Debug, Default)]
pub(super) struct Remembered {
    verdicts: HashMap<Kept, Bits>,
    looking: HashMap<Kept, Arc<Bits>>,
}

/// A value, how it is seen, and its name where that matters.
#[derive(Hash, Clone, Copy)]
pub(super) struct Asked<'a> {
    pub(super) request: bool,
    pub(super) seen: u128,
    pub(super) name: &'a [u8],
    pub(super) bytes: &'a [u8],
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct Kept {
    request: bool,
    seen: u128,
    name: Box<[u8]>,
    bytes: Box<[u8]>,
}

impl Equivalent<Kept> for Asked<'_> {
    fn equivalent(&self, kept: &Kept) -> bool {
        self.bytes == &*kept.bytes
            && self.name == &*kept.name
            && (self.request, self.seen) == (kept.request, kept.seen)
    }
}

impl Asked<'_> {
    pub(super) fn is_short(&self) -> bool {
        self.bytes.len().saturating_add(self.name.len()) <= SHORT
    }

    fn kept(&self) -> Kept {
        Kept { request: self.request, seen: self.seen, name: self.name.into(), bytes: self.bytes.into() }
    }
}

impl Remembered {
    /// The rules that a value may match.
    pub(super) fn verdict(&self, asked: &Asked<'_>) -> Option<&Bits> {
        self.verdicts.get(asked)
    }

    pub(super) fn keep(&mut self, asked: &Asked<'_>, bits: Bits) {
        if self.verdicts.len() >= MOST {
            self.verdicts.clear();
        }
        self.verdicts.insert(asked.kept(), bits);
    }

    /// The rules that look at a value of this name.
    pub(super) fn looking(&mut self, asked: &Asked<'_>, find: impl FnOnce() -> Bits) -> Arc<Bits> {
        let asked = Asked { bytes: &[], ..*asked };
        if let Some(known) = self.looking.get(&asked) {
            return Arc::clone(known);
        }
        let found = Arc::new(find());
        if asked.is_short() {
            if self.looking.len() >= MOST {
                self.looking.clear();
            }
            self.looking.insert(asked.kept(), Arc::clone(&found));
        }
        found
    }
}
