//! Section `pools`.

mod failover;

use std::borrow::Cow;
use std::collections::BTreeMap;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};
use vocabulary::{Share, Usd};

use super::quantity::{Duration, Money, Percent};
pub use failover::{Ambiguous, Breaker, Ejection, Fallback, FallbackWhen, Fallbacks, Retry, Unless};

/// How a pool picks a member.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Strategy {
    /// In turn.
    RoundRobin,
    /// In proportion to the members' weights.
    Weighted,
    /// By the objective: the cheapest member that is likely to answer in time.
    Adaptive,
}

/// Interchangeable deployments.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Pool {
    /// What it picks from: `backend/deployment`, or `backend` alone where it has just one. A list of
    /// names, or a map from name to settings.
    pub members: Members,
    /// How it picks. Unless stated: `weighted` when a weight is stated, `adaptive` when every member
    /// has a price or cost, `round-robin` otherwise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub strategy: Option<Strategy>,
    /// What an adaptive pool aims for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub objective: Option<Objective>,
    /// When real traffic's failures take a member out for a while.
    #[serde(default)]
    pub ejection: Ejection,
    /// When a failed attempt is followed by another.
    #[serde(default)]
    pub retry: Retry,
    /// Where a request goes on when this pool cannot serve it: one fallback, or a list in order.
    #[serde(default, skip_serializing_if = "Fallbacks::is_empty")]
    pub fallback: Fallbacks,
}

/// A member's settings.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Member {
    /// Weight for strategy `weighted`; 1 unless stated, 0 for no traffic.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 1000))]
    pub weight: Option<u32>,
}

/// The members of a pool, by name.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(from = "Written", into = "Written")]
pub struct Members(pub BTreeMap<String, Member>);

#[derive(Clone, Serialize, Deserialize)]
#[serde(untagged)]
enum Written {
    Map(BTreeMap<String, Member>),
    List(Vec<String>),
}

impl From<Written> for Members {
    fn from(written: Written) -> Self {
        match written {
            Written::Map(members) => Self(members),
            Written::List(names) => Self(names.into_iter().map(|name| (name, Member::default())).collect()),
        }
    }
}

impl From<Members> for Written {
    fn from(members: Members) -> Self {
        Self::Map(members.0)
    }
}

impl JsonSchema for Members {
    fn schema_name() -> Cow<'static, str> {
        "Members".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let member = generator.subschema_for::<Member>();
        json_schema!({
            "title": "list or map of members",
            "description": "Members by name, or a list of their names.",
            "anyOf": [
                {"type": "object", "additionalProperties": member},
                {"type": "array", "items": {"type": "string"}},
            ],
            "examples": [["swe/ptu", "swe/std"]],
        })
    }
}

/// What an adaptive pool aims for.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Objective {
    /// Time to first token, from the caller's arrival.
    pub ttft: Duration,
    /// Share of requests that shall meet it.
    pub attainment: Percent,
    /// The most that one avoided miss may cost.
    pub max_cost_per_miss: Money,
}

impl Default for Objective {
    fn default() -> Self {
        Self {
            ttft: Duration::seconds(2),
            attainment: Percent(Share { ppm: 950_000 }),
            max_cost_per_miss: Money(Usd { nanos: 20_000_000 }),
        }
    }
}
