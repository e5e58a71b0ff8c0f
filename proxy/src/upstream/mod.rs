//! What the gateway needs to reach a backend: its addresses, resolved off the request path, and its
//! credential. It refuses to open connections (the edge does) or to choose a backend (the pool does).

mod credentials;
mod endpoints;

pub use credentials::{Secret, SecretError, read as read_secret};
pub use endpoints::{CredentialError, Upstream, Upstreams};
