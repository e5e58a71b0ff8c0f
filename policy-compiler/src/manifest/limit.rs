//! Section `limits`.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

use super::quantity::{Budget, RequestRate, TokenRate};

/// A limit that consumers, teams, models and routes refer to. Each of them counts for itself.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Limit {
    /// Requests per window.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub requests: Option<RequestRate>,
    /// Tokens per window: reserved before a request is sent, settled after.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tokens: Option<TokenRate>,
    /// Requests under way at once, streams above all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 1_000_000))]
    pub streams: Option<u32>,
    /// Money per calendar period, in UTC, failed attempts included.
    /// Needs a state directory to be counted in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub budget: Option<Budget>,
    /// What the budget counts: prices by the token, or also a request's share of capacity that is paid by the
    /// hour (`cost`), by the part of its `quota.tokens` that it takes.
    #[serde(default)]
    pub costs: Costs,
    /// Whether tokens and money are never exceeded: the most a request can take is reserved before it is
    /// sent, its output is bounded upstream, and a stream that takes more all the same is cut.
    #[serde(default)]
    pub hard: bool,
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

/// What a budget counts of a request.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Costs {
    /// What its tokens cost by their prices.
    #[default]
    Marginal,
    /// Also its share of capacity that is paid by the hour.
    Amortised,
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

/// Names of limits, in the order written.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(from = "Written", into = "Written")]
pub struct Limits(pub Vec<String>);

#[derive(Clone, Serialize, Deserialize)]
#[serde(untagged)]
enum Written {
    One(String),
    Several(Vec<String>),
}

impl Limits {
    /// Whether nothing is limited.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl From<Written> for Limits {
    fn from(written: Written) -> Self {
        match written {
            Written::One(name) => Self(vec![name]),
            Written::Several(names) => Self(names),
        }
    }
}

impl From<Limits> for Written {
    fn from(mut limits: Limits) -> Self {
        match (limits.0.pop(), limits.0.is_empty()) {
            (Some(only), true) => Self::One(only),
            (last, _) => {
                limits.0.extend(last);
                Self::Several(limits.0)
            }
        }
    }
}

impl JsonSchema for Limits {
    fn schema_name() -> Cow<'static, str> {
        "LimitNames".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let name = json_schema!({"type": "string"});
        json_schema!({
            "title": "name of a limit or list of names",
            "description": "A limit's name, or a list of them: all of them hold.",
            "anyOf": [name.clone(), {"type": "array", "items": name, "minItems": 1}],
            "examples": ["standard", ["standard", "monthly"]],
        })
    }
}

/// Terms of a model, whoever calls it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct ModelTerms {
    /// The limits counted for all requests for this model together, by name.
    #[serde(skip_serializing_if = "Limits::is_empty")]
    pub limit: Limits,
}
