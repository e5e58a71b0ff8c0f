//! Any body, with an edit of any field: the first line is the operation and the path.
#![no_main]

#[path = "../../tests/properties/mod.rs"]
#[allow(dead_code, reason = "each target runs one of the properties")]
mod properties;

use vocabulary::Operation;

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    let Some(end) = input.iter().position(|byte| *byte == b'\n') else { return };
    let (head, body) = (&input[..end], &input[end + 1..]);
    let ([which, path @ ..], Ok(_)) = (head, std::str::from_utf8(head)) else { return };
    let path: Vec<_> =
        path.split(|byte| *byte == b'.').map(|key| String::from_utf8_lossy(key).into_owned()).collect();
    let operation = Operation::ALL[usize::from(*which) % Operation::ALL.len()];
    properties::fields(operation, body, &path, which & 0x40 != 0);
});
