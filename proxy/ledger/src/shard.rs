//! Counters by key, for one thread at a time. It owns all-or-nothing reservations and their settlement; it
//! refuses to lock (`Ledger` does).

use std::collections::HashMap;
use std::time::Duration;

use vocabulary::{Moment, Rate, RateUnit};

use crate::window::{Counted, Window};
use crate::{Allowance, Claim, Exhausted, Remaining};

/// The two counters of a key.
#[derive(Clone, Copy, Debug, Default)]
struct Account {
    requests: Window,
    tokens: Window,
}

/// What one claim counted, so that it can be settled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Line {
    key: u64,
    requests: Option<Counted>,
    tokens: Option<Counted>,
}

/// Room held by a request that is under way. Settle it with what the request took, or release it when the
/// request was never sent; dropped without either, its room returns when its windows turn.
#[derive(Debug, PartialEq, Eq)]
#[must_use = "settle or release it, or its room stays taken until the window turns"]
pub struct Reservation {
    lines: Vec<Line>,
    would_refuse: Vec<Exhausted>,
}

impl Reservation {
    /// The units shadow claims would have refused, in the order of the claims.
    pub fn would_refuse(&self) -> impl Iterator<Item = RateUnit> + '_ {
        self.would_refuse.iter().map(|exhausted| exhausted.unit)
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
    accounts: HashMap<u64, Account>,
}

impl Shard {
    /// No counters.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes one request and `tokens` from every claim, or nothing from any.
    ///
    /// # Errors
    /// The first enforced claim without room.
    pub fn reserve(&mut self, now: Moment, claims: &[Claim], tokens: u64) -> Result<Reservation, Exhausted> {
        reserve(self, now, claims, tokens)
    }

    /// Replaces the reserved tokens by what the request took, in the window they were reserved in. When that
    /// window has turned, nothing is changed: its count is no longer asked for.
    pub fn settle(&mut self, now: Moment, reservation: Reservation, tokens_used: u64) {
        settle(self, now, &reservation, tokens_used);
    }

    /// Gives back the request and its tokens, as if it had never been made.
    pub fn release(&mut self, now: Moment, reservation: Reservation) {
        release(self, now, &reservation);
    }

    /// What is left under `claim`.
    #[must_use]
    pub fn remaining(&self, now: Moment, claim: &Claim) -> Remaining {
        let account = self.accounts.get(&claim.key).copied().unwrap_or_default();
        let allowance = |rate: Rate, window: Window| {
            let (used, resets_in) = window.used(claim.key, &rate, now);
            Allowance { limit: rate.amount, remaining: rate.amount.saturating_sub(used), resets_in }
        };
        Remaining {
            requests: claim.requests.map(|rate| allowance(rate, account.requests)),
            tokens: claim.tokens.map(|rate| allowance(rate, account.tokens)),
        }
    }

    /// Forgets counters whose windows have turned. Loses nothing; call it now and then to bound memory.
    pub fn sweep(&mut self, now: Moment) {
        self.accounts.retain(|key, account| {
            !account.requests.is_over(*key, now) || !account.tokens.is_over(*key, now)
        });
    }

    /// How many keys have counters.
    #[must_use]
    pub fn len(&self) -> usize {
        self.accounts.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.accounts.is_empty()
    }

    /// Takes from one claim, both units or neither.
    fn take(&mut self, now: Moment, index: usize, claim: &Claim, tokens: u64) -> Result<Line, Exhausted> {
        let account = self.accounts.entry(claim.key).or_default();
        let check = |unit, rate: Option<Rate>, window: &Window, asked: u64| {
            let Some(rate) = rate else { return Ok(()) };
            let (used, retry_after) = window.used(claim.key, &rate, now);
            fits(rate.amount, used, asked).map_err(|remaining| {
                exhausted(index, claim.key, unit, (asked, remaining, rate.amount), retry_after)
            })
        };
        check(RateUnit::Requests, claim.requests, &account.requests, 1)?;
        check(RateUnit::Tokens, claim.tokens, &account.tokens, tokens)?;
        Ok(Line {
            key: claim.key,
            requests: claim.requests.map(|rate| account.requests.add(claim.key, &rate, now, 1)),
            tokens: claim.tokens.map(|rate| account.tokens.add(claim.key, &rate, now, tokens)),
        })
    }

    fn settle_line(&mut self, now: Moment, line: &Line, tokens_used: u64) {
        if let (Some(account), Some(counted)) = (self.accounts.get_mut(&line.key), line.tokens) {
            account.tokens.correct(line.key, now, counted, tokens_used);
        }
    }

    fn give_back(&mut self, now: Moment, line: &Line) {
        let Some(account) = self.accounts.get_mut(&line.key) else { return };
        if let Some(counted) = line.requests {
            account.requests.correct(line.key, now, counted, 0);
        }
        if let Some(counted) = line.tokens {
            account.tokens.correct(line.key, now, counted, 0);
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

/// The keys a reservation was counted under.
pub(crate) fn keys(reservation: &Reservation) -> impl Iterator<Item = u64> + '_ {
    reservation.lines.iter().map(|line| line.key)
}

pub(crate) fn reserve(
    counters: &mut impl Counters,
    now: Moment,
    claims: &[Claim],
    tokens: u64,
) -> Result<Reservation, Exhausted> {
    let mut held = Reservation { lines: Vec::with_capacity(claims.len()), would_refuse: Vec::new() };
    for (index, claim) in claims.iter().enumerate() {
        let Some(shard) = counters.shard(claim.key) else { continue };
        match shard.take(now, index, claim, tokens) {
            Ok(line) => held.lines.push(line),
            Err(exhausted) if claim.shadow => held.would_refuse.push(exhausted),
            Err(exhausted) => {
                release(counters, now, &held);
                return Err(exhausted);
            }
        }
    }
    Ok(held)
}

pub(crate) fn settle(counters: &mut impl Counters, now: Moment, reservation: &Reservation, tokens_used: u64) {
    for line in &reservation.lines {
        if let Some(shard) = counters.shard(line.key) {
            shard.settle_line(now, line, tokens_used);
        }
    }
}

pub(crate) fn release(counters: &mut impl Counters, now: Moment, reservation: &Reservation) {
    for line in &reservation.lines {
        if let Some(shard) = counters.shard(line.key) {
            shard.give_back(now, line);
        }
    }
}

/// `Err` carries what is left.
fn fits(amount: u64, used: u64, asked: u64) -> Result<(), u64> {
    let remaining = amount.saturating_sub(used);
    // An over-spent window has no room even for a request of no tokens.
    if asked <= remaining && used <= amount { Ok(()) } else { Err(remaining) }
}

fn exhausted(
    claim: usize,
    key: u64,
    unit: RateUnit,
    counts: (u64, u64, u64),
    retry_after: Duration,
) -> Exhausted {
    let (asked, remaining, amount) = counts;
    Exhausted { claim, key, unit, asked, remaining, amount, retry_after }
}
