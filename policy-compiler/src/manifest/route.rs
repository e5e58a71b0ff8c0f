//! Section `routes`.

use std::borrow::Cow;
use std::collections::BTreeMap;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

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
    /// The limit counted for this route, by name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<String>,
    /// The hook asked before a request is sent on, by name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hook: Option<String>,
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
    pub rewrite: Option<Rewrite>,
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
    /// A path, or a path that ends in `/*` for it and everything below it.
    #[schemars(example = "/v1/chat/completions", example = "/tools/*")]
    pub path: String,
    /// A method or a list of them. Any method unless stated.
    #[serde(default, skip_serializing_if = "Methods::is_empty")]
    pub method: Methods,
    /// Headers by name with the value each must have; `*` for any value.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub header: BTreeMap<String, String>,
    /// The model in the request's body. Any model unless stated.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1), example = "gpt-4o")]
    pub model: Option<String>,
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
