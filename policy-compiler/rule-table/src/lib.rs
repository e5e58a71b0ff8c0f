//! The compiled policy. It owns the bundle's sections, its digest and file form, and matching a request
//! to a route; it refuses to know the manifest's grammar, to read secrets, or to keep run-time state.

pub mod sections;

pub use sections::*;
