//! What operators hold for a time. It owns the shapes; it refuses to act on them.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What is done to the target.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum HoldKind {
    /// A backend, or one deployment of it, takes no new requests; those in flight end as they would.
    Drain,
    /// A pool uses one member only.
    Pin,
    /// An adaptive pool's weights stay as they are.
    Freeze,
}

impl HoldKind {
    /// As on the command line.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Drain => "drain",
            Self::Pin => "pin",
            Self::Freeze => "freeze",
        }
    }
}

/// A hold in force.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Hold {
    /// Its id, for releasing it.
    pub id: String,
    /// What is done.
    pub kind: HoldKind,
    /// A backend or `backend/deployment` to drain; a pool to pin or freeze.
    pub target: String,
    /// The member a pool is pinned to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub member: Option<String>,
    /// Since when, in milliseconds since the Unix epoch.
    pub since_ms: u64,
    /// Until when.
    pub until_ms: u64,
    /// Why, in the operator's words.
    pub reason: String,
    /// Who holds.
    pub by: String,
    /// Shares of a frozen pool's members, in thousandths.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub shares: BTreeMap<String, u32>,
}

/// `POST /v1/holds`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct HoldRequest {
    /// What to do.
    pub kind: HoldKind,
    /// To what.
    pub target: String,
    /// The member to pin to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub member: Option<String>,
    /// For how long, such as `30m`; at most 7 days.
    #[serde(rename = "for")]
    pub for_: String,
    /// Why, for the audit log and for whoever is on call next.
    pub reason: String,
    /// Hold even where it leaves requests without a member.
    #[serde(default)]
    pub force: bool,
}

/// `POST /v1/holds` accepted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct HoldPlaced {
    /// The hold, in force on this replica.
    pub hold: Hold,
    /// False when the shared store is away: other replicas hear of it when it is back.
    pub everywhere: bool,
}

/// `GET /v1/holds`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Holds {
    /// Holds in force, oldest first.
    pub holds: Vec<Hold>,
}
