//! Section `telemetry`.

use std::borrow::Cow;
use std::collections::BTreeMap;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};
use vocabulary::{Share, Span};

use super::quantity::{Duration, Percent};
use super::secret::SecretRef;

/// Traces, metrics and logs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Telemetry {
    /// The resource attribute `service.name`.
    #[schemars(length(min = 1))]
    pub service_name: String,
    /// Where traces and metrics are sent; nowhere unless stated.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub otlp: Option<Otlp>,
    /// Share of traces that are kept. Those of failed requests always are.
    pub trace_sampling: Percent,
    /// Whether a caller's `traceparent` is continued; otherwise a new trace begins and links to it.
    pub trust_trace_context: bool,
    /// One JSON line per request: `{file: path}` or `{stdout: true}`. None unless stated.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub access_log: Option<AccessLog>,
}

impl Default for Telemetry {
    fn default() -> Self {
        Self {
            service_name: "sluicegate".to_owned(),
            otlp: None,
            trace_sampling: Percent(Share { ppm: 100_000 }),
            trust_trace_context: true,
            access_log: None,
        }
    }
}

/// An OpenTelemetry collector, or anything that takes OTLP.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Otlp {
    /// Base URL: port 4317 by custom for gRPC, 4318 for HTTP.
    #[schemars(example = "http://127.0.0.1:4317")]
    pub endpoint: String,
    /// Transport.
    #[serde(default)]
    pub protocol: OtlpProtocol,
    /// Time between exports of metrics.
    #[serde(default = "interval")]
    pub interval: Duration,
    /// Headers by name; their values are secrets.
    #[serde(default)]
    pub headers: BTreeMap<String, SecretRef>,
}

/// OTLP transport.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum OtlpProtocol {
    /// gRPC.
    #[default]
    Grpc,
    /// Protobuf over HTTP.
    HttpProtobuf,
}

/// Where the access log goes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum AccessLog {
    /// Appended to a file, relative to the manifest.
    File(String),
    /// Standard output; always `true`.
    Stdout(bool),
}

impl JsonSchema for AccessLog {
    fn schema_name() -> Cow<'static, str> {
        "AccessLog".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "object",
            "title": "destination of the log",
            "description": "Where the access log goes: `{file: path}` or `{stdout: true}`.",
            "properties": {
                "file": {
                    "type": "string",
                    "minLength": 1,
                    "description": "A file that lines are appended to, relative to the manifest.",
                    "examples": ["access.jsonl"],
                },
                "stdout": {"const": true, "description": "Standard output."},
            },
            "additionalProperties": false,
            "minProperties": 1,
            "maxProperties": 1,
            "examples": [{"file": "access.jsonl"}],
        })
    }
}

fn interval() -> Duration {
    Duration(Span(std::time::Duration::from_secs(15)))
}
