//! The regression tests of OWASP CRS 3.3.9 against its own rules, as their runner configures them: detection only,
//! every paranoia level blocking. Where the rules or the tests are absent this says so and ends.

#![expect(
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a broken test environment is best shown by a panic, and what was read is worth seeing"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use policy_compiler::seclang::{Entry, RuleFiles, Settings, load};
use serde::Deserialize;
use waf::program::EngineMode;
use waf::request::{Line, Pair};
use waf::run::{Circumstances, Engine, Inspection, NothingOutside, Shortcuts};

/// One stage of a test of the corpus.
#[derive(Deserialize)]
struct Row {
    test: String,
    stage: u32,
    method: String,
    uri: String,
    version: String,
    #[serde(default)]
    dest_addr: Option<String>,
    #[serde(default)]
    port: Option<u16>,
    #[serde(default)]
    expect_ids: Vec<u32>,
    #[serde(default)]
    no_expect_ids: Vec<u32>,
    wire_headers: Vec<(String, String)>,
    #[serde(default)]
    wire_body: Option<String>,
    #[serde(default)]
    body: Option<String>,
    #[serde(default)]
    from_encoded: Option<serde_json::Value>,
}

impl Row {
    /// The id of the test with its stage, where there is more than one.
    fn name(&self) -> String {
        if self.stage == 0 { self.test.clone() } else { format!("{}/{}", self.test, self.stage) }
    }

    /// Characters of an encoded request are bytes; of the others, UTF-8.
    fn bytes(&self, text: &str) -> Vec<u8> {
        if self.from_encoded.is_some() {
            text.chars().map(|char| u32::from(char) as u8).collect()
        } else {
            text.as_bytes().to_vec()
        }
    }

    /// The ids of rules that were told.
    fn run(&self, engine: &Arc<Engine>) -> BTreeSet<u32> {
        self.inspect(engine).matches().iter().map(|one| one.id).collect()
    }

    fn inspect(&self, engine: &Arc<Engine>) -> Inspection {
        let port = self.port.unwrap_or(80);
        let address = self.dest_addr.as_deref().unwrap_or("127.0.0.1");
        let server = format!("{address}:{port}").parse().unwrap_or(SocketAddr::from(([127, 0, 0, 1], port)));
        let circumstances = Circumstances {
            client: SocketAddr::from(([127, 0, 0, 1], 40_000)),
            server,
            unique_id: self.name(),
            epoch_seconds: 1_795_000_000,
            outside: Arc::new(NothingOutside),
        };
        let mut inspection = Inspection::new(Arc::clone(engine), circumstances);
        let (method, target, protocol) =
            (self.bytes(&self.method), self.bytes(&self.uri), self.bytes(&self.version));
        let headers = self
            .wire_headers
            .iter()
            // A server takes the blanks around a value away (RFC 9110, section 5.5).
            .map(|(name, value)| Pair { name: self.bytes(name), value: self.bytes(value.trim()) })
            .collect();
        inspection.request_head(&Line { method: &method, target: &target, protocol: &protocol }, headers);
        let body = self.wire_body.as_ref().or(self.body.as_ref());
        inspection.request_body(&body.map(|body| self.bytes(body)).unwrap_or_default());
        let answer = vec![Pair { name: b"Content-Length".to_vec(), value: b"0".to_vec() }];
        inspection.response_head(200, b"HTTP/1.1", answer);
        inspection.response_body(b"");
        inspection.finish();
        inspection
    }
}

/// Files of the disk.
struct Disk;

impl RuleFiles for Disk {
    fn read(&self, path: &str) -> Result<Vec<u8>, String> {
        std::fs::read(path).map_err(|error| error.to_string())
    }

    fn glob(&self, pattern: &str) -> Result<Vec<String>, String> {
        let path = Path::new(pattern);
        let (Some(folder), Some(name)) = (path.parent(), path.file_name().and_then(|name| name.to_str()))
        else {
            return Err("no folder".to_owned());
        };
        let (before, after) = name.split_once('*').unwrap_or((name, ""));
        let mut found: Vec<String> = std::fs::read_dir(folder)
            .map_err(|error| error.to_string())?
            .filter_map(|entry| Some(entry.ok()?.path().to_str()?.to_owned()))
            .filter(|path| {
                let name = path.rsplit('/').next().unwrap_or_default();
                if name.len() < before.len() + after.len() {
                    return false;
                }
                if pattern.contains('*') {
                    name.starts_with(before) && name.ends_with(after)
                } else {
                    name == before
                }
            })
            .collect();
        found.sort();
        Ok(found)
    }
}

fn folder(variable: &str, needed: &str) -> Option<PathBuf> {
    match std::env::var_os(variable) {
        Some(folder) => Some(PathBuf::from(folder)),
        None if std::env::var(needed).is_ok_and(|value| value == "1") => {
            panic!("{variable} is not set, and {needed} asks for it")
        }
        None => {
            println!("SKIPPED: {variable} is not set");
            None
        }
    }
}

