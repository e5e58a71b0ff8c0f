//! Reads requests as JSON lines and prints, a line each, which rules of a rule set told something of it, the score and
//! the rule that would refuse it. It judges nothing: `scripts/waf-differential` compares it with libmodsecurity.

use std::io::{self, BufRead, Write};
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use policy_compiler::seclang::{Entry, RuleFiles, Settings, load};
use serde::{Deserialize, Serialize};
use waf::program::EngineMode;
use waf::request::{Line, Pair};
use waf::run::{Circumstances, Engine, Inspection, NothingOutside};

/// A request. Characters are bytes, as in ISO 8859-1, so that every request can be written.
#[derive(Deserialize)]
struct Request {
    method: String,
    uri: String,
    version: String,
    headers: Vec<(String, String)>,
    body: String,
    server: SocketAddr,
}

/// What the rules say of it.
#[derive(Serialize)]
struct Verdict {
    ids: Vec<u32>,
    score: i64,
    refused_by: Option<u32>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    told: Vec<(u32, String, String)>,
}

/// Rules of one folder.
struct Disk;

impl RuleFiles for Disk {
    fn read(&self, path: &str) -> Result<Vec<u8>, String> {
        std::fs::read(path).map_err(|error| format!("{path}: {error}"))
    }

    fn glob(&self, pattern: &str) -> Result<Vec<String>, String> {
        let Some(folder) = pattern.strip_suffix("*.conf") else { return Ok(vec![pattern.to_owned()]) };
        let mut found: Vec<String> = std::fs::read_dir(folder)
            .map_err(|error| format!("{folder}: {error}"))?
            .filter_map(|entry| Some(entry.ok()?.path().to_str()?.to_owned()))
            .filter(|path| path.ends_with(".conf"))
            .collect();
        found.sort();
        Ok(found)
    }
}

fn engine(folder: &Path, before: String) -> io::Result<Engine> {
    let file = |name: &str| folder.join(name).to_string_lossy().into_owned();
    let entry = Entry { setup: vec![file("crs-setup.conf")], rules: vec![file("rules/*.conf")] };
    let settings = Settings {
        mode: Some(EngineMode::DetectionOnly),
        before: Some(("the differential run".to_owned(), before)),
        ..Settings::default()
    };
    let loaded = load(&Disk, &entry, &settings).map_err(|faults| {
        io::Error::other(faults.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))
    })?;
    let mut program = loaded.program;
    program.reading.response_body = true;
    Engine::new(program).map_err(|fault| io::Error::other(format!("{fault:?}")))
}

fn bytes(text: &str) -> Vec<u8> {
    text.chars().map(|char| u8::try_from(char).unwrap_or(b'?')).collect()
}

fn inspect(engine: &Arc<Engine>, request: &Request, told: bool) -> Verdict {
    let circumstances = Circumstances {
        client: SocketAddr::from(([127, 0, 0, 1], 40_000)),
        server: request.server,
        unique_id: "differential".to_owned(),
        epoch_seconds: 1_795_000_000,
        outside: Arc::new(NothingOutside),
    };
    let mut inspection = Inspection::new(Arc::clone(engine), circumstances);
    let (method, target, protocol) = (bytes(&request.method), bytes(&request.uri), bytes(&request.version));
    let pair = |(name, value): &(String, String)| Pair { name: bytes(name), value: bytes(value) };
    let headers = request.headers.iter().map(pair).collect();
    inspection.request_head(&Line { method: &method, target: &target, protocol: &protocol }, headers);
    inspection.request_body(&bytes(&request.body));
    let length = Pair { name: b"Content-Length".to_vec(), value: b"0".to_vec() };
    inspection.response_head(200, b"HTTP/1.1", vec![length]);
    inspection.response_body(b"");
    inspection.finish();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let lines = inspection.matches().iter().filter(|_| told);
    Verdict {
        ids: inspection.matches().iter().map(|one| one.id).collect(),
        score: inspection.score("anomaly_score").unwrap_or_default(),
        refused_by: inspection.would_refuse().map(|refusal| refusal.rule),
        told: lines.map(|one| (one.id, text(&one.target), text(&one.data))).collect(),
    }
}

/// `waf_ids FOLDER [--told]`, directives between setup and rules in `WAF_BEFORE`.
fn main() -> io::Result<()> {
    let mut arguments = std::env::args().skip(1);
    let folder = arguments.next().ok_or_else(|| io::Error::other("the folder of the rules is missing"))?;
    let told = arguments.any(|argument| argument == "--told");
    let before = std::env::var("WAF_BEFORE").unwrap_or_default();
    let engine = Arc::new(engine(Path::new(&folder), before)?);
    let mut out = io::stdout().lock();
    for line in io::stdin().lock().lines() {
        let request: Request = serde_json::from_str(&line?)?;
        serde_json::to_writer(&mut out, &inspect(&engine, &request, told))?;
        out.write_all(b"\n")?;
        out.flush()?;
    }
    Ok(())
}
