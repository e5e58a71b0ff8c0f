//! What policy changes of requests and answers on their way, seen by the backend and by the caller.

use e2e::backend::{FakeBackend, Reply};
use e2e::gateway::{TestGateway, chat};
use e2e::manifest::Manifest;
use serde_json::json;

#[tokio::test(flavor = "multi_thread")]
async fn headers_and_fields_are_edited_by_the_route_and_then_by_the_backend() {
    let backend = FakeBackend::always(Reply::completion("served")).await;
    let manifest = Manifest::new()
        .backend("one", backend.address())
        .set(
            "/routes/chat/rewrite",
            json!({
                "request": {
                    "headers": {"set": {"x-team": "claims", "x-both": "route"}},
                    "body": {
                        "default": {"temperature": 0.2},
                        "clamp": {"max_tokens": {"max": 64}},
                        "remove": ["logit_bias"],
                        "set": {"metadata.team": "claims"},
                    },
                    "systemPrefix": "Answer in English.",
                },
                "response": {"headers": {"set": {"x-served-for": "claims"}}},
            }),
        )
        .set("/backends/one/rewrite", json!({"request": {"headers": {"set": {"x-both": "backend"}}}}));
    let gateway = TestGateway::start(&manifest).await;
    let mut body = chat("hello");
    body["max_tokens"] = 4096.into();
    body["logit_bias"] = json!({"50256": -100});
    let answer = gateway.client().chat(&body).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert_eq!(answer.header("x-served-for"), Some("claims"));
    let sent = &backend.requests()[0];
    assert_eq!((sent.header("x-team"), sent.header("x-both")), (Some("claims"), Some("backend")));
    let sent = sent.json();
    assert_eq!((&sent["temperature"], &sent["max_tokens"]), (&json!(0.2), &json!(64)));
    assert_eq!((&sent["metadata"]["team"], sent.get("logit_bias")), (&json!("claims"), None));
    assert_eq!(sent["messages"][0], json!({"role": "system", "content": "Answer in English."}));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fallback_speaks_another_dialect_and_the_caller_never_sees_it() {
    let failing = FakeBackend::always(Reply::error(503, "server_error", &[])).await;
    let anthropic = FakeBackend::always(Reply::json(
        200,
        &json!({
            "id": "msg_1", "type": "message", "role": "assistant", "model": "claude",
            "content": [{"type": "text", "text": "carried over"}],
            "stop_reason": "end_turn", "stop_sequence": null,
            "usage": {"input_tokens": 3, "output_tokens": 2},
        }),
    ))
    .await;
    let manifest = Manifest::new()
        .backend("one", failing.address())
        .set("/identities/claude", json!({"apiKey": {"env": "PATH"}}))
        .set(
            "/backends/claude",
            json!({
                "kind": "anthropic", "url": format!("http://{}", anthropic.address()), "auth": "claude",
                "models": {"claude": {"price": {"input": "3 USD/1M", "output": "15 USD/1M"}}},
            }),
        )
        .set("/pools/spare", json!({"members": ["claude"], "strategy": "round-robin"}))
        .set("/pools/chat/fallback", json!({"to": "spare", "when": ["error"]}));
    let gateway = TestGateway::start(&manifest).await;
    let answer = gateway.client().chat(&chat("hello")).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert_eq!(answer.json()["choices"][0]["message"]["content"], "carried over");
    assert_eq!(answer.json()["usage"]["prompt_tokens"], 3);
    let sent = &anthropic.requests()[0];
    assert_eq!(sent.target, "/v1/messages");
    assert_eq!(sent.header("anthropic-version"), Some("2023-06-01"));
    assert_eq!((&sent.json()["model"], &sent.json()["max_tokens"].is_u64()), (&json!("claude"), &true));
    let record = gateway.access_log().record(answer.request_id()).await;
    assert_eq!(record.pool.as_deref(), Some("spare"));
    assert_eq!(record.cost_nanos, 3 * 3_000 + 2 * 15_000);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_read_passes_only_where_the_route_says_so() {
    let backend = FakeBackend::always(Reply::with(200, &[("content-type", "audio/mpeg")], "sound")).await;
    let manifest = Manifest::new()
        .backend("one", backend.address())
        .set("/routes/audio", json!({"match": {"path": "/v1/audio/*"}, "pool": "chat", "passThrough": true}))
        .set("/routes/rest", json!({"match": {"path": "/v1/*"}, "pool": "chat"}));
    let speech = json!({"model": "tts", "input": "hello", "voice": "alloy"});
    let open = TestGateway::start(&manifest).await;
    let answer = open.client().post("/v1/fine_tuning/jobs", &speech).await;
    assert_eq!((answer.status, answer.error_code().as_str()), (404, "unknown_route"));
    assert!(backend.requests().is_empty());
    let answer = open.client().post("/v1/audio/speech", &speech).await;
    assert_eq!((answer.status, answer.text().as_str()), (200, "sound"));
    assert_eq!(answer.header("x-sluicegate-backend"), Some("one/sim-chat"));
    let record = open.access_log().record(answer.request_id()).await;
    assert_eq!((record.status, record.attempts.len()), (200, 1));
}
