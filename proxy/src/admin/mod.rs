//! The admin API: liveness, readiness, status, decisions and, for the `api` source, the manifest itself.
//! It owns routes, the bearer token and preconditions; it refuses callers' traffic and never shows a
//! secret, a key hash or any content.

mod answer;
mod authn;
mod keys;
mod routes;
mod serve;

pub(crate) use authn::Authn as AdminAuthn;
pub(crate) use keys::KeyDesk;
pub(crate) use routes::Desk as AdminDesk;
pub(crate) use serve::Admin;
pub use serve::AdminError;
