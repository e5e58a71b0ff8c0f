//! One counter: what was used and what is held in its current window. It owns the arithmetic of room; it
//! refuses to know which requests hold it.

use std::time::Duration;

use vocabulary::Moment;

use crate::claim::{Claim, Exhausted, Meter, Short};
use crate::{Allowance, Period};

/// Nobody knows when a request under way ends; a second is short and not a busy loop.
const STREAMS_RETRY: Duration = Duration::from_secs(1);

/// A counter in its current window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Standing {
    /// Which counter.
    pub key: u64,
    /// The group of the claim last seen; 0 until one was since a restart.
    pub group: u64,
    /// What it counts.
    pub meter: Meter,
    /// When it starts anew.
    pub period: Period,
    /// The window the counts below belong to.
    pub window_index: u64,
    /// When it ends.
    pub window_ends: Moment,
    /// The ceiling of the claim last seen; 0 until one was since a restart.
    pub ceiling: u64,
    /// Counted for requests that are over, and after a restart for those that were under way.
    pub used: u64,
    /// Held by requests under way.
    pub reserved: u64,
    /// What this replica may take in this window, of a shared counter.
    pub granted: u64,
    /// Whether the claim last seen was shared.
    pub shared: bool,
}

/// What one claim took, so that it can be corrected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Line {
    /// Which counter.
    pub key: u64,
    /// What it counts.
    pub meter: Meter,
    /// Its period.
    pub period: Period,
    /// The window it was counted in.
    pub window_index: u64,
    /// How much is held.
    pub reserved: u64,
}

impl Line {
    /// Whether it must survive a restart: what was under way is not, after one.
    pub(crate) fn lasts(&self) -> bool {
        self.period != Period::Concurrent
    }
}

pub(crate) enum Lacks {
    Room(Exhausted),
    Grant(Short),
}

impl Standing {
    /// A counter of `claim`'s that has counted nothing.
    pub(crate) fn new(claim: &Claim, now: Moment) -> Self {
        let place = claim.period.place(claim.key, now);
        Self {
            key: claim.key,
            group: claim.group,
            meter: claim.meter,
            period: claim.period,
            window_index: place.index,
            window_ends: place.ends,
            ceiling: claim.ceiling,
            used: 0,
            reserved: 0,
            granted: 0,
            shared: claim.shared,
        }
    }

    /// Brings it to the window of `now` and to the claim's terms. A window never returns: time does not
    /// run backwards here, and if it did, the later window would stay.
    fn turn(&mut self, claim: &Claim, now: Moment) {
        let place = claim.period.place(claim.key, now);
        if self.period != claim.period || place.index > self.window_index {
            *self = Self::new(claim, now);
        }
        self.group = claim.group;
        self.ceiling = claim.ceiling;
        self.shared = claim.shared;
    }

    /// Used and held.
    #[must_use]
    pub fn taken(&self) -> u64 {
        self.used.saturating_add(self.reserved)
    }

    /// Whether nothing is lost by forgetting it at `now`.
    pub(crate) fn is_over(&self, now: Moment) -> bool {
        match self.period {
            Period::Concurrent => self.taken() == 0,
            _ => now >= self.window_ends,
        }
    }

    pub(crate) fn take(&mut self, now: Moment, index: usize, claim: &Claim) -> Result<Line, Lacks> {
        self.turn(claim, now);
        let taken = self.taken();
        let remaining = claim.ceiling.saturating_sub(taken);
        // An over-spent window has no room even for a request that asks nothing.
        if claim.asked > remaining || taken > claim.ceiling {
            return Err(Lacks::Room(self.exhausted(now, index, claim, remaining)));
        }
        let needed = taken.saturating_add(claim.asked);
        if claim.shared && !claim.shadow && needed > self.granted {
            return Err(Lacks::Grant(Short {
                claim: index,
                key: claim.key,
                window_index: self.window_index,
                short: needed - self.granted,
            }));
        }
        self.reserved = self.reserved.saturating_add(claim.asked);
        Ok(Line {
            key: claim.key,
            meter: claim.meter,
            period: claim.period,
            window_index: self.window_index,
            reserved: claim.asked,
        })
    }

    fn exhausted(&self, now: Moment, index: usize, claim: &Claim, remaining: u64) -> Exhausted {
        let retry_after = match self.period {
            Period::Concurrent => STREAMS_RETRY,
            _ => self.window_ends.since(now),
        };
        Exhausted {
            claim: index,
            key: claim.key,
            meter: claim.meter,
            asked: claim.asked,
            remaining,
            ceiling: claim.ceiling,
            retry_after,
        }
    }

    /// Replaces what `line` holds by `used`, if its window is still the current one.
    pub(crate) fn settle(&mut self, line: &Line, used: u64) {
        if (self.period, self.window_index) == (line.period, line.window_index) {
            self.reserved = self.reserved.saturating_sub(line.reserved);
            self.used = self.used.saturating_add(used);
        }
    }

    /// Sets what may be taken of a shared counter, never less than is taken.
    pub(crate) fn grant(&mut self, window_index: u64, total: u64) -> Option<u64> {
        (self.window_index == window_index).then(|| {
            self.granted = total.max(self.taken());
            self.granted
        })
    }

    /// It as a claim would find it at `now`.
    pub(crate) fn seen(&self, now: Moment, claim: &Claim) -> Self {
        let mut seen = *self;
        seen.turn(claim, now);
        seen
    }

    pub(crate) fn allowance(&self, now: Moment, claim: &Claim) -> Allowance {
        let seen = self.seen(now, claim);
        Allowance {
            limit: claim.ceiling,
            remaining: claim.ceiling.saturating_sub(seen.taken()),
            resets_in: match claim.period {
                Period::Concurrent => Duration::ZERO,
                _ => seen.window_ends.since(now),
            },
        }
    }
}
