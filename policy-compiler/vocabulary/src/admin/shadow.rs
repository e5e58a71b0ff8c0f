//! Two policies compared on live traffic. It owns the shapes; it refuses to compare.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::Reason;

/// How the second policy would have dealt otherwise with a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Differs {
    /// It would refuse what is let through.
    WouldRefuse,
    /// It would let through what is refused.
    WouldAllow,
    /// It would refuse for another reason.
    OtherReason,
    /// Another route would match.
    OtherRoute,
    /// It would go to another pool.
    OtherPool,
    /// Other members of the pool could serve it.
    OtherMembers,
}

impl Differs {
    /// As JSON and metrics spell it.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::WouldRefuse => "would_refuse",
            Self::WouldAllow => "would_allow",
            Self::OtherReason => "other_reason",
            Self::OtherRoute => "other_route",
            Self::OtherPool => "other_pool",
            Self::OtherMembers => "other_members",
        }
    }

    /// As people read it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::WouldRefuse => "would refuse",
            Self::WouldAllow => "would allow",
            Self::OtherReason => "other reason",
            Self::OtherRoute => "other route",
            Self::OtherPool => "other pool",
            Self::OtherMembers => "other members",
        }
    }
}

/// `GET /v1/shadow`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ShadowStatus {
    /// Digest of the policy that serves.
    pub serving: String,
    /// Digest of the policy it is compared with.
    pub digest: String,
    /// Since when, in milliseconds since the Unix epoch.
    pub since_ms: u64,
    /// Until when.
    pub until_ms: u64,
    /// Who began it.
    pub by: String,
    /// False once its time is over, or another policy serves; the counts stay until the next one.
    pub running: bool,
    /// Whether limits are compared: the second policy counts in a ledger of its own, from zero.
    pub limits: bool,
    /// Requests compared.
    pub compared: u64,
    /// Requests passed over because enough were compared in their second.
    pub passed_over: u64,
    /// Differences, by class.
    pub differences: Vec<Difference>,
}

/// Requests that differ in one way.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Difference {
    /// How.
    pub class: Differs,
    /// Why the second policy would refuse, or the first does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<Reason>,
    /// How many.
    pub count: u64,
    /// Ids of the first of them, at most twenty.
    pub samples: Vec<String>,
}
