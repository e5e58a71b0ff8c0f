//! Policy compiled elsewhere: the gateway serves a bundle as it serves a manifest, and with trusted keys it takes
//! nothing else, whatever way it comes.

use std::process::Command;
use std::time::Duration;

use e2e::backend::{FakeBackend, Reply};
use e2e::binary::sluicegate;
use e2e::client::{Answer, Client};
use e2e::gateway::{Settings, TestGateway, chat};
use e2e::manifest::Manifest;
use e2e::wait::until_async;
use http::Method;
use http_body_util::{BodyExt, Full};
use policy_compiler::{Source, compile};
use rule_table::{Bundle, SigningKey, Trust};
use serde_json::json;
use sluicegate::policy::Source as From;

const TOKEN: &str = "e2e-admin-token";

fn key(seed: u8) -> SigningKey {
    SigningKey::from_seed(&[seed; 32]).unwrap()
}

fn trust() -> Trust {
    Trust::in_keys(vec![key(1).public()])
}

fn compiled(manifest: &Manifest) -> Bundle {
    compile(&Source::new("gateway.json", manifest.text())).bundle.expect("it is sound")
}

fn signed(manifest: &Manifest, by: u8) -> Vec<u8> {
    compiled(manifest).to_signed_bytes(&[key(by)])
}

async fn said(gateway: &TestGateway) -> String {
    let answer = gateway.client().chat(&chat("x")).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer.json()["choices"][0]["message"]["content"].as_str().unwrap().to_owned()
}

async fn rejected(gateway: &TestGateway, name: &str) {
    until_async("the rejection", async || {
        let rejection = gateway.status().await.last_rejection?;
        rejection.findings[0].starts_with(&format!("{name}: ")).then_some(())
    })
    .await;
}

async fn put(admin: &Client, bytes: Vec<u8>) -> Answer {
    let body = Full::new(bytes.into()).boxed();
    admin.send(admin.request(Method::PUT, "/v1/manifest", body)).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bundle_file_serves_reloads_and_with_trusted_keys_is_taken_only_when_signed() {
    let old = FakeBackend::always(Reply::completion("old")).await;
    let new = FakeBackend::always(Reply::completion("new")).await;
    let manifest = |backend: &FakeBackend| Manifest::new().backend("a", backend.address());
    let settings = || Settings { trust: trust(), ..Settings::default() };
    for unfit in [manifest(&old).text().into_bytes(), compiled(&manifest(&old)).to_bytes()] {
        let error = TestGateway::start_text(unfit, settings()).await.unwrap_err().to_string();
        assert!(error.contains("unsigned: "), "{error}");
    }
    let gateway = TestGateway::start_text(signed(&manifest(&old), 1), settings()).await.unwrap();
    assert_eq!(said(&gateway).await, "old");
    assert_eq!(gateway.status().await.digest, compiled(&manifest(&old)).digest().to_string());
    let mut flipped = signed(&manifest(&new), 1);
    let middle = flipped.len() / 2;
    flipped[middle] ^= 1;
    let mut forged = signed(&manifest(&new), 1);
    *forged.last_mut().unwrap() ^= 1;
    for (unfit, name) in [
        (manifest(&new).text().into_bytes(), "unsigned"),
        (flipped, "damaged"),
        (compiled(&manifest(&new)).to_bytes(), "unsigned"),
        (signed(&manifest(&new), 2), "untrusted-signer"),
        (forged, "wrongly-signed"),
    ] {
        gateway.write_manifest(&unfit);
        rejected(&gateway, name).await;
        assert_eq!(said(&gateway).await, "old");
    }
    gateway.write_manifest(&signed(&manifest(&new), 1));
    gateway.await_generation(2).await;
    assert_eq!(said(&gateway).await, "new");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_signed_bundle_is_published_rolled_back_and_survives_a_restart() {
    let old = FakeBackend::always(Reply::completion("old")).await;
    let new = FakeBackend::always(Reply::completion("new")).await;
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("token"), TOKEN).unwrap();
    let manifest = |backend: &FakeBackend| {
        Manifest::new().backend("a", backend.address()).set("/admin/token", json!({"file": "token"}))
    };
    let settings = || Settings {
        source: From::Api,
        trust: trust(),
        folder: Some(folder.path().to_owned()),
        ..Settings::default()
    };
    let gateway = TestGateway::start_text(signed(&manifest(&old), 1), settings()).await.unwrap();
    let authorization = format!("Bearer {TOKEN}");
    let admin = gateway.admin().with("authorization", &authorization).with("if-match", "*");
    for (unfit, name) in [
        (manifest(&new).text().into_bytes(), "unsigned: "),
        (signed(&manifest(&new), 2), "untrusted-signer: "),
        (b"sluicegate-bundle 1 sha256:00\n{}".to_vec(), "unsupported-version: "),
    ] {
        let answer = put(&admin, unfit).await;
        assert_eq!(answer.status, 422, "{}", answer.text());
        assert!(answer.text().contains(name), "{}", answer.text());
    }
    let bundle = signed(&manifest(&new), 1);
    assert_eq!(put(&admin, bundle.clone()).await.status, 200);
    assert_eq!(said(&gateway).await, "new");
    let served = admin.send(admin.request(Method::GET, "/v1/manifest", Full::default().boxed())).await;
    assert_eq!(
        (&served.headers["content-type"], &served.body[..]),
        (&"application/octet-stream".parse().unwrap(), &bundle[..])
    );
    let body = Full::new("{}".into()).boxed();
    assert_eq!(admin.send(admin.request(Method::POST, "/v1/rollback", body)).await.status, 200);
    assert_eq!(said(&gateway).await, "old");
    assert_eq!(put(&admin, bundle).await.status, 200);
    gateway.shutdown(Duration::from_secs(5)).await;
    // The file still holds the old one: what was published last comes back.
    let gateway = TestGateway::start_text(signed(&manifest(&old), 1), settings()).await.unwrap();
    assert_eq!(said(&gateway).await, "new");
}

#[test]
fn the_commands_make_keys_and_a_bundle_that_the_keys_holder_is_trusted_for() {
    let Some(program) = sluicegate() else { return };
    let run = |arguments: &[&str]| Command::new(&program).args(arguments).output().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str| folder.path().join(name).display().to_string();
    std::fs::write(file("gateway.json"), Manifest::new().backend("a", "127.0.0.1:9".parse().unwrap()).text())
        .unwrap();
    let made = run(&["keygen", &file("signing.pem")]);
    assert!(made.status.success(), "{made:?}");
    let again = run(&["keygen", &file("signing.pem")]);
    assert_eq!(again.status.code(), Some(2), "a key is never overwritten");
    let (bundle, sign) = (file("gateway.bundle"), file("signing.pem"));
    let compiled = run(&["compile", &file("gateway.json"), "--bundle", &bundle, "--sign", &sign]);
    assert!(compiled.status.success(), "{compiled:?}");
    let trust = sluicegate::policy::trusted_keys(&[file("signing.pem.pub")]).unwrap();
    let loaded = Bundle::load(&std::fs::read(&bundle).unwrap(), &trust).unwrap();
    let said = String::from_utf8(compiled.stdout).unwrap();
    assert!(said.starts_with(&format!("{}\n", loaded.digest())) && said.starts_with("blake3:"), "{said}");
}
