//! One file per mistake, named by its code. Each is compiled and what a person would read is kept as a
//! snapshot; together they cover the registry of codes.
#![expect(clippy::expect_used, reason = "a broken test environment is best shown by a panic")]

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use policy_compiler::seclang::RuleFiles;
use policy_compiler::{Code, Files, Outcome, Source, Style, compile, explain, gather, render};

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
    let whole = gather(one(&folder.join("gateway.yaml")), &overlays, &Folder(folder));
    whole.with_rules(Arc::new(Rules(folder.to_owned())))
}

/// Rule files below a folder.
struct Rules(PathBuf);

impl RuleFiles for Rules {
    fn read(&self, path: &str) -> Result<Vec<u8>, String> {
        std::fs::read(self.0.join(path)).map_err(|_| "no such file".to_owned())
    }

    fn glob(&self, pattern: &str) -> Result<Vec<String>, String> {
        let (folder, pattern) = pattern.rsplit_once('/').unwrap_or(("", pattern));
        let Ok(entries) = std::fs::read_dir(self.0.join(folder)) else { return Ok(Vec::new()) };
        let names = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
        let mut found: Vec<String> = names
            .filter(|name| {
                *name == pattern || pattern.strip_prefix('*').is_some_and(|end| name.ends_with(end))
            })
            .map(|name| format!("{folder}/{name}"))
            .collect();
        found.sort();
        Ok(found)
    }
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
        let none = || one(&path).with_rules(Arc::new(Rules(directory().join(&name))));
        all.push((code, name.clone(), if path.is_dir() { several(&path) } else { none() }));
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
    produced.extend([
        Code::TooLarge,
        Code::MissingEnv,
        Code::UnreadableFile,
        Code::NotPem,
        Code::PriceExpired,
    ]);
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
        let terminal = Style::Terminal { colour: true };
        for style in [Style::Plain, Style::Json, terminal, Style::Sarif, Style::Github] {
            texts.push(render(&outcome.findings, &source, style));
        }
        texts.extend(name.split('-').next().and_then(explain));
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

/// What SARIF 2.1.0 requires of a log, its runs, results and places (OASIS, sections 3.13 to 3.30).
#[test]
fn code_scanning_gets_a_whole_log() {
    for (code, name, source) in mistakes() {
        let findings = compile(&source).findings;
        let log: serde_json::Value =
            serde_json::from_str(&render(&findings, &source, Style::Sarif)).expect("JSON");
        assert_eq!(log["version"], "2.1.0");
        let run = &log["runs"][0];
        assert_eq!(run["tool"]["driver"]["name"], "sluicegate");
        let rules = run["tool"]["driver"]["rules"].as_array().expect("rules");
        let results = run["results"].as_array().expect("results");
        assert_eq!(results.len(), findings.len(), "{name}");
        assert!(rules.iter().any(|rule| rule["id"] == code.as_str()));
        for result in results {
            let place = result["ruleIndex"].as_u64().expect("an index") as usize;
            assert_eq!(rules[place]["id"], result["ruleId"], "{name}");
            assert!(["error", "warning", "note"].contains(&result["level"].as_str().expect("a level")));
            assert!(!result["message"]["text"].as_str().expect("text").is_empty());
            let location = &result["locations"][0]["physicalLocation"];
            let uri = location["artifactLocation"]["uri"].as_str().expect("a file");
            assert!([".yaml", ".yml"].iter().any(|end| uri.ends_with(end)), "{name}: {uri}");
            assert!(location["region"]["startLine"].as_u64().expect("a line") >= 1);
        }
    }
}

#[test]
fn github_gets_one_command_for_each_finding() {
    for (_, name, source) in mistakes() {
        let findings = compile(&source).findings;
        let text = render(&findings, &source, Style::Github);
        assert_eq!(text.lines().count(), findings.len(), "{name}");
        for line in text.lines() {
            let known = ["::error ", "::warning ", "::notice "];
            assert!(known.iter().any(|command| line.starts_with(command)), "{name}: {line}");
            assert!(line.contains("file=") && line.contains(".yaml,line="), "{name}: {line}");
        }
    }
}

#[test]
fn a_code_is_explained_with_an_example_and_its_fix() {
    for (code, name, _) in mistakes() {
        let text = explain(code.as_str()).expect("an explanation");
        assert!(text.starts_with(&format!("{code} ({}): {}\n\n", code.severity().name(), code.title())));
        assert!(text.contains(&format!("[{code}]")) && text.contains(" = help: "), "{name}: {text}");
    }
    assert_eq!(explain("SG9999"), None);
}

#[test]
fn every_example_of_the_table_is_found_at_its_line() {
    let page = policy_compiler::reference();
    let rows = page.lines().filter(|line| line.starts_with("| SG") && line.contains(".yaml#L"));
    let all = mistakes();
    let mut seen = 0;
    for row in rows {
        let code = Code::find(row.get(2..8).expect("a code")).expect("a code");
        let (name, rest) = row.split_once('[').and_then(|(_, rest)| rest.split_once(']')).expect("a link");
        let line = rest.split_once("#L").and_then(|(_, rest)| rest.split_once(')')).expect("a line").0;
        let (.., source) = all.iter().find(|(_, other, _)| other == name).expect("the example");
        let at = |finding: &policy_compiler::Finding| {
            let label = finding.primary.as_ref().expect("a place");
            finding.code == code && source.position(label.span.start).line.to_string() == line
        };
        assert!(compile(source).findings.iter().any(at), "{row}");
        seen += 1;
    }
    assert_eq!(seen, mistakes().into_iter().map(|(code, ..)| code).collect::<BTreeSet<_>>().len());
}

#[test]
fn the_manifest_and_the_caller_say_what_is_done_about_a_finding() {
    let text = "apiVersion: sluicegate/v1\nlisteners: {all: {address: \"0.0.0.0:80\"}}\nbackends:\n  v: {kind: vllm, \
                url: \"http://127.0.0.1:8000\", models: {m: {}}}\npools: {p: {members: [v]}}\n\
                routes: {r: {match: {path: /v1/*}, pool: p}}\n";
    let with = |findings: &str| compile(&Source::new("gateway.yaml", format!("{text}{findings}")));
    assert_eq!(codes(&with("")), BTreeSet::from([Code::OpenRoute]));
    assert!(with("").bundle.is_some());
    let allowed = with("findings: {SG0504: allow}\n");
    assert!(allowed.findings.is_empty() && allowed.bundle.is_some());
    let denied = with("findings: {SG0504: deny}\n");
    assert!(denied.bundle.is_none() && denied.findings.iter().all(policy_compiler::Finding::is_error));
    assert_eq!(allowed.bundle.map(|bundle| bundle.digest()), with("").bundle.map(|bundle| bundle.digest()));
}

/// At one place nobody is told both to add and to remove something, and nothing is said twice.
#[test]
fn no_two_findings_contradict_each_other() {
    for (_, name, source) in mistakes() {
        let findings = compile(&source).findings;
        for (index, a) in findings.iter().enumerate() {
            for b in findings.iter().skip(index + 1).filter(|b| b.primary == a.primary && b.path == a.path) {
                let verb = |finding: &policy_compiler::Finding| {
                    let help = finding.help.clone().unwrap_or_default();
                    help.split(' ').next().unwrap_or_default().trim_end_matches([':', ',']).to_owned()
                };
                let (one, other) = (verb(a), verb(b));
                let opposed = [("add", "remove"), ("raise", "lower")]
                    .iter()
                    .any(|(x, y)| (one == *x && other == *y) || (one == *y && other == *x));
                assert!(!opposed, "{name}: {a:?} {b:?}");
                assert_ne!(a.message, b.message, "{name}");
            }
        }
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
        kept == policy_compiler::reference(),
        "out of date: cargo run -p policy-compiler --example reference"
    );
}
