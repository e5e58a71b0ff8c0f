//! The admin API: liveness, readiness, status, decisions, policy and what operators may order. It owns who
//! may do what, routes and preconditions; it refuses callers' traffic and never shows a secret, a key hash or
//! any content.

mod answer;
mod authn;
mod holds;
mod keys;
mod openapi;
mod publish;
mod routes;
mod serve;
mod shadow;
mod table;

pub(crate) use authn::Authn as AdminAuthn;
pub(crate) use keys::KeyDesk;
pub(crate) use routes::Desk as AdminDesk;
pub(crate) use serve::Admin;
pub use serve::AdminError;
