//! Nothing a caller, a backend or an operator keeps secret is found anywhere but where it was meant to go:
//! the whole program runs, then every place it writes to is searched.

use std::path::{Path, PathBuf};

use e2e::backend::{FakeBackend, Reply, Step, stream_body};
use e2e::binary::{Running, sluicegate};
use e2e::client::{Answer, Client};
use e2e::figures::note;
use e2e::gateway::{chat, chat_stream};
use e2e::manifest::Manifest;
use e2e::otlp::Collector;
use http::Method;
use http_body_util::{BodyExt, Full};
use rustix::process::Signal;
use serde_json::json;
use tempfile::TempDir;

const TOKEN: &str = "c4n4ry-admin-token";
const KEY: &str = "sk-c4n4ry-of-a-caller";
const ANSWER: &str = "c4n4ry-answer";
/// A token that nobody signed, whose parts decode.
const JWT: &str = "eyJhbGciOiJSUzI1NiIsImtpZCI6ImNhbmFyeSJ9.eyJpc3MiOiJjYW5hcnkifQ.Y2FuYXJ5";

/// What must not be found, also in parts: every secret here has one of these in it.
const CANARIES: [&str; 4] = ["c4n4ry", "eyJhbGciOiJSUzI1NiIs", "eyJpc3MiOiJjYW5hcnkifQ", "Y2FuYXJ5"];

struct Setting {
    gateway: Running,
    client: Client,
    admin: Client,
    folder: TempDir,
    collector: Collector,
    _backend: FakeBackend,
}

/// Answers in every way there is, with canaries in all of them.
async fn backend() -> FakeBackend {
    let events = stream_body(&[ANSWER]);
    FakeBackend::start(move |number, _| match number % 5 {
        0 => Reply::completion(ANSWER),
        1 => Reply::stream(&events),
        2 => Reply::error(400, "c4n4ry-code", &[("x-c4n4ry", "c4n4ry-header")]),
        3 => Reply::error(503, "c4n4ry-trouble", &[]),
        _ => Reply::stream_then(&events[..1], Step::Reset),
    })
    .await
}

impl Setting {
    async fn begin(program: &Path) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        std::fs::write(path("token"), TOKEN).unwrap();
        std::fs::write(path("backend-key"), "c4n4ry-key-of-the-backend").unwrap();
        let (collector, backend) = (Collector::start().await, backend().await);
        let manifest = Manifest::new()
            .backend("a", backend.address())
            .backend("b", backend.address())
            .consumer("team", KEY)
            .set("/consumers/team/limit", "daily")
            .set("/limits/daily", json!({"tokens": "100k tokens/day", "requests": "1000 requests/day"}))
            .set("/identities/provider/apiKey", json!({"file": "backend-key"}))
            .set("/backends/a/auth", "provider")
            .set("/backends/b/auth", "provider")
            .set("/admin/token", json!({"file": "token"}))
            .otlp(collector.endpoint());
        std::fs::write(path("gateway.yaml"), manifest.text()).unwrap();
        let (file, state) = (path("gateway.yaml").display().to_string(), path("state").display().to_string());
        let arguments = ["run", "--manifest", &file, "--source", "api", "--state-dir", &state];
        let gateway = Running::start(program, &arguments, &[("SLUICEGATE_LOG", "warn,sluicegate=trace")]);
        let client = Client::new(gateway.listener("main").await)
            .with("user-agent", "c4n4ry-agent")
            .with("x-user", "c4n4ry-user")
            .with("cookie", "session=c4n4ry");
        let admin = Client::new(gateway.admin().await).with_key(TOKEN);
        Self { gateway, client, admin, folder, collector, _backend: backend }
    }

    async fn order(&self, method: Method, path: &str, body: &str) -> Answer {
        let admin = self.admin.clone().with("if-match", "*");
        admin.send(admin.request(method, path, Full::new(body.to_owned().into()).boxed())).await
    }

    /// Everything that can be asked of the admin API without naming something.
    async fn admin_says(&self) -> Vec<(String, Vec<u8>)> {
        let document = self.admin.get("/v1/openapi.json").await.json();
        let mut said = Vec::new();
        for (path, methods) in document["paths"].as_object().unwrap() {
            if methods.get("get").is_some() && !path.contains('{') && path != "/v1/manifest" {
                said.push((format!("GET {path}"), self.admin.get(path).await.body.to_vec()));
            }
        }
        said
    }
}

