//! The sections of a bundle: everything the gateway decides on, names resolved to ids, defaults filled
//! in. Plain data with a stable JSON form; it refuses secret values (references only) and engines
//! (matchers and automata are built from it off the request path).

use std::time::Duration;

use serde::{Deserialize, Serialize};
use vocabulary::{HourlyCost, Prices, Rate, Share, UnixTime, Usd};

pub use crate::access::{
    AccessRule, Authn, ClientCertificates, Forwarded, ForwardedHeader, Listener, ListenerTls,
    NamedCertificate, RequiredHeader, TlsVersion,
};
pub use crate::acl::{AclAction, AclConditions, AclRule, BotClass, HeaderCondition};
pub use crate::caller::{Consumer, Credentials, Geography, Issuer, Key, KeySet, ModelTerms, Priority, Team};
pub use crate::operation::{
    Admin, AdminOidc, AdminToken, Hook, HookFormat, Overload, Role, SharedStore, Store, WhenAway,
};
pub use crate::pool::{Breaker, Ejection, Fallback, FallbackWhen, Member, Objective, Pool, Retry, Strategy};
pub use crate::prices::PriceChange;
pub use crate::rewrite::{BodyEdit, BodyOperation, HeaderEdits, PathRewrite, Rewrite};
pub use crate::route::{HeaderMatch, HostMatch, PathMatch, QueryMatch, Route, RouteMatch, TimeWindow};
pub use crate::upstream::{BackendKind, Credential, EgressProxy, Entra, EntraSource, Setting, TlsOptions};
pub use crate::waf::{ActiveContent, FieldPolicy, RuleProgram, TextAction, Waf, WafAction};

/// Index of a deployment in [`Policy::deployments`].
pub type DeploymentId = u32;
/// Index of a pool in [`Policy::pools`].
pub type PoolId = u32;
/// Index of a route in [`Policy::routes`].
pub type RouteId = u32;
/// Index of a consumer in [`Policy::consumers`].
pub type ConsumerId = u32;
/// Index of a limit in [`Policy::limits`].
pub type LimitId = u32;
/// Index of a team in [`Policy::teams`].
pub type TeamId = u32;
/// Index of an issuer in [`Policy::issuers`].
pub type IssuerId = u32;
/// Index of an access rule in [`Policy::access`].
pub type AccessRuleId = u32;
/// Index of a rule in [`Policy::acl`].
pub type AclRuleId = u32;
/// Index of a hook in [`Policy::hooks`].
pub type HookId = u32;
/// Index of a firewall in [`Policy::waf`].
pub type WafId = u32;

/// The whole compiled policy. Every list is sorted by name, except routes (most specific first).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Policy {
    /// Sockets to listen on.
    pub listeners: Vec<Listener>,
    /// The admin socket.
    pub admin: Option<Admin>,
    /// Servers that models live on.
    pub backends: Vec<Backend>,
    /// A model, or a plain HTTP service, on a backend: what a pool's members are.
    pub deployments: Vec<Deployment>,
    /// Interchangeable deployments.
    pub pools: Vec<Pool>,
    /// Most specific first: the first that matches wins.
    pub routes: Vec<Route>,
    /// Who may call.
    pub consumers: Vec<Consumer>,
    /// Consumers that share terms.
    pub teams: Vec<Team>,
    /// Models with terms of their own, by model.
    pub models: Vec<ModelTerms>,
    /// Whose tokens are believed.
    pub issuers: Vec<Issuer>,
    /// Named limits.
    pub limits: Vec<Limit>,
    /// The access control list, the rule that is asked first at the front.
    pub acl: Vec<AclRule>,
    /// Named access rules.
    pub access: Vec<AccessRule>,
    /// Country by address: a file in MaxMind's format.
    pub countries: Option<String>,
    /// Decisions asked of others.
    pub hooks: Vec<Hook>,
    /// Web application firewalls.
    pub waf: Vec<Waf>,
    /// Where counts are kept.
    pub store: Store,
    /// When requests are shed.
    pub overload: Overload,
    /// Traces, metrics, logs.
    pub telemetry: Telemetry,
}

/// Where a secret is to be read; never its value.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SecretRef {
    /// An environment variable's name.
    Env(String),
    /// A file's path; trailing newlines are not part of the secret.
    File(String),
}

/// A server.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Backend {
    /// Name in the manifest.
    pub name: String,
    /// Protocol.
    pub kind: BackendKind,
    /// TLS to the backend.
    pub tls: bool,
    /// Host name or address: `Host`, SNI and the verified name.
    pub host: String,
    /// TCP port.
    pub port: u16,
    /// Path prefix, without trailing slash; often empty.
    pub base_path: String,
    /// `api-version` query of Azure OpenAI.
    pub api_version: Option<String>,
    /// What TLS to it needs beyond the system's own trust.
    pub tls_options: TlsOptions,
    /// The proxy on the way out to it.
    pub egress: Option<EgressProxy>,
    /// What to present to it.
    pub auth: Option<Credential>,
    /// Whether `traceparent` is forwarded.
    pub forward_trace_context: bool,
    /// HTTP/2 upstream by prior knowledge or ALPN.
    pub http2: bool,
    /// Active health probe; none when absent.
    pub health: Option<HealthProbe>,
    /// Timeouts of one attempt.
    pub timeouts: Timeouts,
    /// Header in which it takes an idempotency key, if it honours one.
    pub idempotency_header: Option<String>,
    /// Edits of every request to it and answer from it, after the route's.
    pub rewrite: Rewrite,
}

