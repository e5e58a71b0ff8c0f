//! Any text as a manifest: an outcome always, findings inside the text, rendered in every style.
#![no_main]

use policy_compiler::{Source, Style, compile, expand, render};

libfuzzer_sys::fuzz_target!(|text: &str| {
    let source = Source::new("gateway.yaml", text);
    let outcome = compile(&source);
    for finding in &outcome.findings {
        for label in finding.primary.iter().chain(&finding.secondary) {
            assert!(source.text.get(label.span.start..label.span.end).is_some(), "{finding:?}");
        }
    }
    for style in [Style::Plain, Style::Json, Style::Terminal { colour: true }] {
        let _ = render(&outcome.findings, &source, style);
    }
    let errors = outcome.findings.iter().any(policy_compiler::Finding::is_error);
    assert_eq!(outcome.bundle.is_none(), errors);
    let _ = expand(&source).yaml();
});
