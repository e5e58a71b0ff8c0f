//! Any document, between any two dialects.
#![no_main]

#[path = "../../tests/translate/properties.rs"]
#[allow(dead_code, reason = "each target runs one of the properties")]
mod properties;

libfuzzer_sys::fuzz_target!(|body: &[u8]| properties::documents(body));
