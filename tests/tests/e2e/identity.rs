//! Who calls: tokens of a real issuer, keys issued while the gateway runs, and administrators by role.

use std::path::Path;

use e2e::backend::{FakeBackend, Reply};
use e2e::client::{Answer, Client};
use e2e::gateway::{Settings, TestGateway, chat};
use e2e::issuer::Issuer;
use e2e::manifest::{Manifest, sha256};
use e2e::tls::Authority;
use e2e::wait::until_async;
use http::Method;
use http_body_util::{BodyExt, Full};
use serde_json::{Value, json};
use vocabulary::admin::keys::{IssuedKey, IssuedKeys};

const KEY: &str = "sk-e2e-canary-of-the-manifest";
const OPERATOR: &str = "canary-operator-token";
const PUBLISHER: &str = "canary-publisher-token";

async fn started(manifest: &Manifest, folder: &Path, time_scale: f64) -> TestGateway {
    let settings = Settings { folder: Some(folder.to_owned()), time_scale, ..Settings::default() };
    TestGateway::start_with(manifest, settings).await.unwrap_or_else(|error| panic!("{error:?}"))
}

async fn asked(client: &Client, method: Method, path: &str, body: &Value) -> Answer {
    let body = Full::new(body.to_string().into()).boxed();
    client.send(client.request(method, path, body)).await
}

