//! The HTTP client of token requests: hyper, with rustls and ring named explicitly. It owns patience and
//! the bound on an answer; it refuses redirects and proxies, for nobody else may see what it sends.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::Request;
use http_body_util::{BodyExt, Full, Limited};
use hyper_rustls::{ConfigBuilderExt, HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client as Pool;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use rustls::{ClientConfig, RootCertStore};

use super::answer::{Refused, Token, token};

/// A token is a few kilobytes; more is not one.
const LONGEST_ANSWER: usize = 64 * 1024;
/// How long a token service may take to answer.
const PATIENCE: Duration = Duration::from_secs(10);

/// Asks token services.
#[derive(Clone)]
pub(in crate::upstream) struct Client {
    pool: Pool<HttpsConnector<HttpConnector>, Full<Bytes>>,
}

impl std::fmt::Debug for Client {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Client")
    }
}

impl Client {
    /// A client that trusts the system's authorities.
    pub(in crate::upstream) fn new() -> Option<Self> {
        let connector = connector()?;
        Some(Self {
            pool: Pool::builder(TokioExecutor::new()).pool_timer(TokioTimer::new()).build(connector),
        })
    }

    /// Sends `request` and reads the answer; `unix_now` is in seconds.
    pub(super) async fn ask(&self, request: Request<Full<Bytes>>, unix_now: u64) -> Result<Token, Refused> {
        let exchange = async {
            let answer = self.pool.request(request).await;
            let (parts, body) = answer.map_err(|error| Refused::because(unreached(&error)))?.into_parts();
            let body = Limited::new(body, LONGEST_ANSWER).collect().await;
            let body = body.map_err(|_| Refused::because("its answer is longer than 64 KiB or broke off"))?;
            token(parts.status.as_u16(), &parts.headers, &body.to_bytes(), unix_now)
        };
        match tokio::time::timeout(PATIENCE, exchange).await {
            Ok(answer) => answer,
            Err(_) => Err(Refused::because("it did not answer within 10 s")),
        }
    }
}

/// Connections to services the gateway itself asks, trusting the system's authorities. Where there are none,
/// only services reached in plain text, as the metadata service is, can be asked.
pub(crate) fn connector() -> Option<HttpsConnector<HttpConnector>> {
    let builder = || {
        ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_safe_default_protocol_versions()
            .inspect_err(|error| tracing::error!(%error, "no TLS for requests of the gateway itself"))
            .ok()
    };
    let config = match builder()?.with_native_roots() {
        Ok(config) => config,
        Err(error) => {
            tracing::warn!(%error, "no trusted authorities: only services in plain text can be asked");
            builder()?.with_root_certificates(RootCertStore::empty())
        }
    };
    let tls = config.with_no_client_auth();
    Some(HttpsConnectorBuilder::new().with_tls_config(tls).https_or_http().enable_http1().build())
}

/// The whole chain of causes: hyper's own words end at `client error`.
pub(crate) fn unreached(error: &dyn std::error::Error) -> String {
    let mut words = "it cannot be reached".to_owned();
    let mut cause = error.source();
    while let Some(error) = cause {
        words.push_str(": ");
        words.push_str(&error.to_string());
        cause = error.source();
    }
    words
}
