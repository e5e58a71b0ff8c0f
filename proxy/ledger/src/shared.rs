//! The ledger of a gateway: shards behind locks, so that unrelated keys do not wait for each other. It owns
//! the locking order and what is recorded when; counting is the shards', keeping records the log's.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::{Mutex, MutexGuard, RwLock};
use vocabulary::Moment;

use crate::claim::{Claim, Refused, Took};
use crate::counter::Standing;
use crate::journal::{Log, Record};
use crate::shard::{self, Counters};
use crate::{Remaining, Reservation, Shard, Timekeeper};

const SHARDS: usize = 64;

/// Counters shared by all threads. Locks on counters are held for a few map look-ups and never across IO.
#[derive(Debug)]
pub struct Ledger {
    shards: [Mutex<Shard>; SHARDS],
    /// Held shared while something is counted and recorded, alone while a checkpoint is cut: so a
    /// checkpoint holds exactly what the records before it say.
    cut: RwLock<()>,
    next_id: AtomicU64,
    time: Timekeeper,
    log: Option<Arc<dyn Log>>,
}

impl Default for Ledger {
    fn default() -> Self {
        Self::new(Timekeeper::default(), None)
    }
}

impl Ledger {
    /// No counters. Without a log, counts live in memory.
    #[must_use]
    pub fn new(time: Timekeeper, log: Option<Arc<dyn Log>>) -> Self {
        Self {
            shards: std::array::from_fn(|_| Mutex::new(Shard::new())),
            cut: RwLock::new(()),
            next_id: AtomicU64::new(1),
            time,
            log,
        }
    }

    /// Ledger time, which all other functions take.
    #[must_use]
    pub fn time(&self) -> &Timekeeper {
        &self.time
    }

    /// Takes what every claim asks, or nothing from any: no other thread can see or use a reservation that
    /// is later refused. It is recorded when this returns.
    ///
    /// # Errors
    /// The first enforced claim without room, in the order of `claims`; where all have room, those that
    /// need a grant; or that it cannot be recorded, where a claim is `closed`.
    pub fn reserve(&self, now: Moment, claims: &[Claim]) -> Result<Reservation, Refused> {
        let _counting = self.cut.read();
        let mut held = shard::reserve(&mut self.lock(claims.iter().map(|claim| claim.key)), now, claims)?;
        held.id = self.next_id.fetch_add(1, Ordering::Relaxed);
        if let Some(log) = self.log.as_ref().filter(|_| held.lines.iter().any(|line| line.lasts())) {
            held.recorded = log.write(&Record::reserve(now, &held)).is_ok();
            if !held.recorded && claims.iter().any(|claim| claim.closed && !claim.shadow) {
                shard::release(&mut self.lock_lines(&held), &held);
                return Err(Refused::Unrecorded);
            }
        }
        Ok(held)
    }

    /// Replaces what is held by what the request took, in the window it was reserved in.
    pub fn settle(&self, now: Moment, reservation: Reservation, took: &Took) {
        let _counting = self.cut.read();
        shard::settle(&mut self.lock_lines(&reservation), &reservation, took);
        let Some(log) = &self.log else { return };
        let record = Record::settle(now, &reservation, took);
        let exceeds = reservation.lines.iter().any(|line| took.of(line.meter, line.reserved) > line.reserved);
        if exceeds || !reservation.recorded {
            // Lost, it would leave less on record than was spent. A failure shows at the next reservation.
            let _ = log.write(&record);
        } else if reservation.lines.iter().any(|line| line.lasts()) {
            log.buffer(&record);
        }
    }

    /// Settles at what is held: nobody can say what the request took.
    pub fn keep(&self, now: Moment, reservation: Reservation) {
        let took = reservation.held();
        self.settle(now, reservation, &took);
    }

    /// Gives back what is held, as if the request had never been made.
    pub fn release(&self, now: Moment, reservation: Reservation) {
        let _counting = self.cut.read();
        shard::release(&mut self.lock_lines(&reservation), &reservation);
        if let Some(log) = self.log.as_ref().filter(|_| reservation.recorded) {
            log.buffer(&Record::release(now, &reservation));
        }
    }

    /// Sets what this replica may take in a window of a shared counter, never less than is taken; returns
    /// what it is set to. `None` where the counter is unknown or in another window: nothing is granted.
    ///
    /// To give some back, set the lower total first, then return the difference to what this returns.
    pub fn grant(&self, key: u64, window_index: u64, total_granted: u64) -> Option<u64> {
        let _counting = self.cut.read();
        let set = self.shards.get(shard_of(key))?.lock().grant(key, window_index, total_granted)?;
        if let Some(log) = &self.log {
            log.buffer(&Record::Grant { key, window_index, granted: set }.encode());
        }
        Some(set)
    }

    /// Shows every counter to `f`, in no order, one shard locked at a time: `f` must be quick and must not
    /// call the ledger.
    pub fn standings(&self, mut f: impl FnMut(&Standing)) {
        for shard in &self.shards {
            shard.lock().standings().for_each(&mut f);
        }
    }

    /// The counter of `claim` as it would be found at `now`.
    #[must_use]
    pub fn standing(&self, now: Moment, claim: &Claim) -> Option<Standing> {
        Some(self.shards.get(shard_of(claim.key))?.lock().standing(now, claim))
    }

    /// The tightest room left over `claims`, shadow ones excepted; nothing when none of them counts.
    #[must_use]
    pub fn remaining(&self, now: Moment, claims: &[Claim]) -> Option<Remaining> {
        let tightest = claims
            .iter()
            .filter(|claim| !claim.shadow)
            .filter_map(|claim| {
                let shard = self.shards.get(shard_of(claim.key))?.lock();
                Some(Remaining::of(claim.meter, shard.allowance(now, claim)))
            })
            .fold(Remaining::default(), Remaining::tightest);
        (!tightest.is_empty()).then_some(tightest)
    }

    /// Forgets counters whose windows have turned, one shard at a time.
    pub fn sweep(&self, now: Moment) {
        self.shards.iter().for_each(|shard| shard.lock().sweep(now));
    }

    /// Every counter that must survive a restart, at one instant at which `turn_over` starts a new journal:
    /// what is counted before is in the counters returned, what is counted after in the new journal.
    pub fn checkpoint<T>(&self, turn_over: impl FnOnce() -> T) -> (Vec<Standing>, T) {
        let _alone = self.cut.write();
        let mut standings = Vec::new();
        self.standings(|standing| {
            if standing.period != crate::Period::Concurrent {
                standings.push(*standing);
            }
        });
        standings.sort_unstable_by_key(|standing| standing.key);
        (standings, turn_over())
    }

    /// Puts back counters as they were recorded. Reservations that were open are counted in full.
    pub fn restore(&self, standings: impl IntoIterator<Item = Standing>) {
        for standing in standings {
            if let Some(shard) = self.shards.get(shard_of(standing.key)) {
                let used = standing.taken();
                shard.lock().restore(Standing { used, reserved: 0, ..standing });
            }
        }
    }

    fn lock_lines(&self, reservation: &Reservation) -> Locked<'_> {
        self.lock(reservation.lines.iter().map(|line| line.key))
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
