//! Properties of the language as a whole: what a manifest means does not depend on how it is written,
//! and no text whatever upsets the compiler.
#![expect(clippy::expect_used, reason = "a broken test environment is best shown by a panic")]

use std::path::Path;

use std::sync::Arc;

use policy_compiler::init::{Answers, first_manifest};
use policy_compiler::manifest::BackendKind;
use policy_compiler::seclang::RuleFiles;
use policy_compiler::source::Document;
use policy_compiler::{Outcome, Source, Style, compile, expand, render};
use proptest::prelude::*;
use serde_json::Value;

/// Every manifest under `examples/`, at the root of the repository.
fn examples() -> Vec<Source> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples");
    let mut all = Vec::new();
    for entry in std::fs::read_dir(directory).expect("examples") {
        let path = entry.expect("a file").path();
        if path.extension().is_some_and(|extension| extension == "yaml") {
            let name = path.file_name().and_then(|name| name.to_str()).expect("a name").to_owned();
            all.push(written(name, std::fs::read_to_string(&path).expect("text")));
        }
    }
    assert!(all.len() >= 3);
    all
}

fn written(name: impl Into<String>, text: impl Into<String>) -> Source {
    Source::new(name, text).with_rules(Arc::new(Few))
}

/// What stands for every rule set that an example names: enough for what the examples say of it.
struct Few;

impl RuleFiles for Few {
    fn read(&self, _: &str) -> Result<Vec<u8>, String> {
        let rules = "SecRule ARGS|REQUEST_HEADERS \"@detectSQLi\" \"id:942100,phase:2,deny,tag:'attack-sqli'\"\n\
                     SecRule ARGS \"@rx (?i)union.+select\" \"id:942190,phase:2,deny,tag:'attack-sqli'\"\n\
                     SecRule REQUEST_HEADERS:Host \"@rx ^[0-9.]+$\" \"id:920350,phase:2,pass\"\n";
        Ok(rules.as_bytes().to_vec())
    }

    fn glob(&self, pattern: &str) -> Result<Vec<String>, String> {
        let rules = pattern.ends_with("/rules/*.conf");
        Ok(if rules { vec![pattern.replace('*', "few")] } else { Vec::new() })
    }
}

fn compiled(source: &Source) -> Outcome {
    let outcome = compile(source);
    let findings = render(&outcome.findings, source, Style::Plain);
    assert!(outcome.is_sound(), "{findings}");
    outcome
}

fn digest(source: &Source) -> String {
    compiled(source).bundle.expect("a bundle").digest().to_string()
}

fn document(source: &Source) -> Document {
    compiled(source).document.expect("a tree")
}

#[test]
fn every_example_compiles_without_a_finding() {
    for source in examples() {
        assert_eq!(compile(&source).findings, [], "{}", source.name);
    }
}

#[test]
fn the_digest_does_not_depend_on_yaml_or_json() {
    for source in examples() {
        let json = document(&source).root.to_json();
        let compact = written("gateway.json", json.to_string());
        let indented = written("gateway.json", serde_json::to_string_pretty(&json).expect("JSON"));
        let tabbed = written("gateway.json", indented.text.replace("  ", "\t"));
        let carriage_returns = written("gateway.yaml", source.text.replace('\n', "\r\n"));
        let marked = written("gateway.yaml", format!("\u{feff}---\n{}", source.text));
        for other in [&compact, &indented, &tabbed, &carriage_returns, &marked] {
            assert_eq!(digest(&source), digest(other), "{}", source.name);
        }
    }
}

#[test]
fn quantities_mean_what_they_say_however_they_are_spelt() {
    let source = examples().into_iter().find(|source| source.name == "azure-two-regions.yaml").expect("it");
    let respelt = source
        .text
        .replace("burst: 10s", "burst: 10000ms")
        .replace("2.50 USD/1M", "2.5 USD/1M tokens")
        .replace("300k tokens/min", "300000 tokens/min")
        .replace("[swe/ptu, swe/std, fra/std]", "{fra: {}, swe/std: {}, swe/ptu: {}}");
    assert_ne!(source.text, respelt);
    assert_eq!(digest(&source), digest(&written("gateway.yaml", respelt)));
}

#[test]
fn every_value_that_matters_changes_the_digest() {
    let source = examples().into_iter().find(|source| source.name == "azure-two-regions.yaml").expect("it");
    for (from, to) in [("2.50 USD", "2.51 USD"), ("98%", "97%"), ("gpt-4o}", "gpt-4o-mini}"), ("10s", "11s")]
    {
        let other = written("gateway.yaml", source.text.replacen(from, to, 1));
        assert_ne!(source.text, other.text);
        assert_ne!(digest(&source), digest(&other), "{from}");
    }
}

#[test]
fn an_expanded_manifest_means_the_same() {
    for source in examples() {
        let yaml = expand(&source).yaml().expect("a sound manifest");
        assert_eq!(digest(&source), digest(&written("expanded.yaml", yaml)), "{}", source.name);
    }
}

