//! Lists of rules by the hash of a value. It owns one flat open-addressing table; it refuses to compare
//! values: two that share a hash share a list, and whoever reads it verifies every rule anyway.

use std::hash::{BuildHasherDefault, Hasher};

/// FNV-1a (RFC 9923), 64 bits: one step a byte, so that every prefix of a path is hashed on the way.
#[derive(Clone, Copy, Debug)]
pub(super) struct Fnv(u64);

impl Fnv {
    pub(super) const fn new(dimension: u8) -> Self {
        Self(0xcbf2_9ce4_8422_2325 ^ dimension as u64)
    }

    pub(super) const fn byte(self, byte: u8) -> Self {
        Self((self.0 ^ byte as u64).wrapping_mul(0x0000_0100_0000_01b3))
    }

    pub(super) fn bytes(self, bytes: &[u8]) -> Self {
        bytes.iter().fold(self, |hash, byte| hash.byte(*byte))
    }

    /// Spreads what differs in the last byte over all bits.
    pub(super) const fn key(self) -> u64 {
        let mixed = (self.0 ^ (self.0 >> 32)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        mixed ^ (mixed >> 29)
    }
}

/// Takes keys as the hashes they are.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Ready(u64);

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
pub(super) type ReadyState = BuildHasherDefault<Ready>;

/// The table.
#[derive(Clone, Debug, Default)]
pub(super) struct Buckets {
    /// A power of two of them, at most half taken.
    slots: Vec<Slot>,
    ids: Vec<u32>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Slot {
    key: u64,
    start: u32,
    /// Exclusive; nobody is here where it is 0.
    end: u32,
}

impl Buckets {
    /// From pairs of key and rule, in any order.
    pub(super) fn build(mut pairs: Vec<(u64, u32)>) -> Self {
        pairs.sort_unstable();
        pairs.dedup();
        let keys = pairs.chunk_by(|a, b| a.0 == b.0).count();
        if keys == 0 {
            return Self::default();
        }
        let capacity = keys.saturating_mul(2).next_power_of_two();
        let mut table = Self { slots: vec![Slot::default(); capacity], ids: Vec::with_capacity(pairs.len()) };
        for same in pairs.chunk_by(|a, b| a.0 == b.0) {
            let start = u32::try_from(table.ids.len()).unwrap_or(u32::MAX);
            table.ids.extend(same.iter().map(|(_, id)| *id));
            let end = u32::try_from(table.ids.len()).unwrap_or(u32::MAX);
            let key = same.first().map_or(0, |(key, _)| *key);
            if let Some(at) = table.place(key)
                && let Some(slot) = table.slots.get_mut(at)
            {
                *slot = Slot { key, start, end };
            }
        }
        table
    }

    /// The rules under a key, in order.
    pub(super) fn get(&self, key: u64) -> &[u32] {
        let slot = self.place(key).and_then(|at| self.slots.get(at));
        slot.and_then(|slot| self.ids.get(slot.start as usize..slot.end as usize)).unwrap_or_default()
    }

    /// Where a key is, or would be.
    fn place(&self, key: u64) -> Option<usize> {
        let mask = self.slots.len().checked_sub(1)?;
        let begin = usize::try_from(key & u64::try_from(mask).ok()?).ok()?;
        let order = (begin..self.slots.len()).chain(0..begin);
        order.into_iter().find(|at| self.slots.get(*at).is_some_and(|slot| slot.end == 0 || slot.key == key))
    }

    pub(super) fn bytes(&self) -> usize {
        size_of_val(self.slots.as_slice()).saturating_add(size_of_val(self.ids.as_slice()))
    }
}
