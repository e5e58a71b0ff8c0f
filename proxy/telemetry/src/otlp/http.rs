//! The HTTP client of OTLP over HTTP: hyper, with rustls and ring named explicitly. It owns connections
//! and the bound on a response; it refuses redirects and proxies.

use std::fmt;
use std::time::Duration;

use ::http::{HeaderMap, Request, Response};
use async_trait::async_trait;
use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper_rustls::{ConfigBuilderExt, HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client as Pool;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use opentelemetry_http::{HttpClient, HttpError};
use rustls::{ClientConfig, RootCertStore};
use tokio::runtime::Handle;

use super::ExportError;

pub(super) const METRICS_PATH: &str = "/v1/metrics";
pub(super) const TRACES_PATH: &str = "/v1/traces";

/// A collector's answer is a few bytes; more is not one.
const MAX_RESPONSE: usize = 1024 * 1024;

#[derive(Clone)]
pub(super) struct Client {
    pool: Pool<HttpsConnector<HttpConnector>, Full<Bytes>>,
    headers: HeaderMap,
    runtime: Handle,
    timeout: Duration,
}

impl Client {
    pub(super) fn new(
        secure: bool,
        headers: HeaderMap,
        runtime: Handle,
        timeout: Duration,
    ) -> Result<Self, ExportError> {
        let connector =
            HttpsConnectorBuilder::new().with_tls_config(tls(secure)?).https_or_http().enable_http1().build();
        let pool = Pool::builder(TokioExecutor::new()).pool_timer(TokioTimer::new()).build(connector);
        Ok(Self { pool, headers, runtime, timeout })
    }
}

/// Roots are only read when they are needed: a machine without any can still export in plain text.
fn tls(secure: bool) -> Result<ClientConfig, ExportError> {
    let provider = std::sync::Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| ExportError::Roots(std::io::Error::other(error)))?;
    let config = if secure {
        config.with_native_roots().map_err(ExportError::Roots)?
    } else {
        config.with_root_certificates(RootCertStore::empty())
    };
    Ok(config.with_no_client_auth())
}

#[async_trait]
impl HttpClient for Client {
    async fn send_bytes(&self, mut request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        request.headers_mut().extend(self.headers.clone());
        let pool = self.pool.clone();
        let exchange = async move {
            let (parts, body) = pool.request(request.map(Full::new)).await?.into_parts();
            let body = Limited::new(body, MAX_RESPONSE).collect().await?.to_bytes();
            Ok(Response::from_parts(parts, body))
        };
        // On the runtime's own thread: whoever polls this may not be one.
        self.runtime.spawn(tokio::time::timeout(self.timeout, exchange)).await??
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").field("timeout", &self.timeout).finish_non_exhaustive()
    }
}
