//! Accepted policies and going back to them, as the admin API tells it. It owns the shapes; it refuses to
//! keep manifests.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// `GET /v1/generations`: the policies accepted lately, newest first.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Generations {
    /// The one in force.
    pub in_force: u64,
    /// Kept generations.
    pub generations: Vec<Generation>,
}

/// One accepted policy.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Generation {
    /// Its number.
    pub generation: u64,
    /// Digest of its bundle.
    pub digest: String,
    /// When it was accepted, in milliseconds since the Unix epoch.
    pub at_ms: u64,
    /// Who brought it.
    pub actor: String,
    /// How it came: `start`, `reload`, `publish`, `rollback`, `canary`, `canary_end` or `promote`.
    pub action: String,
    /// The generation whose content it is again, after a rollback.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub restores: Option<u64>,
}

/// `POST /v1/rollback`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RollbackRequest {
    /// The generation to put in force again; the one before when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<u64>,
    /// Why, for the audit log.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// A rollback that holds against the source of policy.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct RolledBack {
    /// The generation that was left.
    pub from: u64,
    /// The generation whose content is in force again.
    pub to: u64,
    /// When, in milliseconds since the Unix epoch.
    pub at_ms: u64,
    /// By whom.
    pub by: String,
    /// What ends it, in words.
    pub until: String,
}

/// A policy on trial on this replica.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Canary {
    /// Its generation.
    pub generation: u64,
    /// The generation that comes back.
    pub then: u64,
    /// When, in milliseconds since the Unix epoch.
    pub until_ms: u64,
    /// Who published it.
    pub by: String,
}

/// What a `reason` alone is sent as.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ReasonOnly {
    /// Why, for the audit log.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}
