//! The only room that knows Pingora: listeners, TLS, terminated AI routes, piped routes, probes. It owns
//! stages 1 (accept) and 8 (relay) and calls `decision` for the rest; it refuses to hold policy or state
//! that outlives a request.

mod attempt;
mod caller;
mod client_address;
mod connections;
mod cover;
mod errand;
mod framing;
mod guard;
mod handshake;
mod links;
mod listen;
mod members;
mod models;
mod peer;
mod pipe;
mod probes;
mod proxy_protocol;
mod relay;
mod respond;
mod service;
mod terminate;
mod tls;
mod tunnel;
mod upgrade;
mod verdict;

pub(crate) use errand::{Answer, Errand, Errands};
pub(crate) use peer::Peers;

pub(crate) use handshake::identity as client_certificate;
pub use listen::{BindError, Bound, Edge, bind};
pub use members::Pipes;
pub use probes::probe_forever;
pub(crate) use tls::ServerTls;
pub use tls::{CertificateError, Followed};
