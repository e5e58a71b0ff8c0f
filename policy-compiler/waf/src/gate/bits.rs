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

    /// Whether it is empty.
    pub(crate) fn is_empty(&self) -> bool {
        self.words.iter().all(|word| *word == 0)
    }

    /// Whether both have a number.
    pub(crate) fn meets(&self, other: &Self) -> bool {
        self.words.iter().zip(&other.words).any(|(one, other)| one & other != 0)
    }

    /// The numbers that both have.
    pub(crate) fn both(&self, other: &Self) -> Self {
        Self { words: self.words.iter().zip(&other.words).map(|(one, other)| one & other).collect() }
    }

    /// Its numbers, in order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = u32> {
        (0u32..).zip(&self.words).flat_map(|(place, word)| {
            let mut left = *word;
            std::iter::from_fn(move || {
                let lowest = left.trailing_zeros();
                left &= left.checked_sub(1)?;
                Some(place.saturating_mul(64).saturating_add(lowest))
            })
        })
    }

    pub(crate) fn add(&mut self, other: &Self) {
        for (word, more) in self.words.iter_mut().zip(&other.words) {
            *word |= more;
        }
    }
}
