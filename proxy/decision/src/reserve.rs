//! Stage 5: limits reserved before anything is sent. It owns how much a request asks of each and how a
//! refusal reads; which limits apply is `claims`', how much it can take at most `ceiling`'s, counting the
//! ledger's.

use std::sync::Arc;
use std::time::Duration;

use ledger::{Claim, Exhausted, Meter, Refused, Reservation, Short};
use vocabulary::{Moment, Operation, Reason, Usage};

use crate::counters::Counted;
use crate::price::{amortised, amortised_at_most, at_most, marginal};
use crate::{Exchange, Refusal};

/// Output tokens assumed for a caller that names no ceiling; settled to the real number afterwards.
const ASSUMED_OUTPUT_TOKENS: u64 = 256;

/// What came of asking the limits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reserved {
    /// There is room, and it is held.
    Held,
    /// There is room, but this replica needs a grant for it first. Nothing is held; ask again after it.
    NeedsLease(Vec<Uncovered>),
}

/// A shared counter whose grant does not cover a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Uncovered {
    /// The counter.
    pub key: u64,
    /// The window it needs a grant in.
    pub window: u64,
    /// When that window ends, in ledger time.
    pub ends: Moment,
    /// How much more must be granted.
    pub short: u64,
    /// Whether the request is refused when nobody can say if there is more.
    pub closed: bool,
    /// The refusal when there is no more.
    spent: Exhausted,
}

impl Uncovered {
    fn new(short: &Short, claims: &[Claim], now: Moment) -> Option<Self> {
        let claim = claims.get(short.claim)?;
        let ends = claim.period.place(claim.key, now).ends;
        let spent = Exhausted {
            claim: short.claim,
            key: claim.key,
            meter: claim.meter,
            asked: claim.asked,
            remaining: claim.asked.saturating_sub(short.short),
            ceiling: claim.ceiling,
            retry_after: ends.since(now),
        };
        let Short { window_index: window, short, .. } = *short;
        Some(Self { key: claim.key, window, ends, short, closed: claim.closed, spent })
    }

    /// What all replicas together may count.
    #[must_use]
    pub fn ceiling(&self) -> u64 {
        self.spent.ceiling
    }

    /// The refusal when other replicas have, or have spent, what is missing.
    #[must_use]
    pub fn refusal(&self) -> Refusal {
        refusal(&self.spent)
    }
}

impl Exchange {
    /// Reserves what the request may take against every limit; a lack of grants counts as a lack of room.
    ///
    /// # Errors
    /// As [`Exchange::try_reserve`].
    pub fn reserve(&mut self, now: Moment) -> Result<(), Refusal> {
        match self.try_reserve(now)? {
            Reserved::Held => Ok(()),
            Reserved::NeedsLease(uncovered) => self.reserve_alone(now, &uncovered),
        }
    }

    /// Reserves when nobody can say whether other replicas leave room. Where a limit's stance is closed that
    /// is a refusal; an open one is held against what this replica alone has counted, and the others hear
    /// of it later.
    ///
    /// # Errors
    /// [`Reason::StoreUnavailable`], or as [`Exchange::try_reserve`].
    pub fn reserve_alone(&mut self, now: Moment, uncovered: &[Uncovered]) -> Result<(), Refusal> {
        let unavailable = || {
            let message = "this limit is counted together with other replicas, and no share of it could be had; try again";
            Refusal::new(Reason::StoreUnavailable, message).with_retry_after(Some(Duration::from_secs(1)))
        };
        if uncovered.iter().any(|one| one.closed) {
            return Err(unavailable());
        }
        let alone: Vec<u64> = uncovered.iter().map(|one| one.key).collect();
        match self.reserve_but(now, &alone)? {
            Reserved::Held => Ok(()),
            // Its grant was withdrawn in between.
            Reserved::NeedsLease(_) => Err(unavailable()),
        }
    }

    /// Reserves what the request may take against every limit, or nothing at all.
    ///
    /// # Errors
    /// [`Reason::RequestLimit`], [`Reason::TokenLimit`], [`Reason::StreamLimit`] or
    /// [`Reason::BudgetExhausted`], with the time until there is room again unless the request is larger
    /// than a whole period; [`Reason::StoreUnavailable`] where a count cannot be recorded.
    pub fn try_reserve(&mut self, now: Moment) -> Result<Reserved, Refusal> {
        self.reserve_but(now, &[])
    }

