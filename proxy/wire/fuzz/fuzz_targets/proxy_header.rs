//! Any beginning of a connection.
#![no_main]

#[path = "../../tests/properties/mod.rs"]
#[allow(dead_code, reason = "each target runs one of the properties")]
mod properties;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| properties::proxy_header(bytes));
