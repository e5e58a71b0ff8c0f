//! Section `store`: where counts are kept, and how replicas share them.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use vocabulary::Span;

use super::quantity::Duration;
use super::secret::SecretRef;

/// Where counts are kept.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Store {
    /// A server in which several replicas of this gateway share their limits; each counts for itself
    /// unless stated.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub shared: Option<SharedStore>,
    /// The longest time between two syncs of the journal to the disk: what a power failure can cost.
    #[schemars(example = "50ms")]
    pub sync: Duration,
}

impl Default for Store {
    fn default() -> Self {
        Self { shared: None, sync: Duration(Span(std::time::Duration::from_millis(50))) }
    }
}

/// How replicas share limits.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SharedStore {
    /// The server.
    pub redis: RedisServer,
    /// How many replicas share it, at most. It sizes each one's part of a limit.
    #[schemars(range(min = 1, max = 1000))]
    pub replicas: u32,
    /// What a replica does with limits while the server is away.
    #[serde(default)]
    pub when_away: WhenAway,
    /// What the names of all keys begin with, so that gateways can share a server.
    #[serde(default = "prefix")]
    #[schemars(length(min = 1, max = 64), example = &"sluicegate")]
    pub prefix: String,
}

/// A Redis or Valkey server, version 7 or later.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RedisServer {
    /// `redis://host:port`, or `rediss://` for TLS; a database number may follow as path.
    #[schemars(example = "rediss://cache.internal:6380")]
    pub url: String,
    /// A password, or `user:password`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub auth: Option<SecretRef>,
}

/// What a replica does with shared limits while the server is away.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum WhenAway {
    /// Goes on with what it has leased and, in each window, its even share of every limit.
    LocalShare,
    /// Goes on with what it has leased, and refuses beyond it.
    #[default]
    Closed,
}

fn prefix() -> String {
    "sluicegate".to_owned()
}
