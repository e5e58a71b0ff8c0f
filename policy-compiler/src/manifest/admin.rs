//! Section `admin`.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::consumer::KeyHash;
use super::named::{Name, Named};
use super::quantity::Date;
use super::secret::{FileRef, SecretRef};

/// The admin API.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Admin {
    /// IP address and port; keep it on loopback.
    #[serde(default = "loopback")]
    #[schemars(example = "127.0.0.1:9901")]
    pub address: String,
    /// Bearer token for what changes state. Without one, such calls are refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token: Option<SecretRef>,
    /// Bearer tokens of people and programs, by name, each with a role.
    #[serde(default)]
    pub tokens: Named<Name, AdminToken>,
    /// Tokens of an issuer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub oidc: Option<AdminOidc>,
    /// Role by name in a client certificate; needs `tls` with `clients`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub certificates: BTreeMap<String, Role>,
    /// Certificate of the admin API; without it administrators speak plain HTTP.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tls: Option<AdminTls>,
}

/// What an administrator may do; each may do what those before it may.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Role {
    /// See.
    Viewer,
    /// Drain, pin, freeze, issue and revoke keys.
    Operator,
    /// Change policy.
    Publisher,
}

/// A bearer token of the admin API, known by its hash only.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct AdminToken {
    /// SHA-256 of the token: `sluicegate key` makes both.
    pub sha256: KeyHash,
    /// What it may do.
    pub role: Role,
    /// From when it is refused; never unless stated.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires: Option<Date>,
}

/// Administrators by an issuer's tokens.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct AdminOidc {
    /// The issuer, by its name in `issuers`. Its audiences and scopes hold here, too.
    pub issuer: String,
    /// The claim that says what a bearer may do, a text or a list of texts.
    #[serde(default = "roles")]
    #[schemars(length(min = 1))]
    pub claim: String,
    /// Role by value of the claim; the most that any of them may.
    #[schemars(extend("minProperties" = 1))]
    pub roles: BTreeMap<String, Role>,
}

/// Certificate chain and private key of the admin API.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct AdminTls {
    /// Certificate chain, its own certificate first.
    pub certificate: FileRef,
    /// Private key.
    pub key: FileRef,
    /// Authorities that sign administrators' certificates. None are asked for unless stated.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub clients: Option<FileRef>,
}

fn roles() -> String {
    "roles".to_owned()
}

fn loopback() -> String {
    "127.0.0.1:9901".to_owned()
}
