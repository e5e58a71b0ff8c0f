//! What the end-to-end tests stand on: a real gateway in this process, fake backends, callers, a
//! collector. It owns starting, recording and waiting; it refuses to assert anything about the gateway,
//! which is for the tests.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stderr,
    reason = "support of tests: a broken assumption ends the test that made it, and a skipped test says so"
)]

pub mod access_log;
pub mod backend;
pub mod binary;
pub mod client;
pub mod egress;
pub mod example;
pub mod faults;
pub mod figures;
pub mod frames;
pub mod gateway;
pub mod issuer;
pub mod manifest;
pub mod mmdb;
pub mod otlp;
pub mod raw;
pub mod shared;
pub mod soak;
pub mod sse;
pub mod tls;
pub mod wait;
