//! What a caller may still do, for `x-ratelimit-*` headers. It owns which of several limits is the tightest;
//! it refuses to know header names.

use std::time::Duration;

use crate::Meter;

/// Room left in one window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Allowance {
    /// The amount per window.
    pub limit: u64,
    /// How much is left in this window.
    pub remaining: u64,
    /// Time until the window turns; zero for what is under way at once.
    pub resets_in: Duration,
}

/// The tightest room left over several limits, per meter.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Remaining {
    /// Of requests, where any limit counts them.
    pub requests: Option<Allowance>,
    /// Of tokens, where any limit counts them.
    pub tokens: Option<Allowance>,
    /// Of requests under way, where any limit counts them.
    pub streams: Option<Allowance>,
    /// Of money in nano-dollars, where any limit counts it.
    pub spend: Option<Allowance>,
}

impl Remaining {
    /// Room under one meter.
    #[must_use]
    pub fn of(meter: Meter, allowance: Allowance) -> Self {
        let mut room = Self::default();
        let place = match meter {
            Meter::Requests => &mut room.requests,
            Meter::Tokens => &mut room.tokens,
            Meter::Streams => &mut room.streams,
            Meter::Spend | Meter::Amortised => &mut room.spend,
        };
        *place = Some(allowance);
        room
    }

    /// The tighter of two, meter by meter.
    #[must_use]
    pub fn tightest(self, other: Self) -> Self {
        Self {
            requests: tighter(self.requests, other.requests),
            tokens: tighter(self.tokens, other.tokens),
            streams: tighter(self.streams, other.streams),
            spend: tighter(self.spend, other.spend),
        }
    }

    /// Whether no limit counts anything.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
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
