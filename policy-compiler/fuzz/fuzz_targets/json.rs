//! Any JSON is read as what it is: the tree of the manifest's reader is that of a reader of JSON.
#![no_main]

use policy_compiler::{Source, compile};
use serde_json::Value;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let Ok(value) = serde_json::from_slice::<Value>(bytes) else { return };
    let Ok(text) = serde_json::to_string(&value) else { return };
    let outcome = compile(&Source::new("gateway.json", text));
    // Depth and doubled keys are refused; what is read is the same, but for how numbers are written.
    if let Some(document) = outcome.document
        && !value.to_string().contains(|c: char| c.is_ascii_digit())
    {
        assert_eq!(document.root.to_json(), value);
    }
});
