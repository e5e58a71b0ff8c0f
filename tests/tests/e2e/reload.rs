//! Changing policy while traffic flows: swapped whole or not at all, and no request notices.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use e2e::backend::{FakeBackend, Reply, stream_body};
use e2e::binary::{Running, sluicegate};
use e2e::client::{Answer, Client};
use e2e::gateway::{Settings, TestGateway, chat, chat_stream};
use e2e::manifest::Manifest;
use http::Method;
use http_body_util::{BodyExt, Full};
use rustix::process::Signal;
use serde_json::json;
use sluicegate::policy::Source;
use tempfile::TempDir;
use tokio::sync::Semaphore;

const TOKEN: &str = "e2e-admin-token";

async fn two() -> (FakeBackend, FakeBackend) {
    (FakeBackend::always(Reply::completion("old")).await, FakeBackend::always(Reply::completion("new")).await)
}

fn only(backend: &FakeBackend) -> Manifest {
    Manifest::new().backend("a", backend.address())
}

async fn said(client: &Client) -> String {
    let answer = client.chat(&chat("x")).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer.json()["choices"][0]["message"]["content"].as_str().unwrap().to_owned()
}

/// A gateway whose policy is published, with a token.
async fn published(manifest: Manifest) -> (TestGateway, TempDir) {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("token"), TOKEN).unwrap();
    (restarted(manifest, &folder).await, folder)
}

fn with_token(manifest: Manifest) -> Manifest {
    manifest.set("/admin/token", json!({"file": "token"}))
}

async fn restarted(manifest: Manifest, folder: &TempDir) -> TestGateway {
    let settings =
        Settings { source: Source::Api, folder: Some(folder.path().to_owned()), ..Settings::default() };
    TestGateway::start_with(&with_token(manifest), settings).await.unwrap()
}

