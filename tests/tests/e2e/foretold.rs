//! What `explain` foretells is what the running gateway does: the same bytes are given to both.

use e2e::backend::{FakeBackend, Reply};
use e2e::gateway::TestGateway;
use e2e::manifest::{MODEL, Manifest};
use e2e::raw::RawConnection;
use foresight::{Circumstances, Explanation, Outcome, Request, explain};
use policy_compiler::{Source, compile};
use serde_json::json;
use vocabulary::access_log::AccessLogRecord;

const KEY: &str = "sk-foretold";

/// A policy with something at every stage that can refuse.
fn manifest(backend: &FakeBackend) -> Manifest {
    let route = |path: &str, more: serde_json::Value| {
        let mut route = json!({"match": {"path": path}, "pool": "chat"});
        route.as_object_mut().unwrap().extend(more.as_object().cloned().unwrap_or_default());
        route
    };
    let scrapers = json!({"priority": 10, "when": {"bot": ["scraper"]}, "action": "block", "status": 404});
    let large = json!({"priority": 20, "when": {"bodyOver": "2000 B"}, "action": "block", "status": 413});
    let trial =
        json!({"priority": 30, "when": {"header": {"x-trial": "*"}}, "action": "block", "mode": "shadow"});
    Manifest::new()
        .backend("a", backend.address())
        .service("files", backend.address(), "files")
        .consumer("first", KEY)
        .set("/acl/scrapers", scrapers)
        .set("/acl/large", large)
        .set("/acl/trial", trial)
        .set("/access/tenants", json!({"headers": {"x-tenant": "*"}}))
        .set("/limits/tiny", json!({"tokens": "10 tokens/min"}))
        .set("/routes/guarded", route("/v1/responses", json!({"access": ["tenants"]})))
        .set("/routes/limited", route("/v1/messages", json!({"limit": "tiny"})))
        .set("/routes/files", json!({"match": {"path": "/files/*", "method": "GET"}, "pool": "files"}))
        .set("/routes/vip", json!({"match": {"path": "/v1/chat/completions", "method": "POST", "header": {"x-vip": "1"}}, "pool": "chat"}))
}

fn foretold(manifest: &Manifest, request: &str) -> Explanation {
    let bundle = compile(&Source::new("gateway.json", manifest.text())).bundle.expect("it is sound");
    let how = Circumstances { from: Some([127, 0, 0, 1].into()), ..Circumstances::default() };
    let request = Request::parse(request.as_bytes()).unwrap_or_else(|fault| panic!("{fault}"));
    explain(bundle, &request, &how).expect("nothing is named")
}

/// A request with its length, as both are to read it.
fn request(head: &str, body: &str) -> String {
    let length = if body.is_empty() { String::new() } else { format!("Content-Length: {}\r\n", body.len()) };
    format!("{}\r\nHost: a.example\r\n{length}\r\n{body}", head.replace('\n', "\r\n"))
}

fn requests() -> Vec<String> {
    let chat = format!(r#"{{"model": "{MODEL}", "messages": [{{"role": "user", "content": "hello"}}]}}"#);
    let messages = format!(
        r#"{{"model": "{MODEL}", "max_tokens": 50, "messages": [{{"role": "user", "content": "hello"}}]}}"#
    );
    let responses = format!(r#"{{"model": "{MODEL}", "input": "hello"}}"#);
    let key = format!("Authorization: Bearer {KEY}");
    let json = format!("{key}\nContent-Type: application/json");
    let post = |more: &str| format!("POST /v1/chat/completions HTTP/1.1\n{json}{more}");
    vec![
        request(&post(""), &chat),
        request(&post("\nx-vip: 1"), &chat),
        request(&post("\nx-trial: 1"), &chat),
        request(&post("\nUser-Agent: Scrapy/2.11"), &chat),
        request(&post(""), &chat.replace("hello", &"x".repeat(2_000))),
        request(&post(""), &chat.replace(MODEL, "other")),
        request(&post(""), "{"),
        request(&post(""), &chat.replace("\"role\"", "\"roll\"")),
        request("POST /v1/chat/completions HTTP/1.1\nContent-Type: application/json", &chat),
        request(
            "POST /v1/chat/completions HTTP/1.1\nAuthorization: Bearer sk-other\nContent-Type: application/json",
            &chat,
        ),
        request(&format!("POST /v1/chat/completions HTTP/1.1\n{key}\nContent-Type: text/plain"), &chat),
        request(&format!("PUT /v1/chat/completions HTTP/1.1\n{json}"), &chat),
        request(&format!("POST /v2/nowhere HTTP/1.1\n{json}"), &chat),
        request(&format!("POST /v1/responses HTTP/1.1\n{json}"), &responses),
        request(&format!("POST /v1/messages HTTP/1.1\n{json}"), &messages),
        request(&format!("GET /v1/models HTTP/1.1\n{key}"), ""),
        request(&format!("GET /files/x HTTP/1.1\n{key}"), ""),
        request("GET /files/x HTTP/1.1", ""),
    ]
}

/// Status and reason, then what only the log tells.
fn compare(told: &Explanation, done: &AccessLogRecord, request: &str) {
    let answer = told.answer.as_ref();
    let status = answer.map_or(200, |answer| answer.status);
    assert_eq!((status, answer.and_then(|answer| answer.reason)), (done.status, done.reason), "{request}");
    assert_eq!(told.would_refuse, done.would_refuse, "{request}");
    let consumer = told.caller.as_ref().and_then(|caller| caller.consumer.clone());
    assert_eq!(consumer, done.consumer, "{request}");
    let acl = &told.acl;
    let decided = acl.decided.as_ref().map(|rule| &rule.rule);
    let rules: Vec<&String> = acl.noted.iter().chain(&acl.shadowed).chain(decided).collect();
    assert_eq!(rules, done.acl.iter().collect::<Vec<_>>(), "{request}");
    if told.outcome == Outcome::SentOn {
        assert_eq!(told.route, done.route, "{request}");
        assert_eq!(told.sending.as_ref().map(|sending| sending.to.clone()), done.backend, "{request}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_foretold_is_what_the_gateway_does() {
    let backend = FakeBackend::always(Reply::completion("ok")).await;
    let manifest = manifest(&backend);
    let gateway = TestGateway::start(&manifest).await;
    let mut refused = 0;
    for (number, request) in (1..).zip(requests()) {
        let told = foretold(&manifest, &request);
        let mut caller = RawConnection::open(gateway.address()).await;
        caller.send(request.as_bytes()).await;
        let answer = caller.answer().await.expect("the gateway answers");
        drop(caller);
        let records = gateway.access_log().at_least(number).await;
        let done = records.last().expect("every request is logged");
        assert_eq!(answer.status, done.status);
        compare(&told, done, &request);
        if let Some(body) = told.answer.as_ref().and_then(|answer| answer.body.clone()) {
            let mut sent: serde_json::Value = serde_json::from_slice(&answer.body).expect("JSON");
            // Each has its own id.
            if let Some(id) = sent.get_mut("request_id") {
                *id = json!("foreseen");
            }
            assert_eq!(body, sent, "{request}");
            refused += 1;
        }
    }
    assert!(refused >= 10, "most of these are refused, for reasons of many kinds: {refused}");
}
