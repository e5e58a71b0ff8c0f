//! One line of the audit log. It owns the shape and its version; it refuses to own the chain (the gateway's
//! `audit` does) and any content: no manifest text, no secret, no prompt.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The schema's version, in every line as `v`.
pub const AUDIT_VERSION: u16 = 1;

/// One change, or one attempt at it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct AuditLine {
    /// Schema version.
    pub v: u16,
    /// Counts lines since the log was begun, from 1.
    pub seq: u64,
    /// Milliseconds since the Unix epoch.
    pub at_ms: u64,
    /// Who: a token's or certificate's name, `file`, `signal` or `gateway`.
    pub actor: String,
    /// How that is known: `token`, `certificate`, `open`, or `local` for what did not come over the network.
    pub how: String,
    /// What was done or tried.
    pub action: AuditAction,
    /// What it was done to: a pool, a member, a hold's id, a generation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target: Option<String>,
    /// Why, in the actor's words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The policy in force before.
    pub before: PolicyVersion,
    /// The policy in force after; the same unless policy changed.
    pub after: PolicyVersion,
    /// Sections of the policy that differ, such as `routes` or `limits`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub changed: Vec<String>,
    /// What came of it.
    pub outcome: AuditOutcome,
    /// Further particulars: codes of findings, counts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
    /// SHA-256 of the line before, without its newline, in lower-case hex; 64 zeros in the first line.
    pub previous: String,
}

/// A policy, by number and content.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct PolicyVersion {
    /// Counts accepted policies.
    pub generation: u64,
    /// Digest of the bundle, `blake3:…`.
    pub digest: String,
}

/// What the audit log knows of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum AuditAction {
    /// The gateway began to serve.
    Start,
    /// The manifest file was read again.
    Reload,
    /// A manifest was published over the admin API.
    Publish,
    /// A manifest was published for a time.
    Canary,
    /// A canary became permanent.
    Promote,
    /// A canary ended, and the policy before it came back.
    CanaryEnd,
    /// An earlier generation was put in force again.
    Rollback,
    /// A backend or deployment takes no new requests.
    Drain,
    /// A pool uses one member only.
    Pin,
    /// A pool's weights stay as they are.
    Freeze,
    /// A hold was ended by somebody.
    Release,
    /// A hold ran out.
    HoldExpired,
    /// A second policy began to be compared.
    Shadow,
    /// The comparison ended.
    ShadowEnd,
    /// An API key was issued, changed or revoked.
    Key,
    /// The log was found shorter or longer than its head says.
    AuditDamaged,
}

impl AuditAction {
    /// As written in a line.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Start => "start",
            Self::Reload => "reload",
            Self::Publish => "publish",
            Self::Canary => "canary",
            Self::Promote => "promote",
            Self::CanaryEnd => "canary_end",
            Self::Rollback => "rollback",
            Self::Drain => "drain",
            Self::Pin => "pin",
            Self::Freeze => "freeze",
            Self::Release => "release",
            Self::HoldExpired => "hold_expired",
            Self::Shadow => "shadow",
            Self::ShadowEnd => "shadow_end",
            Self::Key => "key",
            Self::AuditDamaged => "audit_damaged",
        }
    }
}

/// What came of an action.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum AuditOutcome {
    /// It was done.
    Done,
    /// It was refused; nothing changed.
    Refused,
}

impl AuditOutcome {
    /// As written in a line.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Refused => "refused",
        }
    }
}

/// `GET /v1/audit`: the latest lines, newest first.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct AuditTail {
    /// The lines.
    pub lines: Vec<AuditLine>,
}
