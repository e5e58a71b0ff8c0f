//! The loop as its operators meet it: against simulated backends, and event by event.
#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    reason = "the simulator is test code outside a test function"
)]

mod held;
mod interleavings;
mod reproduction;
mod resilience;
mod shares;
mod sim;
mod workbench;
