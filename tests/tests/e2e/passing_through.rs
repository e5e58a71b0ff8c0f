//! What the gateway passes on without reading: tools over MCP, WebSockets, files and sound. Keys, limits and
//! the account of the request hold for them all the same.

use std::time::Duration;

use e2e::backend::simulate;
use e2e::client::{Answer, Client};
use e2e::gateway::TestGateway;
use e2e::manifest::{MODEL, Manifest};
use e2e::raw::{RawAnswer, RawConnection};
use http::Method;
use http_body_util::{BodyExt, Empty};
use model_sim::{Flavour, Profile, SimConfig, SimHandle};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use vocabulary::Reason;

const KEY: &str = "sk-e2e-passing-through";
const BACKEND_KEY: &str = "backend-key-of-the-gateway";

/// A gateway in front of one simulated server, whose key it alone knows.
struct Scene {
    sim: SimHandle,
    gateway: TestGateway,
    _secrets: TempDir,
}

impl Scene {
    async fn new(flavour: Flavour, kind: &str, change: impl FnOnce(Manifest) -> Manifest) -> Self {
        let profile = Profile::hosted(Duration::from_millis(1), 1e7, Duration::from_micros(20));
        let mut config = SimConfig::new("sim", MODEL, profile);
        config.flavour = flavour;
        config.api_key = Some(BACKEND_KEY.into());
        let sim = simulate(config);
        let secrets = tempfile::tempdir().unwrap();
        let secret = secrets.path().join("key");
        std::fs::write(&secret, BACKEND_KEY).unwrap();
        let url = format!("http://{}", sim.addr());
        let mut backend = json!({"kind": kind, "url": url, "auth": "own"});
        if kind != "http" {
            backend["models"] = json!({MODEL: {}});
        }
        let manifest = Manifest::new()
            .set("/identities/own/apiKey/file", secret.to_str().unwrap())
            .set("/backends/sim", backend)
            .set("/pools/chat/members", json!(["sim"]))
            .set("/routes", json!({"all": {"match": {"path": "/*"}, "pool": "chat"}}))
            .consumer("team", KEY);
        let gateway = TestGateway::start(&change(manifest)).await;
        Self { sim, gateway, _secrets: secrets }
    }

    fn client(&self) -> Client {
        self.gateway.client().with_key(KEY)
    }

    /// The headers of credentials the server saw with its last request.
    fn credentials(&self) -> Vec<String> {
        self.sim.exchanges().last().unwrap().credentials.clone()
    }
}

fn call(method: &str, params: &Value) -> Value {
    json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params})
}

fn is_problem(answer: &Answer, reason: Reason) {
    assert_eq!((answer.status, &answer.json()["reason"]), (reason.status(), &json!(reason.code())));
    assert_eq!(answer.header("content-type"), Some("application/problem+json"));
}

async fn mcp(change: impl FnOnce(Manifest) -> Manifest) -> Scene {
    Scene::new(Flavour::Mcp, "http", change).await
}

