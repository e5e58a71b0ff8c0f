//! What operators set: the store of counts, hooks, shedding, and who may do what over the admin API. It
//! owns the plain data of it; it refuses to act.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::access::{ClientCertificates, ListenerTls};
use crate::sections::{IssuerId, Mode, OnFailure, SecretRef};

/// What a replica does with shared limits while the shared store is away.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum WhenAway {
    /// Goes on with its leases and, per window, its share of each amount.
    LocalShare,
    /// Refuses what its leases do not cover.
    #[default]
    Closed,
}

/// Counts shared by several replicas.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SharedStore {
    /// `redis://` or `rediss://`, without credentials.
    pub url: String,
    /// User name and password, `user:password` or a password.
    pub auth: Option<SecretRef>,
    /// Prefix of every key, so that gateways can share a server.
    pub prefix: String,
    /// How many replicas share amounts, at most.
    pub replicas: u32,
    /// Stance while it is away.
    pub when_away: WhenAway,
}

/// Where counts are kept.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Store {
    /// Shared counts; each replica counts for itself when absent.
    pub shared: Option<SharedStore>,
    /// Longest time between two syncs of the journal to the disk.
    pub sync: Duration,
}

/// How a hook is asked and answers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum HookFormat {
    /// The contract as it is.
    #[default]
    Plain,
    /// The question under `input` and the answer under `result`, as Open Policy Agent's data API has them.
    Opa,
}

/// A decision asked of somebody else.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hook {
    /// Name in the manifest.
    pub name: String,
    /// Where it is POSTed to.
    pub url: String,
    /// How.
    pub format: HookFormat,
    /// A header with a secret, such as `x-functions-key`.
    pub header: Option<(String, SecretRef)>,
    /// How long it may take.
    pub timeout: Duration,
    /// How long an answer holds for the same question; zero asks every time.
    pub cache: Duration,
    /// Refuse or count.
    pub mode: Mode,
    /// Stance when it does not answer.
    pub on_failure: OnFailure,
}

/// When requests are shed, lowest priority first.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Overload {
    /// Requests in flight at which the lowest priority is shed entirely; none when absent.
    pub max_in_flight: Option<u32>,
    /// Bytes of request and answer bodies held at once.
    pub max_buffered: Option<u64>,
    /// Refuse or count.
    pub mode: Mode,
}

/// What an administrator may do; each may do what those before it may.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Role {
    /// See.
    Viewer,
    /// Drain, pin, freeze, issue keys.
    Operator,
    /// Change policy.
    Publisher,
}

/// A named token of the admin API.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AdminToken {
    /// Name in the manifest, and in the audit log.
    pub name: String,
    /// Lower-case hex SHA-256 of it.
    pub sha256: String,
    /// What it may do.
    pub role: Role,
    /// Unix seconds from which it is refused.
    pub expires: Option<u64>,
}

/// The admin API.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Admin {
    /// `address:port`; loopback unless said otherwise.
    pub address: String,
    /// Bearer token of a publisher; without any token, calls that change something are refused.
    pub token: Option<SecretRef>,
    /// Named tokens.
    pub tokens: Vec<AdminToken>,
    /// Tokens of this issuer, and the role by value of the claim named.
    pub oidc: Option<AdminOidc>,
    /// Role by name of a client certificate.
    pub certificates: Vec<(String, Role)>,
    /// TLS; plain HTTP when absent.
    pub tls: Option<ListenerTls>,
    /// Client certificates, where TLS is on.
    pub clients: Option<ClientCertificates>,
}

/// Administrators by an issuer's tokens.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AdminOidc {
    /// Who vouches.
    pub issuer: IssuerId,
    /// The claim.
    pub claim: String,
    /// Role by its values.
    pub roles: Vec<(String, Role)>,
}
