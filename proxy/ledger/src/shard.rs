//! Counters by key, for one thread at a time. It owns all-or-nothing reservations and their settlement; it
//! refuses to lock (`Ledger` does).

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use vocabulary::Moment;

use crate::claim::{Claim, Exhausted, Refused, Took};
use crate::counter::{Lacks, Line, Standing};
use crate::{Allowance, Meter};

/// Room held by a request that is under way. Settle it with what the request took, or release it when the
/// request was never sent; dropped without either, its room returns when its windows turn.
#[derive(Debug, PartialEq, Eq)]
#[must_use = "settle or release it, or its room stays taken until the window turns"]
pub struct Reservation {
    pub(crate) id: u64,
    pub(crate) lines: Vec<Line>,
    would_refuse: Vec<Exhausted>,
    /// Whether a record of it was written.
    pub(crate) recorded: bool,
}

impl Reservation {
    /// Its number, unique for a ledger's life.
    #[must_use]
    pub fn id(&self) -> u64 {
        self.id
    }

    /// What it holds, counter by counter.
    #[must_use]
    pub fn lines(&self) -> &[Line] {
        &self.lines
    }

    /// The most it holds of what is counted by what a request takes.
    #[must_use]
    pub fn held(&self) -> Took {
        let held = |meter| {
            let lines = self.lines.iter().filter(|line| line.meter == meter);
            lines.map(|line| line.reserved).max().unwrap_or(0)
        };
        Took {
            tokens: held(Meter::Tokens),
            spend_nanos: held(Meter::Spend),
            amortised_nanos: held(Meter::Amortised),
        }
    }

    /// What shadow claims would have refused for, in the order of the claims.
    pub fn would_refuse(&self) -> impl Iterator<Item = Meter> + '_ {
        self.would_refuse.iter().map(|exhausted| exhausted.meter)
    }

    /// The refusals shadow claims would have given, in the order of the claims.
    #[must_use]
    pub fn would_refusals(&self) -> &[Exhausted] {
        &self.would_refuse
    }
}

/// Counters by key.
#[derive(Debug, Default)]
pub struct Shard {
    counters: HashMap<u64, Standing>,
}

impl Shard {
    /// No counters.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes what every claim asks, or nothing from any.
    ///
    /// # Errors
    /// The first enforced claim without room; where all have room, those that need a grant.
    pub fn reserve(&mut self, now: Moment, claims: &[Claim]) -> Result<Reservation, Refused> {
        reserve(self, now, claims)
    }

    /// Replaces what is held by what the request took, in the window it was reserved in. When that window
    /// has turned, nothing is changed: its count is no longer asked for.
    pub fn settle(&mut self, reservation: &Reservation, took: &Took) {
        settle(self, reservation, took);
    }

    /// Gives back what is held, as if the request had never been made.
    pub fn release(&mut self, reservation: &Reservation) {
        release(self, reservation);
    }

    /// What is left under `claim`.
    #[must_use]
    pub fn allowance(&self, now: Moment, claim: &Claim) -> Allowance {
        self.standing(now, claim).allowance(now, claim)
    }

    /// The counter of `claim` as it would be found at `now`.
    #[must_use]
    pub fn standing(&self, now: Moment, claim: &Claim) -> Standing {
        self.counters.get(&claim.key).map_or_else(|| Standing::new(claim, now), |one| one.seen(now, claim))
    }

    /// Every counter, in no order.
    pub fn standings(&self) -> impl Iterator<Item = &Standing> {
        self.counters.values()
    }

    /// Forgets counters whose windows have turned. Loses nothing; call it now and then to bound memory.
    pub fn sweep(&mut self, now: Moment) {
        self.counters.retain(|_, counter| !counter.is_over(now));
    }

    /// Sets what may be taken in a window of a shared counter, never less than is taken; returns what it is
    /// set to. `None` where the counter is unknown or in another window.
    pub fn grant(&mut self, key: u64, window_index: u64, total: u64) -> Option<u64> {
        self.counters.get_mut(&key)?.grant(window_index, total)
    }

    /// Puts back a counter as it was; of two with one key the later window stays.
    pub(crate) fn restore(&mut self, standing: Standing) {
        match self.counters.entry(standing.key) {
            Entry::Vacant(place) => {
                place.insert(standing);
            }
            Entry::Occupied(mut place) => {
                let held = place.get_mut();
                if held.period != standing.period || held.window_index < standing.window_index {
                    *held = standing;
                }
            }
        }
    }

    /// How many counters there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.counters.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.counters.is_empty()
    }

    fn take(&mut self, now: Moment, index: usize, claim: &Claim) -> Result<Line, Lacks> {
        let counter = self.counters.entry(claim.key).or_insert_with(|| Standing::new(claim, now));
        counter.take(now, index, claim)
    }

    fn settle_line(&mut self, line: &Line, used: u64) {
        if let Some(counter) = self.counters.get_mut(&line.key) {
            counter.settle(line, used);
        }
    }
}

/// Shards that this thread may change: one of its own, or several it has locked.
pub(crate) trait Counters {
    /// The shard that counts `key`.
    fn shard(&mut self, key: u64) -> Option<&mut Shard>;
}

impl Counters for Shard {
    fn shard(&mut self, _: u64) -> Option<&mut Shard> {
        Some(self)
    }
}

pub(crate) fn reserve(
    counters: &mut impl Counters,
    now: Moment,
    claims: &[Claim],
) -> Result<Reservation, Refused> {
    let mut held = Reservation {
        id: 0,
        lines: Vec::with_capacity(claims.len()),
        would_refuse: Vec::new(),
        recorded: false,
    };
    let mut short = Vec::new();
    for (index, claim) in claims.iter().enumerate() {
        let Some(shard) = counters.shard(claim.key) else { continue };
        match shard.take(now, index, claim) {
            Ok(line) => held.lines.push(line),
            Err(Lacks::Grant(lack)) => short.push(lack),
            Err(Lacks::Room(exhausted)) if claim.shadow => held.would_refuse.push(exhausted),
            Err(Lacks::Room(exhausted)) => {
                release(counters, &held);
                return Err(exhausted.into());
            }
        }
    }
    if short.is_empty() {
        return Ok(held);
    }
    release(counters, &held);
    Err(Refused::NeedsLease { claims: short })
}

pub(crate) fn settle(counters: &mut impl Counters, reservation: &Reservation, took: &Took) {
    for line in &reservation.lines {
        if let Some(shard) = counters.shard(line.key) {
            shard.settle_line(line, took.of(line.meter, line.reserved));
        }
    }
}

pub(crate) fn release(counters: &mut impl Counters, reservation: &Reservation) {
    for line in &reservation.lines {
        if let Some(shard) = counters.shard(line.key) {
            shard.settle_line(line, 0);
        }
    }
}