fn speaks_mcp(client: Client) -> Client {
    client.with("accept", "application/json, text/event-stream").with("mcp-protocol-version", "2025-06-18")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_of_tools_passes_with_its_id_both_ways() {
    let scene = mcp(|manifest| manifest).await;
    let client = speaks_mcp(scene.client());
    let hello = client.post("/mcp", &call("initialize", &json!({"protocolVersion": "2025-06-18"}))).await;
    assert_eq!(hello.status, 200, "{}", hello.text());
    let client = client.with("mcp-session-id", hello.header("mcp-session-id").unwrap());
    let note = client.post("/mcp", &json!({"jsonrpc": "2.0", "method": "notifications/initialized"})).await;
    assert_eq!((note.status, note.body.len()), (202, 0));
    let tools = client.post("/mcp", &call("tools/list", &json!({}))).await.json();
    assert_eq!(tools["result"]["tools"][0]["name"], "echo");
    let said = client
        .post("/mcp", &call("tools/call", &json!({"name": "echo", "arguments": {"text": "gate"}})))
        .await;
    assert_eq!(said.json()["result"]["content"][0]["text"], "gate");
    let left = client.send(client.request(Method::DELETE, "/mcp", Empty::new().boxed())).await;
    assert!(left.is_ok(), "{}", left.text());
    let gone = client.post("/mcp", &call("tools/list", &json!({}))).await;
    assert_eq!(gone.status, 404, "the server's own refusal passes too");
    assert_eq!(scene.credentials(), ["authorization"]);
    let record = scene.gateway.access_log().record(said.request_id()).await;
    assert_eq!((record.status, record.consumer.as_deref()), (200, Some("team")));
    assert_eq!(said.header("x-sluicegate-backend"), Some("sim"));
    assert!(!scene.gateway.access_log().text().contains("gate\""), "what was said is nobody's business");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tools_progress_passes_as_events() {
    let scene = mcp(|manifest| manifest).await;
    let client = speaks_mcp(scene.client());
    let hello = client.post("/mcp", &call("initialize", &json!({}))).await;
    let client = client.with("mcp-session-id", hello.header("mcp-session-id").unwrap());
    let asked = json!({"name": "level", "arguments": {"gate": 7}, "_meta": {"progressToken": "p"}});
    let mut events = client.events(client.json("/mcp", call("tools/call", &asked).to_string())).await;
    assert_eq!(events.headers["content-type"], "text/event-stream");
    assert_eq!(events.next().await.unwrap().json()["method"], "notifications/progress");
    assert_eq!(events.next().await.unwrap().json()["result"]["content"][0]["text"], "107 cm");
    assert!(events.next().await.is_none() && events.ended_well());
}

#[tokio::test(flavor = "multi_thread")]
async fn tools_ask_for_a_key_and_count_against_a_limit() {
    let scene = mcp(|manifest| {
        manifest.set("/consumers/team/limit", "two").set("/limits/two/requests", "2 requests/hour")
    })
    .await;
    let hello = call("initialize", &json!({}));
    is_problem(&speaks_mcp(scene.gateway.client()).post("/mcp", &hello).await, Reason::MissingKey);
    let client = speaks_mcp(scene.client());
    for _ in 0..2 {
        assert_eq!(client.post("/mcp", &hello).await.status, 200);
    }
    let spent = client.post("/mcp", &hello).await;
    is_problem(&spent, Reason::RequestLimit);
    assert!(spent.header("retry-after").is_some_and(|seconds| seconds.parse::<u64>().unwrap() > 0));
    assert_eq!(scene.sim.exchanges().len(), 2, "what is refused reaches nobody");
}

async fn realtime() -> Scene {
    Scene::new(Flavour::OpenAi, "openai", |manifest| manifest.set("/routes/all/passThrough", true)).await
}

async fn upgrade(scene: &Scene, key: Option<&str>) -> (RawConnection, RawAnswer) {
    let mut connection = RawConnection::open(scene.gateway.address()).await;
    let shown = key.map(|key| format!("authorization: Bearer {key}\r\n")).unwrap_or_default();
    let head = format!(
        "GET /v1/realtime?model={MODEL} HTTP/1.1\r\nhost: gate\r\n{shown}connection: Upgrade\r\nupgrade: websocket\r\n\
         sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    );
    connection.send(head.as_bytes()).await;
    let answer = connection.answer().await.unwrap();
    (connection, answer)
}

/// A whole frame as a client sends it (RFC 6455 §5.2): masked, here with a mask of zeros.
fn frame(opcode: u8, payload: &[u8]) -> Vec<u8> {
    let length = match u8::try_from(payload.len()) {
        Ok(short @ 0..126) => vec![0x80 | short],
        _ => [&[0x80 | 126], &u16::try_from(payload.len()).unwrap().to_be_bytes()[..]].concat(),
    };
    [&[0x80 | opcode][..], &length, &[0; 4], payload].concat()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_websocket_passes_frames_both_ways_until_it_is_closed() {
    let scene = realtime().await;
    let (mut socket, answer) = upgrade(&scene, Some(KEY)).await;
    assert_eq!(answer.status, 101, "{}", answer.head);
    // RFC 6455 §1.3 has this key and its answer.
    assert!(answer.head.contains("sec-websocket-accept: s3pplmbitxaq9kygzzhzrbk+xoo="), "{}", answer.head);
    let id = answer.head.lines().find_map(|line| line.strip_prefix("x-request-id: ")).unwrap().to_owned();
    for text in ["water", &"flows ".repeat(5_000)] {
        socket.send(&frame(1, text.as_bytes())).await;
        let head = if text.len() < 126 { 2 } else { 4 };
        let echo = socket.bytes(head + text.len()).await;
        assert!(echo[head..] == *text.as_bytes(), "{} bytes came back changed", echo.len());
    }
    socket.send(&frame(8, &1000_u16.to_be_bytes())).await;
    assert_eq!(socket.bytes(4).await, [0x88, 2, 3, 232]);
    assert!(socket.is_closed().await);
    assert_eq!(scene.credentials(), ["authorization"]);
    let record = scene.gateway.access_log().record(&id).await;
    assert_eq!((record.status, record.reason, record.consumer.as_deref()), (101, None, Some("team")));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_agrees_to_an_upgrade_at_once_is_not_hung_up_on() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let serving = async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            let agreed =
                b"HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n";
            stream.write_all(agreed).await.unwrap();
            let mut heard = Vec::new();
            while !heard.ends_with(b"knock") && stream.read_buf(&mut heard).await.unwrap() > 0 {}
            stream.write_all(b"come in").await.unwrap();
        }
    };
    let url = format!("http://{address}");
    let scene = Scene::new(Flavour::OpenAi, "http", |manifest| manifest.set("/backends/sim/url", url)).await;
    let knocking = async {
        for _ in 0..40 {
            let (mut socket, answer) = upgrade(&scene, Some(KEY)).await;
            assert_eq!(answer.status, 101, "{}", answer.head);
            socket.send(b"knock").await;
            assert_eq!(socket.bytes(7).await, b"come in");
        }
    };
    tokio::select! {
        () = serving => {}
        () = knocking => {}
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_websocket_without_a_key_is_not_opened() {
    let scene = realtime().await;
    let (_, answer) = upgrade(&scene, None).await;
    assert_eq!(answer.status, 401, "{}", answer.head);
    assert_eq!(scene.sim.exchanges().len(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn sound_passes_through_a_route_to_models_with_the_backends_own_credential() {
    let scene = realtime().await;
    let form = format!(
        "--edge\r\ncontent-disposition: form-data; name=\"model\"\r\n\r\n{MODEL}\r\n--edge\r\n\
         content-disposition: form-data; name=\"file\"; filename=\"a.wav\"\r\n\r\nRIFF....\r\n--edge--\r\n"
    );
    let client = scene.client().with("content-type", "multipart/form-data; boundary=edge");
    let answer = client.post_bytes("/v1/audio/transcriptions", form).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert!(!answer.json()["text"].as_str().unwrap().is_empty());
    assert_eq!(scene.credentials(), ["authorization"]);
    let record = scene.gateway.access_log().record(answer.request_id()).await;
    assert_eq!((record.status, record.operation, record.consumer.as_deref()), (200, None, Some("team")));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_path_nobody_reads_is_refused_unless_its_route_lets_it_through() {
    let scene = Scene::new(Flavour::OpenAi, "openai", |manifest| manifest).await;
    let answer = scene.client().get("/v1/files").await;
    assert_eq!((answer.status, answer.error_code().as_str()), (404, Reason::UnknownRoute.code()));
    assert!(answer.text().contains("passThrough"), "the way out is named: {}", answer.text());
    assert_eq!(scene.sim.exchanges().len(), 0);
}
