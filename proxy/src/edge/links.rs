//! Connections to backends, kept alive between requests. It owns the idle ones of HTTP/1.1; those of
//! HTTP/2 stay with Pingora's connector, which multiplexes them. It refuses to choose a backend.
//!
//! Pingora keeps idle connections of HTTP/1.1 too, but has a task watch each: to start, wake and end that
//! task costs every request more than reading its answer. Here a connection is looked at when it is taken,
//! and once per sweep.

mod gathering;
#[cfg(test)]
mod tests;

use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use futures_util::FutureExt as _;
use parking_lot::Mutex;
use pingora_core::connectors::http::Connector;
use pingora_core::connectors::{ConnectorOptions, TransportConnector};
use pingora_core::protocols::Stream;
use pingora_core::protocols::http::client::HttpSession;
use pingora_core::protocols::http::v1::client::HttpSession as Http1Session;
use pingora_core::upstreams::peer::{HttpPeer, Peer as _};
use pingora_error::Result;
use tokio::io::AsyncReadExt as _;
use tokio::time::Instant;

use gathering::Gathering;

/// Connections kept per peer; with more idle at once the oldest are closed.
const KEPT: usize = 1024;
/// How long an unused connection is kept; below the 60 s after which common servers close theirs.
pub(super) const IDLE: Duration = Duration::from_secs(50);
/// How often idle connections are looked at.
pub(super) const SWEEP: Duration = Duration::from_secs(5);
/// Locks over the peers, so that threads seldom meet at one.
const SHARDS: u64 = 16;

/// The connections of AI routes.
pub(crate) struct Links {
    connector: Connector,
    transport: TransportConnector,
    shards: Vec<Mutex<Shard>>,
}

/// Idle connections by peer, the one used last at the back.
type Shard = HashMap<u64, VecDeque<Idle>>;

struct Idle {
    stream: Stream,
    since: Instant,
}

impl std::fmt::Debug for Links {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Links").finish_non_exhaustive()
    }
}

impl Links {
    /// No connections yet.
    pub(crate) fn new() -> Self {
        Self {
            connector: Connector::new(Some(options())),
            transport: TransportConnector::new(Some(options())),
            shards: (0..SHARDS).map(|_| Mutex::default()).collect(),
        }
    }

    /// A connection to `peer`, and whether it was used before.
    pub(crate) async fn open(&self, peer: &HttpPeer) -> Result<(HttpSession, bool)> {
        // To connect takes a future of many kilobytes; boxed here, what is reused never pays for it.
        if !is_http1_only(peer) {
            return Box::pin(self.connector.get_http_session(peer)).await;
        }
        if let Some(stream) = self.take(peer.reuse_hash()) {
            return Ok((HttpSession::H1(Http1Session::new_with_options(stream, peer)), true));
        }
        let stream = Box::new(Gathering::new(Box::pin(self.transport.new_stream(peer)).await?));
        Ok((HttpSession::H1(Http1Session::new_with_options(stream, peer)), false))
    }

    /// Keeps the connection for the next request, unless either side said it shall end. The response must
    /// have been read to its end.
    pub(crate) async fn give_back(&self, session: HttpSession, peer: &HttpPeer) {
        match session {
            HttpSession::H1(mut session) if is_http1_only(peer) => {
                session.respect_keepalive();
                if let Some(stream) = session.reuse().await {
                    self.keep(peer.reuse_hash(), stream);
                }
            }
            // Boxed, because every stream carries the future that will give its connection back.
            session => Box::pin(self.connector.release_http_session(session, peer, Some(IDLE))).await,
        }
    }

    /// Closes connections that were idle for too long or that the other side has closed.
    pub(crate) fn sweep(&self) {
        let now = Instant::now();
        for shard in &self.shards {
            shard.lock().retain(|_, idle| {
                idle.retain_mut(|idle| idle.is_young(now) && idle.is_quiet());
                !idle.is_empty()
            });
        }
    }

    fn take(&self, key: u64) -> Option<Stream> {
        let now = Instant::now();
        let mut shard = self.shard(key)?.lock();
        let idle = shard.get_mut(&key)?;
        loop {
            let mut last = idle.pop_back()?;
            if last.is_young(now) && last.is_quiet() {
                return Some(last.stream);
            }
        }
    }

    fn keep(&self, key: u64, stream: Stream) {
        let Some(shard) = self.shard(key) else { return };
        let mut shard = shard.lock();
        let idle = shard.entry(key).or_default();
        idle.push_back(Idle { stream, since: Instant::now() });
        if idle.len() > KEPT {
            idle.pop_front();
        }
    }

    fn shard(&self, key: u64) -> Option<&Mutex<Shard>> {
        self.shards.get(usize::try_from(key % SHARDS).ok()?)
    }
}

impl Idle {
    fn is_young(&self, now: Instant) -> bool {
        now.saturating_duration_since(self.since) < IDLE
    }

    /// Whether there is nothing to read: a server has nothing to say before it is asked, so whatever comes
    /// is an end, an error or the rest of an answer that should have been over.
    fn is_quiet(&mut self) -> bool {
        let mut byte = [0];
        // Outside the runtime's budget, within which a ready read may claim to have to wait.
        tokio::task::unconstrained(self.stream.read(&mut byte)).now_or_never().is_none()
    }
}

fn is_http1_only(peer: &HttpPeer) -> bool {
    peer.options.alpn.get_max_http_version() == 1
}

/// What both ways of connecting trust.
fn options() -> ConnectorOptions {
    let mut options = ConnectorOptions::new(KEPT);
    options.ca_file = std::env::var("SSL_CERT_FILE").ok();
    options
}
