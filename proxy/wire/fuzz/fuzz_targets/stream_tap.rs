//! Any stream of any API, cut anywhere: the first two bytes say which and where.
#![no_main]

#[path = "../../tests/properties/mod.rs"]
#[allow(dead_code, reason = "each target runs one of the properties")]
mod properties;

use vocabulary::Operation;

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    if let [which, cut, stream @ ..] = input {
        let operation = Operation::ALL[usize::from(*which) % Operation::ALL.len()];
        properties::tap(operation, stream, usize::from(*cut));
    }
});
