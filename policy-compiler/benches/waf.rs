//! What inspecting a request costs: CRS from a folder (`SLUICEGATE_CRS`) at paranoia 1, in thread CPU time. It owns
//! the requests; the comparison with libmodsecurity is `make bench`'s.

#![expect(
    clippy::indexing_slicing,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a bench fails loudly and prints its figures"
)]

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use policy_compiler::seclang::{Entry, RuleFiles, Settings, load};
use waf::program::EngineMode;
use waf::request::{Line, Pair};
use waf::run::{Circumstances, Engine, Inspection, NothingOutside};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

struct Disk;

impl RuleFiles for Disk {
    fn read(&self, path: &str) -> Result<Vec<u8>, String> {
        std::fs::read(path).map_err(|error| error.to_string())
    }

    fn glob(&self, pattern: &str) -> Result<Vec<String>, String> {
        let folder = pattern.trim_end_matches("*.conf");
        let mut found: Vec<String> = std::fs::read_dir(folder)
            .map_err(|error| error.to_string())?
            .filter_map(|entry| Some(entry.ok()?.path().to_str()?.to_owned()))
            .filter(|path| path.ends_with(".conf"))
            .collect();
        found.sort();
        Ok(found)
    }
}

struct Case {
    name: &'static str,
    method: &'static str,
    target: &'static str,
    body: String,
}

fn chat(content: &str) -> String {
    let content = content.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
    format!(
        "{{\"model\":\"gpt-4o\",\"temperature\":0.2,\"messages\":[{{\"role\":\"system\",\"content\":\"You are a helpful \
         assistant.\"}},{{\"role\":\"user\",\"content\":\"{content}\"}}]}}"
    )
}

fn prose(length: usize) -> String {
    let sentence = "The committee met on Tuesday to discuss how the new budget would affect the library, and several \
                    members asked whether reading hours could be kept as they were. ";
    sentence.repeat(length / sentence.len() + 1).chars().take(length).collect()
}

fn code(length: usize) -> String {
    let text = "fn main() {\n    let rows = db.query(\"SELECT id, name FROM users WHERE id = ?\", &[&id])?;\n    for row in \
                rows { println!(\"{}: {}\", row.get(0), row.get(1)); }\n}\n$ cat /etc/hosts | grep local; ls -la\n";
    text.repeat(length / text.len() + 1).chars().take(length).collect()
}

fn inspect(engine: &Arc<Engine>, case: &Case) -> usize {
    let circumstances = Circumstances {
        client: SocketAddr::from(([127, 0, 0, 1], 40_000)),
        server: SocketAddr::from(([127, 0, 0, 1], 80)),
        unique_id: "id".to_owned(),
        epoch_seconds: 1_795_000_000,
        outside: Arc::new(NothingOutside),
    };
    let mut inspection = Inspection::new(Arc::clone(engine), circumstances);
    let mut headers: Vec<Pair> = [
        ("Host", "gateway.example.com"),
        ("User-Agent", "OpenAI/Python 1.60.0"),
        ("Accept", "application/json"),
        ("Accept-Encoding", "gzip, deflate"),
        ("Authorization", "Bearer sk-abcdefghijklmnopqrstuvwxyz0123456789"),
        ("X-Stainless-Lang", "python"),
        ("X-Stainless-Os", "Linux"),
    ]
    .map(|(name, value)| Pair { name: name.into(), value: value.into() })
    .into();
    if !case.body.is_empty() {
        headers.push(Pair { name: "Content-Type".into(), value: "application/json".into() });
        headers.push(Pair { name: "Content-Length".into(), value: case.body.len().to_string().into() });
    }
    let line = Line { method: case.method.as_bytes(), target: case.target.as_bytes(), protocol: b"HTTP/1.1" };
    inspection.request_head(&line, headers);
    inspection.request_body(case.body.as_bytes());
    inspection.matches().len()
}

fn measure(engine: &Arc<Engine>, case: &Case) {
    let mut times: Vec<Duration> = Vec::new();
    let begin = Instant::now();
    let mut told = 0;
    while begin.elapsed() < Duration::from_secs(2) && times.len() < 20_000 {
        let start = Instant::now();
        told = inspect(engine, case);
        times.push(start.elapsed());
    }
    times.sort_unstable();
    let at = |share: f64| times[((times.len() - 1) as f64 * share) as usize].as_secs_f64() * 1e6;
    println!(
        "{:<28} p50 {:>9.1} us  p99 {:>9.1} us  ({} runs, {told} told)",
        case.name,
        at(0.5),
        at(0.99),
        times.len()
    );
}

fn main() {
    let Some(rules) = std::env::var_os("SLUICEGATE_CRS").map(PathBuf::from) else {
        println!("SKIPPED: SLUICEGATE_CRS names no folder with rules");
        return;
    };
    let file = |name: &str| rules.join(name).to_str().unwrap().to_owned();
    let entry = Entry { setup: vec![file("crs-setup.conf")], rules: vec![file("rules/*.conf")] };
    for paranoia in [1, 4] {
        let settings =
            Settings { mode: Some(EngineMode::On), paranoia: Some(paranoia), ..Settings::default() };
        let start = Instant::now();
        let loaded = load(&Disk, &entry, &settings).unwrap();
        let compiled = start.elapsed();
        let start = Instant::now();
        let engine = Arc::new(Engine::new(loaded.program).unwrap());
        println!(
            "paranoia {paranoia}: compiled in {compiled:?}, built in {:?}, {} rules",
            start.elapsed(),
            loaded.report.kept
        );
        let only = std::env::args().nth(1).filter(|name| !name.starts_with('-'));
        for case in
            cases().iter().filter(|case| only.as_ref().is_none_or(|only| case.name.contains(only.as_str())))
        {
            measure(&engine, case);
        }
    }
}

fn cases() -> Vec<Case> {
    let get = |name, target| Case { name, method: "GET", target, body: String::new() };
    let post = |name, body| Case { name, method: "POST", target: "/v1/chat/completions", body };
    vec![
        get("plain GET", "/v1/models?limit=20&order=desc"),
        get("attack GET", "/?id=1%27%20OR%20%271%27=%271%20UNION%20SELECT%20password%20FROM%20users--"),
        post("2 KB chat, prose", chat(&prose(2000))),
        post("2 KB chat, code", chat(&code(2000))),
        post("32 KB chat, prose", chat(&prose(32_000))),
        post("32 KB chat, code", chat(&code(32_000))),
    ]
}
