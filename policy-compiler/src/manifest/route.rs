//! Section `routes`.

use std::borrow::Cow;
use std::collections::BTreeMap;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

use super::limit::Limits;
use super::listed::Listed;
use super::quantity::Duration;
use super::rewrite::Rewrite;
use super::team::Priority;

/// A route from matching requests to a pool.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Route {
    /// Which requests take it.
    #[serde(rename = "match")]
    pub matching: Match,
    /// The pool it leads to, by name.
    pub pool: String,
    /// Who may use it, by name; every consumer when none is named.
    #[serde(default)]
    pub consumers: Vec<String>,
    /// The limits counted for this route, by name.
    #[serde(default, skip_serializing_if = "Limits::is_empty")]
    pub limit: Limits,
    /// The hook asked before a request is sent on, by name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hook: Option<String>,
    /// The firewall that inspects its requests and answers, by name; the listener's unless stated.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub waf: Option<String>,
    /// The place of its requests when there is not room for all, where neither consumer nor team has one;
    /// `standard` unless stated.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub priority: Option<Priority>,
    /// Access rules for its requests, after the listener's, by name.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub access: Vec<String>,
    /// Time for a request until the first byte of its answer, attempts included.
    #[serde(default = "deadline")]
    pub deadline: Duration,
    /// Time between the comments that keep a stream's connection alive until its first token, so that
    /// ingresses with an idle cut hold it. None are sent unless stated.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(example = "15s")]
    pub heartbeat: Option<Duration>,
    /// Whether paths that are no operation read here (audio, files, realtime) go to the pool's AI backends as
    /// they are, with the backend's credential. Of them only requests are counted, no tokens and no cost.
    #[serde(default)]
    pub pass_through: bool,
    /// Edits of every request on this route, before the backend's, and of its answers, after the backend's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rewrite: Option<Box<Rewrite>>,
    /// Whether no key is needed. False once the manifest has consumers, unless stated.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub public: Option<bool>,
}

/// Which requests a route takes. All conditions must hold.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Match {
    /// A host name, or `*.example.com` for every name below it. Any host unless stated.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(example = "*.llm.corp")]
    pub host: Option<String>,
    /// A path, a path that ends in `/*` for it and everything below it, or a path in which segments of the
    /// form `{name}` stand for any one segment.
    #[schemars(example = "/v1/chat/completions", example = "/tools/*", example = "/patients/{id}/summary")]
    pub path: String,
    /// A method or a list of them. Any method unless stated.
    #[serde(default, skip_serializing_if = "Methods::is_empty")]
    pub method: Methods,
    /// Headers by name with the value each must have; `*` for any value.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub header: BTreeMap<String, String>,
    /// Parameters of the query by name with the value each must have; `*` for any value.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub query: BTreeMap<String, String>,
    /// Consumers whose requests it takes, by name; others look for another route. Anyone's unless stated.
    #[serde(default, skip_serializing_if = "Listed::is_empty")]
    #[schemars(example = "claims-team")]
    pub consumer: Listed,
    /// When it takes requests; at any time unless stated.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time: Option<TimeWindow>,
    /// The model in the request's body. Any model unless stated.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1), example = "gpt-4o")]
    pub model: Option<String>,
}

/// Hours of the week.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct TimeWindow {
    /// Days it begins on; every day unless stated.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub days: Vec<Weekday>,
    /// From this minute on.
    pub from: TimeOfDay,
    /// Until just before this minute; of the next day where it is not after `from`.
    pub until: TimeOfDay,
    /// Time zone of the IANA database; UTC unless stated.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1), example = "Europe/Stockholm")]
    pub zone: Option<String>,
}

/// A day of the week.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Weekday {
    /// Monday.
    Mon,
    /// Tuesday.
    Tue,
    /// Wednesday.
    Wed,
    /// Thursday.
    Thu,
    /// Friday.
    Fri,
    /// Saturday.
    Sat,
    /// Sunday.
    Sun,
}

/// Hours and minutes, such as `08:30`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct TimeOfDay {
    /// Minutes after midnight, below 1440.
    pub minute: u16,
}

impl TryFrom<String> for TimeOfDay {
    type Error = &'static str;
    fn try_from(text: String) -> Result<Self, Self::Error> {
        let fault = "a time of day is written as `08:30`";
        let (hours, minutes) = text.split_once(':').ok_or(fault)?;
        match (hours.parse::<u16>(), minutes.parse::<u16>()) {
            (Ok(hours @ 0..24), Ok(minutes @ 0..60)) => Ok(Self { minute: hours * 60 + minutes }),
            _ => Err(fault),
        }
    }
}

impl From<TimeOfDay> for String {
    fn from(time: TimeOfDay) -> Self {
        format!("{:02}:{:02}", time.minute / 60, time.minute % 60)
    }
}

impl JsonSchema for TimeOfDay {
    fn schema_name() -> Cow<'static, str> {
        "TimeOfDay".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string",
            "title": "time of day",
            "pattern": "^([01][0-9]|2[0-3]):[0-5][0-9]$",
            "description": "Hours and minutes. Some YAML readers take times after ten for numbers: put them in quotes.",
            "examples": ["08:30"],
        })
    }
}

/// Methods, in the order written.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(from = "Written", into = "Written")]
pub struct Methods(pub Vec<String>);

#[derive(Clone, Serialize, Deserialize)]
#[serde(untagged)]
enum Written {
    One(String),
    Several(Vec<String>),
}

impl Methods {
    /// Whether any method will do.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl From<Written> for Methods {
    fn from(written: Written) -> Self {
        match written {
            Written::One(method) => Self(vec![method]),
            Written::Several(methods) => Self(methods),
        }
    }
}

impl From<Methods> for Written {
    fn from(methods: Methods) -> Self {
        Self::Several(methods.0)
    }
}

impl JsonSchema for Methods {
    fn schema_name() -> Cow<'static, str> {
        "Methods".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let method = json_schema!({
            "type": "string",
            "title": "HTTP method in capitals",
            "pattern": "^[A-Z][A-Z-]{0,31}$",
            "description": "An HTTP method in capitals.",
            "examples": ["POST"],
        });
        json_schema!({
            "description": "A method or a list of them.",
            "anyOf": [method.clone(), {"type": "array", "items": method, "minItems": 1}],
            "examples": ["POST", ["GET", "HEAD"]],
        })
    }
}

fn deadline() -> Duration {
    Duration::seconds(120)
}