    /// Does not wait for grants of the counters `alone`.
    fn reserve_but(&mut self, now: Moment, alone: &[u64]) -> Result<Reserved, Refusal> {
        let counted = self.counted();
        if counted.is_empty() {
            return Ok(Reserved::Held);
        }
        let gate = Arc::clone(&self.gate);
        let ledger = gate.ledger();
        let now = ledger.time().at(now);
        let mut claims = self.claims(&counted, self.counted_tokens, alone);
        let mut reserved = ledger.reserve(now, &claims);
        if let Err(Refused::Exhausted(exhausted)) = &reserved
            && counted.get(exhausted.claim).is_some_and(Counted::is_bound)
            && self.may_fit(&counted, exhausted)
            && let Some(tokens) = self.count_exactly()
        {
            // Bytes stand for more tokens than there are: what is really asked may fit.
            claims = self.claims(&counted, Some(tokens), alone);
            reserved = ledger.reserve(now, &claims);
        }
        self.remaining = ledger.remaining(now, &claims);
        let reservation = match reserved {
            Ok(reservation) => reservation,
            Err(Refused::NeedsLease { claims: short }) => {
                let uncovered = short.iter().filter_map(|short| Uncovered::new(short, &claims, now));
                return Ok(Reserved::NeedsLease(uncovered.collect()));
            }
            Err(Refused::Exhausted(exhausted)) => return Err(refusal(&exhausted)),
            Err(Refused::Unrecorded) => {
                return Err(Refusal::new(
                    Reason::StoreUnavailable,
                    "this request's limits cannot be recorded now; try again shortly",
                ));
            }
        };
        self.countable = None;
        self.hold(reservation);
        Ok(Reserved::Held)
    }

    /// Whether the request fits where its body takes next to nothing: otherwise counting it is in vain.
    fn may_fit(&mut self, counted: &[Counted], exhausted: &Exhausted) -> bool {
        let least = self.claims(counted, Some(1), &[]);
        least.get(exhausted.claim).is_some_and(|claim| claim.asked <= exhausted.remaining)
    }

    fn hold(&mut self, reservation: Reservation) {
        for reason in reservation.would_refuse().map(reason) {
            // Two limits may agree; the request would have been refused once.
            if !self.would_refuse.contains(&reason) {
                self.would_refuse.push(reason);
            }
        }
        self.reservation = Some(reservation);
    }

    /// The counters with what is asked of each, hard limits by the tokens of the body where they are
    /// `exact`. Grants of those `alone` are not waited for.
    pub(crate) fn claims(&mut self, counted: &[Counted], exact: Option<u64>, alone: &[u64]) -> Vec<Claim> {
        let spends = |hard: bool| {
            counted
                .iter()
                .any(|one| one.hard == hard && !matches!(one.claim.meter, Meter::Requests | Meter::Streams))
        };
        // Counting tokens spends none.
        let generates = self.facts.as_ref().is_some_and(|facts| facts.operation != Operation::CountTokens);
        let estimate = if generates && spends(false) { self.estimate() } else { Usage::default() };
        let most = if generates && spends(true) { self.most(exact) } else { Usage::default() };
        let asked = |one: &Counted| match (one.claim.meter, one.hard) {
            (Meter::Requests | Meter::Streams, _) => 1,
            (Meter::Tokens, false) => estimate.total(),
            (Meter::Tokens, true) => most.total(),
            (Meter::Spend, false) => self.dearest(&estimate, marginal),
            (Meter::Spend, true) => self.dearest(&most, at_most),
            (Meter::Amortised, false) => self.dearest(&estimate, amortised),
            (Meter::Amortised, true) => self.dearest(&most, amortised_at_most),
        };
        let claim = |one: &Counted| {
            let shared = one.claim.shared && !alone.contains(&one.claim.key);
            Claim { asked: asked(one), shared, ..one.claim }
        };
        counted.iter().map(claim).collect()
    }

    /// What it will take if it is like most.
    pub(crate) fn estimate(&self) -> Usage {
        let Some(facts) = &self.facts else { return Usage::default() };
        let generates = facts.operation != Operation::Embeddings;
        let output = if generates {
            facts.max_output_tokens.unwrap_or(ASSUMED_OUTPUT_TOKENS).saturating_mul(facts.choices)
        } else {
            0
        };
        Usage { input: facts.prompt_tokens, output, ..Usage::default() }
    }
}

fn refusal(exhausted: &Exhausted) -> Refusal {
    let reason = reason(exhausted.meter);
    if exhausted.never_fits() {
        return Refusal::new(reason, never(exhausted));
    }
    let message = match exhausted.meter {
        Meter::Requests => "the requests of this window are spent; wait for the time in Retry-After",
        Meter::Tokens => "the tokens of this window are spent; wait for the time in Retry-After",
        Meter::Streams => "as many requests as may be are under way; wait for one of them to end",
        Meter::Spend | Meter::Amortised => {
            "the budget of this period does not cover this request; wait for the time in Retry-After, or ask for less with `max_tokens`"
        }
    };
    Refusal::new(reason, message).with_retry_after(Some(exhausted.retry_after))
}

fn never(exhausted: &Exhausted) -> String {
    let Exhausted { asked, ceiling, .. } = exhausted;
    match exhausted.meter {
        Meter::Spend | Meter::Amortised => {
            "this request may cost more than the budget of a whole period; shorten its prompt or lower `max_tokens`".to_owned()
        }
        Meter::Tokens if *asked == u64::MAX => {
            "nobody can say how many tokens this request may take at most; name `max_tokens` and send the whole input as text".to_owned()
        }
        _ => format!(
            "this request may take {asked} tokens, more than the {ceiling} of a whole window; shorten its prompt or lower `max_tokens`"
        ),
    }
}

fn reason(meter: Meter) -> Reason {
    match meter {
        Meter::Requests => Reason::RequestLimit,
        Meter::Tokens => Reason::TokenLimit,
        Meter::Streams => Reason::StreamLimit,
        Meter::Spend | Meter::Amortised => Reason::BudgetExhausted,
    }
}