/// Sends what callers send, well and badly; what the gateway itself answered is searched as well.
async fn traffic(setting: &Setting) -> (usize, Vec<(String, Vec<u8>)>) {
    let client = setting.client.clone().with_key(KEY);
    let (mut sent, mut refusals) = (0, Vec::new());
    for round in 0..20 {
        let mut request = if round % 2 == 0 { chat("c4n4ry-prompt") } else { chat_stream("c4n4ry-prompt") };
        request["user"] = "c4n4ry-end-user".into();
        client.post("/v1/chat/completions?c4n4ry-query=1", &request).await;
        sent += 1;
    }
    let strangers = [KEY.replace("caller", "stranger"), JWT.to_owned(), "c4n4ry".repeat(200)];
    for key in &strangers {
        let answer = setting.client.clone().with_key(key).chat(&chat("c4n4ry-prompt")).await;
        assert_eq!(answer.status, 401, "{}", answer.text());
        refusals.push((format!("the refusal of {}", answer.request_id()), answer.body.to_vec()));
        sent += 1;
    }
    for body in ["{\"c4n4ry", "[\"c4n4ry-prompt\"]", "{\"model\": \"sim-chat\", \"messages\": \"c4n4ry\"}"] {
        let answer = client.post_bytes("/v1/chat/completions", body.to_owned()).await;
        // A backend's own words about what it was sent are the caller's to read.
        if answer.header("x-sluicegate-backend").is_none() {
            refusals.push((format!("the refusal of {}", answer.request_id()), answer.body.to_vec()));
        }
        sent += 1;
    }
    (sent, refusals)
}

/// Orders of operators, good and bad.
async fn orders(setting: &Setting) {
    let drain = json!({"kind": "drain", "target": "a", "for": "1m", "reason": "browns out"}).to_string();
    assert_eq!(setting.order(Method::POST, "/v1/holds", &drain).await.status, 200);
    assert_eq!(setting.order(Method::PUT, "/v1/manifest", "c4n4ry: {").await.status, 422);
    let stranger = Client::new(setting.admin.address()).with_key("c4n4ry-of-a-stranger");
    assert_eq!(stranger.get("/v1/status").await.status, 401);
}

fn files(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { files(&path, found) } else { found.push(path) }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn prompts_keys_and_tokens_are_in_no_place_the_gateway_writes_to() {
    let Some(program) = sluicegate() else { return };
    let mut setting = Setting::begin(&program).await;
    let (sent, mut places) = traffic(&setting).await;
    orders(&setting).await;
    setting
        .collector
        .await_series("sluicegate.refusals", &[("sluicegate.reason", "invalid_key")], |_| true)
        .await;
    places.extend(setting.admin_says().await);
    // An orderly end writes everything that was still to be written.
    setting.gateway.signal(Signal::TERM);
    assert!(setting.gateway.ended().await.success(), "{}", setting.gateway.said());
    places.push(("standard error".to_owned(), setting.gateway.said().into_bytes()));
    places.push(("the collector".to_owned(), setting.collector.bytes()));
    let folder = setting.folder.path();
    let mut written = vec![folder.join("access.jsonl")];
    files(&folder.join("state"), &mut written);
    for file in written {
        places.push((file.display().to_string(), std::fs::read(&file).unwrap()));
    }
    let bytes: usize = places.iter().map(|(_, bytes)| bytes.len()).sum();
    let mut found = Vec::new();
    for (place, bytes) in &places {
        let text = String::from_utf8_lossy(bytes);
        for (at, _) in CANARIES.iter().flat_map(|part| text.match_indices(part)) {
            let from = text.floor_char_boundary(at.saturating_sub(40));
            let until = text.ceil_char_boundary((at + 40).min(text.len()));
            found.push(format!("{place}: {}", &text[from..until]));
        }
    }
    assert!(places.len() > 15 && bytes > 20_000, "{} places, {bytes} bytes", places.len());
    assert!(found.is_empty(), "{found:#?}");
    let what = format!("prompts, answers, keys and tokens of {sent} requests and 3 orders");
    let figure = format!(
        "{} places searched (logs, traces, metrics, state, admin API, refusals; {} kB), found 0 times",
        places.len(),
        bytes / 1024
    );
    note("Canary", &what, figure);
}
