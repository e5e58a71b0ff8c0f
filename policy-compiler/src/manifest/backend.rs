//! Section `backends`: servers, and the models or deployments on them.

mod connection;
mod kind;
mod serving;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::geography::Place;
use super::named::{ModelName, Named};
use super::quantity::Duration;
use super::rewrite::Rewrite;
pub use connection::{BackendTls, ClientCertificate, EgressProxy, Timeouts};
pub use kind::BackendKind;
pub use serving::{Capability, Deployment, Model, Price, PriceChange, Quota, QuotaShape, Serving};

/// A server that models, or a plain HTTP service, live on.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Backend {
    /// What protocol it speaks.
    pub kind: BackendKind,
    /// `http://` or `https://`, host, optional port and optional path prefix. For AI backends without
    /// `/v1`, which the gateway adds.
    #[schemars(example = "https://api.openai.com")]
    pub url: String,
    /// The `api-version` query of Azure OpenAI; `2024-10-21` unless stated.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1), example = "2024-10-21")]
    pub api_version: Option<String>,
    /// The Azure region it stands in, for kinds `azure-openai`, `azure-ml`, `vllm`, `llama-cpp`, `kserve` and
    /// `http`. Together with a deployment's `sku` it tells where data is processed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1), example = &"swedencentral")]
    pub region: Option<String>,
    /// Where it processes data. Follows from `region` and `sku` where those are known; a statement of its own
    /// may only be wider.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub processing: Option<Place>,
    /// The identity whose credential is presented, by name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub auth: Option<String>,
    /// What TLS to it needs beyond the system's own trust. For `https://` URLs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tls: Option<BackendTls>,
    /// The HTTP proxy on the way out to it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub egress_proxy: Option<EgressProxy>,
    /// Models served here, by the name callers use. For kinds `openai`, `vllm`, `llama-cpp`, `mistral` and
    /// `anthropic`.
    #[serde(default)]
    pub models: Named<ModelName, Model>,
    /// Deployments served here, by the name in Azure's path. For kind `azure-openai`.
    #[serde(default)]
    pub deployments: Named<ModelName, Deployment>,
    /// Active health probe. On by default for kinds `vllm` and `llama-cpp` (`GET /health`) and `kserve`
    /// (`GET /v2/health/ready`), since elsewhere no path is known that answers without a credential;
    /// passive ejection works for every kind.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub health: Option<Health>,
    /// Timeouts of one attempt.
    #[serde(default)]
    pub timeouts: Timeouts,
    /// Whether to speak HTTP/2 to it: by ALPN over TLS, by prior knowledge without.
    #[serde(default)]
    pub http2: bool,
    /// Whether `traceparent` is sent to it. True for kind `vllm`, false for others, unless stated.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub forward_trace_context: Option<bool>,
    /// The header in which it takes a key that makes a repeated request safe, if it honours one. An
    /// attempt whose outcome is unknown may then be repeated without a second generation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1), example = "idempotency-key")]
    pub idempotency_header: Option<String>,
    /// Edits of every request to it, after the route's, and of its answers, before the route's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rewrite: Option<Rewrite>,
}

/// An active health probe.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Health {
    /// Whether to probe at all.
    pub enabled: bool,
    /// Path of a GET whose 2xx answer means health. Known for kinds `vllm`, `llama-cpp` and `kserve`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(example = "/healthz")]
    pub path: Option<String>,
    /// Time between probes.
    pub interval: Duration,
    /// How long a probe may take.
    pub timeout: Duration,
    /// Consecutive failures until it counts as unhealthy.
    #[schemars(range(min = 1, max = 100))]
    pub unhealthy_after: u32,
    /// Consecutive successes until it counts as healthy again.
    #[schemars(range(min = 1, max = 100))]
    pub healthy_after: u32,
    /// Probe with a completion of one token instead of the GET. Costs money; finds what a GET cannot.
    pub spend_tokens: bool,
}

impl Default for Health {
    fn default() -> Self {
        Self {
            enabled: true,
            path: None,
            interval: Duration::seconds(10),
            timeout: Duration::seconds(2),
            unhealthy_after: 3,
            healthy_after: 2,
            spend_tokens: false,
        }
    }
}
