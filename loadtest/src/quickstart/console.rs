//! The gateway's admin API, as far as the quickstart looks at it. It owns its requests; it refuses to
//! change anything.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use http::StatusCode;
use http::header::HOST;
use http_body_util::{BodyExt, Full, Limited};
use hyper::Request;
use vocabulary::admin::Status;

use crate::load::Connections;

/// Longest wait for an answer, by the clock on the wall.
const PATIENCE: Duration = Duration::from_millis(500);
const MAX_ANSWER: usize = 1 << 20;

/// A client of the admin API.
#[derive(Debug)]
pub(super) struct Console {
    connections: Connections,
    host: String,
}

impl Console {
    pub(super) fn new(port: u16) -> Self {
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        Self { connections: Connections::new(address), host: address.to_string() }
    }

    /// Whether the gateway says it is ready.
    pub(super) async fn is_ready(&self) -> bool {
        self.get("/readyz").await.is_some()
    }

    /// How the gateway stands; nothing when it does not say in time.
    pub(super) async fn status(&self) -> Option<Status> {
        serde_json::from_slice(&self.get("/v1/status").await?).ok()
    }

    async fn get(&self, path: &str) -> Option<Vec<u8>> {
        tokio::time::timeout(PATIENCE, self.answer(path)).await.ok()?
    }

    async fn answer(&self, path: &str) -> Option<Vec<u8>> {
        let request = Request::get(path).header(HOST, &self.host).body(Full::default()).ok()?;
        let (lent, response) = self.connections.send(request).await.ok()?;
        let status = response.status();
        let body = Limited::new(response.into_body(), MAX_ANSWER).collect().await.ok()?.to_bytes();
        self.connections.give_back(lent).await;
        (status == StatusCode::OK).then(|| body.to_vec())
    }
}
