//! Ways in to a backend: keys that change, private authorities, certificates of our own, proxies.

use std::net::SocketAddr;
use std::path::Path;

use e2e::backend::{FakeBackend, Reply, nobody};
use e2e::egress::{AUTHORIZATION, EgressProxy};
use e2e::gateway::{Settings, TestGateway, chat};
use e2e::manifest::Manifest;
use e2e::tls::{Authority, Terminator, terminate, terminate_with};
use e2e::wait::until_async;
use serde_json::{Value, json};
use vocabulary::Reason;

async fn started(manifest: &Manifest, folder: &Path) -> TestGateway {
    started_at(manifest, folder, 1.0).await
}

async fn started_at(manifest: &Manifest, folder: &Path, time_scale: f64) -> TestGateway {
    let settings = Settings { folder: Some(folder.to_owned()), time_scale, ..Settings::default() };
    TestGateway::start_with(manifest, settings).await.unwrap_or_else(|error| panic!("{error}: {error:?}"))
}

/// The backend `name` over TLS at `address`.
fn over_tls(manifest: Manifest, name: &str, address: SocketAddr, tls: Value) -> Manifest {
    manifest
        .backend_of(name, "openai", &format!("https://localhost:{}", address.port()))
        .set(&format!("/backends/{name}/tls"), tls)
        .member("chat", name)
}

fn trusting() -> Value {
    json!({"ca": {"file": "ca.pem"}})
}

fn with_certificate() -> Value {
    let own = json!({"certificate": {"file": "certificate.pem"}, "key": {"file": "key.pem"}});
    json!({"ca": {"file": "ca.pem"}, "clientCertificate": own})
}

