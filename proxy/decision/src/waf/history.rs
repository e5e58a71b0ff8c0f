//! Messages that were inspected in an earlier turn and passed. It owns a bounded memory of their hashes; it refuses to
//! keep any text.

use std::collections::HashSet;
use std::hash::{BuildHasher as _, Hasher as _, RandomState};

use parking_lot::Mutex;
use waf::fields::Field;

/// Hashes kept in each of two generations: some hundred thousand turns.
const GENERATION: usize = 1 << 18;

/// What passed before. The older generation goes when the newer one is full.
#[derive(Debug, Default)]
pub(crate) struct History {
    keys: [RandomState; 2],
    passed: Mutex<[HashSet<u128>; 2]>,
}

impl History {
    /// The mark of each message, by number. Whoever says it and to whom belongs to it: another caller's history
    /// vouches for nobody.
    pub(super) fn marks(&self, caller: u64, fields: &[Field], messages: usize) -> Vec<u128> {
        let mut marks: Vec<_> =
            (0..messages).map(|_| self.keys.each_ref().map(|key| key.build_hasher())).collect();
        for field in fields {
            let message = field.message.and_then(|number| usize::try_from(number).ok());
            let Some(mark) = message.and_then(|number| marks.get_mut(number)) else { continue };
            // The number of a message is no part of what it says, and differs when old ones are dropped.
            let place = field.path.splitn(4, '.').nth(3).unwrap_or_default();
            for hasher in mark {
                hasher.write(place.as_bytes());
                hasher.write_u8(0xff);
                hasher.write(field.value.as_bytes());
                hasher.write_u8(0xff);
            }
        }
        let whole = |mark: [std::hash::DefaultHasher; 2]| {
            let [first, second] = mark.map(|mut hasher| {
                hasher.write_u64(caller);
                hasher.finish()
            });
            u128::from(first) << 64 | u128::from(second)
        };
        marks.into_iter().map(whole).collect()
    }

    /// Which of them passed before.
    pub(super) fn passed(&self, marks: &[u128]) -> Vec<bool> {
        let passed = self.passed.lock();
        marks.iter().map(|mark| passed.iter().any(|generation| generation.contains(mark))).collect()
    }

    /// They pass now.
    pub(super) fn remember(&self, marks: &[u128]) {
        let mut passed = self.passed.lock();
        let [new, old] = &mut *passed;
        if new.len().saturating_add(marks.len()) > GENERATION {
            std::mem::swap(new, old);
            new.clear();
        }
        new.extend(marks.iter().copied());
    }
}
