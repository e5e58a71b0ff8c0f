//! What the gateway needs to reach a backend: its addresses, its credential, its trust and the way out.
//! All of it is read off the request path and follows its changes. It refuses to open connections (the
//! edge does) or to choose a backend (the pool does).

mod addresses;
mod chore;
pub(crate) mod client;
mod credential;
mod entra;
mod secret;
mod transport;
mod tunnel;
mod upstreams;

#[cfg(test)]
pub(crate) mod fixture;

pub use credential::{CredentialError, Presented};
pub use secret::{Secret, SecretError, read as read_secret};
pub use transport::{ClientIdentity, Transport, TransportError};
pub use tunnel::{Tunnel, TunnelError};
pub use upstreams::{Upstream, UpstreamError, Upstreams};
