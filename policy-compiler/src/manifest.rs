//! The manifest as people write it: one file per section, one type per field. It owns the grammar,
//! the fixed defaults and the words that editors show; it refuses to judge whether names and values
//! make sense together.
//!
//! The JSON Schema is generated from these types and is what validates. So a type here may not refuse
//! what its schema accepts.

mod access;
mod acl;
mod admin;
mod backend;
mod consumer;
mod finding;
mod geography;
mod hook;
mod identity;
mod issuer;
mod limit;
mod listed;
mod listener;
mod named;
mod overload;
mod pool;
mod quantity;
mod rewrite;
mod route;
mod secret;
mod store;
mod team;
mod telemetry;
mod waf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use access::{AccessRule, Countries, CountryCode, CountryRule, HeaderValues};
pub use acl::{AclAction, AclConditions, AclRule, BotClass};
pub use admin::{Admin, AdminOidc, AdminTls, AdminToken, Role};
pub use backend::{
    Backend, BackendKind, BackendTls, Capability, ClientCertificate, Deployment, EgressProxy, Health, Model,
    Price, PriceChange, Quota, QuotaShape, Serving, Timeouts,
};
pub use consumer::{Consumer, Credential, KeyHash, KeyPrefix, KeySource, TokenSubject};
pub use finding::{FindingCode, FindingLevel};
pub use geography::{Place, Residency, Sku};
pub use hook::{Hook, HookFormat};
pub use identity::{
    Authority, ClientSecret, HeaderCredential, Identity, ManagedIdentity, Scope, WorkloadIdentity,
};
pub use issuer::{Algorithm, Issuer, KeySet, TeamsByClaim};
pub use limit::{Costs, Limit, Limits, Mode, ModelTerms, OnFailure};
pub use listed::Listed;
pub use listener::{
    CERTIFICATES, CertificateFiles, ClientCertificates, Forwarded, ForwardedHeader, KEYS, Listener,
    ListenerTls, ProxyProtocol, TlsVersion,
};
pub use named::{HostName, ModelName, Name, Named};
pub use overload::Overload;
pub use pool::{
    Ambiguous, Breaker, Ejection, Fallback, FallbackWhen, Fallbacks, Member, Members, Objective, Pool, Retry,
    Strategy, Unless,
};
pub use quantity::{Budget, Bytes, Cost, Date, Duration, Money, Percent, RequestRate, TokenRate, UnitPrice};
pub use rewrite::{
    BodyEdits, BodyField, Clamp, HeaderEdits, PathRewrite, RequestRewrite, ResponseRewrite, Rewrite,
};
pub use route::{Match, Methods, Route, TimeOfDay, TimeWindow, Weekday};
pub use secret::{FileRef, SecretRef, Setting};
pub use store::{RedisServer, SharedStore, Store, WhenAway};
pub use team::{DataClass, Priority, Team};
pub use telemetry::{AccessLog, Otlp, OtlpProtocol, Telemetry};
pub use waf::{
    Answers, BodySchema, Bots, FieldClass, Jailbreak, KeyFailures, Leaks, RuleAction, Ruleset, Shape,
    TextAction, Thresholds, Waf, WafAction, WafExclusion,
};

use crate::resolve::Deployed;

/// The version of the manifest language.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum ApiVersion {
    /// Version 1.
    #[serde(rename = "sluicegate/v1")]
    V1,
}

/// A gateway's whole policy: where it listens, which models it can reach, who may call them and how
/// requests find their way.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(title = "Sluicegate manifest")]
pub struct Manifest {
    /// Where editors find this schema; ignored by the gateway.
    #[serde(rename = "$schema", default, skip_serializing_if = "Option::is_none")]
    pub schema: Option<String>,
    /// Version of the manifest language: `sluicegate/v1`.
    pub api_version: ApiVersion,
    /// Further files of this manifest, relative to this one; `*` stands for any characters of a name. They
    /// add entries, and can only narrow those of others.
    #[serde(default, skip_serializing_if = "Listed::is_empty")]
    #[schemars(example = included())]
    pub include: Listed,
    /// Sockets that callers connect to, by name.
    #[schemars(extend("minProperties" = 1))]
    pub listeners: Named<Name, Listener>,
    /// The admin API. Without this section it listens on 127.0.0.1:9901 and changes nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub admin: Option<Admin>,
    /// Credentials that the gateway presents to backends, by name.
    #[serde(default)]
    pub identities: Named<Name, Identity>,
    /// Servers that models or plain HTTP services live on, by name.
    #[schemars(extend("minProperties" = 1))]
    pub backends: Named<Name, Backend>,
    /// Groups of interchangeable deployments, by name.
    #[schemars(extend("minProperties" = 1))]
    pub pools: Named<Name, Pool>,
    /// Which requests go to which pool, by name. Order never decides: the most specific match wins.
    #[schemars(extend("minProperties" = 1))]
    pub routes: Named<Name, Route>,
    /// Callers and their API keys, by name. Without this section every route is open.
    #[serde(default)]
    pub consumers: Named<Name, Consumer>,
    /// Consumers that share terms, by name.
    #[serde(default)]
    pub teams: Named<Name, Team>,
    /// Terms of models, by the names callers use.
    #[serde(default)]
    pub models: Named<ModelName, ModelTerms>,
    /// Whose tokens callers may show instead of a key, by name.
    #[serde(default)]
    pub issuers: Named<Name, Issuer>,
    /// Limits that consumers, teams, models and routes refer to, by name.
    #[serde(default)]
    pub limits: Named<Name, Limit>,
    /// Decisions asked of others, by name.
    #[serde(default)]
    pub hooks: Named<Name, Hook>,
    /// When requests are shed; never unless stated.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub overload: Option<Overload>,
    /// The access control list: rules over every request, by name; their priority is their order.
    #[serde(default)]
    pub acl: Named<Name, AclRule>,
    /// Access rules that listeners and routes refer to, by name.
    #[serde(default)]
    pub access: Named<Name, AccessRule>,
    /// Which country an address is in; needed where access rules name countries.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub countries: Option<Countries>,
    /// Web application firewalls that routes and listeners refer to, by name.
    #[serde(default)]
    pub waf: Named<Name, Waf>,
    /// Where counts are kept, and how replicas share them.
    #[serde(default)]
    pub store: Store,
    /// Traces, metrics and logs.
    #[serde(default)]
    pub telemetry: Telemetry,
    /// What is done about findings of the compiler, by their codes: `allow`, `warn` or `deny`. An error of the
    /// language is always denied.
    #[serde(default)]
    pub findings: Named<FindingCode, FindingLevel>,
}

fn included() -> [&'static str; 2] {
    ["prices.yaml", "teams/*.yaml"]
}

impl Manifest {
    /// Adds the entries of another piece of the same document.
    pub(crate) fn absorb(&mut self, mut piece: Self) {
        self.routes.extend(std::mem::take(&mut *piece.routes));
        self.acl.extend(std::mem::take(&mut *piece.acl));
        self.consumers.extend(std::mem::take(&mut *piece.consumers));
    }

    /// What a deployment serves; `None` for a backend that is passed through.
    pub(crate) fn serving<'m>(&'m self, deployed: &Deployed<'m>) -> Option<Serving<'m>> {
        let backend = self.backends.get(deployed.backend)?;
        let name = deployed.deployment?;
        let model = backend.models.get(name).map(|model| model.serving(name));
        model.or_else(|| backend.deployments.get(name).map(|deployment| deployment.serving(name)))
    }
}
