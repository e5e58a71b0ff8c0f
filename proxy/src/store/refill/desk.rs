//! Where requests and the supply meet: what is wanted, what is held, what is known to be spent. It owns
//! that under one lock; it refuses to ask anybody.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use ledger::lease::Slot;
use tokio::time::Instant;

use super::Short;

/// How long it is believed that a counter is spent: others may return some.
const DRY_FOR: Duration = Duration::from_millis(200);

/// What requests wait for, of one slot.
#[derive(Clone, Copy, Debug)]
pub(super) struct Wanted {
    /// All of them together.
    pub(super) sum: u64,
    /// The smallest of them.
    pub(super) least: u64,
    pub(super) ceiling: u64,
    pub(super) ends: vocabulary::Moment,
}

#[derive(Clone, Copy, Debug, Default)]
struct Held {
    total: u64,
    /// Whether the ledger has it.
    told: bool,
}

/// What came of queueing.
pub(super) enum Place {
    /// Supplied by this round.
    Round(u64),
    /// Known to be spent.
    Refused,
}

#[derive(Debug, Default)]
pub(super) struct Desk {
    wanted: BTreeMap<Slot, Wanted>,
    held: BTreeMap<Slot, Held>,
    /// Room left for anybody, and until when that is believed.
    dry: BTreeMap<Slot, (u64, Instant)>,
    /// Slots whose grant is this replica's share, while the store is away.
    pub(super) alone: BTreeSet<Slot>,
    /// Rounds whose wants were taken.
    taken: u64,
}

impl Desk {
    pub(super) fn queue(&mut self, shorts: &[Short], now: Instant) -> Place {
        if shorts.iter().any(|short| self.is_dry(short, now)) {
            return Place::Refused;
        }
        for short in shorts {
            let wanted = self.wanted.entry(short.slot).or_insert(Wanted {
                sum: 0,
                least: u64::MAX,
                ceiling: short.ceiling,
                ends: short.ends,
            });
            wanted.sum = wanted.sum.saturating_add(short.short);
            wanted.least = wanted.least.min(short.short);
        }
        Place::Round(self.taken + 1)
    }

    /// What is wanted so far, and the number of the round that supplies it.
    pub(super) fn take(&mut self) -> (u64, BTreeMap<Slot, Wanted>) {
        self.taken += 1;
        (self.taken, std::mem::take(&mut self.wanted))
    }

    pub(super) fn is_dry(&self, short: &Short, now: Instant) -> bool {
        self.dry.get(&short.slot).is_some_and(|(room, until)| now < *until && *room < short.short)
    }

    pub(super) fn ran_dry(&mut self, slot: Slot, room: u64, now: Instant) {
        self.dry.insert(slot, (room, now + DRY_FOR));
    }

    pub(super) fn held(&self, slot: Slot) -> u64 {
        self.held.get(&slot).map_or(0, |held| held.total)
    }

    pub(super) fn hold(&mut self, slot: Slot, total: u64, told: bool) {
        self.held.insert(slot, Held { total, told });
    }

    /// What is held of `slot`, if the ledger does not have it.
    pub(super) fn untold(&self, slot: Slot) -> Option<u64> {
        self.held.get(&slot).filter(|held| !held.told).map(|held| held.total)
    }

    pub(super) fn told(&mut self, slot: Slot) {
        if let Some(held) = self.held.get_mut(&slot) {
            held.told = true;
        }
    }

    pub(super) fn forget(&mut self, slot: Slot) {
        self.held.remove(&slot);
        self.dry.remove(&slot);
        self.alone.remove(&slot);
    }
}
