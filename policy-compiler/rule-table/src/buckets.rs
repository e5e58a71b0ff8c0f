//! Lists of numbers by the hash of a value. It owns one flat open-addressing table; it refuses to compare
//! values: two that share a hash share a list, so keys are either unique or what is found is verified.

use std::hash::{BuildHasherDefault, Hasher};

/// FNV-1a (RFC 9923), 64 bits: one step a byte, so that every prefix of a path is hashed on the way.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Fnv(u64);

impl Fnv {
    pub(crate) const fn new(dimension: u8) -> Self {
        Self(0xcbf2_9ce4_8422_2325 ^ dimension as u64)
    }

    pub(crate) const fn byte(self, byte: u8) -> Self {
        Self((self.0 ^ byte as u64).wrapping_mul(0x0000_0100_0000_01b3))
    }

    pub(crate) fn bytes(self, bytes: &[u8]) -> Self {
        bytes.iter().fold(self, |hash, byte| hash.byte(*byte))
    }

    /// Spreads what differs in the last byte over all bits.
    pub(crate) const fn key(self) -> u64 {
        let mixed = (self.0 ^ (self.0 >> 32)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        mixed ^ (mixed >> 29)
    }
}

/// Takes keys as the hashes they are.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Ready(u64);

impl Hasher for Ready {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        self.0 = Fnv::new(0).bytes(bytes).key();
    }

    fn write_u64(&mut self, key: u64) {
        self.0 = key;
    }
}

/// For maps by such keys.
pub(crate) type ReadyState = BuildHasherDefault<Ready>;

/// The table.
#[derive(Clone, Debug, Default)]
pub(crate) struct Buckets {
    /// A power of two of them, at most half taken.
    slots: Vec<Slot>,
    /// A byte of each slot's key, never 0 where somebody is: most look-ups find nobody, and read only these.
    tags: Vec<u8>,
    ids: Vec<u32>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Slot {
    key: u64,
    start: u32,
    /// Exclusive.
    end: u32,
}

impl Buckets {
    /// From pairs of key and rule, in any order.
    pub(crate) fn build(mut pairs: Vec<(u64, u32)>) -> Self {
        pairs.sort_unstable();
        pairs.dedup();
        let keys = pairs.chunk_by(|a, b| a.0 == b.0).count();
        if keys == 0 {
            return Self::default();
        }
        let capacity = keys.saturating_mul(2).next_power_of_two();
        let mut table = Self {
            slots: vec![Slot::default(); capacity],
            tags: vec![0; capacity],
            ids: Vec::with_capacity(pairs.len()),
        };
        for same in pairs.chunk_by(|a, b| a.0 == b.0) {
            let start = u32::try_from(table.ids.len()).unwrap_or(u32::MAX);
            table.ids.extend(same.iter().map(|(_, id)| *id));
            let end = u32::try_from(table.ids.len()).unwrap_or(u32::MAX);
            let key = same.first().map_or(0, |(key, _)| *key);
            if let Some(at) = table.place(key)
                && let (Some(slot), Some(its)) = (table.slots.get_mut(at), table.tags.get_mut(at))
            {
                *slot = Slot { key, start, end };
                *its = tag(key);
            }
        }
        table
    }

    /// The rules under a key, in order.
    pub(crate) fn get(&self, key: u64) -> &[u32] {
        let slot = self.place(key).and_then(|at| self.slots.get(at));
        slot.and_then(|slot| self.ids.get(slot.start as usize..slot.end as usize)).unwrap_or_default()
    }

    /// Where a key is, or would be.
    #[expect(clippy::cast_possible_truncation, reason = "only the lowest bits of a key count")]
    fn place(&self, key: u64) -> Option<usize> {
        let mask = self.tags.len().checked_sub(1)?;
        let wanted = tag(key);
        let mut at = key as usize & mask;
        // Half of them are free, so that there is an end.
        loop {
            match *self.tags.get(at)? {
                0 => return Some(at),
                found if found == wanted && self.slots.get(at).is_some_and(|slot| slot.key == key) => {
                    return Some(at);
                }
                _ => at = at.wrapping_add(1) & mask,
            }
        }
    }

    pub(crate) fn bytes(&self) -> usize {
        size_of_val(self.slots.as_slice())
            .saturating_add(self.tags.len())
            .saturating_add(size_of_val(self.ids.as_slice()))
    }
}

/// The highest bits, which choose no place.
const fn tag(key: u64) -> u8 {
    (key >> 56) as u8 | 1
}
