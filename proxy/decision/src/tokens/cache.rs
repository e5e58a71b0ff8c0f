//! Tokens that were verified a moment ago. It owns remembering whose they are, by their SHA-256 and within
//! bounds; it refuses to remember a token itself, and to trust what was verified with keys that are gone.

use std::hash::BuildHasherDefault;
use std::sync::Arc;

use hashbrown::HashMap;
use parking_lot::Mutex;
use rule_table::{ConsumerId, IssuerId, TeamId};

use crate::keys::{KeyHash, Uniform};

/// Parts, each behind a lock of its own.
const SHARDS: usize = 16;
/// The most tokens that a part remembers.
const MOST: usize = 2048;

/// Whose a verified token is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Cached {
    pub(crate) consumer: Option<ConsumerId>,
    pub(crate) team: Option<TeamId>,
    /// `issuer/subject`.
    pub(crate) subject: Arc<str>,
    pub(crate) issuer: IssuerId,
    /// Unix seconds from which it is refused.
    pub(crate) expires: u64,
    /// Which keys it was verified with.
    pub(crate) keys: u64,
}

type Shard = HashMap<KeyHash, Cached, BuildHasherDefault<Uniform>>;

/// Verified tokens, of one policy.
#[derive(Debug)]
pub(crate) struct Cache {
    shards: [Mutex<Shard>; SHARDS],
}

impl Default for Cache {
    fn default() -> Self {
        Self { shards: std::array::from_fn(|_| Mutex::default()) }
    }
}

impl Cache {
    /// What was remembered of this token, if it is good `now` and `keys` says that its keys are.
    pub(crate) fn get(
        &self,
        hash: &KeyHash,
        now: u64,
        keys: impl Fn(IssuerId) -> Option<u64>,
    ) -> Option<Cached> {
        let found = self.shard(hash)?.lock().get(hash).cloned()?;
        (now < found.expires && keys(found.issuer) == Some(found.keys)).then_some(found)
    }

    /// Remembers a token. A part that is full forgets what has expired, and then everything: each is only
    /// verified once more.
    pub(crate) fn put(&self, hash: KeyHash, cached: Cached, now: u64) {
        let Some(shard) = self.shard(&hash) else { return };
        let mut shard = shard.lock();
        if shard.len() >= MOST {
            shard.retain(|_, held| now < held.expires);
        }
        if shard.len() >= MOST {
            shard.clear();
        }
        shard.insert(hash, cached);
    }

    /// By the last byte: the first ones choose the place within a part.
    fn shard(&self, hash: &KeyHash) -> Option<&Mutex<Shard>> {
        self.shards.get(usize::from(hash.last().copied()?) % SHARDS)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cached(expires: u64, keys: u64) -> Cached {
        Cached { consumer: Some(1), team: None, subject: "i/s".into(), issuer: 0, expires, keys }
    }

    #[test]
    fn a_token_is_remembered_until_it_expires_or_its_keys_are_replaced() {
        let cache = Cache::default();
        cache.put([7; 32], cached(100, 3), 0);
        assert_eq!(cache.get(&[7; 32], 99, |_| Some(3)), Some(cached(100, 3)));
        assert_eq!(cache.get(&[7; 32], 100, |_| Some(3)), None, "expired");
        assert_eq!(cache.get(&[7; 32], 99, |_| Some(4)), None, "the issuer has other keys");
        assert_eq!(cache.get(&[8; 32], 99, |_| Some(3)), None);
    }

    #[test]
    fn a_flood_of_tokens_takes_bounded_room() {
        let cache = Cache::default();
        for n in 0..200_000_u64 {
            let mut hash = [0; 32];
            hash[..8].copy_from_slice(&n.to_le_bytes());
            hash[31] = n as u8;
            cache.put(hash, cached(100, 0), 0);
        }
        let held: usize = cache.shards.iter().map(|shard| shard.lock().len()).sum();
        assert!(held <= SHARDS * MOST, "{held}");
    }
}
