//! Any values of the headers about limits, one a line.
#![no_main]

#[path = "../../tests/properties/mod.rs"]
#[allow(dead_code, reason = "each target runs one of the properties")]
mod properties;

libfuzzer_sys::fuzz_target!(|input: &str| properties::limits(&input.split('\n').collect::<Vec<_>>()));
