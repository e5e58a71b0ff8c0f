//! What a caller may still do, for `x-ratelimit-*` headers. It owns which of several limits is the tightest;
//! it refuses to know header names.

use std::time::Duration;

/// Room left in one window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Allowance {
    /// The amount per window.
    pub limit: u64,
    /// How many are left in this window.
    pub remaining: u64,
    /// Time until the window turns.
    pub resets_in: Duration,
}

/// The tightest room left over several limits, per unit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Remaining {
    /// Of requests, where any limit counts them.
    pub requests: Option<Allowance>,
    /// Of tokens, where any limit counts them.
    pub tokens: Option<Allowance>,
}

impl Remaining {
    /// The tighter of two, unit by unit.
    #[must_use]
    pub fn tightest(self, other: Self) -> Self {
        Self { requests: tighter(self.requests, other.requests), tokens: tighter(self.tokens, other.tokens) }
    }

    /// Whether no limit counts anything.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.requests.is_none() && self.tokens.is_none()
    }
}

/// Less room is tighter; of equal rooms, the one that stays so for longer.
fn tighter(a: Option<Allowance>, b: Option<Allowance>) -> Option<Allowance> {
    match (a, b) {
        (Some(a), Some(b)) => {
            let tightness = |x: &Allowance| (x.remaining, std::cmp::Reverse(x.resets_in));
            Some(if tightness(&b) < tightness(&a) { b } else { a })
        }
        (one, other) => one.or(other),
    }
}
