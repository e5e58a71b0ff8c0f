//! Policy hooks over real sockets: what they are asked, what their answers do, and what happens when they are
//! slow, broken, huge, or somewhere else.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use e2e::backend::{FakeBackend, Reply, Step, nobody};
use e2e::gateway::{TestGateway, chat, chat_stream};
use e2e::manifest::Manifest;
use e2e::wait::within;
use serde_json::{Value, json};
use tokio::sync::Semaphore;
use vocabulary::Reason;

const KEY: &str = "sk-e2e-hooks-canary";

fn allow() -> Reply {
    Reply::json(200, &json!({"decision": "allow"}))
}

fn deny(message: &str) -> Reply {
    Reply::json(200, &json!({"decision": "deny", "message": message}))
}

/// A gateway whose chat route asks a hook at `url`, defined by `hook`.
async fn gateway(backend: &FakeBackend, url: &str, hook: Value) -> TestGateway {
    let mut defined = json!({"url": url});
    for (name, value) in hook.as_object().unwrap() {
        defined[name] = value.clone();
    }
    let manifest = Manifest::new()
        .backend("a", backend.address())
        .service("tools", backend.address(), "tools")
        .set("/routes/tools", json!({"match": {"path": "/tools/*"}, "pool": "tools", "hook": "policy"}))
        .consumer("app", KEY)
        .set("/consumers/app/team", "claims")
        .set("/teams/claims", json!({"dataClass": "restricted"}))
        .set("/hooks/policy", defined)
        .set("/routes/chat/hook", "policy");
    TestGateway::start(&manifest).await
}

fn at(hook: &FakeBackend) -> String {
    format!("http://{}/decide", hook.address())
}

