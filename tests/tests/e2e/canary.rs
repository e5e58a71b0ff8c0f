//! What must never be written down, in every place where something is: prompts, answers, API keys, issued keys,
//! tokens, tokens of administrators, credentials of backends, hooks and the store. The program itself runs, so
//! that its own log is among the places, and requests end in every way they can.

use std::path::Path;
use std::process::Command;

use e2e::backend::{FakeBackend, Reply, nobody, stream_body};
use e2e::binary::{Running, sluicegate};
use e2e::client::{Answer, Client};
use e2e::figures::note;
use e2e::gateway::{chat, chat_stream};
use e2e::issuer::Issuer;
use e2e::manifest::{Manifest, sha256};
use e2e::otlp::Collector;
use e2e::wait::until_async;
use http_body_util::{BodyExt, Full};
use rustix::process::Signal;
use serde_json::{Value, json};
use tempfile::TempDir;
use vocabulary::admin::keys::IssuedKey;

const KEY: &str = "sk-canary-key-of-a-caller";
const SPENT: &str = "sk-canary-key-of-a-limited-caller";
const OPERATOR: &str = "canary-operator-token";
const WORDS: &str = "canary-prompt";
const SECRETS: [(&str, &str); 3] =
    [("backend", "canary-key-of-a-backend"), ("hook", "canary-key-of-a-hook"), ("store", "canary-password")];

/// Everything a request can meet: backends that serve and fail, a hook that breaks, a store that is away.
struct Stand {
    folder: TempDir,
    collector: Collector,
    issuer: Issuer,
    program: Running,
    caller: Client,
    admin: Client,
    _servers: Vec<FakeBackend>,
    /// What was minted on the way, and is secret as well.
    minted: Vec<String>,
}

/// A server whose answers, errors and headers are full of what nobody may read.
async fn loose_tongued() -> FakeBackend {
    let events = stream_body(&["canary-answer"]);
    FakeBackend::start(move |_, request| {
        let asks = |case: &str| request.body.windows(case.len()).any(|part| part == case.as_bytes());
        if asks("case-error") {
            Reply::error(400, "canary-code", &[("x-canary", "canary-header")])
        } else if asks("case-down") {
            Reply::error(503, "canary-code", &[])
        } else if asks("\"stream\":true") {
            Reply::stream(&events)
        } else {
            Reply::completion("canary-answer")
        }
    })
    .await
}

fn manifest(server: &FakeBackend, hook: &FakeBackend, issuer: &Issuer, collector: &Collector) -> Manifest {
    let secret = |name: &str| json!({"file": format!("secrets/{name}")});
    let route = |path: &str, more: Value| {
        let mut route = json!({"match": {"path": path, "method": "POST"}, "pool": "chat"});
        route.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        route
    };
    Manifest::new()
        .backend("a", server.address())
        .set("/identities/provider/apiKey", secret("backend"))
        .set("/backends/a/auth", "provider")
        .set("/pools/chat/ejection", json!({"consecutiveFailures": 1000}))
        .backend_of("gone", "openai", &format!("http://{}", nobody()))
        .set("/pools/gone", json!({"members": ["gone"]}))
        .set("/routes/gone", route("/v1/embeddings", json!({"pool": "gone"})))
        .without("/routes/embeddings")
        .set(
            "/hooks/policy",
            json!({
                "url": format!("http://{}/decide", hook.address()),
                "header": {"name": "x-functions-key", "value": secret("hook")},
                "onFailure": "closed",
            }),
        )
        .set("/routes/completions/hook", "policy")
        .set("/access/elsewhere", json!({"allow": ["192.0.2.0/24"]}))
        .set("/routes/closed", route("/v1/responses", json!({"access": ["elsewhere"]})))
        .consumer("team", KEY)
        .consumer("spent", SPENT)
        .set("/limits/one", json!({"requests": "1 requests/hour", "shared": false}))
        .set("/limits/together", json!({"requests": "1000000 requests/hour"}))
        .set("/consumers/spent/limit", "one")
        .set("/consumers/team/limit", "together")
        .set(
            "/store/shared",
            json!({
                "redis": {"url": format!("redis://{}", nobody()), "auth": secret("store")},
                "replicas": 2, "whenAway": "local-share",
            }),
        )
        .set("/issuers/corp", issuer.section())
        .set("/admin/tokens/oncall", json!({"sha256": sha256(OPERATOR), "role": "operator"}))
        .set("/admin/oidc", json!({"issuer": "corp", "claim": "roles", "roles": {"gw.see": "viewer"}}))
        .otlp(collector.endpoint())
}

