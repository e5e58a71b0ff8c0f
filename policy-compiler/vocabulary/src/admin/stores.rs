//! How what counts are kept in is doing, as the admin API tells it. It owns the shapes and what readiness makes
//! of them; it refuses to look at a disk or a server.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What counts are kept in.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Stores {
    /// What it means for requests now.
    pub impact: Impact,
    /// One sentence for each thing that is not as it should be.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub troubles: Vec<String>,
    /// The journal on this replica's disk; absent without a state directory.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub journal: Option<Journal>,
    /// What replicas share; absent when each counts for itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shared: Option<Shared>,
}

/// What troubles mean for requests.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Impact {
    /// Nothing.
    #[default]
    None,
    /// Requests are served, with less certainty than the manifest asks for.
    Degraded,
    /// Requests are refused by limits that are closed on failure; readiness fails.
    Refusing,
}

/// The journal of counts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Journal {
    /// Whether records cannot be written now.
    pub failing: bool,
    /// Writes that failed since the start.
    pub failures: u64,
}

/// The store that replicas share.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Shared {
    /// How it stands.
    pub standing: SharedStanding,
    /// Why it is away, in the words of whoever tried.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
    /// Round trips made since the start.
    pub round_trips: u64,
}

/// How a shared store stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum SharedStanding {
    /// Amounts are shared.
    Ready,
    /// It began anew, and grants nothing for a moment.
    Grace,
    /// It does not answer.
    Away,
    /// Another process goes by this replica's name.
    Replaced,
}