/// Sends requests that must all be served; gives the reasons of failed attempts.
async fn all_are_served(gateway: &TestGateway, count: usize) -> Vec<Reason> {
    let mut reasons = Vec::new();
    for _ in 0..count {
        let answer = gateway.client().chat(&chat("x")).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        let record = gateway.access_log().record(answer.request_id()).await;
        reasons.extend(record.attempts.iter().filter_map(|attempt| attempt.reason));
    }
    reasons
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_changes_in_its_file_is_presented_without_a_reload() {
    let backend = FakeBackend::always(Reply::completion("ok")).await;
    let folder = tempfile::tempdir().unwrap();
    // Apart from the manifest, so that watching that cannot be what notices.
    std::fs::create_dir(folder.path().join("keys")).unwrap();
    let key = folder.path().join("keys/provider");
    std::fs::write(&key, "first").unwrap();
    let manifest = Manifest::new()
        .backend("a", backend.address())
        .set("/identities/provider/apiKey", json!({"file": "keys/provider"}))
        .set("/backends/a/auth", "provider");
    let gateway = started(&manifest, folder.path()).await;
    let shown = async || {
        assert_eq!(gateway.client().chat(&chat("x")).await.status, 200);
        backend.requests().pop().unwrap().header("authorization").unwrap().to_owned()
    };
    assert_eq!(shown().await, "Bearer first");
    std::fs::write(&key, "second").unwrap();
    until_async("the new key", async || (shown().await == "Bearer second").then_some(())).await;
    assert_eq!(gateway.status().await.generation, 1, "no other policy");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_its_backend_refuses_is_read_again_at_once() {
    let backend = FakeBackend::start(|_, request| match request.header("authorization") {
        Some("Bearer revoked") => Reply::error(401, "invalid_api_key", &[]),
        _ => Reply::completion("ok"),
    })
    .await;
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("key"), "revoked").unwrap();
    let manifest = Manifest::new()
        .backend("a", backend.address())
        .set("/identities/provider/apiKey", json!({"file": "key"}))
        .set("/backends/a/auth", "provider");
    let gateway = started_at(&manifest, folder.path(), 30.0).await;
    std::fs::write(folder.path().join("key"), "valid").unwrap();
    until_async("the valid key", async || {
        (gateway.client().chat(&chat("x")).await.status == 200).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backend_of_an_authority_nobody_trusts_costs_no_request() {
    let (ours, other) = (Authority::new(), Authority::new());
    let backend = FakeBackend::always(Reply::completion("private")).await;
    let serving = FakeBackend::always(Reply::completion("serving")).await;
    let tls = terminate(&ours.sign(), backend.address()).await;
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("ca.pem"), other.pem()).unwrap();
    let manifest = over_tls(Manifest::new(), "a", tls.address(), trusting())
        .set("/backends/a/timeouts/connect", "60s")
        .backend("z", serving.address());
    // Failing so often it is left out for a while, which passes thirty times as fast here.
    let gateway = started_at(&manifest, folder.path(), 30.0).await;
    assert_eq!(all_are_served(&gateway, 4).await, [Reason::BackendTls; 2]);
    assert!(backend.requests().is_empty(), "nothing is sent to whom we do not trust");
    // The right authority, in the same file: nobody has to be told.
    std::fs::write(folder.path().join("ca.pem"), ours.pem()).unwrap();
    until_async("trust", async || {
        all_are_served(&gateway, 1).await;
        (!backend.requests().is_empty()).then_some(())
    })
    .await;
}

/// A backend that lets in only whom `clients` vouches for.
async fn wary(ours: &Authority, clients: &Authority, backend: &FakeBackend) -> Terminator {
    terminate_with(ours.sign().server_for(clients), backend.address()).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backend_that_wants_to_know_us_is_shown_our_certificate() {
    let (ours, clients) = (Authority::new(), Authority::new());
    let backend = FakeBackend::always(Reply::completion("wary")).await;
    let tls = wary(&ours, &clients, &backend).await;
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("ca.pem"), ours.pem()).unwrap();
    clients.sign().write(folder.path());
    let gateway =
        started(&over_tls(Manifest::new(), "a", tls.address(), with_certificate()), folder.path()).await;
    assert_eq!(all_are_served(&gateway, 3).await, []);
    assert_eq!(backend.connections(), 1, "the connection is used again");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backend_that_does_not_know_us_is_passed_over() {
    let (ours, clients, strangers) = (Authority::new(), Authority::new(), Authority::new());
    let backend = FakeBackend::always(Reply::completion("wary")).await;
    let serving = FakeBackend::always(Reply::completion("serving")).await;
    let tls = wary(&ours, &clients, &backend).await;
    for shown in [trusting(), with_certificate()] {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("ca.pem"), ours.pem()).unwrap();
        strangers.sign().write(folder.path());
        let manifest = over_tls(Manifest::new(), "a", tls.address(), shown).backend("z", serving.address());
        let gateway = started(&manifest, folder.path()).await;
        assert_eq!(all_are_served(&gateway, 4).await, [Reason::BackendTls; 2]);
    }
    assert!(backend.requests().is_empty());
}

fn behind(manifest: Manifest, name: &str, proxy: &str) -> Manifest {
    let egress = json!({"url": proxy, "authorization": {"file": "proxy"}});
    manifest.set(&format!("/backends/{name}/egressProxy"), egress)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backend_only_its_proxy_can_resolve_is_reached_through_it() {
    let ours = Authority::new();
    let backend = FakeBackend::always(Reply::completion("far")).await;
    let tls = terminate(&ours.sign(), backend.address()).await;
    let proxy = EgressProxy::start(tls.address()).await;
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("ca.pem"), ours.pem()).unwrap();
    std::fs::write(folder.path().join("proxy"), AUTHORIZATION).unwrap();
    let manifest = Manifest::new()
        .backend_of("a", "openai", "https://model.invalid")
        .set("/backends/a/tls", json!({"ca": {"file": "ca.pem"}, "serverName": "localhost"}))
        .member("chat", "a");
    let gateway = started(&behind(manifest, "a", &proxy.url()), folder.path()).await;
    assert_eq!(all_are_served(&gateway, 3).await, []);
    assert_eq!(proxy.asked(), ["model.invalid:443"], "asked once, then used again");
    let received = backend.requests();
    assert_eq!(received[0].header("host"), Some("model.invalid"));
    assert!(received.iter().all(|request| !request.head.contains("proxy-authorization")));
    assert!(!gateway.access_log().text().contains("canary"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_proxy_that_refuses_or_is_not_there_costs_no_request() {
    let backend = FakeBackend::always(Reply::completion("far")).await;
    let serving = FakeBackend::always(Reply::completion("serving")).await;
    let proxy = EgressProxy::start(backend.address()).await;
    for url in [proxy.url(), format!("http://{}", nobody())] {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("proxy"), "Basic canary-of-another").unwrap();
        let manifest = Manifest::new().backend_of("a", "openai", "http://model.invalid").member("chat", "a");
        let manifest = behind(manifest, "a", &url).backend("z", serving.address());
        let gateway = started(&manifest, folder.path()).await;
        assert_eq!(all_are_served(&gateway, 4).await, [Reason::BackendConnect; 2], "{url}");
        assert!(!gateway.access_log().text().contains("canary"));
    }
    assert!(backend.requests().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn piped_services_behind_one_proxy_are_told_apart() {
    let backend = FakeBackend::always(Reply::with(200, &[], "")).await;
    let proxy = EgressProxy::start(backend.address()).await;
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("proxy"), AUTHORIZATION).unwrap();
    let service = |manifest: Manifest, name: &str| {
        let url = format!("http://{name}.invalid");
        let manifest = manifest
            .set(&format!("/backends/{name}"), json!({"kind": "http", "url": url}))
            .member("tools", name);
        behind(manifest, name, &proxy.url())
    };
    let manifest = service(service(Manifest::new().backend("a", nobody()), "one"), "two")
        .set("/pools/tools/strategy", "round-robin")
        .set("/routes/tools", json!({"match": {"path": "/tools/*"}, "pool": "tools"}));
    let gateway = started(&manifest, folder.path()).await;
    for _ in 0..4 {
        assert_eq!(gateway.client().get("/tools/x").await.status, 200);
    }
    let mut asked = proxy.asked();
    asked.sort();
    assert_eq!(asked, ["one.invalid:80", "two.invalid:80"], "one connection for each, used again");
    let hosts: Vec<_> = backend.requests().iter().map(|one| one.header("host").unwrap().to_owned()).collect();
    assert_eq!(hosts.iter().filter(|host| *host == "one.invalid").count(), 2, "{hosts:?}");
}
