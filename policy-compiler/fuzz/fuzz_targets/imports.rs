//! Any configuration of another gateway: a manifest that can be read, or findings.
#![no_main]

use policy_compiler::{Source, azure_waf, compile, litellm, migrate};

libfuzzer_sys::fuzz_target!(|text: &str| {
    let source = Source::new("config.yaml", text);
    for imported in [litellm(&source), azure_waf(&source)].into_iter().flatten() {
        assert!(compile(&Source::new("gateway.yaml", imported.manifest)).document.is_some());
    }
    let _ = migrate(&source);
});
