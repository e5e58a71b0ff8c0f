//! How far limits are used, as the admin API tells it. It owns the shapes; it refuses to count.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// `GET /v1/limits`: the ones nearest their ceiling first.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Limits {
    /// What has been used of each limit in its present window, by this replica's count. A limit that nobody
    /// used in it is not here.
    pub limits: Vec<LimitStanding>,
    /// How many there are, shown or not.
    pub total: usize,
}

/// One limit, as one caller or group has used it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct LimitStanding {
    /// The limit's name in the manifest.
    pub limit: String,
    /// Who or what it is counted for.
    pub counted_for: CountedFor,
    /// Its name in the manifest.
    pub name: String,
    /// What `used`, `under_way` and `ceiling` count.
    pub unit: Unit,
    /// Counted for requests that are over.
    pub used: f64,
    /// Held by requests under way.
    pub under_way: f64,
    /// What all replicas together may use.
    pub ceiling: f64,
    /// Used and held, as a fraction of the ceiling: 1 is all of it.
    pub used_ratio: f64,
    /// Unix milliseconds of the window's end; absent for what is counted at once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ends_at_ms: Option<u64>,
}

/// Who or what a limit is counted for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum CountedFor {
    /// A consumer.
    Consumer,
    /// A team as a whole.
    Team,
    /// Each caller of a team.
    Caller,
    /// A model.
    Model,
    /// A route.
    Route,
}

impl CountedFor {
    /// As people read it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Consumer => "consumer",
            Self::Team => "team",
            Self::Caller => "caller",
            Self::Model => "model",
            Self::Route => "route",
        }
    }
}

/// What a limit counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub enum Unit {
    /// Requests per window.
    #[serde(rename = "requests")]
    Requests,
    /// Input and output tokens per window.
    #[serde(rename = "tokens")]
    Tokens,
    /// Requests under way at once, on this replica.
    #[serde(rename = "streams")]
    Streams,
    /// Dollars per calendar period.
    #[serde(rename = "USD")]
    Usd,
}

impl Unit {
    /// As people read it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Requests => "requests",
            Self::Tokens => "tokens",
            Self::Streams => "streams",
            Self::Usd => "USD",
        }
    }
}
