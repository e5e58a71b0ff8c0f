//! The HTTP client for small questions to others: tokens, policy hooks. hyper, with rustls and ring named
//! explicitly. It owns patience and the bound on an answer; it refuses redirects and proxies, for nobody else
//! may see what it sends.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Request};
use http_body_util::{BodyExt, Full, Limited};
use hyper_rustls::{ConfigBuilderExt, HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client as Pool;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use rustls::{ClientConfig, RootCertStore};

/// Asks.
#[derive(Clone)]
pub(crate) struct Client {
    pool: Pool<HttpsConnector<HttpConnector>, Full<Bytes>>,
}

/// An answer, whatever its status.
#[derive(Debug)]
pub(crate) struct Reply {
    /// Status.
    pub(crate) status: u16,
    /// Headers.
    pub(crate) headers: HeaderMap,
    /// Whole body.
    pub(crate) body: Bytes,
}

/// Why there is no answer.
#[derive(Debug)]
pub(crate) enum Unanswered {
    /// Nobody there, in words without anything secret.
    Unreached(String),
    /// Longer than it may be, or cut.
    TooLong,
    /// Not in time.
    Timeout,
}

impl std::fmt::Debug for Client {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Client")
    }
}

impl Client {
    /// A client that trusts the system's authorities. Where there are none, only services reached in
    /// plain text, as the metadata service is, can be asked.
    pub(crate) fn new() -> Option<Self> {
        let builder = || {
            ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
                .with_safe_default_protocol_versions()
                .inspect_err(|error| tracing::error!(%error, "no TLS for token requests and hooks"))
                .ok()
        };
        let config = match builder()?.with_native_roots() {
            Ok(config) => config,
            Err(error) => {
                tracing::warn!(%error, "no trusted authorities: tokens can only be had from the metadata service, and hooks only be asked in plain text");
                builder()?.with_root_certificates(RootCertStore::empty())
            }
        };
        let tls = config.with_no_client_auth();
        let connector =
            HttpsConnectorBuilder::new().with_tls_config(tls).https_or_http().enable_http1().build();
        Some(Self {
            pool: Pool::builder(TokioExecutor::new()).pool_timer(TokioTimer::new()).build(connector),
        })
    }

    /// Sends `request` and reads an answer of at most `longest` bytes, within `patience` on the wall clock.
    pub(crate) async fn ask(
        &self,
        request: Request<Full<Bytes>>,
        patience: Duration,
        longest: usize,
    ) -> Result<Reply, Unanswered> {
        let exchange = async {
            let answer = self.pool.request(request).await;
            let (parts, body) =
                answer.map_err(|error| Unanswered::Unreached(unreached(&error)))?.into_parts();
            let body = Limited::new(body, longest).collect().await.map_err(|_| Unanswered::TooLong)?;
            Ok(Reply { status: parts.status.as_u16(), headers: parts.headers, body: body.to_bytes() })
        };
        tokio::time::timeout(patience, exchange).await.unwrap_or(Err(Unanswered::Timeout))
    }
}

/// The whole chain of causes: hyper's own words end at `client error`.
fn unreached(error: &dyn std::error::Error) -> String {
    let mut words = "it cannot be reached".to_owned();
    let mut cause = error.source();
    while let Some(error) = cause {
        words.push_str(": ");
        words.push_str(&error.to_string());
        cause = error.source();
    }
    words
}
