//! Several files as one manifest: the order of files never decides, every value knows its file, and an
//! overlay changes what it names and nothing else.
#![expect(clippy::expect_used, reason = "a broken test environment is best shown by a panic")]

use std::collections::BTreeMap;

use policy_compiler::{Files, Source, Style, compile, expand, flatten, gather, render};

const FIRST: &str = "\
apiVersion: sluicegate/v1
include: [prices/*.yaml, teams/**.yaml]
listeners:
  web: {address: 127.0.0.1:8080}
backends:
  gpu: {kind: vllm, url: http://127.0.0.1:8000, models: {llama: {}}}
pools:
  llama: {members: [gpu]}
routes:
  chat: {match: {path: /v1/chat/completions}, pool: llama, public: true}
";
const CLAIMS: &str = "\
# What the claims team may do.
teams:
  claims: {limit: claims}
limits:
  claims: {tokens: 100k tokens/min}
consumers:
  adjuster: {team: claims, keys: {primary: {sha256: 2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae}}}
";
const PRICES: &str = "limits: {all: {requests: 900 requests/min}}\nroutes: {chat: {limit: all}}\n";

/// Files in memory.
struct Held(BTreeMap<&'static str, &'static str>);

impl Files for Held {
    fn read(&self, path: &str) -> Result<String, String> {
        self.0.get(path).map(|text| (*text).to_owned()).ok_or_else(|| "no such file".to_owned())
    }

    fn names(&self, folder: &str) -> Result<Vec<String>, String> {
        let below = |path: &&str| Some(path.strip_prefix(folder)?.strip_prefix('/')?.to_owned());
        let mut names: Vec<String> = self.0.keys().filter_map(below).collect();
        // In no order that anybody may rely on.
        names.reverse();
        Ok(names)
    }
}

fn files() -> Held {
    Held(BTreeMap::from([("teams/claims.yaml", CLAIMS), ("prices/now.yaml", PRICES)]))
}

fn whole(overlays: &[Source]) -> Source {
    gather(Source::new("conf/gateway.yaml", FIRST), overlays, &files())
}

fn digest(source: &Source) -> String {
    let outcome = compile(source);
    let found = render(&outcome.findings, source, Style::Plain);
    outcome.bundle.expect(&found).digest().to_string()
}

#[test]
fn files_mean_what_one_file_with_all_of_it_means() {
    let one =
        format!("{FIRST}{}", CLAIMS.replace("limits:\n", "limits:\n  all: {requests: 900 requests/min}\n"))
            .replace("include: [prices/*.yaml, teams/**.yaml]\n", "")
            .replace("public: true", "public: true, limit: all");
    let several = whole(&[]);
    assert_eq!(digest(&several), digest(&Source::new("gateway.yaml", one)));
    let text = flatten(&several).expect("one text");
    assert_eq!(digest(&several), digest(&Source::new("manifest", text)));
}

#[test]
fn the_order_of_files_never_decides() {
    let turned = FIRST
        .replace("prices/*.yaml, teams/**.yaml", "teams/claims.yaml, prices/now.yaml, teams/claims.yaml");
    let turned = gather(Source::new("gateway.yaml", turned), &[], &files());
    assert_eq!(turned.count(), 3);
    assert_eq!(digest(&whole(&[])), digest(&turned));
}

#[test]
fn every_value_shows_its_file_and_line() {
    let overlay = Source::new("prod.yaml", "routes:\n  chat:\n    deadline: 90s\n");
    let json = expand(&whole(&[overlay])).json().expect("sound");
    for (value, origin) in [
        (&json["teams"]["claims"]["limit"], "conf/teams/claims.yaml:3"),
        (&json["routes"]["chat"]["limit"], "conf/prices/now.yaml:2"),
        (&json["routes"]["chat"]["pool"], "conf/gateway.yaml:10"),
        (&json["routes"]["chat"]["deadline"], "prod.yaml:3"),
        (&json["backends"]["gpu"]["timeouts"]["connect"], "default"),
    ] {
        assert_eq!(value["origin"], origin, "{value}");
    }
}

#[test]
fn a_finding_in_another_file_points_into_it_in_every_style() {
    let wrong = Held(BTreeMap::from([
        ("teams/claims.yaml", "# Ü\nteams:\n  claims: {limit: clams}\n"),
        (
            "prices/now.yaml",
            "limits: {claims: {requests: 900 requests/min}}\nroutes: {chat: {limit: claims, pool: gpt}}\n",
        ),
    ]));
    let source = gather(Source::new("gateway.yaml", FIRST), &[], &wrong);
    let findings = compile(&source).findings;
    let plain = render(&findings, &source, Style::Plain);
    assert!(plain.contains("--> teams/claims.yaml:3:19\n"), "{plain}");
    assert!(plain.contains("--> prices/now.yaml:2:32\n") || plain.contains("::: gateway.yaml:10"), "{plain}");
    let lines = render(&findings, &source, Style::Json);
    let first: serde_json::Value = serde_json::from_str(lines.lines().next().expect("a line")).expect("JSON");
    assert_eq!((&first["file"], &first["line"]), (&"prices/now.yaml".into(), &2.into()), "{lines}");
    assert_eq!(first["related"][0]["file"], "gateway.yaml", "{lines}");
    let drawn = render(&findings, &source, Style::Terminal { colour: false });
    assert!(
        drawn.contains("[teams/claims.yaml:3:19]") && drawn.contains("gateway.yaml:10:47: said first"),
        "{drawn}"
    );
}

#[test]
fn overlays_merge_maps_replace_the_rest_and_take_away_with_null() {
    let staging = Source::new(
        "staging.yaml",
        "consumers: null\nteams: null\nroutes:\n  chat: {limit: null}\nlimits: null\npools:\n  llama: {members: {gpu: {weight: 2}}}\n",
    );
    let last = Source::new("last.yaml", "backends: {gpu: {url: http://127.0.0.1:9000}}\n");
    let json = compile(&whole(&[staging, last])).document.expect("a tree").root.to_json();
    assert_eq!(json.get("consumers"), None);
    assert_eq!(json["routes"]["chat"].get("limit"), None);
    assert_eq!(json["routes"]["chat"]["pool"], "llama");
    assert_eq!(json["pools"]["llama"]["members"]["gpu"]["weight"], 2);
    assert_eq!(json["backends"]["gpu"]["url"], "http://127.0.0.1:9000");
    assert_eq!(json["backends"]["gpu"]["kind"], "vllm");
}

#[test]
fn a_manifest_in_one_file_is_kept_as_it_was_written() {
    let text = FIRST.replace("include: [prices/*.yaml, teams/**.yaml]\n", "# nothing to include\n");
    assert_eq!(flatten(&Source::new("gateway.yaml", text.clone())), Some(text));
    assert_eq!(flatten(&Source::new("gateway.yaml", FIRST)), None);
}

#[test]
fn files_that_include_each_other_without_end_are_refused() {
    struct Endless;
    impl Files for Endless {
        fn read(&self, path: &str) -> Result<String, String> {
            let (_, number) = path.split_once('-').ok_or("none")?;
            let number: usize = number.parse().map_err(|_| "none")?;
            Ok(format!("include: [file-{}, file-{}]\n", 2 * number, 2 * number + 1))
        }
        fn names(&self, _: &str) -> Result<Vec<String>, String> {
            Ok(Vec::new())
        }
    }
    let source = gather(Source::new("g.yaml", "include: file-1\n"), &[], &Endless);
    assert!(source.count() < 1_000, "{}", source.count());
    assert!(compile(&source).findings.iter().any(|finding| finding.code.as_str() == "SG1703"));
}
