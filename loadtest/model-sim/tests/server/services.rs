//! Servers that are no language models, files, sound, tools and the WebSocket.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;

use model_sim::{ApiKey, Flavour, Keys, Outcome, SimConfig, SimHandle};
use serde_json::{Value, json};

use super::socket::{Reply, delete, get, get_with, post, post_as};
use super::{fast, start, until};

fn flavoured(flavour: Flavour) -> SimHandle {
    start(SimConfig { flavour, ..fast() })
}

fn send(sim: &SimHandle, path: &str, headers: &[(&str, &str)], body: &Value) -> Reply {
    post(sim.addr(), path, headers, body.to_string().as_bytes())
}

#[test]
fn kserve_infers_once_it_is_ready_and_checks_shapes() {
    let sim = flavoured(Flavour::KServe);
    assert_eq!(get(sim.addr(), "/v2/health/ready").status, 200);
    assert_eq!(get(sim.addr(), "/v2/models/m/ready").json(), json!({"name": "m", "ready": true}));
    assert_eq!(get(sim.addr(), "/v2/models/other/ready").status, 404);
    let tensor = |shape: Value| json!({"id": "7", "inputs": [{"name": "x", "shape": shape, "datatype": "FP32", "data": [1, 2, 3, 4]}]});
    let answer = send(&sim, "/v2/models/m/infer", &[], &tensor(json!([2, 2])));
    assert_eq!(answer.json()["outputs"][0]["shape"], json!([2]));
    assert_eq!((&answer.json()["id"], &answer.json()["model_name"]), (&json!("7"), &json!("m")));
    assert_eq!(send(&sim, "/v2/models/m/infer", &[], &tensor(json!([2, 2]))).body, answer.body);
    let wrong = send(&sim, "/v2/models/m/infer", &[], &tensor(json!([3, 2])));
    assert!(wrong.status == 400 && wrong.json()["error"].is_string());
    assert_eq!(
        send(&sim, "/v2/models/m/infer", &[("x-sim-fault", "server_error:503")], &tensor(json!([4]))).status,
        503
    );
    post(sim.addr(), "/sim/faults", &[], br#"[{"at": 0, "kind": "unhealthy_probe"}]"#);
    assert_eq!(get(sim.addr(), "/v2/health/ready").status, 503);
    assert_eq!(send(&sim, "/v1/chat/completions", &[], &json!({})).status, 404);
}

#[test]
fn azure_ml_scores_and_names_the_deployment() {
    let sim = flavoured(Flavour::AzureMl);
    sim.set_keys(Keys { bearer: vec![ApiKey::from("token")], ..Keys::default() });
    let body = json!({"input_data": {"columns": [0], "data": [[1], [2], [3]]}});
    assert_eq!(send(&sim, "/score", &[], &body).status, 401);
    let headers = [("authorization", "Bearer token"), ("azureml-model-deployment", "green")];
    let answer = send(&sim, "/score", &headers, &body);
    assert_eq!(answer.header("azureml-model-deployment"), Some("green"));
    assert_eq!(answer.json()["predictions"].as_array().unwrap().len(), 3);
    assert_eq!(send(&sim, "/score", &headers[..1], &body).header("azureml-model-deployment"), Some("blue"));
    sim.set_keys(Keys { bearer: vec![ApiKey::from("fresh")], ..Keys::default() });
    assert_eq!(send(&sim, "/score", &headers, &body).status, 401, "the token has expired");
}

#[test]
fn the_language_service_analyses_documents_for_a_subscription() {
    let keys = Keys { subscription: vec![ApiKey::from("sub")], ..Keys::default() };
    let sim = start(SimConfig { flavour: Flavour::Cognitive, keys, ..fast() });
    let body = json!({"kind": "SentimentAnalysis", "analysisInput": {"documents": [{"id": "1", "language": "en", "text": "a fine weir"}]}});
    let path = "/language/:analyze-text?api-version=2023-04-01";
    assert_eq!(send(&sim, path, &[], &body).status, 401);
    let key = [("Ocp-Apim-Subscription-Key", "sub")];
    let answer = send(&sim, path, &key, &body).json();
    assert_eq!(answer["kind"], "SentimentAnalysisResults");
    assert!(answer["results"]["documents"][0]["confidenceScores"]["positive"].is_number());
    assert_eq!(send(&sim, "/language/:analyze-text", &key, &body).status, 400);
    let exchange = &sim.exchanges()[1];
    assert_eq!(exchange.credentials, ["ocp-apim-subscription-key"]);
    assert_eq!((exchange.status, exchange.record.as_ref().unwrap().prompt_tokens), (200, 3));
}

fn form(parts: &[(&str, Option<&str>, &[u8])]) -> (&'static str, Vec<u8>) {
    let mut body = Vec::new();
    for (name, filename, content) in parts {
        let filename = filename.map(|filename| format!("; filename=\"{filename}\"")).unwrap_or_default();
        let head = format!("--b0undary\r\nContent-Disposition: form-data; name=\"{name}\"{filename}\r\n\r\n");
        body.extend(head.as_bytes());
        body.extend(*content);
        body.extend(b"\r\n");
    }
    body.extend(b"--b0undary--\r\n");
    ("multipart/form-data; boundary=b0undary", body)
}

#[test]
fn sound_becomes_text_and_text_sound() {
    let sim = start(fast());
    let (kind, body) = form(&[("model", None, b"m"), ("file", Some("a.wav"), &[7; 40_000])]);
    let heard = post_as(sim.addr(), "/v1/audio/transcriptions", kind, &body).json();
    assert_eq!(model_sim::tokens::count(heard["text"].as_str().unwrap()), 12);
    let (kind, body) = form(&[("model", None, b"m")]);
    assert_eq!(post_as(sim.addr(), "/v1/audio/transcriptions", kind, &body).json()["error"]["param"], "file");
    let spoken =
        send(&sim, "/v1/audio/speech", &[], &json!({"model": "m", "input": "two words", "voice": "alloy"}));
    assert_eq!((spoken.header("content-type"), spoken.body.len()), (Some("audio/mpeg"), 640));
    assert_eq!(send(&sim, "/v1/audio/speech", &[], &json!({"model": "m", "input": "x"})).status, 400);
}

#[test]
fn files_are_kept_listed_read_and_deleted() {
    let sim = start(fast());
    let (kind, body) = form(&[("purpose", None, b"batch"), ("file", Some("a.jsonl"), b"{}\n")]);
    let file = post_as(sim.addr(), "/v1/files", kind, &body).json();
    assert_eq!(
        (&file["filename"], &file["bytes"], &file["purpose"]),
        (&json!("a.jsonl"), &json!(3), &json!("batch"))
    );
    let path = format!("/v1/files/{}", file["id"].as_str().unwrap());
    assert_eq!(get(sim.addr(), "/v1/files").json()["data"], json!([file]));
    assert_eq!(get(sim.addr(), &path).json(), file);
    assert_eq!(get(sim.addr(), &format!("{path}/content")).body, b"{}\n");
    assert_eq!(delete(sim.addr(), &path).json()["deleted"], true);
    assert_eq!(get(sim.addr(), &path).status, 404);
}

const ACCEPT: (&str, &str) = ("accept", "application/json, text/event-stream");

#[test]
fn a_tool_server_opens_a_session_and_calls_tools() {
    let sim = flavoured(Flavour::Mcp);
    let message = |id: u64, method: &str, params: Value| json!({"jsonrpc": "2.0", "id": id, "method": method, "params": params});
    let begin = message(1, "initialize", json!({"protocolVersion": "2025-06-18", "capabilities": {}}));
    assert_eq!(send(&sim, "/mcp", &[], &begin).status, 406);
    let begun = send(&sim, "/mcp", &[ACCEPT], &begin);
    assert_eq!(begun.json()["result"]["protocolVersion"], "2025-06-18");
    let session = begun.header("mcp-session-id").unwrap().to_owned();
    let headers = [ACCEPT, ("mcp-session-id", session.as_str())];
    assert_eq!(
        send(&sim, "/mcp", &headers, &json!({"jsonrpc": "2.0", "method": "notifications/initialized"}))
            .status,
        202
    );
    assert_eq!(send(&sim, "/mcp", &[ACCEPT], &message(2, "tools/list", json!({}))).status, 400);
    let listed = send(&sim, "/mcp", &headers, &message(2, "tools/list", json!({}))).json();
    assert_eq!(listed["result"]["tools"][0]["name"], "echo");
    let call = json!({"name": "echo", "arguments": {"text": "hello"}});
    let called = send(&sim, "/mcp", &headers, &message(3, "tools/call", call.clone())).json();
    assert_eq!((&called["id"], &called["result"]["content"][0]["text"]), (&json!(3), &json!("hello")));
    let mut telling = call;
    telling["_meta"] = json!({"progressToken": "p"});
    let streamed = send(&sim, "/mcp", &headers, &message(4, "tools/call", telling));
    assert_eq!(streamed.header("content-type"), Some("text/event-stream"));
    let events = streamed.named_events();
    assert_eq!((&events[0].1["method"], &events[1].1["id"]), (&json!("notifications/progress"), &json!(4)));
    let unknown = send(&sim, "/mcp", &headers, &message(5, "tools/call", json!({"name": "rain"}))).json();
    assert_eq!(unknown["error"]["code"], -32_602);
    assert_eq!(get(sim.addr(), "/mcp").status, 405);
    let gone = [ACCEPT, ("mcp-session-id", "mcp-ffffffff")];
    assert_eq!(send(&sim, "/mcp", &gone, &message(6, "ping", json!({}))).status, 404);
}

#[test]
fn a_websocket_says_back_what_it_is_told_and_ends_with_the_server() {
    let sim = start(fast());
    assert_eq!(get(sim.addr(), "/v1/realtime").status, 426);
    let mut socket = TcpStream::connect(sim.addr()).unwrap();
    socket.set_read_timeout(Some(std::time::Duration::from_secs(30))).unwrap();
    socket.write_all(b"GET /v1/realtime?model=m HTTP/1.1\r\nhost: sim\r\nconnection: Upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\nsec-websocket-protocol: realtime\r\n\r\n").unwrap();
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        socket.read_exact(&mut byte).unwrap();
        head.push(byte[0]);
    }
    let head = String::from_utf8(head).unwrap().to_ascii_lowercase();
    assert!(head.starts_with("http/1.1 101"), "{head}");
    assert!(head.contains("s3pplmbitxaq9kygzzhzrbk+xoo="), "the answer RFC 6455 gives for this key: {head}");

    let mut hear = |frame: &[u8], expected: &[u8]| {
        socket.write_all(frame).unwrap();
        let mut heard = vec![0; expected.len()];
        socket.read_exact(&mut heard).unwrap();
        assert_eq!(heard, expected);
    };
    hear(&[0x81, 0x82, 0, 0, 0, 0, b'h', b'i'], &[0x81, 2, b'h', b'i']);
    hear(&[0x89, 0x80, 1, 2, 3, 4], &[0x8A, 0]);
    hear(&[0x88, 0x80, 1, 2, 3, 4], &[0x88, 0]);
    assert_eq!(socket.read(&mut [0]).unwrap(), 0);
    assert_eq!(sim.exchanges()[1].status, 101);
}

