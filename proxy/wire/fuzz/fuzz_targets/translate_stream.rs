//! Any stream, cut anywhere, between any two dialects: the first byte says where.
#![no_main]

#[path = "../../tests/translate/properties.rs"]
#[allow(dead_code, reason = "each target runs one of the properties")]
mod properties;

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    if let Some((cut, stream)) = input.split_first() {
        properties::streams(stream, usize::from(*cut));
    }
});
