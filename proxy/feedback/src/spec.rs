//! What an operator says about a pool. It owns the shapes and their defaults' meaning; it refuses to
//! validate (the compiler did) or to learn.

use std::time::Duration;

use vocabulary::Prices;

/// How a pool picks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Strategy {
    /// In turn.
    RoundRobin,
    /// In proportion to the members' weights.
    Weighted,
    /// By the objective.
    Adaptive,
}

impl Strategy {
    /// As written in a manifest.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::RoundRobin => "round-robin",
            Self::Weighted => "weighted",
            Self::Adaptive => "adaptive",
        }
    }
}

/// A pool of members that the operator declares interchangeable.
#[derive(Clone, Debug, PartialEq)]
pub struct PoolSpec {
    /// Name in the manifest.
    pub name: String,
    /// Picker.
    pub strategy: Strategy,
    /// What an adaptive pool aims for; the miss ratio of any pool is measured against it.
    pub objective: Objective,
    /// Passive ejection.
    pub ejection: EjectionSpec,
    /// Members, at most [`crate::MAX_MEMBERS`]; those beyond are never picked.
    pub members: Vec<MemberSpec>,
}

/// What an adaptive pool aims for.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Objective {
    /// Time to first token, from the caller's arrival.
    pub ttft: Duration,
    /// Share of requests that shall meet it, 0 to 1.
    pub attainment: f64,
    /// The most one avoided miss may cost, in USD: the ceiling of λ.
    pub max_cost_per_miss_usd: f64,
}

/// Passive ejection by real traffic.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct EjectionSpec {
    /// Consecutive failures until ejected; 0 ejects never.
    pub consecutive_failures: u32,
    /// Length of the first ejection; doubles up to eight times it.
    pub base: Duration,
    /// Largest share of members ejected at once, 0 to 1; one member may always be.
    pub max_share: f64,
    /// Ejects by the share of failures as well, when stated.
    pub breaker: Option<BreakerSpec>,
    /// How long a returning member takes to get its full share again.
    pub ramp: Duration,
}

/// Ejection by the share of failures among a member's answers.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct BreakerSpec {
    /// Share that ejects, 0 to 1.
    pub error_share: f64,
    /// Sliding window.
    pub window: Duration,
    /// Answers in it below which nothing is concluded.
    pub min_requests: u32,
}

/// One member.
#[derive(Clone, Debug, PartialEq)]
pub struct MemberSpec {
    /// `backend/deployment`; what was learned is kept under this name.
    pub name: String,
    /// Weight for [`Strategy::Weighted`]; 0 takes no traffic.
    pub weight: u32,
    /// Marginal prices; zero is valid, as for capacity paid by the hour.
    pub prices: Prices,
    /// Quota, enforced locally by [`Strategy::Adaptive`].
    pub quota: Option<QuotaSpec>,
    /// Requests it serves at once before they queue; none known when absent.
    pub concurrency: Option<u32>,
    /// The operator's guess of TTFT for a prompt of a thousand tokens.
    pub expected_ttft: Duration,
    /// How long an attempt may wait for its first token.
    pub first_token_timeout: Duration,
}

/// How a quota refills.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum QuotaShape {
    /// Counted per window, aligned to policy time.
    FixedWindow,
    /// Drains continuously.
    LeakyBucket,
}

/// What a member may consume.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct QuotaSpec {
    /// Tokens per window.
    pub tokens: Option<(u64, Duration)>,
    /// Requests per window.
    pub requests: Option<(u64, Duration)>,
    /// Refill.
    pub shape: QuotaShape,
    /// Depth of a leaky bucket, as time at the full rate.
    pub burst: Duration,
    /// Quota tokens one output token takes; 1 unless provisioned.
    pub output_weight: u32,
}
