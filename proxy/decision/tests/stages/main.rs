//! The stages as one machine, driven by hand: each module asks one of them, the last two ask what must
//! hold over all of them.
#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "the workbench is test code outside a test function"
)]

mod acl;
mod admit;
mod choose;
mod draft;
mod failover;
mod hard;
mod identify;
mod inspect;
mod interleavings;
#[path = "../minting/mod.rs"]
mod minting;
mod reload;
mod request;
mod reserve;
mod residency;
mod rewrite;
mod secrecy;
mod settle;
mod shed;
mod standings;
mod tokens;
