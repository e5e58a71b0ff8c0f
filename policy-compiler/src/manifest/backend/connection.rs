//! The way to a backend: TLS beyond the usual, the proxy on the way out, and how long things may take.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::manifest::quantity::Duration;
use crate::manifest::secret::{FileRef, SecretRef};

/// What TLS to a backend needs beyond the system's own trust.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct BackendTls {
    /// Certificates of the authorities to trust in place of the system's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca: Option<FileRef>,
    /// The gateway's own certificate, for servers that ask for one (mutual TLS).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_certificate: Option<ClientCertificate>,
    /// The name to ask for (SNI) and to verify, when it is not the URL's host.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1), example = "inference.internal.corp")]
    pub server_name: Option<String>,
}

/// Certificate chain and private key that the gateway presents to a backend.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ClientCertificate {
    /// Certificate chain, the gateway's own certificate first.
    pub certificate: FileRef,
    /// Private key.
    pub key: FileRef,
}

/// An HTTP proxy on the way out, asked to `CONNECT`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct EgressProxy {
    /// `http://`, host and port of the proxy.
    #[schemars(example = "http://proxy.corp:3128")]
    pub url: String,
    /// The whole value of `Proxy-Authorization`, such as `Basic …`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub authorization: Option<SecretRef>,
}

/// Timeouts of one attempt.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Timeouts {
    /// TCP and TLS handshakes.
    pub connect: Duration,
    /// From the sent request to the response header; `firstToken` unless stated.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub first_byte: Option<Duration>,
    /// From the sent request to the response header and, on a stream, the first event.
    pub first_token: Duration,
    /// Between two reads of a response.
    pub idle: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            connect: Duration::seconds(2),
            first_byte: None,
            first_token: Duration::seconds(60),
            idle: Duration::seconds(60),
        }
    }
}
