//! One line per request, as written to the access log and read back by replay. It owns the schema and
//! its version; it refuses any content: no header value, no prompt, no output, no key.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{Operation, Reason, Usage, UsageSource};

/// The schema's version, in every line as `v`.
pub const ACCESS_LOG_VERSION: u16 = 1;

/// One request, from arrival to settlement.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct AccessLogRecord {
    /// Schema version.
    pub v: u16,
    /// Arrival, milliseconds since the Unix epoch.
    pub arrival_ms: u64,
    /// The request id, as in the `x-request-id` response header.
    pub request_id: String,
    /// W3C trace id, 32 hex digits.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub trace_id: Option<String>,
    /// Name of the matched route.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub route: Option<String>,
    /// Request method.
    pub method: String,
    /// The route's path template, never the path itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path_template: Option<String>,
    /// Names, not values, of the headers the route matched on.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub matched_headers: Vec<String>,
    /// Consumer's name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub consumer: Option<String>,
    /// Operation, for AI routes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub operation: Option<Operation>,
    /// The model the caller asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// Whether the caller asked for a stream.
    pub stream: bool,
    /// Settled usage of the request.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub usage: Option<Usage>,
    /// Who counted it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub usage_source: Option<UsageSource>,
    /// Input and output tokens that limits were charged: every attempt's, and an estimate of those nobody
    /// counted. Absent where no limit counts tokens.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub charged_tokens: Option<u64>,
    /// The caller's own output ceiling.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_output_tokens: Option<u64>,
    /// Chained block hashes of the prompt's prefix.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub prefix_ids: Vec<u64>,
    /// The pool that served it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pool: Option<String>,
    /// The backend of the last attempt, as `backend/deployment`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub backend: Option<String>,
    /// Attempts in order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub attempts: Vec<AttemptRecord>,
    /// Status sent to the caller; 499 when the caller left before one was sent.
    pub status: u16,
    /// Why it was refused or cut, if it was.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<Reason>,
    /// What rules in shadow mode would have refused it for, each reason once.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub would_refuse: Vec<Reason>,
    /// Rules of the access control list that noted it, would have decided on it in shadow mode, or decided, by
    /// name and in that order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub acl: Vec<String>,
    /// What its firewall found.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub waf: Option<WafRecord>,
    /// Arrival to the first output-bearing event sent to the caller, in policy milliseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ttft_ms: Option<f64>,
    /// Arrival to the last byte, in policy milliseconds.
    pub duration_ms: f64,
    /// The gateway's own share of the duration, in wall-clock microseconds.
    pub overhead_us: u64,
    /// Cost in nano-dollars, failed attempts included.
    pub cost_nanos: u64,
    /// Digest of the bundle that decided.
    pub bundle: String,
}

/// What a firewall found in one request: rules by number, kinds by name, never a value.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct WafRecord {
    /// The firewall's name.
    pub firewall: String,
    /// What came of it.
    pub outcome: WafOutcome,
    /// The rule that refused it, or would have.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rule: Option<u32>,
    /// The anomaly score of the request.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub score: Option<i64>,
    /// Rules that matched, in the order they did.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub rules: Vec<WafRule>,
    /// The kind of client, where something is done about it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bot: Option<String>,
    /// The score of a text that wants the model to break its instructions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub jailbreak: Option<u16>,
    /// Kinds of secrets and personal data.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub leaks: Vec<String>,
    /// Limits on what a request holds that it passed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub shape: Vec<String>,
    /// Kinds of active content in the answer.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub answer: Vec<String>,
}

/// A rule that matched.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct WafRule {
    /// Its id.
    pub id: u32,
    /// Its family, such as `sqli`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub family: Option<String>,
    /// Where it matched, such as `ARGS:id`: names, no values; `*` for elements and for what is no plain name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target: Option<String>,
}

/// What came of a firewall's findings; the later one is the stricter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum WafOutcome {
    /// Nothing was found.
    Passed,
    /// Something was found and nothing done.
    Noted,
    /// Something was masked.
    Masked,
    /// It would have been refused, had the firewall enforced.
    WouldRefuse,
    /// It was refused.
    Refused,
}

impl WafOutcome {
    /// The outcome's word in logs and metrics.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Passed => "passed",
            Self::Noted => "noted",
            Self::Masked => "masked",
            Self::WouldRefuse => "would_refuse",
            Self::Refused => "refused",
        }
    }
}

/// One attempt on one backend.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct AttemptRecord {
    /// `backend/deployment`.
    pub backend: String,
    /// Where it processes data, as the manifest has it: a zone, a country's two letters or `global`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub processing: Option<String>,
    /// Status of the backend, if one arrived.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
    /// Why the attempt did not serve the request, if so.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<Reason>,
    /// Send to first output-bearing event, in policy milliseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ttft_ms: Option<f64>,
    /// Send to end, in policy milliseconds.
    pub duration_ms: f64,
}
