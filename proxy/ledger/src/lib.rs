//! Limits of requests and tokens per window: reserved before a request is sent, settled by what it really
//! took. It owns exact counters; it refuses to know who the subjects are, to read a clock, or to store.
//!
//! # Why fixed windows
//! Each counter is a fixed window with exact integers. A reader can check it by hand ("600 in this minute,
//! resets in 12 s"), `x-ratelimit-*` headers are literally true, and a settlement that corrects an estimate
//! is one addition. A cell-rate algorithm (GCRA) spreads load more evenly, but stores a theoretical arrival
//! time: an over-estimate handed back would have to move that time into the past, and "remaining" would be
//! an interpretation. The known price of a fixed window is that up to twice the amount can pass around a
//! boundary.
//!
//! Boundaries are aligned per key: a key's hash sets the phase of its windows. So the windows of many
//! consumers do not turn at the same instant, and a counter that was dropped and made anew has the same
//! boundaries as before.
//!
//! # Guarantees
//! What is reserved and settled at its estimate or below never exceeds an enforced amount in any window.
//! A settlement above its estimate is counted in full, because those tokens were spent; it can carry a
//! counter over its amount, and then nothing is let through until the window turns.

pub mod lease;
mod remaining;
mod shard;
mod shared;
mod window;

use std::time::Duration;

use vocabulary::{Rate, RateUnit};

pub use remaining::{Allowance, Remaining};
pub use shard::{Reservation, Shard};
pub use shared::Ledger;

/// One limit a request falls under.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Claim {
    /// Which counter: the caller derives it from the limit and its subject, stable across reloads.
    pub key: u64,
    /// Requests per window; the unit of the rate is not looked at.
    pub requests: Option<Rate>,
    /// Tokens per window; the unit of the rate is not looked at.
    pub tokens: Option<Rate>,
    /// Counts but never refuses: what it would have refused is reported and, as under enforcement, not
    /// counted.
    pub shadow: bool,
}

/// A limit that has no room for a request. Nothing was counted anywhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{} per window are spent: {asked} asked, {remaining} of {amount} left, more in {retry_after:?}", unit_name(*.unit))]
pub struct Exhausted {
    /// Index of the claim in the slice given to `reserve`.
    pub claim: usize,
    /// The counter's key.
    pub key: u64,
    /// What ran out.
    pub unit: RateUnit,
    /// How many were asked.
    pub asked: u64,
    /// How many are left in this window.
    pub remaining: u64,
    /// The limit's amount per window.
    pub amount: u64,
    /// Time until the window turns. A request larger than `amount` will not fit then either.
    pub retry_after: Duration,
}

impl Exhausted {
    /// Whether the request is larger than a whole window, so that waiting does not help.
    #[must_use]
    pub fn never_fits(&self) -> bool {
        self.asked > self.amount
    }
}

fn unit_name(unit: RateUnit) -> &'static str {
    match unit {
        RateUnit::Requests => "requests",
        RateUnit::Tokens => "tokens",
    }
}
