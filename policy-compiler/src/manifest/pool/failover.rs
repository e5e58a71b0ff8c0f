//! What follows a failed attempt: another try, a member out for a while, another pool.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};
use vocabulary::Share;

use crate::manifest::quantity::{Duration, Percent};
use crate::manifest::team::DataClass;

/// When a failed attempt is followed by another.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Retry {
    /// Attempts of a request that begins in this pool until something was sent to the caller, the first and
    /// those in fallback pools included. 3 unless stated, or as many as it takes to reach the last fallback.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 10))]
    pub max_attempts: Option<u32>,
    /// Whether to try again when it is unknown whether the backend works on the request.
    pub ambiguous: Ambiguous,
    /// Retries allowed, as a share of the pool's requests over the last ten seconds.
    pub budget: Percent,
    /// Retries a second allowed whatever the share, so that a quiet pool can retry.
    #[schemars(range(min = 0, max = 100_000))]
    pub budget_floor: u32,
}

impl Default for Retry {
    fn default() -> Self {
        Self {
            max_attempts: None,
            ambiguous: Ambiguous::Never,
            budget: Percent(Share { ppm: 200_000 }),
            budget_floor: 10,
        }
    }
}

/// Whether to try again after a timeout or a reset of a request that was sent: another attempt may pay
/// for a second generation.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Ambiguous {
    /// Only where the backend takes an idempotency key.
    #[default]
    Never,
    /// Always, at the price of a possible second generation.
    Always,
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
    /// Takes a member out by its share of failures as well, for those that fail only sometimes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub breaker: Option<Breaker>,
    /// How long a member that comes back takes to get its full share again.
    pub ramp: Duration,
}

impl Default for Ejection {
    fn default() -> Self {
        Self {
            consecutive_failures: 5,
            base: Duration::seconds(30),
            max_share: Percent(Share { ppm: 500_000 }),
            breaker: None,
            ramp: Duration::seconds(8),
        }
    }
}

/// Takes a member out by its share of failures in a sliding window.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Breaker {
    /// Share of failures among the answers in the window.
    pub error_share: Percent,
    /// How far back it looks.
    pub window: Duration,
    /// Answers in the window below which nothing is concluded.
    #[schemars(range(min = 1, max = 1_000_000))]
    pub min_requests: u32,
}

impl Default for Breaker {
    fn default() -> Self {
        Self { error_share: Percent(Share { ppm: 500_000 }), window: Duration::seconds(30), min_requests: 20 }
    }
}

/// Where a request goes on when this pool cannot serve it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Fallback {
    /// The pool to go on with, by name.
    pub to: String,
    /// Why a request may go on there; any one suffices.
    #[serde(default = "exhausted")]
    #[schemars(length(min = 1))]
    pub when: Vec<FallbackWhen>,
    /// Requests that never go on there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unless: Option<Unless>,
}

fn exhausted() -> Vec<FallbackWhen> {
    vec![FallbackWhen::Exhausted]
}

/// Why a request may go on in another pool.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum FallbackWhen {
    /// No member is left to ask: all are ejected, spent, cooling down or have been tried.
    Exhausted,
    /// No member is left, and the last one asked was at its rate limit or its quota was gone.
    RateLimited,
    /// No member is left, and the last one asked failed.
    Error,
    /// No member is left, and the last one asked did not answer in time.
    Timeout,
    /// The request does not fit the context window of any member.
    ContextWindow,
    /// A content filter refused the request.
    ContentFilter,
}

impl FallbackWhen {
    /// As written.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Exhausted => "exhausted",
            Self::RateLimited => "rate-limited",
            Self::Error => "error",
            Self::Timeout => "timeout",
            Self::ContextWindow => "context-window",
            Self::ContentFilter => "content-filter",
        }
    }
}

/// Requests that a fallback is not for: those of these consumers, and those of this class.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
#[schemars(extend("minProperties" = 1))]
pub struct Unless {
    /// Those of these consumers, by name.
    #[schemars(length(min = 1))]
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub consumers: Vec<String>,
    /// Those whose team's data is of this class.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub data_class: Option<DataClass>,
}

/// A chain of fallbacks, in order: the first whose condition holds.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(from = "Written", into = "Written")]
pub struct Fallbacks(pub Vec<Fallback>);

#[derive(Clone, Serialize, Deserialize)]
#[serde(untagged)]
enum Written {
    One(Fallback),
    Several(Vec<Fallback>),
}

impl Fallbacks {
    /// Whether there is nowhere to go on.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl From<Written> for Fallbacks {
    fn from(written: Written) -> Self {
        match written {
            Written::One(fallback) => Self(vec![fallback]),
            Written::Several(fallbacks) => Self(fallbacks),
        }
    }
}

impl From<Fallbacks> for Written {
    fn from(mut fallbacks: Fallbacks) -> Self {
        match (fallbacks.0.pop(), fallbacks.0.is_empty()) {
            (Some(only), true) => Self::One(only),
            (last, _) => {
                fallbacks.0.extend(last);
                Self::Several(fallbacks.0)
            }
        }
    }
}

impl JsonSchema for Fallbacks {
    fn schema_name() -> Cow<'static, str> {
        "Fallbacks".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let fallback = generator.subschema_for::<Fallback>();
        json_schema!({
            "title": "fallback or list of them",
            "description": "Where a request goes on when this pool cannot serve it: one fallback, or a list of which the first whose condition holds is taken.",
            "anyOf": [fallback.clone(), {"type": "array", "items": fallback, "minItems": 1}],
            "examples": [{"to": "claude", "when": ["exhausted"]}],
        })
    }
}