#[test]
fn every_exchange_is_on_record_and_a_caller_who_leaves_shows() {
    let sim = start(fast());
    get_with(sim.addr(), "/v1/models?x=1", &[("authorization", "Bearer s3cret"), ("x-trace", "t")]);
    post(sim.addr(), "/v1/nothing", &[], b"{\"a\": 1}");
    let socket = super::socket::chat_until_silent(
        sim.addr(),
        &[("x-sim-fault", "hang_before_headers")],
        &super::body(true, 3, 4),
    );
    assert_eq!(socket.status, 0);
    until("the caller's leaving", || sim.totals().cancelled == 1);
    let told = String::from_utf8(get(sim.addr(), "/sim/exchanges").body).unwrap();
    assert!(!told.contains("s3cret"));
    let exchanges: Vec<model_sim::Exchange> =
        told.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(exchanges, sim.exchanges());
    let (models, nothing, left) = (&exchanges[0], &exchanges[1], &exchanges[2]);
    assert_eq!(
        (models.status, models.query.as_deref(), models.headers["x-trace"].as_str()),
        (200, Some("x=1"), "t")
    );
    assert_eq!(
        (models.credentials.as_slice(), &models.record),
        (["authorization".to_owned()].as_slice(), &None)
    );
    assert_eq!((nothing.status, nothing.cancelled), (404, false));
    assert_eq!(
        (left.status, left.cancelled, left.record.as_ref().unwrap().outcome),
        (0, true, Outcome::Cancelled)
    );
}
