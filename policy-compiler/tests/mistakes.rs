//! One file per mistake, named by its code. Each is compiled and what a person would read is kept as a
//! snapshot; together they cover the registry of codes.
#![expect(clippy::expect_used, reason = "a broken test environment is best shown by a panic")]

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use policy_compiler::{Code, Files, Outcome, Source, Style, compile, gather, render};

fn directory() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/mistakes")
}

fn one(path: &Path) -> Source {
    Source::new("gateway.yaml", std::fs::read_to_string(path).expect("text"))
}

/// A folder with the first file, what it includes, and perhaps an overlay.
fn several(folder: &Path) -> Source {
    let overlay = std::fs::read_to_string(folder.join("overlay.yaml"));
    let overlays: Vec<_> = overlay.into_iter().map(|text| Source::new("overlay.yaml", text)).collect();
    gather(one(&folder.join("gateway.yaml")), &overlays, &Folder(folder))
}

struct Folder<'p>(&'p Path);

impl Files for Folder<'_> {
    fn read(&self, path: &str) -> Result<String, String> {
        std::fs::read_to_string(self.0.join(path)).map_err(|_| "no such file".to_owned())
    }

    fn names(&self, folder: &str) -> Result<Vec<String>, String> {
        let entries = std::fs::read_dir(self.0.join(folder)).map_err(|error| error.to_string())?;
        Ok(entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok()).collect())
    }
}

/// Every mistake: its code, its name and its source.
fn mistakes() -> Vec<(Code, String, Source)> {
    let mut all = Vec::new();
    for entry in std::fs::read_dir(directory()).expect("the directory of mistakes") {
        let path = entry.expect("a file").path();
        let name = path.file_stem().and_then(|stem| stem.to_str()).expect("a name").to_owned();
        let code = name.split('-').next().and_then(Code::find).expect("a code at the beginning");
        all.push((code, name, if path.is_dir() { several(&path) } else { one(&path) }));
    }
    all.sort_by(|a, b| a.1.cmp(&b.1));
    all
}

fn codes(outcome: &Outcome) -> BTreeSet<Code> {
    outcome.findings.iter().map(|finding| finding.code).collect()
}

#[test]
fn every_mistake_is_explained_as_kept() {
    for (code, name, source) in mistakes() {
        let outcome = compile(&source);
        assert!(codes(&outcome).contains(&code), "{name}: {:?}", outcome.findings);
        insta::assert_snapshot!(name, render(&outcome.findings, &source, Style::Plain));
    }
}

#[test]
fn a_bundle_is_made_exactly_when_nothing_is_an_error() {
    for (_, name, source) in mistakes() {
        let outcome = compile(&source);
        let errors = outcome.findings.iter().any(policy_compiler::Finding::is_error);
        assert_eq!(outcome.bundle.is_none(), errors, "{name}");
    }
}

#[test]
fn every_code_is_produced_by_some_test() {
    let mut produced: BTreeSet<Code> = mistakes().into_iter().map(|(code, ..)| code).collect();
    // From `resources.rs` and below.
    produced.extend([Code::TooLarge, Code::MissingEnv, Code::UnreadableFile, Code::NotPem]);
    // A bug by definition; that it never appears is what `mutations.rs` shows.
    produced.insert(Code::Internal);
    let all: BTreeSet<Code> = Code::ALL.iter().copied().collect();
    assert_eq!(produced, all);
}

#[test]
fn a_manifest_beyond_64_mebibytes_is_refused_unread() {
    let source = Source::new("gateway.yaml", format!("# {}", "x".repeat(64 << 20)));
    let outcome = compile(&source);
    assert_eq!(codes(&outcome), BTreeSet::from([Code::TooLarge]));
}

#[test]
fn every_finding_has_a_place_in_the_text_and_a_fix() {
    for (_, name, source) in mistakes() {
        for finding in compile(&source).findings {
            let label = finding.primary.as_ref().expect("a place");
            let places = std::iter::once(label).chain(&finding.secondary);
            for place in places {
                assert!(place.span.start <= place.span.end, "{name}: {finding:?}");
                assert!(source.text.get(place.span.start..place.span.end).is_some(), "{name}: {finding:?}");
            }
            assert!(finding.help.is_some(), "{name}: {finding:?}");
            assert!(!finding.message.ends_with('.'), "{name}: {}", finding.message);
        }
    }
}

#[test]
fn no_style_shows_a_secret() {
    let secrets = ["hunter2", "sk-proj", "a8fad5bd", "admin:secret", "my-plain-text-key"];
    for (_, name, source) in mistakes() {
        let outcome = compile(&source);
        let mut texts = vec![format!("{outcome:?} {source:?}")];
        for style in [Style::Plain, Style::Json, Style::Terminal { colour: true }] {
            texts.push(render(&outcome.findings, &source, style));
        }
        for text in texts {
            for secret in secrets {
                assert!(!text.contains(secret), "{name} shows a secret:\n{text}");
            }
        }
    }
}

#[test]
fn a_terminal_gets_a_frame_and_programs_get_lines() {
    let (_, _, source) =
        mistakes().into_iter().find(|(_, name, _)| name == "SG0302-two-headers").expect("it");
    let findings = compile(&source).findings;
    insta::assert_snapshot!("terminal", render(&findings, &source, Style::Terminal { colour: false }));
    let lines = render(&findings, &source, Style::Json);
    insta::assert_snapshot!("json-lines", lines);
    for line in lines.lines() {
        let value: serde_json::Value = serde_json::from_str(line).expect("JSON");
        assert_eq!(value["code"], "SG0302");
        assert_eq!(value["line"], 9);
    }
}

#[test]
fn findings_come_in_the_order_of_the_text() {
    for (_, name, source) in mistakes() {
        let starts: Vec<_> =
            compile(&source).findings.iter().map(|f| f.primary.as_ref().map(|l| l.span.start)).collect();
        assert!(starts.is_sorted(), "{name}");
    }
}

#[test]
fn the_checked_in_reference_of_findings_is_current() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/findings.md");
    let kept = std::fs::read_to_string(path).unwrap_or_default();
    assert!(
        kept == policy_compiler::diagnostics::codes::reference(),
        "out of date: cargo run -p policy-compiler --example reference"
    );
}
