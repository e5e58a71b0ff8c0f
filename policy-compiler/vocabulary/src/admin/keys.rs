//! Issuing API keys over the admin API. It owns the shapes; it refuses to hold a key beyond the one answer
//! that hands it out.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::date::UnixTime;
use crate::{Rate, SpendRate};

/// `POST /v1/keys`: a key for a consumer of the manifest. It may do what the consumer may, or less.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct IssueKey {
    /// The consumer it stands for, by its name in the manifest.
    pub consumer: String,
    /// What people call it.
    pub name: String,
    /// When it expires; never unless stated.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires: Option<UnixTime>,
    /// The routes it may be used on, of those its consumer may use; all of them when empty.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub routes: Vec<String>,
    /// What it may take, within what its consumer may.
    #[serde(default, skip_serializing_if = "KeyLimits::is_empty")]
    pub limits: KeyLimits,
}

/// Limits of one key, beside those of its consumer: both hold.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct KeyLimits {
    /// Requests per window, such as `60 requests/min`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub requests: Option<Rate>,
    /// Tokens per window, such as `20k tokens/min`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tokens: Option<Rate>,
    /// Money per calendar period by token prices, such as `40 USD/month`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub budget: Option<SpendRate>,
}

impl KeyLimits {
    /// Whether it limits nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

impl std::fmt::Display for KeyLimits {
    /// One after another, as they are written.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let rates = [self.requests, self.tokens].into_iter().flatten().map(|rate| rate.to_string());
        let all: Vec<String> = rates.chain(self.budget.map(|budget| budget.to_string())).collect();
        f.write_str(&all.join(", "))
    }
}

/// `POST /v1/keys/{id}/rotate`: another key on the same terms.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct RotateKey {
    /// Seconds for which the old key is still good, so that callers can change over; an hour unless stated.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub overlap_s: Option<u64>,
}

/// A key, this once in the clear.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct IssuedKey {
    /// The key. It is kept nowhere and shown never again.
    pub key: String,
    /// What stays known of it.
    #[serde(flatten)]
    pub known: KeyStatus,
}

impl std::fmt::Debug for IssuedKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("IssuedKey").field("known", &self.known).finish_non_exhaustive()
    }
}

/// What is known of an issued key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct KeyStatus {
    /// By which it is revoked and rotated.
    pub id: String,
    /// The consumer it stands for.
    pub consumer: String,
    /// What people call it.
    pub name: String,
    /// Its first characters.
    pub prefix: String,
    /// When it was issued.
    pub issued: UnixTime,
    /// By which administrator.
    pub issued_by: String,
    /// When it expires.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires: Option<UnixTime>,
    /// When it was revoked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revoked: Option<UnixTime>,
    /// The routes it may be used on; all of its consumer's when empty.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub routes: Vec<String>,
    /// What it may take, within what its consumer may.
    #[serde(default, skip_serializing_if = "KeyLimits::is_empty")]
    pub limits: KeyLimits,
}

/// `GET /v1/keys`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct IssuedKeys {
    /// Version of the overlay they are kept in; grows with every change.
    pub version: u64,
    /// By id.
    pub keys: Vec<KeyStatus>,
}