async fn backend() -> FakeBackend {
    FakeBackend::always(Reply::completion("ok")).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hook_is_asked_about_facts_and_never_shown_prompt_or_key() {
    let (backend, hook) = (backend().await, FakeBackend::always(allow()).await);
    let gateway = gateway(&backend, &at(&hook), json!({})).await;
    let mut request = chat_stream("canary-prompt");
    request["max_tokens"] = 100.into();
    let answer = gateway.client().with_key(KEY).chat(&request).await;
    assert_eq!(answer.status, 200);
    let asked = &hook.calls()[0];
    assert_eq!(
        asked.json(),
        json!({
            "version": 1, "request_id": answer.request_id(), "route": "chat", "pool": "chat", "method": "POST",
            "consumer": "app", "team": "claims", "data_class": "restricted",
            "operation": "/v1/chat/completions", "model": "sim-chat",
            "prompt_tokens": 8, "max_output_tokens": 128, "stream": true,
        })
    );
    let seen = format!("{} {:?}", asked.head, asked.body);
    assert!(!seen.contains("canary"), "{seen}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_has_the_hooks_words_and_no_backend_is_asked() {
    let (backend, hook) = (backend().await, FakeBackend::always(deny("claims may not use this model")).await);
    let gateway = gateway(&backend, &at(&hook), json!({})).await;
    let client = gateway.client().with_key(KEY);
    let answer = client.chat(&chat("hello")).await;
    assert_eq!((answer.status, answer.json()["error"]["code"].clone()), (403, json!("hook_refused")));
    assert_eq!(answer.json()["error"]["message"], "claims may not use this model");
    let record = gateway.access_log().record(answer.request_id()).await;
    assert_eq!(record.reason, Some(Reason::HookRefused));
    let piped = client.get("/tools/list").await;
    assert_eq!((piped.status, piped.json()["reason"].clone()), (403, json!("hook_refused")));
    assert_eq!(hook.calls()[1].json()["operation"], Value::Null, "nothing of it was read");
    assert_eq!(backend.requests().len(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn in_shadow_mode_a_refusal_is_only_counted() {
    let (backend, hook) = (backend().await, FakeBackend::always(deny("no")).await);
    let gateway = gateway(&backend, &at(&hook), json!({"mode": "shadow"})).await;
    let answer = gateway.client().with_key(KEY).chat(&chat("hello")).await;
    assert_eq!(answer.status, 200);
    let record = gateway.access_log().record(answer.request_id()).await;
    assert_eq!(record.would_refuse, [Reason::HookRefused]);
}

/// Hooks that give no decision, by name.
async fn broken() -> Vec<(&'static str, FakeBackend)> {
    let html = Reply::with(200, &[("content-type", "text/html")], "<html>sign in</html>");
    let huge = json!({"decision": "allow", "padding": "x".repeat(20_000)});
    let endless = Reply::steps(vec![
        Step::Write(Bytes::from_static(b"HTTP/1.1 200 OK\r\ncontent-length: 1000000000\r\n\r\n{")),
        Step::Hang,
    ]);
    let elsewhere = format!("http://{}/", nobody());
    let mut all = Vec::new();
    for (name, reply) in [
        ("silent", Reply::steps(vec![Step::Hang])),
        ("resetting", Reply::steps(vec![Step::Reset])),
        ("failing", Reply::json(500, &json!({"decision": "allow"}))),
        ("created", Reply::json(201, &json!({"decision": "allow"}))),
        ("redirecting", Reply::with(302, &[("location", &elsewhere)], "")),
        ("web page", html),
        ("wrong word", Reply::json(200, &json!({"decision": "ok"}))),
        ("huge", Reply::json(200, &huge)),
        ("endless", endless),
        ("no HTTP", Reply::steps(vec![Step::Write(Bytes::from_static(b"SSH-2.0-OpenSSH\r\n")), Step::Close])),
    ] {
        all.push((name, FakeBackend::always(reply).await));
    }
    all
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hook_that_gives_no_decision_is_no_yes_and_closed_means_closed() {
    let backend = backend().await;
    for (name, hook) in broken().await {
        let gateway = gateway(&backend, &at(&hook), json!({"timeout": "150ms"})).await;
        let answer = gateway.client().with_key(KEY).chat(&chat("hello")).await;
        assert_eq!(
            (answer.status, answer.json()["error"]["code"].clone()),
            (503, json!("hook_unavailable")),
            "{name}"
        );
        assert_eq!(answer.header("retry-after"), Some("1"), "{name}");
    }
    assert_eq!(backend.requests().len(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn open_lets_requests_through_when_there_is_no_decision() {
    let backend = backend().await;
    for (name, hook) in broken().await {
        let stance = json!({"timeout": "150ms", "onFailure": "open"});
        let gateway = gateway(&backend, &at(&hook), stance).await;
        assert_eq!(gateway.client().with_key(KEY).chat(&chat("hello")).await.status, 200, "{name}");
    }
    let nobody = format!("http://{}", nobody());
    let gateway = gateway(&backend, &nobody, json!({"onFailure": "open"})).await;
    assert_eq!(gateway.client().with_key(KEY).chat(&chat("hello")).await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn equal_questions_are_asked_once_however_many_ask_at_the_same_time() {
    let backend = backend().await;
    let pace = Arc::new(Semaphore::new(0));
    let body = json!({"decision": "allow"}).to_string();
    let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{body}", body.len());
    let hook = FakeBackend::always(Reply::steps(vec![
        Step::Await(Arc::clone(&pace)),
        Step::Write(Bytes::from(head)),
    ]))
    .await;
    let gateway = gateway(&backend, &at(&hook), json!({"cache": "60s", "timeout": "10s"})).await;
    let client = gateway.client().with_key(KEY);
    let (one, other) = (chat("hello"), chat("bye"));
    // Boxed, since each is large.
    let ask = |request| Box::pin(client.chat(request));
    let asking = async { tokio::join!(ask(&one), ask(&other), ask(&one), ask(&one)) };
    let release = async {
        hook.await_requests(1).await;
        pace.add_permits(1);
    };
    let (answers, ()) = within("answers", async { tokio::join!(asking, release) }).await;
    let statuses = [answers.0.status, answers.1.status, answers.2.status, answers.3.status];
    assert_eq!(statuses, [200; 4]);
    assert_eq!(client.chat(&one).await.status, 200, "and the answer is remembered");
    assert_eq!(hook.calls().len(), 1);
    let mut longer = chat("hello");
    longer["max_tokens"] = 1000.into();
    pace.add_permits(1);
    assert_eq!(client.chat(&longer).await.status, 200);
    assert_eq!(hook.calls().len(), 2, "other facts are another question");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_holds_for_no_time_is_not_remembered() {
    let backend = backend().await;
    let hook = FakeBackend::always(Reply::json(200, &json!({"decision": "allow", "ttl_s": 0}))).await;
    let gateway = gateway(&backend, &at(&hook), json!({"cache": "60s"})).await;
    for _ in 0..3 {
        assert_eq!(gateway.client().with_key(KEY).chat(&chat("hello")).await.status, 200);
    }
    assert_eq!(hook.calls().len(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dead_hook_costs_its_callers_no_time_after_a_few_of_them() {
    let (backend, hook) = (backend().await, FakeBackend::always(Reply::steps(vec![Step::Hang])).await);
    let stance = json!({"timeout": "100ms", "onFailure": "open"});
    let gateway = gateway(&backend, &at(&hook), stance).await;
    let client = gateway.client().with_key(KEY);
    for _ in 0..5 {
        assert_eq!(client.chat(&chat("hello")).await.status, 200);
    }
    let start = tokio::time::Instant::now();
    for _ in 0..20 {
        assert_eq!(client.chat(&chat("hello")).await.status, 200);
    }
    // Twenty timeouts would be two seconds; about one second of pause, one try and twenty answers are not.
    let asked = hook.connections();
    assert!(asked <= 7, "it was asked {asked} times in {:?}", start.elapsed());
}

#[tokio::test(flavor = "multi_thread")]
async fn open_policy_agent_is_asked_and_answers_in_its_own_form() {
    let backend = backend().await;
    let hook = FakeBackend::start(|_, received| {
        let restricted = received.json()["input"]["data_class"] == "restricted";
        let decision = if restricted { "deny" } else { "allow" };
        Reply::json(200, &json!({"result": {"decision": decision, "message": "restricted"}}))
    })
    .await;
    let gateway = gateway(&backend, &at(&hook), json!({"format": "opa"})).await;
    let answer = gateway.client().with_key(KEY).chat(&chat("hello")).await;
    assert_eq!((answer.status, answer.json()["error"]["message"].clone()), (403, json!("restricted")));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_secret_of_a_hook_is_sent_to_it_and_shown_nowhere() {
    let (backend, hook) = (backend().await, FakeBackend::always(allow()).await);
    let folder = tempfile::tempdir().unwrap();
    let secret = folder.path().join("hook.key");
    std::fs::write(&secret, "canary-hook-secret\n").unwrap();
    let header = json!({"name": "x-functions-key", "value": {"file": secret.to_str().unwrap()}});
    let gateway = gateway(&backend, &at(&hook), json!({"header": header})).await;
    let answer = gateway.client().with_key(KEY).chat(&chat("hello")).await;
    assert_eq!(hook.calls()[0].header("x-functions-key"), Some("canary-hook-secret"));
    let record = gateway.access_log().record(answer.request_id()).await;
    let status = gateway.status().await;
    let told = format!("{gateway:?} {status:?} {record:?} {}", gateway.access_log().text());
    assert!(!told.contains("canary-hook-secret"));
    tokio::time::timeout(Duration::from_secs(5), gateway.shutdown(Duration::from_secs(1))).await.unwrap();
}
