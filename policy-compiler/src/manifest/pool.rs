//! Section `pools`.

use std::borrow::Cow;
use std::collections::BTreeMap;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};
use vocabulary::{Share, Span, Usd};

use super::quantity::{Duration, Money, Percent};

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
    /// Attempts per request, the first included, before anything was sent to the caller.
    #[serde(default = "max_attempts")]
    #[schemars(range(min = 1, max = 10))]
    pub max_attempts: u32,
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
            ttft: Duration(Span(std::time::Duration::from_secs(2))),
            attainment: Percent(Share { ppm: 950_000 }),
            max_cost_per_miss: Money(Usd { nanos: 20_000_000 }),
        }
    }
}

/// When real traffic's failures take a member out for a while.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Ejection {
    /// Consecutive failures until it is taken out.
    #[schemars(range(min = 1, max = 1000))]
    pub consecutive_failures: u32,
    /// How long it stays out the first time; doubles up to eight times that.
    pub base: Duration,
    /// Largest share of members out at once.
    pub max_share: Percent,
}

impl Default for Ejection {
    fn default() -> Self {
        Self {
            consecutive_failures: 5,
            base: Duration(Span(std::time::Duration::from_secs(30))),
            max_share: Percent(Share { ppm: 500_000 }),
        }
    }
}

fn max_attempts() -> u32 {
    3
}
