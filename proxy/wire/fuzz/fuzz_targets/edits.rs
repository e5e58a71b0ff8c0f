//! Any body, with any edits: the first two bytes say which.
#![no_main]

#[path = "../../tests/properties/mod.rs"]
#[allow(dead_code, reason = "each target runs one of the properties")]
mod properties;

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    if let [model, usage, body @ ..] = input {
        let name = char::from(*model).to_string();
        properties::edits(body, (model & 1 == 1).then_some(name.as_str()), usage & 1 == 1);
    }
});
