//! What is foretold of requests: how they are read, and what is told of them under the examples' policies.
#![expect(clippy::expect_used, clippy::panic, reason = "the workbench is test code outside a test function")]

mod examples;
mod requests;
mod stages;
