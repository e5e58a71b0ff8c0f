//! What is asked of the ledger and how it refuses. It owns the words; counting is the counters'.

use std::time::Duration;

use crate::Period;

/// What a counter counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Meter {
    /// Requests.
    Requests,
    /// Input and output tokens.
    Tokens,
    /// Requests under way.
    Streams,
    /// Nano-dollars.
    Spend,
    /// Nano-dollars, capacity that is paid by the hour included.
    Amortised,
}

impl Meter {
    /// Its name in messages.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Requests => "requests",
            Self::Tokens => "tokens",
            Self::Streams => "streams",
            Self::Spend | Self::Amortised => "nano-dollars",
        }
    }
}

/// One counter a request falls under, and how much of it the request may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Claim {
    /// Which counter: a hash of scope, limit, subject and meter, stable across reloads and restarts.
    pub key: u64,
    /// What it has in common with others whose subjects nobody lists; 0 where its subject is listed. It is
    /// not recorded.
    pub group: u64,
    /// What it counts.
    pub meter: Meter,
    /// The most that may be counted per period.
    pub ceiling: u64,
    /// When it starts anew.
    pub period: Period,
    /// The most this request can take, or the best estimate of it where the limit is not hard.
    pub asked: u64,
    /// Counts but never refuses: what it would have refused is reported and, as under enforcement, not
    /// counted.
    pub shadow: bool,
    /// Counted together with other replicas: only what was granted to this one may be taken. A shadow
    /// claim does not wait for grants.
    pub shared: bool,
    /// Refuses when it cannot be recorded.
    pub closed: bool,
}

/// What a request really took.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Took {
    /// Input and output tokens.
    pub tokens: u64,
    /// Nano-dollars.
    pub spend_nanos: u64,
    /// Nano-dollars, capacity that is paid by the hour included.
    pub amortised_nanos: u64,
}

impl Took {
    /// The part of it that `meter` counts; what was reserved where it counts neither.
    #[must_use]
    pub fn of(&self, meter: Meter, reserved: u64) -> u64 {
        match meter {
            Meter::Requests => reserved,
            Meter::Tokens => self.tokens,
            Meter::Streams => 0,
            Meter::Spend => self.spend_nanos,
            Meter::Amortised => self.amortised_nanos,
        }
    }
}

/// Why nothing was reserved. Nothing was counted anywhere.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// A limit has no room.
    #[error(transparent)]
    Exhausted(#[from] Exhausted),
    /// Every limit has room, but this replica was not granted enough of it yet.
    #[error("{} shared limits have more room than was granted here", claims.len())]
    NeedsLease {
        /// The claims that lack a grant.
        claims: Vec<Short>,
    },
    /// The reservation could not be recorded, and a limit that says so is never counted unrecorded.
    #[error("the reservation could not be recorded")]
    Unrecorded,
}

/// A shared claim that its grant does not cover.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Short {
    /// Index of the claim in the slice given to `reserve`.
    pub claim: usize,
    /// The counter.
    pub key: u64,
    /// The window it needs a grant in.
    pub window_index: u64,
    /// How much more must be granted for the claim to fit.
    pub short: u64,
}

/// A limit that has no room for a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{} are spent: {asked} asked, {remaining} of {ceiling} left, more in {retry_after:?}", meter.name())]
pub struct Exhausted {
    /// Index of the claim in the slice given to `reserve`.
    pub claim: usize,
    /// The counter.
    pub key: u64,
    /// What ran out.
    pub meter: Meter,
    /// How much was asked.
    pub asked: u64,
    /// How much is left in this window.
    pub remaining: u64,
    /// The most per period.
    pub ceiling: u64,
    /// Time until the window turns; a second for what is under way at once, since nobody knows. A request
    /// larger than `ceiling` will not fit then either.
    pub retry_after: Duration,
}

impl Exhausted {
    /// Whether the request is larger than a whole period's ceiling, so that waiting does not help.
    #[must_use]
    pub fn never_fits(&self) -> bool {
        self.asked > self.ceiling
    }
}
