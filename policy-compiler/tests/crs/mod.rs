//! CRS, its tests and an engine for them, for the tests beside this folder.

#![allow(dead_code, unused_imports, reason = "each test uses its own part of this")]

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use policy_compiler::seclang::{Entry, RuleFiles, Settings, load};
use serde::Deserialize;
use waf::request::{Line, Pair};
use waf::run::{Circumstances, Engine, Inspection, NothingOutside, Shortcuts};

/// One stage of a test of the corpus.
#[derive(Deserialize)]
pub(crate) struct Row {
    pub(crate) test: String,
    pub(crate) stage: u32,
    pub(crate) method: String,
    pub(crate) uri: String,
    pub(crate) version: String,
    #[serde(default)]
    pub(crate) dest_addr: Option<String>,
    #[serde(default)]
    pub(crate) port: Option<u16>,
    #[serde(default)]
    pub(crate) expect_ids: Vec<u32>,
    #[serde(default)]
    pub(crate) no_expect_ids: Vec<u32>,
    pub(crate) wire_headers: Vec<(String, String)>,
    #[serde(default)]
    pub(crate) wire_body: Option<String>,
    #[serde(default)]
    pub(crate) body: Option<String>,
    #[serde(default)]
    pub(crate) from_encoded: Option<serde_json::Value>,
}

impl Row {
    /// The id of the test with its stage, where there is more than one.
    pub(crate) fn name(&self) -> String {
        if self.stage == 0 { self.test.clone() } else { format!("{}/{}", self.test, self.stage) }
    }

    /// Characters of an encoded request are bytes; of the others, UTF-8.
    pub(crate) fn bytes(&self, text: &str) -> Vec<u8> {
        if self.from_encoded.is_some() {
            text.chars().map(|char| u32::from(char) as u8).collect()
        } else {
            text.as_bytes().to_vec()
        }
    }

    /// The ids of rules that were told.
    pub(crate) fn run(&self, engine: &Arc<Engine>) -> BTreeSet<u32> {
        self.inspect(engine).matches().iter().map(|one| one.id).collect()
    }

    pub(crate) fn inspect(&self, engine: &Arc<Engine>) -> Inspection {
        let port = self.port.unwrap_or(80);
        let address = self.dest_addr.as_deref().unwrap_or("127.0.0.1");
        let server = format!("{address}:{port}").parse().unwrap_or(SocketAddr::from(([127, 0, 0, 1], port)));
        let circumstances = Circumstances { server, ..circumstances(&self.name()) };
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
pub(crate) struct Disk;

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

pub(crate) fn folder(variable: &str, needed: &str) -> Option<PathBuf> {
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

pub(crate) fn entry(rules: &Path) -> Entry {
    let file = |name: &str| rules.join(name).to_str().unwrap().to_owned();
    let setup = ["crs-setup.conf", "crs-setup.conf.example"]
        .into_iter()
        .find(|name| rules.join(name).exists())
        .expect("a setup file");
    Entry { setup: vec![file(setup)], rules: vec![file("rules/*.conf")] }
}

pub(crate) fn engine(rules: &Path, shortcuts: Shortcuts, settings: &Settings) -> Arc<Engine> {
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

pub(crate) fn rows(shared: &Path) -> Vec<Row> {
    let text = std::fs::read_to_string(shared.join("waf/crs-tests-3.3.9.jsonl")).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

pub(crate) fn both() -> Option<(PathBuf, PathBuf)> {
    let rules = folder("SLUICEGATE_CRS", "SLUICEGATE_REQUIRE_CRS")?;
    Some((rules, folder("SLUICEGATE_SHARED", "SLUICEGATE_REQUIRE_SHARED")?))
}

pub(crate) fn circumstances(id: &str) -> Circumstances {
    Circumstances {
        client: SocketAddr::from(([127, 0, 0, 1], 40_000)),
        server: SocketAddr::from(([127, 0, 0, 1], 80)),
        unique_id: id.to_owned(),
        epoch_seconds: 1_795_000_000,
        outside: Arc::new(NothingOutside),
    }
}

/// Values of arguments that the corpus expects a rule against attacks on applications to find, each once.
pub(crate) fn payloads(shared: &Path) -> Vec<String> {
    let attacks = |row: &&Row| row.expect_ids.iter().any(|id| (930_000..945_000).contains(id));
    let mut payloads: Vec<String> = rows(shared)
        .iter()
        .filter(attacks)
        .flat_map(|row| {
            let line = Line { method: b"GET", target: row.uri.as_bytes(), protocol: b"HTTP/1.1" };
            let reading = waf::program::Reading::default();
            let mut args = waf::request::read_head(&line, &[], &reading).args;
            let form = Some(b"application/x-www-form-urlencoded".as_slice());
            let body = row.wire_body.as_deref().unwrap_or_default();
            args.extend(waf::request::read_body(body.as_bytes(), form, None, &reading).args);
            args
        })
        .filter_map(|pair| String::from_utf8(pair.value).ok())
        .filter(|value| !value.is_empty())
        .collect();
    payloads.sort();
    payloads.dedup();
    payloads
}
