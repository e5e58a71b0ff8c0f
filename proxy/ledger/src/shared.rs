//! The ledger of a gateway: shards behind locks, so that unrelated keys do not wait for each other. It owns
//! the locking order; counting is the shards'.

use parking_lot::{Mutex, MutexGuard};
use vocabulary::Moment;

use crate::shard::{self, Counters};
use crate::{Claim, Exhausted, Remaining, Reservation, Shard};

const SHARDS: usize = 64;

/// Counters shared by all threads. Locks are held for a few map look-ups and never across IO.
#[derive(Debug)]
pub struct Ledger {
    shards: [Mutex<Shard>; SHARDS],
}

impl Default for Ledger {
    fn default() -> Self {
        Self::new()
    }
}

impl Ledger {
    /// No counters.
    #[must_use]
    pub fn new() -> Self {
        Self { shards: std::array::from_fn(|_| Mutex::new(Shard::new())) }
    }

    /// Takes one request and `tokens` from every claim, or nothing from any: no other thread can see or
    /// use a reservation that is later refused.
    ///
    /// # Errors
    /// The first enforced claim without room, in the order of `claims`.
    pub fn reserve(&self, now: Moment, claims: &[Claim], tokens: u64) -> Result<Reservation, Exhausted> {
        shard::reserve(&mut self.lock(claims.iter().map(|claim| claim.key)), now, claims, tokens)
    }

    /// Replaces the reserved tokens by what the request took, in the window they were reserved in.
    pub fn settle(&self, now: Moment, reservation: Reservation, tokens_used: u64) {
        shard::settle(&mut self.lock(shard::keys(&reservation)), now, &reservation, tokens_used);
    }

    /// Gives back the request and its tokens, as if it had never been made.
    pub fn release(&self, now: Moment, reservation: Reservation) {
        shard::release(&mut self.lock(shard::keys(&reservation)), now, &reservation);
    }

    /// The tightest room left over `claims`, shadow ones excepted; nothing when none of them counts.
    #[must_use]
    pub fn remaining(&self, now: Moment, claims: &[Claim]) -> Option<Remaining> {
        let tightest = claims
            .iter()
            .filter(|claim| !claim.shadow)
            .filter_map(|claim| Some(self.shards.get(shard_of(claim.key))?.lock().remaining(now, claim)))
            .fold(Remaining::default(), Remaining::tightest);
        (!tightest.is_empty()).then_some(tightest)
    }

    /// Forgets counters whose windows have turned, one shard at a time.
    pub fn sweep(&self, now: Moment) {
        self.shards.iter().for_each(|shard| shard.lock().sweep(now));
    }

    /// Locks the shards of `keys`, each once, in index order so that two callers never wait for each other.
    fn lock(&self, keys: impl Iterator<Item = u64>) -> Locked<'_> {
        let mut indices: Vec<usize> = keys.map(shard_of).collect();
        indices.sort_unstable();
        indices.dedup();
        let guards =
            indices.into_iter().filter_map(|index| Some((index, self.shards.get(index)?.lock()))).collect();
        Locked { guards }
    }
}

/// Shards locked together.
struct Locked<'a> {
    guards: Vec<(usize, MutexGuard<'a, Shard>)>,
}

impl Counters for Locked<'_> {
    fn shard(&mut self, key: u64) -> Option<&mut Shard> {
        let wanted = shard_of(key);
        self.guards.iter_mut().find(|(index, _)| *index == wanted).map(|(_, guard)| &mut **guard)
    }
}

/// Multiplicative hashing: the upper bits depend on all of the key.
fn shard_of(key: u64) -> usize {
    usize::try_from(key.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 58).unwrap_or(0) % SHARDS
}