impl Stand {
    async fn start(program: &Path) -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("secrets")).unwrap();
        for (name, secret) in SECRETS {
            std::fs::write(folder.path().join("secrets").join(name), secret).unwrap();
        }
        let (server, hook) =
            (loose_tongued().await, FakeBackend::always(Reply::error(500, "canary", &[])).await);
        let (issuer, collector) = (Issuer::start().await, Collector::start().await);
        let file = folder.path().join("gateway.yaml");
        std::fs::write(&file, manifest(&server, &hook, &issuer, &collector).text()).unwrap();
        let state = folder.path().join("state");
        let paths = [file.to_str().unwrap(), state.to_str().unwrap()];
        let arguments = ["run", "--manifest", paths[0], "--state-dir", paths[1]];
        let program = Running::start(program, &arguments, &[("SLUICEGATE_LOG", "info,sluicegate=trace")]);
        let caller = Client::new(program.listener("main").await);
        let admin = Client::new(program.admin().await);
        let servers = vec![server, hook];
        Self { folder, collector, issuer, program, caller, admin, _servers: servers, minted: Vec::new() }
    }

    /// Sends words to `path`, with a secret in every place where a caller can put one.
    async fn say(&self, key: &str, path: &str, body: &Value) -> Answer {
        let client =
            self.caller.clone().with_key(key).with("x-user", "canary-user").with("cookie", "a=canary");
        let client = client.with("user-agent", "canary-agent");
        client.post(&format!("{path}?key=canary-query"), body).await
    }

    /// Requests that end in every way, with the status each has to end with.
    async fn every_way(&mut self) -> Vec<Answer> {
        let (plain, stream) = (chat(WORDS), chat_stream(WORDS));
        let chats = "/v1/chat/completions";
        let token = self.issuer.token("ada", &json!({}));
        let expired = self.issuer.token("ada", &json!({"exp": 1}));
        let forged = format!("{}canary", self.issuer.token("ada", &json!({"aud": "canary-audience"})));
        until_async("the issuer's keys", async || {
            (self.say(&token, chats, &plain).await.status == 200).then_some(())
        })
        .await;
        let known = json!({"model": "sim-chat", "input": WORDS, "prompt": WORDS});
        let unread = json!({"model": "sim-chat", "messages": WORDS, WORDS: WORDS});
        let (broken, down) = (chat("canary case-error"), chat("canary case-down"));
        let mut answers = Vec::new();
        for (key, path, body, status) in [
            (KEY, chats, &plain, 200),
            (KEY, chats, &stream, 200),
            (KEY, chats, &broken, 400),
            (KEY, chats, &down, 502),
            (KEY, chats, &unread, 400),
            (KEY, "/v1/embeddings", &known, 502),
            (KEY, "/v1/completions", &known, 503),
            (KEY, "/v1/responses", &known, 403),
            (SPENT, chats, &plain, 200),
            (SPENT, chats, &plain, 429),
            ("sk-canary-of-a-stranger", chats, &plain, 401),
            (expired.as_str(), chats, &plain, 401),
            (forged.as_str(), chats, &plain, 401),
        ] {
            let answer = self.say(key, path, body).await;
            assert_eq!(answer.status, status, "{path} {body}: {}", answer.text());
            answers.push(answer);
        }
        self.minted.extend([token, expired, forged]);
        answers
    }

    /// Orders of administrators that are carried out and that are refused; what each was told.
    async fn administered(&mut self) -> Vec<Answer> {
        let (operator, stranger) =
            (self.admin.clone().with_key(OPERATOR), self.admin.clone().with_key("canary-guess"));
        let role = self.issuer.token("eve", &json!({"roles": ["gw.see"]}));
        let viewer = self.admin.clone().with_key(&role);
        let order = json!({"consumer": "team", "name": "laptop"});
        let issued: IssuedKey = posted(&operator, "/v1/keys", &order).await.parsed();
        assert_eq!(self.say(&issued.key, "/v1/chat/completions", &chat(WORDS)).await.status, 200);
        let secret = json!({"consumer": KEY, "name": "x"});
        let mut told = Vec::new();
        for (client, body, status) in [
            (&viewer, &order, 403),
            (&stranger, &order, 401),
            (&operator, &json!({"consumer": 1}), 400),
            (&operator, &secret, 422),
        ] {
            let answer = posted(client, "/v1/keys", body).await;
            assert_eq!(answer.status, status, "{}", answer.text());
            // Whoever wrote it may be told what they wrote.
            if status != 422 {
                told.push(answer);
            }
        }
        // A key where its id belongs.
        let path = format!("/v1/keys/{}", issued.key);
        let empty = Full::new(bytes::Bytes::new()).boxed();
        assert_eq!(operator.send(operator.request(http::Method::DELETE, &path, empty)).await.status, 404);
        for path in [
            "status",
            "decisions?limit=1000",
            "shares",
            "manifest",
            "keys",
            "audit",
            "requests",
            "holds",
            "generations",
        ] {
            let answer = operator.get(&format!("/v1/{path}")).await;
            assert_eq!(answer.status, 200, "{path}");
            told.push(answer);
        }
        self.minted.extend([issued.key, role]);
        told
    }
}

