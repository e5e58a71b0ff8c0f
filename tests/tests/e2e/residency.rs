//! Residency through real sockets: where a team's data goes under faults, piped routes included, and what is
//! written down of it.

use e2e::backend::{FakeBackend, Reply};
use e2e::gateway::{TestGateway, chat};
use e2e::manifest::Manifest;
use serde_json::json;
use vocabulary::Reason;

const KEY: &str = "sk-e2e-residency";

struct Stand {
    inside: FakeBackend,
    outside: FakeBackend,
    gateway: TestGateway,
}

/// A server in Sweden that answers with `status`, one in the United States, and a piped service in each.
async fn stand(status: u16, residency: &str) -> Stand {
    let inside = match status {
        200 => FakeBackend::always(Reply::completion("hej")).await,
        status => FakeBackend::always(Reply::error(status, "scripted", &[])).await,
    };
    let outside = FakeBackend::always(Reply::completion("hi")).await;
    let manifest = Manifest::new()
        .backend("se", inside.address())
        .backend("us", outside.address())
        .set("/backends/se/processing", "se")
        .set("/backends/us/processing", "us")
        .backend_of("spare", "openai", &format!("http://{}", outside.address()))
        .set("/pools/spare", json!({"members": ["spare"]}))
        .set("/pools/chat/fallback", json!({"to": "spare", "when": ["exhausted", "error"]}))
        .service("tools-se", inside.address(), "tools")
        .service("tools-us", outside.address(), "tools")
        .set("/backends/tools-se/region", "swedencentral")
        .set("/backends/tools-us/region", "eastus")
        .set("/routes/tools", json!({"match": {"path": "/tools/*"}, "pool": "tools"}))
        .consumer("app", KEY)
        .consumer("other", "sk-anywhere")
        .set("/consumers/app/team", "claims")
        .set("/teams/claims", json!({"residency": residency}));
    Stand { inside, outside, gateway: TestGateway::start(&manifest).await }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_teams_data_never_leaves_whatever_fails_and_the_log_says_where_it_was() {
    let stand = stand(500, "eu").await;
    let client = stand.gateway.client().with_key(KEY);
    for _ in 0..6 {
        let answer = client.chat(&chat("hello")).await;
        assert_ne!(answer.status, 200, "nobody inside works");
        let record = stand.gateway.access_log().record(answer.request_id()).await;
        assert!(!record.attempts.is_empty());
        assert!(record.attempts.iter().all(|attempt| attempt.processing.as_deref() == Some("se")));
    }
    for _ in 0..6 {
        client.get("/tools/list").await;
    }
    assert!(stand.inside.requests().len() >= 12);
    assert_eq!(stand.outside.requests().len(), 0, "an attempt went outside");
    let anybody = stand.gateway.client().with_key("sk-anywhere");
    assert_eq!(anybody.chat(&chat("hello")).await.status, 200, "who has no residency goes on");
}

#[tokio::test(flavor = "multi_thread")]
async fn where_nothing_is_left_the_refusal_says_that_it_is_residency() {
    let backend = FakeBackend::always(Reply::completion("hi")).await;
    let manifest = Manifest::new()
        .backend("us", backend.address())
        .set("/backends/us/processing", "us")
        .backend_of("se", "openai", &format!("http://{}", backend.address()))
        .set("/backends/se/processing", "se")
        .set("/pools/inside", json!({"members": ["se"]}))
        .set("/routes/completions/pool", "inside")
        .service("tools", backend.address(), "tools")
        .set("/routes/tools", json!({"match": {"path": "/tools/*"}, "pool": "tools"}))
        .consumer("app", KEY)
        .set("/consumers/app/team", "claims")
        .set("/teams/claims", json!({"residency": "eu"}));
    let gateway = TestGateway::start(&manifest).await;
    let client = gateway.client().with_key(KEY);
    let answer = client.chat(&chat("hello")).await;
    assert_eq!((answer.status, answer.json()["error"]["code"].clone()), (403, json!("residency")));
    let record = gateway.access_log().record(answer.request_id()).await;
    assert_eq!((record.reason, record.attempts.len()), (Some(Reason::Residency), 0));
    let piped = client.get("/tools/list").await;
    assert_eq!((piped.status, piped.json()["reason"].clone()), (403, json!("residency")));
    assert_eq!(backend.requests().len(), 0);
}
