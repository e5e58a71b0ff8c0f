//! A set of small numbers. It owns the words it is kept in.

use smallvec::SmallVec;

/// Numbers from 0 up to a size fixed at the start.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Bits {
    words: SmallVec<[u64; 6]>,
}

impl Bits {
    pub(crate) fn new(size: usize) -> Self {
        Self { words: SmallVec::from_elem(0, size.div_ceil(64)) }
    }

    pub(crate) fn set(&mut self, number: u32) {
        if let Some(word) = self.words.get_mut((number / 64) as usize) {
            *word |= 1 << (number % 64);
        }
    }

    pub(crate) fn has(&self, number: u32) -> bool {
        self.words.get((number / 64) as usize).is_some_and(|word| word & (1 << (number % 64)) != 0)
    }

    pub(crate) fn add(&mut self, other: &Self) {
        for (word, more) in self.words.iter_mut().zip(&other.words) {
            *word |= more;
        }
    }
}