async fn posted(client: &Client, path: &str, body: &Value) -> Answer {
    client.send(client.request(http::Method::POST, path, Full::new(body.to_string().into()).boxed())).await
}

/// Every file below `folder`, except those that hold the secrets and the manifest.
fn files(folder: &Path, found: &mut Vec<(String, Vec<u8>)>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            if path.file_name().is_some_and(|name| name != "secrets") {
                files(&path, found);
            }
        } else if path.file_name().is_some_and(|name| name != "gateway.yaml") {
            found.push((path.display().to_string(), std::fs::read(&path).unwrap()));
        }
    }
}

fn said_by(program: &Path, arguments: &[&str]) -> Vec<u8> {
    let output = Command::new(program).args(arguments).output().unwrap();
    [output.stdout, output.stderr].concat()
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_secret_is_written_down_anywhere_however_requests_end() {
    let Some(program) = sluicegate() else { return };
    let mut stand = Stand::start(&program).await;
    let answers = stand.every_way().await;
    let told = stand.administered().await;
    let mut seen: Vec<(String, Vec<u8>)> = Vec::new();
    let admin = stand.admin.clone().with_key(OPERATOR);
    for answer in answers {
        let id = answer.request_id().to_owned();
        stand.collector.trace_of(&id).await;
        if answer.status >= 500 || answer.status == 429 {
            let path = format!("/v1/requests/{id}");
            let story = until_async("the story", async || {
                let answer = admin.get(&path).await;
                (answer.status == 200).then_some(answer)
            })
            .await;
            seen.push(("a story".to_owned(), story.body.to_vec()));
        }
        // What a backend said is for the caller who asked it.
        if !["canary-answer", "canary-code"].iter().any(|words| answer.text().contains(words)) {
            seen.push((format!("an answer of {}", answer.status), answer.body.to_vec()));
        }
    }
    seen.extend(told.into_iter().map(|answer| ("the admin API".to_owned(), answer.body.to_vec())));
    let refused = [("sluicegate.reason", "invalid_token")];
    stand.collector.await_series("sluicegate.refusals", &refused, |_| true).await;
    seen.push(("the collector".to_owned(), stand.collector.bytes()));
    stand.program.signal(Signal::TERM);
    assert!(stand.program.ended().await.success(), "{}", stand.program.said());
    seen.push(("the program's log".to_owned(), stand.program.said().into_bytes()));
    let state = stand.folder.path().join("state");
    let period = ["--state-dir", state.to_str().unwrap(), "--from", "2020-01-01", "--to", "2100-01-01"];
    let costs = said_by(&program, &[&["costs", "export"][..], &period].concat());
    assert!(costs.starts_with(b"BilledCost") || costs.contains(&b','), "{}", String::from_utf8_lossy(&costs));
    seen.push(("the export of costs".to_owned(), costs));
    files(stand.folder.path(), &mut seen);
    for place in ["access.jsonl", "audit.jsonl", "overlay.json"] {
        assert!(seen.iter().any(|(name, _)| name.ends_with(place)), "{place} was not looked at");
    }
    for (place, bytes) in &seen {
        search(place, bytes, &stand.minted);
    }
    let figure = format!(
        "{} places searched (logs, traces, metrics, state, admin API, stories, refusals; {} kB), found 0 times",
        seen.len(),
        seen.iter().map(|(_, bytes)| bytes.len()).sum::<usize>() / 1024
    );
    note(
        "Canary",
        "prompts, answers, keys, tokens and credentials, in requests that end in every way",
        figure,
    );
}

/// Fails where something secret is written in `place`.
fn search(place: &str, bytes: &[u8], minted: &[String]) {
    let text = String::from_utf8_lossy(bytes).replace("canary_end", "");
    let found = text.find("canary").map(|at| {
        text.chars().skip(text[..at].chars().count().saturating_sub(60)).take(160).collect::<String>()
    });
    assert_eq!(found, None, "{place} shows what it must not");
    for minted in minted {
        let tail = minted.rsplit('.').next().unwrap();
        assert!(!text.contains(minted.as_str()) && !text.contains(tail), "{place} shows a token or a key");
    }
}
