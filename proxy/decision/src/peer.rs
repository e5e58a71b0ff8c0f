//! Who is connected, as far as the connection itself tells. It owns the plain facts; it refuses to read
//! sockets, headers of proxies or certificates (the edge does) and to judge them (admit and identify do).

use std::net::IpAddr;
use std::sync::Arc;

/// One connection's facts, shared by all requests on it but for the address, which a trusted proxy may
/// state per request.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Peer {
    /// Index of the listener in the policy it was bound with.
    pub listener: u32,
    /// The client's address: the one a trusted proxy states, else the connection's own.
    pub address: Option<IpAddr>,
    /// The client's verified certificate.
    pub certificate: Option<Arc<ClientCertificate>>,
}

/// A client certificate whose chain and dates have been verified.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientCertificate {
    /// Names it may stand for: DNS and URI subject alternative names, then the common name.
    pub names: Vec<String>,
    /// SHA-256 of the certificate, DER.
    pub sha256: [u8; 32],
}