async fn put(admin: &Client, manifest: &str) -> Answer {
    let body = Full::new(manifest.to_owned().into()).boxed();
    admin.send(admin.request(Method::PUT, "/v1/manifest", body)).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_changed_file_is_picked_up() {
    let (old, new) = two().await;
    let gateway = TestGateway::start(&only(&old)).await;
    assert_eq!(said(&gateway.client()).await, "old");
    gateway.write_manifest(&only(&new).text());
    gateway.await_generation(2).await;
    assert_eq!(said(&gateway.client()).await, "new");
}

/// The access log lies beside the manifest, and is written to all the while.
#[tokio::test(flavor = "multi_thread")]
async fn a_changed_file_is_picked_up_under_load() {
    let (old, new) = two().await;
    let gateway = TestGateway::start(&only(&old)).await;
    let load = async { while said(&gateway.client()).await == "old" {} };
    gateway.write_manifest(&only(&new).text());
    e2e::wait::within("the new policy", Box::pin(load)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bad_manifest_changes_nothing_and_the_status_says_why() {
    let (old, new) = two().await;
    let gateway = TestGateway::start(&only(&old)).await;
    let digest = gateway.status().await.digest;
    for (bad, part) in [
        (only(&new).set("/pools/chat/stratgy", "adaptive").text(), "stratgy"),
        ("listeners: [".to_owned(), ""),
        (only(&new).set("/routes/chat/pool", "nowhere").text(), "nowhere"),
        (only(&new).set("/listeners/other", json!({"address": "127.0.0.1:0"})).text(), "needs restart"),
        (
            only(&new)
                .set("/identities/x/apiKey", json!({"env": "SLUICEGATE_E2E_UNSET"}))
                .set("/backends/a/auth", "x")
                .text(),
            "SLUICEGATE_E2E_UNSET",
        ),
    ] {
        gateway.write_manifest(&bad);
        let rejection = e2e::wait::until_async("the rejection", async || {
            let rejection = gateway.status().await.last_rejection?;
            rejection.findings.iter().any(|finding| finding.contains(part)).then_some(rejection)
        })
        .await;
        assert!(!rejection.findings.is_empty() && rejection.at_ms > 0);
        let status = gateway.status().await;
        assert_eq!((status.generation, &status.digest), (1, &digest));
        assert_eq!(said(&gateway.client()).await, "old");
    }
    gateway.write_manifest(&only(&new).text());
    gateway.await_generation(2).await;
    assert_eq!(gateway.status().await.last_rejection, None, "what was mended is no longer shown");
}

#[tokio::test(flavor = "multi_thread")]
async fn publishing_wants_the_token_and_the_generation_it_was_based_on() {
    let (old, new) = two().await;
    let (gateway, _folder) = published(only(&old)).await;
    let next = with_token(only(&new)).text();
    let nobody = gateway.admin();
    assert_eq!(put(&nobody, &next).await.status, 401);
    assert_eq!(nobody.get("/v1/status").await.status, 401, "reading wants it too once there is one");
    assert_eq!(put(&nobody.with_key("wrong"), &next).await.status, 401);
    let admin = gateway.admin().with_key(TOKEN);
    assert_eq!(put(&admin, &next).await.status, 428);
    let tag = admin.get("/v1/manifest").await.header("etag").unwrap().to_owned();
    let stale = put(&admin.clone().with("if-match", "\"7\""), &next).await;
    assert_eq!((stale.status, stale.header("etag")), (412, Some(tag.as_str())));
    assert_eq!(said(&gateway.client()).await, "old");
    let accepted = put(&admin.clone().with("if-match", &tag), &next).await;
    assert_eq!((accepted.status, accepted.header("etag")), (200, Some("\"2\"")), "{}", accepted.text());
    assert_eq!(said(&gateway.client()).await, "new");
    let again = put(&admin.clone().with("if-match", &tag), &next).await;
    assert_eq!(again.status, 412, "the tag has been used up");
    let rejected = put(&admin.with("if-match", "\"2\""), "apiVersion: sluicegate/v9").await;
    assert_eq!(rejected.status, 422);
    assert!(!rejected.json()["findings"].as_array().unwrap().is_empty(), "{}", rejected.text());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_published_survives_a_restart() {
    let (old, new) = two().await;
    let (gateway, folder) = published(only(&old)).await;
    let next = with_token(only(&new)).text();
    let admin = gateway.admin().with_key(TOKEN).with("if-match", "*");
    assert_eq!(put(&admin, &next).await.status, 200);
    gateway.shutdown(std::time::Duration::from_secs(1)).await;
    let gateway = restarted(only(&old), &folder).await;
    let kept = gateway.admin().with_key(TOKEN).get("/v1/manifest").await;
    assert_eq!((kept.header("etag"), kept.text()), (Some("\"2\""), next));
    assert_eq!(said(&gateway.client()).await, "new");
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_token_or_with_a_file_as_source_nothing_can_be_published() {
    let (old, new) = two().await;
    let settings = Settings { source: Source::Api, ..Settings::default() };
    let without_token = TestGateway::start_with(&only(&old), settings).await.unwrap();
    let refused = put(&without_token.admin().with("if-match", "*"), &only(&new).text()).await;
    assert_eq!(refused.status, 403, "{}", refused.text());
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("token"), TOKEN).unwrap();
    let settings = Settings { folder: Some(folder.path().to_owned()), ..Settings::default() };
    let from_file = TestGateway::start_with(&with_token(only(&old)), settings).await.unwrap();
    let refused = put(&from_file.admin().with_key(TOKEN).with("if-match", "*"), &only(&new).text()).await;
    assert_eq!(refused.status, 409, "{}", refused.text());
}

#[tokio::test(flavor = "multi_thread")]
async fn two_hundred_reloads_under_load_fail_no_request() {
    let (old, new) = two().await;
    let (gateway, _folder) = published(only(&old)).await;
    let manifests =
        [with_token(only(&new).backend("b", old.address())), with_token(only(&old))].map(|one| one.text());
    let done = AtomicBool::new(false);
    let publish = async {
        let admin = gateway.admin().with_key(TOKEN).with("if-match", "*");
        for turn in 0..200 {
            let answer = put(&admin, &manifests[turn % 2]).await;
            assert_eq!(answer.status, 200, "{}", answer.text());
        }
        done.store(true, Ordering::SeqCst);
    };
    let load = async || {
        let mut served = 0;
        while !done.load(Ordering::SeqCst) {
            assert!(["old", "new"].contains(&said(&gateway.client()).await.as_str()));
            served += 1;
        }
        served
    };
    let ((), a, b, c) = tokio::join!(publish, load(), load(), load());
    assert!(a + b + c >= 200, "only {} requests were sent meanwhile", a + b + c);
    let admin = gateway.admin().with_key(TOKEN);
    assert_eq!(admin.get("/v1/manifest").await.header("etag"), Some("\"201\""));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_in_flight_outlives_the_backend_it_comes_from() {
    let pace = Arc::new(Semaphore::new(3));
    let events = stream_body(&["one", " two"]);
    let old = FakeBackend::always(Reply::paced(&events, &pace)).await;
    let new = FakeBackend::always(Reply::completion("new")).await;
    let gateway = TestGateway::start(&only(&old)).await;
    let mut stream = gateway.client().chat_events(&chat_stream("x")).await;
    stream.next().await.unwrap();
    gateway.write_manifest(&Manifest::new().backend("z", new.address()).text());
    gateway.await_generation(2).await;
    assert_eq!(said(&gateway.client()).await, "new");
    pace.add_permits(10);
    let rest = stream.rest().await;
    assert!(rest.last().unwrap().is_done() && stream.ended_well());
    let record = gateway.access_log().record(&stream.request_id()).await;
    assert_eq!(
        record.backend.as_deref(),
        Some("a/sim-chat"),
        "it is accounted under the policy it came in with"
    );
}

/// The manifest stays as it is, so that watching the file cannot be what reloads it.
#[tokio::test(flavor = "multi_thread")]
async fn sighup_reads_a_rotated_credential() {
    let Some(program) = sluicegate() else { return };
    let backend = FakeBackend::always(Reply::completion("ok")).await;
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).display().to_string();
    let manifest = only(&backend)
        .set("/identities/provider/apiKey", json!({"file": "keys/provider"}))
        .set("/backends/a/auth", "provider");
    std::fs::create_dir(path("keys")).unwrap();
    std::fs::write(path("keys/provider"), "first").unwrap();
    std::fs::write(path("gateway.yaml"), manifest.text()).unwrap();
    let gateway = Running::start(&program, &["run", "--manifest", &path("gateway.yaml")], &[]);
    let client = Client::new(gateway.listener("main").await);
    gateway.says("sluicegate: ready").await;
    let shown = async || {
        assert_eq!(client.chat(&chat("x")).await.status, 200);
        backend.requests().pop().unwrap().header("authorization").unwrap().to_owned()
    };
    assert_eq!(shown().await, "Bearer first");
    std::fs::write(path("keys/provider"), "second").unwrap();
    gateway.signal(Signal::HUP);
    e2e::wait::until_async("the new credential", async || (shown().await == "Bearer second").then_some(()))
        .await;
    std::fs::write(path("gateway.yaml"), "nonsense: true\n").unwrap();
    gateway.signal(Signal::HUP);
    gateway.says("the manifest was rejected").await;
    assert_eq!(shown().await, "Bearer second");
}
