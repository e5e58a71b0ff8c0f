//! Doors: from where and how callers may come. It owns the plain data of listeners and access rules; it
//! refuses to look anything up.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::IssuerId;
use crate::sections::Mode;

/// The oldest TLS a listener takes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum TlsVersion {
    /// TLS 1.2 (RFC 5246).
    #[default]
    #[serde(rename = "1.2")]
    Tls12,
    /// TLS 1.3 (RFC 8446).
    #[serde(rename = "1.3")]
    Tls13,
}

/// A certificate shown to clients that ask for this name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NamedCertificate {
    /// A host name, or `*.example.com` for one label below it.
    pub host: String,
    /// Certificate chain file.
    pub certificate: String,
    /// Private key file.
    pub key: String,
}

/// Client certificates of a listener.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClientCertificates {
    /// File of the authorities that sign them, PEM.
    pub authorities: String,
    /// Whether a handshake without one ends.
    pub required: bool,
    /// File of lists of revoked certificates, PEM.
    pub crl: Option<String>,
}

/// The ways in that a listener takes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Authn {
    /// API keys.
    pub keys: bool,
    /// Client certificates.
    pub certificates: bool,
    /// Tokens of these issuers.
    pub issuers: Vec<IssuerId>,
}

/// Certificate chain and key of a listener, PEM.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ListenerTls {
    /// Certificate chain file.
    pub certificate: String,
    /// Private key file.
    pub key: String,
    /// Certificates by server name (RFC 6066 §3), before the one above.
    pub names: Vec<NamedCertificate>,
    /// Oldest version.
    pub min_version: TlsVersion,
    /// Client certificates; none are asked for when absent.
    pub clients: Option<ClientCertificates>,
}

/// The header by which a trusted proxy says who connected to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ForwardedHeader {
    /// `X-Forwarded-For`.
    XForwardedFor,
    /// `Forwarded` (RFC 7239).
    Forwarded,
}

/// Whose word about the client's address is taken.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Forwarded {
    /// In this header.
    pub header: ForwardedHeader,
    /// From these networks, in CIDR form; addresses are read from the right until one is not among them.
    pub trusted: Vec<String>,
}

/// A socket callers connect to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Listener {
    /// Name in the manifest.
    pub name: String,
    /// `address:port`.
    pub address: String,
    /// Server certificate; plain HTTP when absent.
    pub tls: Option<ListenerTls>,
    /// HTTP/2: by ALPN with TLS, by prior knowledge without.
    pub http2: bool,
    /// Largest request body, in bytes.
    pub max_body: u64,
    /// How long the head of a connection's first request may take to arrive.
    pub head_timeout: Duration,
    /// How long a request body may take to arrive.
    pub body_timeout: Duration,
    /// Whether only private addresses may be listened on and come in.
    pub private: bool,
    /// Networks whose connections begin with a PROXY protocol header, in CIDR form; none when empty.
    pub proxy_protocol: Vec<String>,
    /// Trusted forwarding.
    pub forwarded: Option<Forwarded>,
    /// Most connections at once; what the system's limit of open files allows when absent.
    pub max_connections: Option<u32>,
    /// Access rules for every request here.
    pub access: Vec<u32>,
    /// The ways in that are taken here; all when absent.
    pub authn: Option<Authn>,
    /// What inspects requests whose route names nothing.
    pub waf: Option<u32>,
}

/// A header that must be there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RequiredHeader {
    /// Lower-case name.
    pub name: String,
    /// Values it may have; any when empty.
    pub values: Vec<String>,
}

/// From where and with what a request may come. What is denied is refused; what is not allowed, too, where
/// anything is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccessRule {
    /// Name in the manifest.
    pub name: String,
    /// Networks in CIDR form; any when empty.
    pub allow: Vec<String>,
    /// Networks in CIDR form.
    pub deny: Vec<String>,
    /// Countries, two capitals (ISO 3166-1); any when empty.
    pub allow_countries: Vec<String>,
    /// Countries.
    pub deny_countries: Vec<String>,
    /// Headers that must be there.
    pub headers: Vec<RequiredHeader>,
    /// Refuse or count.
    pub mode: Mode,
    /// Whether an address without a known country is let through.
    pub unknown_country: crate::sections::OnFailure,
}
