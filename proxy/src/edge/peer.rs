//! Peers. It owns turning an address, a policy's timeouts and a backend's trust into
//! what Pingora connects to, and trying the next address when one refuses; it refuses names: an address is
//! resolved before it comes here.

use std::net::SocketAddr;
use std::sync::Arc;

use arc_swap::ArcSwap;
use pingora_core::protocols::ALPN;
use pingora_core::protocols::http::client::HttpSession;
use pingora_core::upstreams::peer::HttpPeer;
use pingora_core::utils::tls::{CertKey, WrappedX509, parse_x509};
use pingora_error::{Error, ErrorType, Result};
use rule_table::Backend;
use rustls::AlertDescription;

use super::links::{self, Links};
use super::tunnel::Through;
use crate::clock::Clock;
use crate::upstream::{Transport, Upstream};

/// Streams on one HTTP/2 connection; Pingora's default of 1 would not multiplex.
const H2_STREAMS: usize = 100;
/// Addresses of one backend that an attempt tries before it has failed to connect.
const ADDRESSES: usize = 3;
/// Peers kept per backend; a name that leads to more addresses has some built anew.
const KEPT: usize = 64;

/// The peers of one backend, by address. Built when first needed: a certificate is parsed once, not for
/// every connection.
#[derive(Default)]
pub(crate) struct Peers {
    built: ArcSwap<Vec<Built>>,
}

#[derive(Clone)]
struct Built {
    address: SocketAddr,
    transport: Arc<Transport>,
    peer: Arc<HttpPeer>,
}

impl std::fmt::Debug for Peers {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Peers").field("built", &self.built.load().len()).finish()
    }
}

/// The peer for `upstream` at one of its addresses.
pub(crate) fn peer(upstream: &Upstream, address: SocketAddr, clock: &Clock) -> Arc<HttpPeer> {
    let transport = upstream.transport();
    let built = upstream.peers.built.load();
    let current = || built.iter().filter(|built| Arc::ptr_eq(&built.transport, &transport));
    if let Some(found) = current().find(|built| built.address == address) {
        return Arc::clone(&found.peer);
    }
    let peer = Arc::new(match current().next() {
        Some(sibling) => {
            let mut peer = HttpPeer::clone(&sibling.peer);
            peer._address = address.into();
            peer
        }
        None => build(upstream, address, &transport, clock),
    });
    let mut kept: Vec<Built> = current().skip(current().count().saturating_sub(KEPT - 1)).cloned().collect();
    kept.push(Built { address, transport: Arc::clone(&transport), peer: Arc::clone(&peer) });
    // Two that build at the same time lose one of the two, which is then built again.
    upstream.peers.built.store(Arc::new(kept));
    peer
}

#[expect(clippy::disallowed_methods, reason = "given a SocketAddr it neither resolves nor fails")]
fn build(upstream: &Upstream, address: SocketAddr, transport: &Transport, clock: &Clock) -> HttpPeer {
    let backend = &upstream.backend;
    let mut peer = HttpPeer::new(address, backend.tls, server_name(backend).to_owned());
    let connect = clock.wall(backend.timeouts.connect);
    peer.options.connection_timeout = Some(connect);
    peer.options.total_connection_timeout = Some(connect.saturating_mul(2));
    peer.options.write_timeout = Some(clock.wall(backend.timeouts.idle));
    peer.options.read_timeout = Some(clock.wall(backend.timeouts.first_token));
    peer.options.idle_timeout = Some(links::IDLE);
    peer.options.alpn = match (backend.http2, backend.tls) {
        (false, _) => ALPN::H1,
        (true, true) => ALPN::H2H1,
        (true, false) => ALPN::H2,
    };
    peer.options.max_h2_streams = H2_STREAMS;
    // Pingora tells connections apart by address and name, not by whom we trust or where a proxy leads.
    peer.group_key = transport.group;
    peer.options.ca = transport
        .roots
        .as_ref()
        .map(|roots| roots.iter().map(|root| WrappedX509::new(root.to_vec(), parse_x509)).collect());
    peer.client_cert_key = transport.identity.as_ref().map(|identity| {
        let chain = identity.chain.iter().map(|certificate| certificate.to_vec()).collect();
        Arc::new(CertKey::new(chain, identity.key.clone()))
    });
    peer.options.custom_l4 =
        upstream.tunnel(transport).map(|tunnel| Arc::new(Through { tunnel, patience: connect }) as Arc<_>);
    peer
}

/// The name to send and to verify. With an empty one Pingora would verify nothing at all, so that there
/// is none that verifies (RFC 6761 §6.4).
fn server_name(backend: &Backend) -> &str {
    let name = backend.tls_options.server_name.as_deref().unwrap_or(&backend.host);
    if name.is_empty() { "nameless.invalid" } else { name }
}

/// A connection to `upstream`, reused or new, and whether it is reused. An address that refuses is left
/// alone for a while and the next one tried; one that is silent has used up the time for it.
pub(crate) async fn connect(
    links: &Links,
    upstream: &Upstream,
    clock: &Clock,
) -> Result<(HttpSession, bool, Arc<HttpPeer>)> {
    let mut tried: Option<(SocketAddr, Box<Error>)> = None;
    for _ in 0..ADDRESSES {
        let Some(address) = upstream.address() else { break };
        if let Some((_, error)) = tried.take_if(|(before, _)| *before == address) {
            return Err(error);
        }
        let peer = peer(upstream, address, clock);
        match links.open(&peer).await {
            Ok((session, reused)) => return Ok((session, reused, peer)),
            Err(error) => {
                upstream.connect_failed(address);
                if !is_quick(&error) {
                    return Err(error);
                }
                tried = Some((address, error));
            }
        }
    }
    match tried {
        Some((_, error)) => Err(error),
        None => Error::e_explain(ErrorType::ConnectNoRoute, "the backend's name does not resolve"),
    }
}

fn is_quick(error: &Error) -> bool {
    use ErrorType::{ConnectError, ConnectNoRoute, ConnectRefused};
    matches!(error.etype(), ConnectError | ConnectNoRoute | ConnectRefused)
}

/// Whether the other side refused our certificate, or the lack of one. In TLS 1.3 it says so only after
/// the handshake is done on our side (RFC 8446 §4.4.2), as answer to the first bytes, which it never read.
pub(super) fn is_certificate_refused(error: &Error) -> bool {
    use AlertDescription as Alert;
    let cause = error.root_cause().downcast_ref::<std::io::Error>().and_then(std::io::Error::get_ref);
    matches!(
        cause.and_then(|cause| cause.downcast_ref()),
        Some(rustls::Error::AlertReceived(
            Alert::CertificateRequired
                | Alert::BadCertificate
                | Alert::UnsupportedCertificate
                | Alert::CertificateRevoked
                | Alert::CertificateExpired
                | Alert::CertificateUnknown
                | Alert::UnknownCA
                | Alert::AccessDenied
                | Alert::DecryptError
        ))
    )
}

#[cfg(test)]
mod tests;
