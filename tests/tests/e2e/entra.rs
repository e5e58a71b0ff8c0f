//! Backends that want a token of Microsoft Entra ID, and what callers notice of its coming and going.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use e2e::backend::{FakeBackend, Received, Reply};
use e2e::gateway::{Settings, TestGateway, chat};
use e2e::manifest::Manifest;
use e2e::wait::until_async;
use serde_json::json;
use tempfile::TempDir;
use vocabulary::Reason;

/// A token service that counts its tokens.
async fn tokens() -> FakeBackend {
    FakeBackend::start(|count, _| token(count)).await
}

fn token(count: usize) -> Reply {
    Reply::json(
        200,
        &json!({"access_token": format!("canary-{count}"), "expires_in": "3599", "token_type": "Bearer"}),
    )
}

/// An Azure backend `name` in the pool `chat`, presented tokens of the identity `machine`.
fn azure(manifest: Manifest, name: &str, backend: &FakeBackend) -> Manifest {
    manifest
        .backend_of(name, "azure-openai", &format!("http://{}", backend.address()))
        .set(&format!("/backends/{name}/auth"), "machine")
        .member("chat", name)
}

fn machine(manifest: Manifest, service: &FakeBackend) -> Manifest {
    let endpoint = format!("http://{}", service.address());
    manifest.set("/identities/machine/managedIdentity/endpoint", endpoint)
}

fn bearer(request: &Received) -> &str {
    request.header("authorization").expect("a credential")
}

async fn started(manifest: &Manifest, folder: &TempDir, time_scale: f64) -> TestGateway {
    let settings = Settings { folder: Some(folder.path().to_owned()), time_scale, ..Settings::default() };
    TestGateway::start_with(manifest, settings).await.unwrap_or_else(|error| panic!("{error}: {error:?}"))
}