/// An active health probe. Never spends tokens unless `spend_tokens`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HealthProbe {
    /// Path of a GET whose 2xx is health.
    pub path: String,
    /// Time between probes.
    pub interval: Duration,
    /// Time a probe may take.
    pub timeout: Duration,
    /// Consecutive failures until unhealthy.
    pub unhealthy_after: u32,
    /// Consecutive successes until healthy again.
    pub healthy_after: u32,
    /// Probe with a one-token completion instead of the GET.
    pub spend_tokens: bool,
}

/// Timeouts of one attempt, in policy time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Timeouts {
    /// TCP and TLS handshakes.
    pub connect: Duration,
    /// From sent request to response header.
    pub first_byte: Duration,
    /// From sent request to response header and, on a stream, first event.
    pub first_token: Duration,
    /// Between two reads of a response.
    pub idle: Duration,
}

/// How a token quota refills.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum QuotaShape {
    /// Counted per aligned window (pay-as-you-go TPM and RPM).
    FixedWindow,
    /// Drains continuously, with room for `burst` seconds (provisioned throughput).
    LeakyBucket,
}

/// What a deployment may consume.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Quota {
    /// Tokens per window.
    pub tokens: Option<Rate>,
    /// Requests per window.
    pub requests: Option<Rate>,
    /// Refill.
    pub shape: QuotaShape,
    /// Depth of a leaky bucket, as time at the full rate.
    pub burst: Duration,
    /// How many quota tokens one output token takes; 1 unless provisioned.
    pub output_weight: u32,
}

/// A model on a backend.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Deployment {
    /// `backend/deployment`, or the backend's name for kind `http`.
    pub name: String,
    /// Its server, an index into [`Policy::backends`].
    pub backend: u32,
    /// The model's public name.
    pub model: Option<String>,
    /// The name sent upstream (for Azure OpenAI the deployment in the path).
    pub upstream_name: String,
    /// Input plus output tokens it can hold.
    pub context_window: Option<u64>,
    /// The most output tokens it generates; sent where a backend needs a ceiling and the caller names none.
    pub max_output: Option<u64>,
    /// Marginal prices; `None` when the manifest states none.
    pub prices: Option<Prices>,
    /// Prices that hold later, in the order of time.
    pub price_changes: Vec<PriceChange>,
    /// When the last of the prices stops being known to hold.
    pub prices_until: Option<UnixTime>,
    /// Fixed cost.
    pub hourly: Option<HourlyCost>,
    /// Quota.
    pub quota: Option<Quota>,
    /// Requests it serves at once before they queue.
    pub concurrency: Option<u32>,
    /// The operator's guess of TTFT for a median prompt, before any is measured.
    pub expected_ttft: Duration,
    /// Where it processes data, stated or derived from its SKU and region; unknown when absent.
    pub processing: Option<Geography>,
}

/// Whether a rule refuses or only counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// Count what would have been refused.
    Shadow,
    /// Refuse.
    #[default]
    Enforce,
}

/// What a rule does when it cannot decide.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OnFailure {
    /// Let the request through.
    Open,
    /// Refuse it.
    Closed,
}

/// A calendar period, in UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CalendarPeriod {
    /// From midnight.
    Day,
    /// From Monday (ISO 8601).
    Week,
    /// From the first.
    Month,
}

/// Money that may be spent per calendar period.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Budget {
    /// How much.
    pub amount: Usd,
    /// Per what.
    pub period: CalendarPeriod,
}

/// What a budget counts of a request.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Costs {
    /// What its tokens cost by their prices.
    #[default]
    Marginal,
    /// Also its share of capacity that is paid by the hour.
    Amortised,
}

/// A named limit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limit {
    /// Name in the manifest.
    pub name: String,
    /// Requests per window.
    pub requests: Option<Rate>,
    /// Tokens per window, reserved before sending and settled after.
    pub tokens: Option<Rate>,
    /// Requests under way at once.
    pub streams: Option<u32>,
    /// Money per calendar period.
    pub budget: Option<Budget>,
    /// What the budget counts.
    pub costs: Costs,
    /// Whether tokens and money are never exceeded: the output is bounded upstream, and cut where need be.
    pub hard: bool,
    /// Whether replicas count it together.
    pub shared: bool,
    /// Refuse or count.
    pub mode: Mode,
    /// Stance when the store cannot answer.
    pub on_failure: OnFailure,
}

/// OTLP transport.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum OtlpProtocol {
    /// gRPC.
    Grpc,
    /// Protobuf over HTTP.
    HttpProtobuf,
}

/// An OTLP endpoint.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Otlp {
    /// Base URL, such as `http://127.0.0.1:4317`.
    pub endpoint: String,
    /// Transport.
    pub protocol: OtlpProtocol,
    /// Metric export interval.
    pub interval: Duration,
    /// Headers by lower-case name.
    pub headers: Vec<(String, SecretRef)>,
}

/// Where the access log goes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AccessLogTarget {
    /// Nowhere.
    Off,
    /// Standard output.
    Stdout,
    /// Appended to a file, reopened when it is renamed away.
    File(String),
}

/// Traces, metrics, logs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Telemetry {
    /// Export; none when absent.
    pub otlp: Option<Otlp>,
    /// `service.name`.
    pub service_name: String,
    /// Share of traces kept; errors are always kept.
    pub trace_sampling: Share,
    /// Whether an incoming `traceparent` is continued, or linked and restarted.
    pub trust_trace_context: bool,
    /// Access log.
    pub access_log: AccessLogTarget,
}
