//! Which backends get traffic: those whose real answers are good, and among them those whose probe is.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use e2e::backend::{FakeBackend, Reply};
use e2e::gateway::{TestGateway, chat};
use e2e::manifest::Manifest;
use serde_json::{Value, json};

fn probe() -> Value {
    json!({"path": "/health", "interval": "100ms", "timeout": "1s", "unhealthyAfter": 2, "healthyAfter": 1})
}

fn probed(doubtful: &FakeBackend, sound: &FakeBackend) -> Manifest {
    Manifest::new()
        .backend("doubtful", doubtful.address())
        .backend("sound", sound.address())
        .set("/backends/doubtful/health", probe())
        .set("/backends/sound/health", probe())
        .set("/pools/chat/ejection", json!({"consecutiveFailures": 3, "base": "60s"}))
}

async fn sound() -> FakeBackend {
    FakeBackend::start(|_, request| match request.method.as_str() {
        "GET" => Reply::with(200, &[], ""),
        _ => Reply::completion("sound"),
    })
    .await
}

/// Sends requests, all of which must be served, and says how many asked `backend`.
async fn share_of(backend: &FakeBackend, gateway: &TestGateway, requests: usize) -> usize {
    let before = backend.calls().len();
    for _ in 0..requests {
        let answer = gateway.client().chat(&chat("x")).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
    }
    backend.calls().len() - before
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backend_with_a_green_probe_and_failing_answers_loses_its_traffic() {
    let failing = FakeBackend::start(|_, request| match request.method.as_str() {
        "GET" => Reply::with(200, &[], ""),
        _ => Reply::error(500, "cuda_error", &[]),
    })
    .await;
    let sound = sound().await;
    let gateway = TestGateway::start(&probed(&failing, &sound)).await;
    assert_eq!(
        share_of(&failing, &gateway, 6).await,
        3,
        "the pool takes turns until three failures in a row"
    );
    gateway.await_standing("chat", "doubtful/sim-chat", "ejected").await;
    let probes = failing.requests().len();
    failing.await_requests(probes + 3).await;
    assert_eq!(share_of(&failing, &gateway, 10).await, 0, "green probes must not bring it back");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backend_with_a_red_probe_loses_its_traffic_until_it_is_green_again() {
    let green = Arc::new(AtomicBool::new(false));
    let light = Arc::clone(&green);
    let doubtful = FakeBackend::start(move |_, request| match request.method.as_str() {
        "GET" => Reply::with(if light.load(Ordering::SeqCst) { 200 } else { 503 }, &[], ""),
        _ => Reply::completion("doubtful"),
    })
    .await;
    let sound = sound().await;
    let gateway = TestGateway::start(&probed(&doubtful, &sound)).await;
    gateway.await_standing("chat", "doubtful/sim-chat", "unhealthy").await;
    assert_eq!(share_of(&doubtful, &gateway, 10).await, 0);
    green.store(true, Ordering::SeqCst);
    gateway.await_standing("chat", "doubtful/sim-chat", "ready").await;
    e2e::wait::until_async("traffic to return", async || {
        (share_of(&doubtful, &gateway, 4).await > 0).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn when_every_probe_is_red_requests_are_still_tried() {
    let behave = |_, request: &e2e::backend::Received| match request.method.as_str() {
        "GET" => Reply::with(503, &[], ""),
        _ => Reply::completion("alive"),
    };
    let (one, two) = (FakeBackend::start(behave).await, FakeBackend::start(behave).await);
    let gateway = TestGateway::start(&probed(&one, &two)).await;
    gateway.await_standing("chat", "doubtful/sim-chat", "unhealthy").await;
    gateway.await_standing("chat", "sound/sim-chat", "unhealthy").await;
    assert_eq!(gateway.client().chat(&chat("x")).await.status, 200, "a doubtful backend is better than none");
}

#[tokio::test(flavor = "multi_thread")]
async fn probes_spend_no_tokens_and_carry_the_backends_credential() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("key"), "of-the-backend").unwrap();
    let backend = sound().await;
    let manifest = Manifest::new()
        .backend("a", backend.address())
        .set("/identities/provider/apiKey", json!({"file": "key"}))
        .set("/backends/a/auth", "provider")
        .set("/backends/a/health", probe());
    let settings = e2e::gateway::Settings { folder: Some(folder.path().to_owned()), ..Default::default() };
    let _gateway = TestGateway::start_with(&manifest, settings).await.unwrap();
    for request in backend.await_requests(4).await {
        assert_eq!((request.method.as_str(), request.target.as_str()), ("GET", "/health"));
        assert!(request.body.is_empty());
        assert_eq!(request.header("authorization"), Some("Bearer of-the-backend"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_probe_that_may_spend_asks_for_one_token() {
    let backend = sound().await;
    let manifest = Manifest::new()
        .backend("a", backend.address())
        .set("/backends/a/health", probe())
        .set("/backends/a/health/spendTokens", true);
    let _gateway = TestGateway::start(&manifest).await;
    let request = backend.await_requests(1).await.remove(0);
    assert_eq!((request.method.as_str(), request.target.as_str()), ("POST", "/v1/chat/completions"));
    assert_eq!(request.json()["max_tokens"], 1);
}
