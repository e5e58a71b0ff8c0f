//! Section `findings`: what is done about what the compiler finds.

use schemars::{JsonSchema, Schema, json_schema};
use serde::{Deserialize, Serialize};

use super::named::Spelling;

/// What is done about a finding.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum FindingLevel {
    /// Nothing is said.
    Allow,
    /// It is said, and the manifest can be used.
    Warn,
    /// The manifest cannot be used.
    Deny,
}

impl FindingLevel {
    /// The level of this name.
    #[must_use]
    pub fn find(name: &str) -> Option<Self> {
        match name {
            "allow" => Some(Self::Allow),
            "warn" => Some(Self::Warn),
            "deny" => Some(Self::Deny),
            _ => None,
        }
    }
}

/// Codes of findings, such as `SG0504`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FindingCode;

impl Spelling for FindingCode {
    fn schema() -> Schema {
        json_schema!({
            "pattern": "^SG[0-9]{4}$",
            "description": "The code of a finding: `SG` and four digits.",
            "examples": ["SG0504"],
        })
    }
}
