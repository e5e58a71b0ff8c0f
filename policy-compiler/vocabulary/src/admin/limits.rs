//! Where limits stand, in JSON. It owns the shapes and units; it refuses to count.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Counters of limits, as this replica counts them.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct LimitStandings {
    /// The fullest first, at most as many as were asked for.
    pub counters: Vec<LimitStanding>,
    /// Counters that are not shown for being less full.
    pub others: u64,
    /// Counters, shown or not, in which requests under way hold room.
    pub held: u64,
    /// Counters of the present window whose limit or subject is not known: of limits that the manifest no
    /// longer has, and of token callers that have not come back since the start.
    pub unknown: u64,
}

/// One counter of a limit.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct LimitStanding {
    /// The limit's name in the manifest; `issued` for those of an issued key.
    pub limit: String,
    /// What it is counted for: `key` (an issued one, by its id), `consumer`, `team`, `each` (caller of a team), `model` or `route`.
    pub scope: String,
    /// Whose it is, as the manifest names it; of a caller whom only a token names, eight hex digits.
    pub subject: String,
    /// The team, of a counter for each of its callers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub team: Option<String>,
    /// The unit of the amounts below: `requests`, `tokens`, `streams` or `nano_usd` (1e-9 USD).
    pub unit: String,
    /// The window: `s`, `min`, `hour`, `day`, `week` or `month`; absent for what is under way at once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub per: Option<String>,
    /// The most per window.
    pub ceiling: u64,
    /// Counted in this window for requests that are over.
    pub used: u64,
    /// Held by requests under way.
    pub reserved: u64,
    /// What is left; of a shared limit, what would be if no other replica counted.
    pub remaining: u64,
    /// Used and reserved as a share of the ceiling; above 1 where an estimate was exceeded.
    pub share: f64,
    /// When the window turns, in Unix milliseconds; absent for what is under way at once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resets_at_ms: Option<u64>,
    /// Whether it is never exceeded.
    pub hard: bool,
    /// `enforce` or `shadow`.
    pub mode: String,
    /// Granted to this replica in this window, of a limit that replicas share.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub granted: Option<u64>,
}
