//! Section `limits`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::quantity::{RequestRate, TokenRate};

/// A limit that routes and consumers refer to. Each of them counts for itself.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Limit {
    /// Requests per window.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub requests: Option<RequestRate>,
    /// Tokens per window: reserved before a request is sent, settled after.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tokens: Option<TokenRate>,
    /// Whether all replicas share it. They do where `store` names a shared store, unless this is `false`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shared: Option<bool>,
    /// Whether it refuses, or only counts what it would have refused.
    #[serde(default)]
    pub mode: Mode,
    /// What happens when the count cannot be had.
    #[serde(default)]
    pub on_failure: OnFailure,
}

/// Whether a rule refuses or only counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Mode {
    /// Count what would have been refused.
    Shadow,
    /// Refuse.
    #[default]
    Enforce,
}

/// What a rule does when it cannot decide.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum OnFailure {
    /// Let the request through.
    Open,
    /// Refuse it.
    #[default]
    Closed,
}
