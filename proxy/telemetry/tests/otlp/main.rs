//! Export against real OTLP collectors: a gRPC server and an HTTP server, each in its own runtime.
#![cfg(feature = "otlp")]
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "the allowance for tests does not reach the functions they share"
)]

mod arrival;
mod catalogue;
mod outage;
mod process;
mod scene;
mod sink;