fn entry(rules: &Path) -> Entry {
    let file = |name: &str| rules.join(name).to_str().unwrap().to_owned();
    let setup = ["crs-setup.conf", "crs-setup.conf.example"]
        .into_iter()
        .find(|name| rules.join(name).exists())
        .expect("a setup file");
    Entry { setup: vec![file(setup)], rules: vec![file("rules/*.conf")] }
}

/// What the corpus's own runner sets (its README): everything blocks, and limits that tests go beyond.
fn settings() -> Settings {
    let set = "SecAction \"id:2,phase:1,pass,nolog,t:none,setvar:tx.paranoia_level=4,\
        setvar:tx.blocking_paranoia_level=4,setvar:tx.crs_validate_utf8_encoding=1,\
        setvar:tx.arg_name_length=100,setvar:tx.arg_length=400,setvar:tx.total_arg_length=64000,\
        setvar:tx.max_num_args=255,setvar:tx.max_file_size=64100,setvar:tx.combined_file_sizes=65535\"\n";
    Settings {
        mode: Some(EngineMode::DetectionOnly),
        paranoia: Some(4),
        before: Some(("the corpus".to_owned(), set.to_owned())),
        ..Settings::default()
    }
}

fn engine(rules: &Path, shortcuts: Shortcuts, settings: &Settings) -> Arc<Engine> {
    let loaded = match load(&Disk, &entry(rules), settings) {
        Ok(loaded) => loaded,
        Err(faults) => {
            let shown: Vec<String> = faults.iter().map(ToString::to_string).collect();
            panic!("{} faults:\n{}", faults.len(), shown.join("\n"));
        }
    };
    println!("{}", loaded.report);
    let mut program = loaded.program;
    program.reading.response_body = true;
    Arc::new(Engine::with(program, shortcuts).unwrap())
}

fn rows(shared: &Path) -> Vec<Row> {
    let text = std::fs::read_to_string(shared.join("waf/crs-tests-3.3.9.jsonl")).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// Tests of the corpus that are not passed, and why.
const MISSES: [(&str, &str); 5] = [
    ("920180-3", "sends Content-Length: 0 once its runner has normalised it, and asks that there be none"),
    ("920181-1", "a server drops Content-Length beside Transfer-Encoding before any rule sees both"),
    ("933110-28", "asks for `.phar`, which the rule of Debian's 3.3.9 does not name"),
    ("933111-2", "asks for `.phar` too"),
    ("944200-0FP", "its body holds the very bytes of the rule; the runner would send others"),
];

fn both() -> Option<(PathBuf, PathBuf)> {
    let rules = folder("SLUICEGATE_CRS", "SLUICEGATE_REQUIRE_CRS")?;
    Some((rules, folder("SLUICEGATE_SHARED", "SLUICEGATE_REQUIRE_SHARED")?))
}

#[test]
fn the_corpus_of_crs_is_passed_but_for_what_is_explained() {
    let Some((rules, shared)) = both() else { return };
    let engine = engine(&rules, Shortcuts::default(), &settings());
    let mut misses = BTreeMap::new();
    let mut asked = 0usize;
    for row in rows(&shared) {
        if row.expect_ids.is_empty() && row.no_expect_ids.is_empty() {
            continue;
        }
        asked += 1;
        let ids = row.run(&engine);
        let missing: Vec<u32> = row.expect_ids.iter().copied().filter(|id| !ids.contains(id)).collect();
        let spurious: Vec<u32> = row.no_expect_ids.iter().copied().filter(|id| ids.contains(id)).collect();
        if !missing.is_empty() || !spurious.is_empty() {
            misses.insert(row.name(), (missing, spurious));
        }
    }
    let passed = asked - misses.len();
    println!("{passed} of {asked} pass: {:.2} %", 100.0 * passed as f64 / asked as f64);
    for (name, (missing, spurious)) in &misses {
        println!("{name}: missing {missing:?}, spurious {spurious:?}");
    }
    let explained: BTreeSet<&str> = MISSES.iter().map(|(name, _)| *name).collect();
    assert_eq!(misses.keys().map(String::as_str).collect::<BTreeSet<_>>(), explained);
    assert!(asked > 2400);
}

#[test]
fn without_gates_identities_and_evaluation_every_verdict_of_the_corpus_is_the_same() {
    let Some((rules, shared)) = both() else { return };
    let quick = engine(&rules, Shortcuts::default(), &settings());
    let plain_settings = Settings { unevaluated: true, ..settings() };
    let plain = engine(&rules, Shortcuts { gates: false, identity: false }, &plain_settings);
    for row in rows(&shared) {
        let (quick, plain) = (row.inspect(&quick), row.inspect(&plain));
        let told = |inspection: &Inspection| {
            let one =
                |one: &waf::run::Match| (one.id, one.message.clone(), one.data.clone(), one.target.clone());
            inspection.matches().iter().map(one).collect::<Vec<_>>()
        };
        assert_eq!(told(&quick), told(&plain), "{}", row.name());
        assert_eq!(quick.would_refuse(), plain.would_refuse(), "{}", row.name());
        for score in ["anomaly_score", "outbound_anomaly_score"] {
            assert_eq!(quick.score(score), plain.score(score), "{} {score}", row.name());
        }
    }
}
