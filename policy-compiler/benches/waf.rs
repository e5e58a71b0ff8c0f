//! What inspecting a request costs: CRS from a folder (`SLUICEGATE_CRS`), in CPU time of the thread. It owns the
//! requests, and prints them for a peer (`--cases`) and the figures for whoever joins both (`--json`): `scripts/waf-bench`.

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

use rustix::time::{ClockId, clock_gettime};

use policy_compiler::seclang::{Entry, RuleFiles, Settings, load};
use serde_json::json;
use waf::fields::{self, Bounds, Classes, Schema};
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
    /// The API that the body is read as; all of it is inspected alike where there is none.
    schema: Option<Schema>,
}

/// Headers of every request.
const HEADERS: [(&str, &str); 7] = [
    ("Host", "gateway.example.com"),
    ("User-Agent", "OpenAI/Python 1.60.0"),
    ("Accept", "application/json"),
    ("Accept-Encoding", "gzip, deflate"),
    ("Authorization", "Bearer sk-abcdefghijklmnopqrstuvwxyz0123456789"),
    ("X-Stainless-Lang", "python"),
    ("X-Stainless-Os", "Linux"),
];

impl Case {
    fn headers(&self) -> Vec<(String, String)> {
        let mut headers = HEADERS.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec();
        if !self.body.is_empty() {
            headers.push(("Content-Type".to_owned(), "application/json".to_owned()));
            headers.push(("Content-Length".to_owned(), self.body.len().to_string()));
        }
        headers
    }
}

/// CPU time of this thread so far.
fn cpu() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(time.tv_sec.unsigned_abs(), u32::try_from(time.tv_nsec).unwrap())
}