/// Everything the gateway has left in its folder and below.
fn left_behind(folder: &Path) -> String {
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let text = |path: std::path::PathBuf| {
        if path.is_dir() {
            left_behind(&path)
        } else {
            String::from_utf8_lossy(&std::fs::read(&path).unwrap()).into_owned()
        }
    };
    entries.map(text).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn backends_of_one_identity_are_presented_the_same_token_from_the_first_request_on() {
    let (service, one, two) = (
        tokens().await,
        FakeBackend::always(Reply::completion("one")).await,
        FakeBackend::always(Reply::completion("two")).await,
    );
    let manifest = azure(azure(machine(Manifest::new(), &service), "a", &one), "b", &two);
    let folder = tempfile::tempdir().unwrap();
    let gateway = started(&manifest, &folder, 1.0).await;
    let mut shown = String::new();
    for _ in 0..4 {
        let answer = gateway.client().with_key("the-callers-own").chat(&chat("x")).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        gateway.access_log().record(answer.request_id()).await;
        shown.push_str(&format!("{} {:?}", answer.text(), answer.headers));
    }
    for backend in [&one, &two] {
        let requests = backend.requests();
        assert_eq!(requests.len(), 2);
        assert!(requests.iter().all(|request| bearer(request) == "Bearer canary-0"));
        assert!(requests.iter().all(|request| request.header("api-key").is_none()));
    }
    let asked = service.requests();
    assert_eq!(asked.len(), 1, "one token for both");
    assert_eq!(
        asked[0].target,
        "/metadata/identity/oauth2/token?api-version=2018-02-01\
         &resource=https%3A%2F%2Fcognitiveservices.azure.com"
    );
    assert_eq!(asked[0].header("metadata"), Some("true"));
    shown.push_str(&left_behind(folder.path()));
    assert!(!shown.contains("canary"), "a token shows: {shown}");
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_token_the_next_backend_serves_and_the_first_comes_back_with_one() {
    let up = Arc::new(AtomicBool::new(false));
    let is_up = Arc::clone(&up);
    let service = FakeBackend::start(move |count, _| {
        if is_up.load(Ordering::SeqCst) { token(count) } else { Reply::error(500, "down", &[]) }
    })
    .await;
    let entra = FakeBackend::always(Reply::completion("entra")).await;
    let other = FakeBackend::always(Reply::completion("other")).await;
    let manifest = azure(machine(Manifest::new(), &service), "a", &entra).backend("z", other.address());
    let folder = tempfile::tempdir().unwrap();
    // Failing so often it is left out for a while, which passes thirty times as fast here.
    let gateway = started(&manifest, &folder, 30.0).await;
    let mut reasons = Vec::new();
    for _ in 0..4 {
        let answer = gateway.client().chat(&chat("x")).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        let record = gateway.access_log().record(answer.request_id()).await;
        reasons.extend(record.attempts.iter().filter_map(|attempt| attempt.reason));
    }
    assert_eq!(reasons, [Reason::BackendCredential; 2]);
    assert!(entra.requests().is_empty(), "nothing is sent without a token");
    up.store(true, Ordering::SeqCst);
    until_async("the backend to serve again", async || {
        assert_eq!(gateway.client().chat(&chat("x")).await.status, 200);
        (!entra.requests().is_empty()).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn where_no_backend_has_a_token_the_caller_learns_whose_fault_it_is_and_no_more() {
    let service =
        FakeBackend::always(Reply::json(400, &json!({"error": "invalid_request", "x": "canary"}))).await;
    let backend = FakeBackend::always(Reply::completion("never")).await;
    let folder = tempfile::tempdir().unwrap();
    let gateway = started(&azure(machine(Manifest::new(), &service), "a", &backend), &folder, 1.0).await;
    let answer = gateway.client().chat(&chat("x")).await;
    assert_eq!(
        (answer.status, answer.error_code().as_str()),
        (502, "backend_credential"),
        "{}",
        answer.text()
    );
    assert!(
        !answer.text().contains("canary") && !answer.text().contains("invalid_request"),
        "{}",
        answer.text()
    );
    assert!(backend.requests().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_its_backend_refuses_is_replaced() {
    let service = tokens().await;
    let backend = FakeBackend::start(|_, request| match bearer(request) {
        "Bearer canary-0" => Reply::error(401, "expired", &[]),
        _ => Reply::completion("taken"),
    })
    .await;
    let folder = tempfile::tempdir().unwrap();
    // A token is not asked for again before half a minute, which takes a second here.
    let gateway = started(&azure(machine(Manifest::new(), &service), "a", &backend), &folder, 30.0).await;
    let answer = gateway.client().chat(&chat("x")).await;
    assert_eq!(answer.error_code(), "backend_auth");
    until_async("a token the backend takes", async || {
        (gateway.client().chat(&chat("x")).await.status == 200).then_some(())
    })
    .await;
    assert_eq!(service.requests().len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_application_signs_in_with_its_secret_or_with_what_its_platform_vouches() {
    let service = tokens().await;
    let authority = format!("http://{}", service.address());
    let secret = json!({"clientSecret": {"tenantId": "contoso", "clientId": "app-1",
        "clientSecret": {"file": "secret"}, "authority": authority.as_str()}});
    let federated = json!({"workloadIdentity": {"tenantId": "contoso", "clientId": "app-2",
        "tokenFile": "projected", "authority": authority.as_str()}});
    for (identity, form) in [
        (
            secret,
            "client_id=app-1&scope=https%3A%2F%2Fcognitiveservices.azure.com%2F.default&client_secret=canary-secret",
        ),
        (federated, "-type%3Ajwt-bearer&client_assertion=canary.projected.token"),
    ] {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("secret"), "canary-secret").unwrap();
        std::fs::write(folder.path().join("projected"), "canary.projected.token").unwrap();
        let backend = FakeBackend::always(Reply::completion("taken")).await;
        let manifest = azure(Manifest::new(), "a", &backend).set("/identities/machine", identity);
        let gateway = started(&manifest, &folder, 1.0).await;
        assert_eq!(gateway.client().chat(&chat("x")).await.status, 200);
        let asked = service.requests().pop().unwrap();
        assert_eq!((asked.method.as_str(), asked.target.as_str()), ("POST", "/contoso/oauth2/v2.0/token"));
        let body = String::from_utf8(asked.body.to_vec()).unwrap();
        assert!(body.starts_with("grant_type=client_credentials&") && body.ends_with(form), "{body}");
        assert!(bearer(&backend.requests()[0]).starts_with("Bearer canary-"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_piped_service_is_presented_a_token_too_and_the_callers_key_stays_here() {
    const KEY: &str = "sk-e2e-entra";
    let service = tokens().await;
    let backend = FakeBackend::always(Reply::with(200, &[], "")).await;
    let manifest = machine(Manifest::new(), &service)
        .set(
            "/backends/scores",
            json!({"kind": "azure-ml", "url": format!("http://{}", backend.address()), "auth": "machine"}),
        )
        .set("/pools/scores/strategy", "round-robin")
        .member("scores", "scores")
        .set("/routes", json!({"scores": {"match": {"path": "/score"}, "pool": "scores"}}))
        .without("/pools/chat")
        .consumer("team", KEY);
    let folder = tempfile::tempdir().unwrap();
    let gateway = started(&manifest, &folder, 1.0).await;
    let answer = gateway.client().with_key(KEY).with("x-api-key", "the-callers-own").get("/score").await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    let received = &backend.requests()[0];
    assert_eq!(bearer(received), "Bearer canary-0");
    assert!(!received.head.contains(KEY) && !received.head.contains("the-callers-own"), "{}", received.head);
    let asked = &service.requests()[0];
    assert!(asked.target.ends_with("&resource=https%3A%2F%2Fml.azure.com"), "{}", asked.target);
    assert!(!left_behind(folder.path()).contains("canary-0"));
}
