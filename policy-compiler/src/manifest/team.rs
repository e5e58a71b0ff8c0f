//! Section `teams`: what consumers share.

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};
use std::borrow::Cow;

use super::geography::Residency;
use super::limit::Limits;

/// Consumers that share terms.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Team {
    /// The limits counted for the whole team, by name.
    #[serde(skip_serializing_if = "Limits::is_empty")]
    pub limit: Limits,
    /// The limits counted for each of its consumers, and for each subject of a token, by name.
    #[serde(skip_serializing_if = "Limits::is_empty")]
    pub each: Limits,
    /// Where its data may be processed; anywhere unless stated. Holds for every attempt, fallbacks included;
    /// a backend of which it is not known where it processes data does not qualify.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub residency: Option<Residency>,
    /// Classification of its data, which fallbacks and hooks can refer to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub data_class: Option<DataClass>,
    /// Its place when there is not room for all; the route's unless stated.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub priority: Option<Priority>,
}

/// Who is served first when there is not room for all.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Priority {
    /// Shed first.
    Batch,
    /// Shed next; what is not said otherwise is this.
    Standard,
    /// Shed last.
    Critical,
}

impl Priority {
    /// The same in the terms of a bundle.
    #[must_use]
    pub const fn compiled(self) -> rule_table::Priority {
        match self {
            Self::Batch => rule_table::Priority::Batch,
            Self::Standard => rule_table::Priority::Standard,
            Self::Critical => rule_table::Priority::Critical,
        }
    }
}

/// A class of data, such as `restricted`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct DataClass(pub String);

impl JsonSchema for DataClass {
    fn schema_name() -> Cow<'static, str> {
        "DataClass".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string",
            "title": "class of data",
            "pattern": "^[a-z0-9]([a-z0-9._-]{0,61}[a-z0-9])?$",
            "description": "A class of data, in lower-case letters, digits, `-`, `_` and `.`.",
            "examples": ["restricted"],
        })
    }
}