/// Made to run a lazily built automaton out of its cache: pieces of many patterns, never twice the same way.
fn hostile(length: usize) -> String {
    let pieces = [
        "union sel",
        "<scr",
        "javascript",
        "../..",
        "/etc/pass",
        "exec(",
        "${jndi",
        "' or 'a",
        "wget http",
        "\\x3c",
        "information_sch",
        "onerro",
        "php://fil",
        "base64_dec",
        "System.Net",
        "cmd.ex",
        "%2e%2e",
        "eval(",
        "||nc -",
        "sleep(1",
    ];
    let mut state = 88_172_645_463_325_252_u64;
    let mut text = String::new();
    while text.len() < length {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        text.push_str(pieces[(state % pieces.len() as u64) as usize]);
        text.push(char::from(33 + (state >> 32) as u8 % 90));
    }
    text.chars().take(length).filter(char::is_ascii).collect()
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

fn inspect(engine: &Arc<Engine>, case: &Case, headers: &[(String, String)]) -> usize {
    let circumstances = Circumstances {
        client: SocketAddr::from(([127, 0, 0, 1], 40_000)),
        server: SocketAddr::from(([127, 0, 0, 1], 80)),
        unique_id: "id".to_owned(),
        epoch_seconds: 1_795_000_000,
        outside: Arc::new(NothingOutside),
    };
    let mut inspection = Inspection::new(Arc::clone(engine), circumstances);
    let headers = headers
        .iter()
        .map(|(name, value)| Pair { name: name.as_bytes().into(), value: value.as_bytes().into() });
    let line = Line { method: case.method.as_bytes(), target: case.target.as_bytes(), protocol: b"HTTP/1.1" };
    inspection.request_head(&line, headers.collect());
    match &case.schema {
        Some(schema) => {
            let read =
                fields::read(schema, case.body.as_bytes(), &Bounds::default(), Classes::default()).unwrap();
            inspection.request_fields(&read, Classes::default());
        }
        None => {
            inspection.request_body(case.body.as_bytes());
        }
    }
    inspection.matches().len()
}

fn measure(engine: &Arc<Engine>, case: &Case, json: bool, paranoia: u8) {
    let mut times: Vec<Duration> = Vec::new();
    let begin = Instant::now();
    let headers = case.headers();
    let mut told = 0;
    while begin.elapsed() < Duration::from_secs(2) && times.len() < 20_000 {
        let start = cpu();
        told = inspect(engine, case, &headers);
        times.push(cpu() - start);
    }
    times.sort_unstable();
    let at = |share: f64| times[((times.len() - 1) as f64 * share) as usize].as_secs_f64() * 1e6;
    let (p50, p99, runs) = (at(0.5), at(0.99), times.len());
    if json {
        let figures =
            json!({"case": case.name, "paranoia": paranoia, "p50_us": p50, "p99_us": p99, "runs": runs});
        println!("{figures}");
    } else {
        println!("{:<32} p50 {p50:>9.1} us  p99 {p99:>9.1} us  ({runs} runs, {told} told)", case.name);
    }
}

/// Kibibytes of this process that are in memory.
fn memory() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    line.and_then(|line| line.trim().trim_end_matches(" kB").parse().ok()).unwrap_or_default()
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let json = arguments.iter().any(|argument| argument == "--json");
    if arguments.iter().any(|argument| argument == "--cases") {
        for case in cases().iter().filter(|case| case.schema.is_none()) {
            let headers = case.headers();
            println!(
                "{}",
                json!({"case": case.name, "method": case.method, "target": case.target, "headers": headers, "body": case.body})
            );
        }
        return;
    }
    let only = arguments.into_iter().find(|name| !name.starts_with('-'));
    let Some(rules) = std::env::var_os("SLUICEGATE_CRS").map(PathBuf::from) else {
        println!("SKIPPED: SLUICEGATE_CRS names no folder with rules");
        return;
    };
    let file = |name: &str| rules.join(name).to_str().unwrap().to_owned();
    let entry = Entry { setup: vec![file("crs-setup.conf")], rules: vec![file("rules/*.conf")] };
    for paranoia in [1, 4] {
        let before = memory();
        let settings =
            Settings { mode: Some(EngineMode::On), paranoia: Some(paranoia), ..Settings::default() };
        let start = Instant::now();
        let loaded = load(&Disk, &entry, &settings).unwrap();
        let compiled = start.elapsed();
        let start = Instant::now();
        let engine = Arc::new(Engine::new(loaded.program).unwrap());
        let built = start.elapsed();
        for case in
            cases().iter().filter(|case| only.as_ref().is_none_or(|only| case.name.contains(only.as_str())))
        {
            measure(&engine, case, json, paranoia);
        }
        let (ms, rules) = ([compiled, built].map(|time| time.as_millis()), loaded.report.kept);
        let mib = memory().saturating_sub(before) / 1024;
        if json {
            println!(
                "{}",
                json!({"paranoia": paranoia, "compile_ms": ms[0], "build_ms": ms[1], "rules": rules, "mib": mib})
            );
        } else {
            println!(
                "paranoia {paranoia}: {rules} rules, compiled in {} ms, built in {} ms, {mib} MiB\n",
                ms[0], ms[1]
            );
        }
    }
}

fn cases() -> Vec<Case> {
    let get = |name, target| Case { name, method: "GET", target, body: String::new(), schema: None };
    let post = |name, body| Case { name, method: "POST", target: "/v1/chat/completions", body, schema: None };
    let read = |name, body| Case { schema: Schema::named("openai-chat"), ..post(name, body) };
    vec![
        get("plain GET", "/v1/models?limit=20&order=desc"),
        get("attack GET", "/?id=1%27%20OR%20%271%27=%271%20UNION%20SELECT%20password%20FROM%20users--"),
        read("2 KB chat, fields", chat(&prose(2000))),
        read("2 KB chat of code, fields", chat(&code(2000))),
        read("32 KB chat, fields", chat(&prose(32_000))),
        read("32 KB chat of code, fields", chat(&code(32_000))),
        post("2 KB chat, all of it", chat(&prose(2000))),
        post("2 KB chat of code, all of it", chat(&code(2000))),
        post("32 KB chat, all of it", chat(&prose(32_000))),
        post("32 KB chat of code, all of it", chat(&code(32_000))),
        post("32 KB made to be slow", chat(&hostile(32_000))),
    ]
}
