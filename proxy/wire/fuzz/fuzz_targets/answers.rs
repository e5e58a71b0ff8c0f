//! Any answer or error of a backend, under every operation.
#![no_main]

#[path = "../../tests/properties/mod.rs"]
#[allow(dead_code, reason = "each target runs one of the properties")]
mod properties;

libfuzzer_sys::fuzz_target!(|body: &[u8]| properties::answers(body));