/// A backend, a consumer with a key, and administrators of each role.
async fn manifest() -> (FakeBackend, Manifest) {
    let backend = FakeBackend::always(Reply::completion("ok")).await;
    let role = |token: &str, role: &str| json!({"sha256": sha256(token), "role": role});
    let manifest = Manifest::new()
        .backend("a", backend.address())
        .consumer("team", KEY)
        .set("/admin/tokens/oncall", role(OPERATOR, "operator"))
        .set("/admin/tokens/ci", role(PUBLISHER, "publisher"))
        .set("/admin/tokens/wall", role("canary-viewer-token", "viewer"));
    (backend, manifest)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_of_an_issuer_opens_the_gateway_and_a_withdrawn_key_closes_it() {
    let issuer = Issuer::start().await;
    let (_backend, manifest) = manifest().await;
    let manifest = manifest.set("/issuers/corp", issuer.section());
    let folder = tempfile::tempdir().unwrap();
    // Five minutes of refreshing pass in three seconds.
    let gateway = started(&manifest, folder.path(), 100.0).await;
    let first = issuer.token("ada", &json!({}));
    let status = async |token: &str| gateway.client().with_key(token).chat(&chat("x")).await.status;
    until_async("the issuer's keys", async || (status(&first).await == 200).then_some(())).await;
    issuer.rotate("k2");
    let second = issuer.token("ada", &json!({}));
    until_async("the issuer's next key", async || (status(&second).await == 200).then_some(())).await;
    until_async("the withdrawn key to be forgotten", async || (status(&first).await == 401).then_some(()))
        .await;
    let other = issuer.token("ada", &json!({"aud": "api://other"}));
    let answer = gateway.client().with_key(&other).chat(&chat("x")).await;
    assert_eq!((answer.status, answer.error_code().as_str()), (401, "invalid_token"));
    let old = issuer.token("ada", &json!({"exp": 1}));
    assert_eq!(gateway.client().with_key(&old).chat(&chat("x")).await.error_code(), "expired_token");
    let log = gateway.access_log().text();
    for token in [&first, &second, &other, &old] {
        assert!(!log.contains(token.rsplit('.').next().unwrap()), "a token in the access log");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_at_hand_outlive_their_issuer_and_only_an_issuer_never_heard_of_is_unavailable() {
    let (issuer, silent) = (Issuer::start().await, Issuer::start().await);
    silent.is_away(true);
    let (_backend, manifest) = manifest().await;
    let manifest = manifest.set("/issuers/corp", issuer.section()).set("/issuers/silent", silent.section());
    let folder = tempfile::tempdir().unwrap();
    let gateway = started(&manifest, folder.path(), 1.0).await;
    let status = async |token: &str| gateway.client().with_key(token).chat(&chat("x")).await;
    let token = issuer.token("ada", &json!({}));
    until_async("the issuer's keys", async || (status(&token).await.status == 200).then_some(())).await;
    issuer.is_away(true);
    assert_eq!(status(&issuer.token("eve", &json!({}))).await.status, 200);
    let before = issuer.asked();
    issuer.rotate("k9");
    for _ in 0..5 {
        assert_eq!(status(&issuer.token("eve", &json!({}))).await.error_code(), "invalid_token");
    }
    assert!(
        issuer.asked() <= before + 1,
        "nonsense makes nobody ask the issuer more than once in ten seconds"
    );
    let answer = status(&silent.token("ada", &json!({}))).await;
    assert_eq!((answer.status, answer.error_code().as_str()), (503, "issuer_unavailable"));
    assert!(answer.header("retry-after").is_some());
    let key = gateway.client().with_key(KEY).chat(&chat("x")).await;
    assert_eq!(key.status, 200, "keys need no issuer");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_issued_key_works_at_once_survives_a_restart_and_ends_when_revoked() {
    let (_backend, manifest) = manifest().await;
    let folder = tempfile::tempdir().unwrap();
    let gateway = started(&manifest, folder.path(), 1.0).await;
    let admin = gateway.admin().with_key(OPERATOR);
    let answer =
        asked(&admin, Method::POST, "/v1/keys", &json!({"consumer": "team", "name": "laptop"})).await;
    assert_eq!(answer.status, 201, "{}", answer.text());
    let issued: IssuedKey = answer.parsed();
    assert_eq!(issued.known.issued_by, "oncall");
    let served = async |gateway: &TestGateway, key: &str| {
        let answer = gateway.client().with_key(key).chat(&chat("x")).await;
        (answer.status, gateway.access_log().record(answer.request_id()).await)
    };
    let (status, record) = served(&gateway, &issued.key).await;
    assert_eq!((status, record.consumer.as_deref()), (200, Some("team")));
    assert_eq!(gateway.admin().with_key(OPERATOR).get("/v1/status").await.json()["overlay_version"], 1);
    gateway.shutdown(std::time::Duration::from_secs(1)).await;

    let gateway = started(&manifest, folder.path(), 1.0).await;
    assert_eq!(served(&gateway, &issued.key).await.0, 200);
    let admin = gateway.admin().with_key(OPERATOR);
    let path = format!("/v1/keys/{}", issued.known.id);
    let rotated: IssuedKey =
        asked(&admin, Method::POST, &format!("{path}/rotate"), &json!({"overlap_s": 3600})).await.parsed();
    assert_eq!(asked(&admin, Method::DELETE, &path, &json!({})).await.status, 200);
    let answer = gateway.client().with_key(&issued.key).chat(&chat("x")).await;
    assert_eq!((answer.status, answer.error_code().as_str()), (401, "expired_key"));
    assert_eq!(served(&gateway, &rotated.key).await.0, 200);
    let listed: IssuedKeys = admin.get("/v1/keys").await.parsed();
    assert_eq!((listed.version, listed.keys.len()), (3, 2));

    let mut kept = gateway.access_log().text() + &admin.get("/v1/keys").await.text();
    kept += &std::fs::read_to_string(folder.path().join("state/overlay.json")).unwrap();
    for key in [&issued.key, &rotated.key] {
        assert!(!kept.contains(key.as_str()), "a key was written down");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn each_listener_takes_its_own_ways_in_and_takes_others_after_a_reload() {
    let issuer = Issuer::start().await;
    let (_backend, manifest) = manifest().await;
    let people = json!({"address": "127.0.0.1:0", "authn": ["corp"]});
    let manifest = manifest
        .set("/issuers/corp", issuer.section())
        .set("/listeners/main/authn", json!(["keys"]))
        .set("/listeners/people", people);
    let folder = tempfile::tempdir().unwrap();
    let gateway = started(&manifest, folder.path(), 1.0).await;
    let token = issuer.token("ada", &json!({}));
    let asked = async |listener: &str, key: &str| {
        let answer = Client::new(gateway.listener(listener)).with_key(key).chat(&chat("x")).await;
        if answer.status == 200 { String::new() } else { answer.error_code() }
    };
    until_async("the issuer's keys", async || asked("people", &token).await.is_empty().then_some(())).await;
    assert_eq!(asked("main", KEY).await, "");
    assert_eq!(asked("main", &token).await, "invalid_token");
    assert_eq!(asked("people", KEY).await, "invalid_key");
    gateway.write_manifest(&manifest.set("/listeners/main/authn", json!(["keys", "corp"])).text());
    gateway.reload().await;
    assert_eq!(asked("main", &token).await, "");
    assert_eq!(asked("people", KEY).await, "invalid_key");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_role_is_refused_and_told_which_it_takes() {
    let (_backend, manifest) = manifest().await;
    let folder = tempfile::tempdir().unwrap();
    let gateway = started(&manifest, folder.path(), 1.0).await;
    let issue = json!({"consumer": "team", "name": "laptop"});
    let viewer = gateway.admin().with_key("canary-viewer-token");
    assert_eq!(viewer.get("/v1/keys").await.status, 200);
    let answer = asked(&viewer, Method::POST, "/v1/keys", &issue).await;
    assert_eq!(answer.status, 403);
    assert!(answer.text().contains("`operator`"), "{}", answer.text());
    let operator = gateway.admin().with_key(OPERATOR);
    assert_eq!(asked(&operator, Method::PUT, "/v1/manifest", &json!({})).await.status, 403);
    for stranger in [gateway.admin(), gateway.admin().with_key("canary-guess"), gateway.admin().with_key(KEY)]
    {
        for path in ["/v1/status", "/v1/keys"] {
            let answer = stranger.get(path).await;
            assert_eq!(answer.status, 401);
            assert!(!answer.text().contains("canary"), "{}", answer.text());
        }
    }
    let limited = json!({"consumer": "team", "name": "y", "limit": 1});
    let unknown = asked(&operator, Method::POST, "/v1/keys", &limited).await;
    assert_eq!(unknown.status, 400, "unknown fields are refused");
    let nobody = asked(&operator, Method::POST, "/v1/keys", &json!({"consumer": "x", "name": "y"})).await;
    assert_eq!(nobody.status, 422);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_administrator_may_come_with_a_token_of_the_issuer() {
    let issuer = Issuer::start().await;
    let (_backend, manifest) = manifest().await;
    let oidc =
        json!({"issuer": "corp", "claim": "roles", "roles": {"gw.ops": "operator", "gw.see": "viewer"}});
    let manifest = manifest.set("/issuers/corp", issuer.section()).set("/admin/oidc", oidc);
    let folder = tempfile::tempdir().unwrap();
    let gateway = started(&manifest, folder.path(), 1.0).await;
    let status = async |roles: Value| {
        let admin = gateway.admin().with_key(&issuer.token("ada", &json!({"roles": roles})));
        asked(&admin, Method::POST, "/v1/keys", &json!({"consumer": "team", "name": "x"})).await.status
    };
    assert_eq!(status(json!(["gw.see", "gw.ops"])).await, 201);
    assert_eq!(status(json!(["gw.see"])).await, 403);
    assert_eq!(status(json!(["other"])).await, 403);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_administrator_may_come_with_a_client_certificate() {
    let (ours, strangers) = (Authority::new(), Authority::new());
    let (_backend, manifest) = manifest().await;
    let folder = tempfile::tempdir().unwrap();
    ours.sign().write(folder.path());
    std::fs::write(folder.path().join("ca.pem"), ours.pem()).unwrap();
    let file = |name: &str| json!({"file": name});
    let tls =
        json!({"certificate": file("certificate.pem"), "key": file("key.pem"), "clients": file("ca.pem")});
    let manifest = manifest.set("/admin/tls", tls).set(
        "/admin/certificates",
        json!({"oncall.corp.example": "operator", "wall.corp.example": "viewer"}),
    );
    let gateway = started(&manifest, folder.path(), 1.0).await;
    let issue = json!({"consumer": "team", "name": "x"});
    let showing =
        |name: &str| gateway.admin().tls(ours.client_showing(&["http/1.1"], &ours.sign_for(&[name])));
    let status = async |client: &Client| asked(client, Method::POST, "/v1/keys", &issue).await.status;
    assert_eq!(status(&showing("oncall.corp.example")).await, 201);
    assert_eq!(status(&showing("wall.corp.example")).await, 403);
    assert_eq!(status(&showing("unknown.corp.example")).await, 401);
    let bare = gateway.admin().tls(ours.client(&["http/1.1"]));
    assert_eq!(status(&bare).await, 401);
    assert_eq!(status(&bare.clone().with_key(OPERATOR)).await, 201);
    let listed: IssuedKeys = showing("wall.corp.example").get("/v1/keys").await.parsed();
    assert_eq!(listed.keys.iter().filter(|key| key.issued_by == "oncall.corp.example").count(), 1);
    let forged = strangers.sign_for(&["oncall.corp.example"]);
    let stranger = gateway.admin().tls(ours.client_showing(&["http/1.1"], &forged));
    let request = stranger.json("/v1/keys", issue.to_string());
    let refused =
        tokio_util::task::TaskTracker::new().spawn(async move { stranger.send(request).await.status }).await;
    assert!(refused.is_err(), "its handshake fails: {refused:?}");
}
