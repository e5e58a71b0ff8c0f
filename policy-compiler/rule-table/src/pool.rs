//! Pools: interchangeable deployments, how one is picked, and what follows a failure. It owns the plain
//! data of it; it refuses to pick or to keep state.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use vocabulary::{Share, Usd};

use crate::sections::{ConsumerId, DeploymentId, PoolId};

/// How a pool picks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Strategy {
    /// In turn.
    RoundRobin,
    /// In proportion to the members' weights.
    Weighted,
    /// By the objective.
    Adaptive,
}

/// A member of a pool.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Member {
    /// Its deployment.
    pub deployment: DeploymentId,
    /// Weight for [`Strategy::Weighted`].
    pub weight: u32,
}

/// What an adaptive pool aims for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Objective {
    /// Time to first token, from the caller's arrival.
    pub ttft: Duration,
    /// Share of requests that shall meet it.
    pub attainment: Share,
    /// The most one avoided miss may cost.
    pub max_cost_per_miss: Usd,
}

/// Passive ejection by real traffic.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ejection {
    /// Consecutive failures until ejected.
    pub consecutive_failures: u32,
    /// First ejection's length; doubles up to eight times it.
    pub base: Duration,
    /// Largest share of members ejected at once.
    pub max_share: Share,
    /// Ejects by the share of failures rather than by their run, when stated.
    pub breaker: Option<Breaker>,
    /// How long a returning member takes to get its full share again.
    pub ramp: Duration,
}

/// Ejection by the share of failures in a sliding window.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Breaker {
    /// Failures among answers that eject.
    pub error_share: Share,
    /// Window.
    pub window: Duration,
    /// Answers in the window below which nothing is concluded.
    pub min_requests: u32,
}

/// When a failed attempt is followed by another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Retry {
    /// Attempts per request, the first included, fallbacks too.
    pub max_attempts: u32,
    /// Whether to try again when it is unknown whether the backend works on the request: a timeout or a
    /// reset after it was sent. Another attempt may then pay for a second generation.
    pub ambiguous: bool,
    /// Retries allowed, as a share of the pool's requests over the last ten seconds.
    pub budget: Share,
    /// Retries a second allowed whatever the share, so that quiet pools can retry.
    pub budget_floor: u32,
}

/// Why a request may move on to a fallback pool.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FallbackWhen {
    /// No member can be asked: all are ejected, spent, cooling down or have been tried.
    Exhausted,
    /// The last member asked was at its rate limit or its quota was gone.
    RateLimited,
    /// The last member asked failed: 5xx, reset, no connection, nonsense.
    Error,
    /// The last member asked did not answer in time.
    Timeout,
    /// The request does not fit the context window.
    ContextWindow,
    /// A content filter refused the request.
    ContentFilter,
}

/// The next pool of a chain.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fallback {
    /// Where to go on.
    pub pool: PoolId,
    /// For any of these, sorted.
    pub when: Vec<FallbackWhen>,
    /// Never for these consumers, sorted.
    pub unless_consumers: Vec<ConsumerId>,
    /// Never for data of these classes, sorted.
    pub unless_data_classes: Vec<String>,
}

/// Interchangeable deployments.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pool {
    /// Name in the manifest.
    pub name: String,
    /// Members in manifest order of names.
    pub members: Vec<Member>,
    /// Picker.
    pub strategy: Strategy,
    /// Objective; defaults are filled in.
    pub objective: Objective,
    /// Ejection.
    pub ejection: Ejection,
    /// Retries.
    pub retry: Retry,
    /// Where a request goes on when this pool cannot serve it, in order; the first whose condition holds.
    pub fallback: Vec<Fallback>,
    /// Whether members are services without models, so that the route is piped.
    pub piped: bool,
}
