//! Whether a member may be picked. It owns the names of the standings and the order in which they are fallen
//! back on; it refuses to decide which one a member has (`health` and `quota` do).

/// Why a member may or may not take a request now.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Standing {
    /// It may.
    Ready,
    /// Lately returned: takes a growing share, and this request is beyond it.
    Ramping,
    /// Its local quota has no room.
    QuotaSpent,
    /// Its active probe fails.
    Unhealthy,
    /// It failed too often in a row.
    Ejected,
    /// It asked to be left alone for a while.
    CoolingDown,
    /// An operator drains it.
    Drained,
    /// An operator pinned the pool to another member.
    PinnedOut,
    /// The request cannot go there: wrong model, too long, or tried already.
    NotEligible,
}

impl Standing {
    /// Members of the lowest tier at hand are used. A ramp is our own caution and a spent quota our own
    /// estimate, so both yield first; then unsound members, which may have recovered (panic mode: better a
    /// doubtful member than none). `None`: never. A member that asked for rest gets it: asking it all the
    /// same costs a refusal and makes many providers count longer.
    pub(crate) const fn tier(self) -> Option<u8> {
        match self {
            Self::Ready => Some(0),
            Self::Ramping => Some(1),
            Self::QuotaSpent => Some(2),
            Self::Unhealthy | Self::Ejected => Some(3),
            Self::CoolingDown | Self::Drained | Self::PinnedOut | Self::NotEligible => None,
        }
    }

    /// As shown to operators.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Ready => "ready",
            Self::Ramping => "ramping",
            Self::QuotaSpent => "quota_spent",
            Self::Unhealthy => "unhealthy",
            Self::Ejected => "ejected",
            Self::CoolingDown => "cooling_down",
            Self::Drained => "drained",
            Self::PinnedOut => "pinned_out",
            Self::NotEligible => "not_eligible",
        }
    }
}
