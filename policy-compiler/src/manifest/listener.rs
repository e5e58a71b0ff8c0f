//! Section `listeners`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use vocabulary::{ByteSize, Span};

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
}

/// Certificate chain and private key of a listener.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ListenerTls {
    /// Certificate chain, the listener's own certificate first.
    pub certificate: FileRef,
    /// Private key.
    pub key: FileRef,
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
