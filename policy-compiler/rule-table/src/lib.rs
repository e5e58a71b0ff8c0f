//! The compiled policy. It owns the bundle's sections, its digest and file form, and matching a request
//! to a route; it refuses to know the manifest's grammar, to read secrets, or to keep run-time state.

mod access;
mod acl;
mod bots;
mod buckets;
pub mod bundle;
mod caller;
pub mod digest;
mod facts;
pub mod filtering;
mod hours;
pub mod matching;
mod operation;
pub mod plain;
mod pool;
mod prices;
mod rare;
mod references;
mod rewrite;
mod route;
#[cfg(test)]
mod sample;
pub mod sections;
mod upstream;
mod verdict;
mod waf;

pub use bundle::{
    BUNDLE_VERSION, Bundle, BundleError, MAX_BUNDLE_BYTES, PublicKey, SectionSize, SigningKey,
    SigningKeyError, Trust,
};
pub use digest::{Digest, DigestError};
pub use facts::{Body, Facts, Headers, NoHeaders};
pub use filtering::{AclStats, AclTable};
pub use matching::{Candidates, Head, RouteStats, RouteTable, Specificity};
pub use rare::{Absent, Rare};
pub use references::DanglingId;
pub use sections::*;
pub use verdict::{AclVerdict, Routed};
