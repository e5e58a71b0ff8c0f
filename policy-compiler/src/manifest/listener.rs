//! Section `listeners`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use vocabulary::{ByteSize, Span};

use super::named::{HostName, Named};
use super::quantity::{Bytes, Duration};
use super::secret::FileRef;

/// A socket that callers connect to.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Listener {
    /// IP address and port, such as `127.0.0.1:8080`, `0.0.0.0:443` or `[::]:443`.
    #[schemars(example = "127.0.0.1:8080")]
    pub address: String,
    /// Certificate of this listener; without it callers speak plain HTTP.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tls: Option<ListenerTls>,
    /// Whether HTTP/2 is offered: by ALPN with TLS, by prior knowledge without.
    #[serde(default = "yes")]
    pub http2: bool,
    /// Largest request body; a larger one is refused with status 413.
    #[serde(default = "max_body")]
    pub max_body: Bytes,
    /// How long a caller may take from connecting to the end of its first request's head.
    #[serde(default = "request_timeout")]
    pub head_timeout: Duration,
    /// How long a request body may take to arrive.
    #[serde(default = "request_timeout")]
    pub body_timeout: Duration,
    /// Whether only private networks are served: the gateway does not start where the listener would have a
    /// public address, and refuses requests from public ones.
    #[serde(default)]
    pub private: bool,
    /// Load balancers in front that say by the PROXY protocol who connected to them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub proxy_protocol: Option<ProxyProtocol>,
    /// Proxies in front that say in a header for whom they ask.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub forwarded: Option<Forwarded>,
    /// The most connections at once. Unless stated, an equal share of what the limit of open files allows,
    /// which is never exceeded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1))]
    pub max_connections: Option<u32>,
    /// Access rules for every request here, by name.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub access: Vec<String>,
    /// The ways in that are taken here: `keys`, `certificates`, and issuers by their names. All of them unless
    /// stated.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(example = ways())]
    pub authn: Option<Vec<String>>,
    /// The firewall for requests whose route names none, by name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub waf: Option<String>,
}

/// In [`Listener::authn`]: API keys of consumers, those issued while the gateway runs included.
pub const KEYS: &str = "keys";
/// In [`Listener::authn`]: client certificates that consumers are known by.
pub const CERTIFICATES: &str = "certificates";

/// Certificate chain and private key of a listener.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ListenerTls {
    /// Certificate chain, the listener's own certificate first. Shown to clients that ask for no name, or for
    /// none of `names`.
    pub certificate: FileRef,
    /// Private key.
    pub key: FileRef,
    /// Certificates for clients that ask for these server names (RFC 6066 section 3), by name; `*.example.com`
    /// for one label below it.
    #[serde(default)]
    pub names: Named<HostName, CertificateFiles>,
    /// The oldest version of TLS that is served; a request over an older one is refused.
    #[serde(default)]
    pub min_version: TlsVersion,
    /// Client certificates; none are asked for unless stated.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub clients: Option<ClientCertificates>,
}

/// Certificate chain and private key for one server name.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CertificateFiles {
    /// Certificate chain, its own certificate first.
    pub certificate: FileRef,
    /// Private key.
    pub key: FileRef,
}

/// A version of TLS, in quotes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum TlsVersion {
    /// TLS 1.2 (RFC 5246).
    #[default]
    #[serde(rename = "1.2")]
    Tls12,
    /// TLS 1.3 (RFC 8446).
    #[serde(rename = "1.3")]
    Tls13,
}

/// Client certificates of a listener.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ClientCertificates {
    /// The authorities that sign them.
    pub authorities: FileRef,
    /// Whether the handshake of a client without one ends.
    #[serde(default = "yes")]
    pub required: bool,
    /// Lists of revoked certificates (RFC 5280 section 5), in PEM form. Once stated, a certificate that is on a
    /// list, or whose authority has none, is refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub crl: Option<FileRef>,
}

/// Load balancers that begin each connection with a PROXY protocol header, version 1 or 2.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ProxyProtocol {
    /// Their addresses and networks. A connection from one of them without such a header is closed; one from
    /// elsewhere has none.
    #[schemars(length(min = 1), example = proxies())]
    pub from: Vec<String>,
}

/// Proxies whose word about a request's client is taken.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Forwarded {
    /// The header they say it in.
    pub header: ForwardedHeader,
    /// Their addresses and networks. The header is read from the right until an address that is not among
    /// them, which is the client's; from other peers it is ignored.
    #[schemars(length(min = 1), example = proxies())]
    pub trust: Vec<String>,
}

/// A header that says who a proxy asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum ForwardedHeader {
    /// The field's habit.
    #[serde(rename = "X-Forwarded-For")]
    XForwardedFor,
    /// RFC 7239.
    Forwarded,
}

fn yes() -> bool {
    true
}

fn max_body() -> Bytes {
    Bytes(ByteSize(8 << 20))
}

fn request_timeout() -> Duration {
    Duration(Span(std::time::Duration::from_secs(30)))
}

fn ways() -> [&'static str; 2] {
    [KEYS, "corp"]
}

fn proxies() -> [&'static str; 1] {
    ["10.0.0.0/24"]
}
