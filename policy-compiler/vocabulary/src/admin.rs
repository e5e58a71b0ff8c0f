//! What the admin API says and hears, in JSON. It owns the shapes; it refuses to own routes, tokens or
//! the state behind them.

pub mod audit;
pub mod body;
pub mod generations;
pub mod holds;
pub mod keys;
pub mod limits;
pub mod shadow;
pub mod stores;
pub mod story;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// `GET /v1/status`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Status {
    /// Product version.
    pub version: String,
    /// `serving` or `draining`.
    pub state: String,
    /// Counts accepted policies since the first start; the `ETag` of `/v1/manifest`.
    pub generation: u64,
    /// Digest of the serving bundle, `blake3:…`.
    pub digest: String,
    /// Version of the overlay that issued keys are kept in; 0 before the first one.
    #[serde(default)]
    pub overlay_version: u64,
    /// The one source of policy: `file` or `api`.
    pub source: String,
    /// Unix milliseconds of the last accepted policy.
    pub loaded_at_ms: u64,
    /// The last rejected policy, if it came after the accepted one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_rejection: Option<Rejection>,
    /// Policy seconds per wall-clock second.
    pub time_scale: f64,
    /// Requests in flight now.
    pub in_flight: u64,
    /// An earlier generation that was put in force again, while it holds against the source of policy.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rolled_back: Option<generations::RolledBack>,
    /// A policy on trial on this replica.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub canary: Option<generations::Canary>,
    /// What operators hold.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub holds: Vec<holds::Hold>,
    /// What counts are kept in, and how that is doing.
    #[serde(default)]
    pub stores: stores::Stores,
    /// Digest of the database of countries in use, `sha256:…`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub countries: Option<String>,
    /// Every pool.
    pub pools: Vec<PoolStatus>,
    /// Where limits stand.
    #[serde(default)]
    pub limits: limits::LimitStandings,
}

/// A policy that was refused, and why.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Rejection {
    /// Unix milliseconds.
    pub at_ms: u64,
    /// One line per finding: code and message.
    pub findings: Vec<String>,
}

/// A pool as it is now.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct PoolStatus {
    /// Name in the manifest.
    pub pool: String,
    /// `round-robin`, `weighted` or `adaptive`.
    pub strategy: String,
    /// What the controller pays to avoid one miss, in USD; absent unless adaptive.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lambda_usd: Option<f64>,
    /// Share of answers in the last 60 s that missed the objective.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub miss_ratio: Option<f64>,
    /// False when λ is at its ceiling and the objective is still missed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub feasible: Option<bool>,
    /// Whether an operator froze its weights.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub frozen: bool,
    /// Every member.
    pub members: Vec<MemberStatus>,
}

/// A member of a pool as it is now.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct MemberStatus {
    /// `backend/deployment`.
    pub member: String,
    /// Share of the pool's requests in the last 10 s: the published weight, 0 to 1.
    pub share: f64,
    /// `ready`, or why it is used less or not at all: `ramping`, `quota_spent`, `unhealthy`, `ejected`,
    /// `cooling_down`, `drained`, `pinned_out`.
    pub standing: String,
    /// Requests sent and not ended.
    pub in_flight: u32,
    /// Prompt tokens sent and not yet answered.
    pub unanswered_prompt_tokens: u64,
    /// Predicted TTFT of a median prompt now, in seconds.
    pub predicted_ttft_s: f64,
    /// Fast drift as a factor on the slow prediction; 1 is none.
    pub drift: f64,
    /// Error probability estimate, 0 to 1.
    pub error_ratio: f64,
    /// Used fraction of the tighter quota, 0 to 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub quota_used: Option<f64>,
}

/// `GET /v1/decisions`: the most recent first.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Decisions {
    /// Kept decisions.
    pub decisions: Vec<DecisionRecord>,
    /// Decisions made since start, kept or not.
    pub total: u64,
}

/// One pick, with every candidate's terms in dollars.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct DecisionRecord {
    /// Policy seconds since start.
    pub at_s: f64,
    /// The request it was for.
    pub request_id: String,
    /// 1 for the first attempt.
    pub attempt: u32,
    /// The pool.
    pub pool: String,
    /// The pool's strategy.
    pub strategy: String,
    /// λ at that moment, in USD per miss.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lambda_usd: Option<f64>,
    /// Estimated prompt tokens of the request.
    pub prompt_tokens: u64,
    /// Seconds left until the TTFT objective.
    pub slack_s: f64,
    /// All members in manifest order.
    pub candidates: Vec<Candidate>,
    /// The chosen member, or nothing when none was admissible.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub chosen: Option<String>,
    /// One sentence for a person.
    pub why: String,
}

/// A member as one decision saw it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Candidate {
    /// `backend/deployment`.
    pub member: String,
    /// `ready`, or why it was not admissible: as in [`MemberStatus::standing`], or `not_eligible` for a
    /// member the request cannot go to.
    pub standing: String,
    /// Expected marginal cost of the request here, in USD.
    pub cost_usd: f64,
    /// λ times the probability of a miss, in USD.
    pub miss_usd: f64,
    /// Price of the queue this request would lengthen, in USD.
    pub queue_usd: f64,
    /// Price of spending a windowed quota too early, in USD.
    pub pace_usd: f64,
    /// The sum that is minimised, in USD.
    pub total_usd: f64,
    /// Probability of a miss, errors included.
    pub miss_probability: f64,
    /// Predicted TTFT, in seconds.
    pub predicted_ttft_s: f64,
}

/// One second's change of the realised shares.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ShareChange {
    /// Policy seconds since start.
    pub at_s: f64,
    /// The pool.
    pub pool: String,
    /// The member.
    pub member: String,
    /// Share before, 0 to 1.
    pub from: f64,
    /// Share after, 0 to 1.
    pub to: f64,
    /// The term that contributed most: `cost`, `miss`, `queue`, `pace`, `standing`.
    pub because: String,
}

/// `PUT /v1/manifest` accepted.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Accepted {
    /// The new generation.
    pub generation: u64,
    /// The new digest.
    pub digest: String,
    /// Warnings of the compiler, one line each.
    pub warnings: Vec<String>,
}
