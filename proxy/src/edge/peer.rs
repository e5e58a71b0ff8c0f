//! Peers and their connector. It owns turning an address and a policy's timeouts into what Pingora
//! connects to; it refuses names: an address is resolved before it comes here.

use std::net::SocketAddr;
use std::time::Duration;

use pingora_core::connectors::ConnectorOptions;
use pingora_core::connectors::http::Connector;
use pingora_core::protocols::ALPN;
use pingora_core::upstreams::peer::HttpPeer;
use rule_table::Backend;

use crate::clock::Clock;

/// Connections kept for reuse, over all backends.
const KEEPALIVE_POOL: usize = 1024;
/// How long an unused connection is kept; below the 60 s after which common servers close theirs.
const IDLE_CONNECTION: Duration = Duration::from_secs(50);
/// Streams on one HTTP/2 connection; Pingora's default of 1 would not multiplex.
const H2_STREAMS: usize = 100;

/// The connector of AI routes.
pub(crate) fn connector() -> Connector {
    let mut options = ConnectorOptions::new(KEEPALIVE_POOL);
    options.ca_file = std::env::var("SSL_CERT_FILE").ok();
    Connector::new(Some(options))
}

/// A peer for `backend` at one of its addresses.
#[expect(clippy::disallowed_methods, reason = "given a SocketAddr it neither resolves nor fails")]
pub(crate) fn peer(backend: &Backend, address: SocketAddr, clock: &Clock) -> HttpPeer {
    let mut peer = HttpPeer::new(address, backend.tls, backend.host.clone());
    let connect = clock.wall(backend.timeouts.connect);
    peer.options.connection_timeout = Some(connect);
    peer.options.total_connection_timeout = Some(connect.saturating_mul(2));
    peer.options.write_timeout = Some(clock.wall(backend.timeouts.idle));
    peer.options.read_timeout = Some(clock.wall(backend.timeouts.first_token));
    peer.options.idle_timeout = Some(IDLE_CONNECTION);
    peer.options.alpn = match (backend.http2, backend.tls) {
        (false, _) => ALPN::H1,
        (true, true) => ALPN::H2H1,
        (true, false) => ALPN::H2,
    };
    peer.options.max_h2_streams = H2_STREAMS;
    peer
}