#[test]
fn expanding_shows_every_value_with_its_origin() {
    let source = examples().into_iter().find(|source| source.name == "minimal.yaml").expect("it");
    let expanded = expand(&source);
    insta::assert_snapshot!("expanded-minimal", expanded.yaml().expect("a sound manifest"));
    let failover = examples().into_iter().find(|source| source.name == "failover.yaml").expect("it");
    insta::assert_snapshot!("expanded-failover", expand(&failover).yaml().expect("a sound manifest"));
    let json = expanded.json().expect("a sound manifest");
    assert_eq!(json["routes"]["all"]["pool"]["value"], "llama");
    assert_eq!(json["routes"]["all"]["pool"]["origin"], "line 16");
    assert_eq!(json["backends"]["vllm"]["health"]["path"]["origin"], "default");
}

#[test]
fn a_first_manifest_compiles_for_every_kind() {
    for kind in BackendKind::ALL {
        let source = written("gateway.yaml", first_manifest(&Answers::for_kind(kind)));
        assert_eq!(compiled(&source).findings, [], "{}", source.text);
    }
    insta::assert_snapshot!("first-manifest", first_manifest(&Answers::for_kind(BackendKind::AzureOpenai)));
}

#[test]
fn a_json_manifest_may_name_its_schema() {
    let json = document(&examples()[0]).root.to_json();
    let Value::Object(mut fields) = json else { panic!("a map") };
    fields.insert("$schema".to_owned(), "./gateway.schema.json".into());
    let named = written("gateway.json", Value::Object(fields).to_string());
    assert_eq!(digest(&examples()[0]), digest(&named));
}

/// A value as JSON text with every map in the order that `pick` gives.
fn shuffled(value: &Value, pick: &mut impl FnMut(usize) -> usize) -> String {
    match value {
        Value::Object(fields) => {
            let mut rest: Vec<_> = fields.iter().collect();
            let mut parts = Vec::new();
            while !rest.is_empty() {
                let (key, value) = rest.swap_remove(pick(rest.len()));
                parts.push(format!("{}: {}", Value::from(key.as_str()), shuffled(value, pick)));
            }
            format!("{{{}}}", parts.join(", "))
        }
        Value::Array(items) => {
            let items: Vec<_> = items.iter().map(|item| shuffled(item, pick)).collect();
            format!("[{}]", items.join(", "))
        }
        scalar => scalar.to_string(),
    }
}

/// Findings of any text: each has a place within it that can be shown.
fn check_findings(source: &Source) -> Result<(), TestCaseError> {
    let outcome = compile(source);
    for finding in &outcome.findings {
        let label = finding.primary.as_ref().expect("a place");
        for place in std::iter::once(label).chain(&finding.secondary) {
            prop_assert!(source.text.get(place.span.start..place.span.end).is_some(), "{:?}", finding);
            let at = source.position(place.span.start);
            let line = source.text.split('\n').nth(at.line - 1);
            prop_assert!(line.is_some_and(|line| at.column <= line.chars().count() + 1), "{:?}", finding);
        }
    }
    for style in [Style::Plain, Style::Json, Style::Terminal { colour: true }] {
        let _ = render(&outcome.findings, source, style);
    }
    prop_assert!(outcome.is_sound() || !outcome.findings.is_empty());
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn the_digest_does_not_depend_on_the_order_of_keys(seed: [u8; 32]) {
        let mut state = 0_usize;
        for source in examples() {
            let mut pick = |count: usize| {
                state = state.wrapping_mul(31).wrapping_add(usize::from(seed[state % 32]) + 1);
                state % count
            };
            let text = shuffled(&document(&source).root.to_json(), &mut pick);
            prop_assert_eq!(digest(&source), digest(&written("gateway.yaml", text)));
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn no_text_makes_the_compiler_panic(text in "\\PC*") {
        check_findings(&written("any", text))?;
    }

    #[test]
    fn no_yaml_like_text_makes_the_compiler_panic(
        text in "([a-z]{1,3}|é|[-:{}\\[\\],#&*!|>'\"%@`?~]|  |\n|\t|: |- |: \\{|apiVersion: sluicegate/v1\n|routes:\n  ){0,60}"
    ) {
        check_findings(&written("any", text))?;
    }

    #[test]
    fn no_cut_or_overwritten_example_makes_the_compiler_panic(
        which: prop::sample::Index, at: prop::sample::Index, length in 0_usize..20, with in "(\\PC|\n){0,8}"
    ) {
        let examples = examples();
        let source = which.get(&examples);
        let characters: Vec<char> = source.text.chars().collect();
        let start = at.index(characters.len());
        let text: String = characters.iter().take(start).copied()
            .chain(with.chars())
            .chain(characters.iter().skip(start + length).copied())
            .collect();
        check_findings(&written("any", text))?;
    }
}
