//! Any text that can be formatted: it means the same afterwards.
#![no_main]

use policy_compiler::{Source, compile, format};

libfuzzer_sys::fuzz_target!(|text: &str| {
    let source = Source::new("gateway.yaml", text);
    if let Ok(formatted) = format(&source) {
        let tree = |source: &Source| compile(source).document.map(|document| document.root.to_json());
        assert_eq!(tree(&source), tree(&Source::new("gateway.yaml", formatted)));
    }
});
