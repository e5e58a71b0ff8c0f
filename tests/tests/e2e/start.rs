//! Starting on bad input: one clear report, exit code 2, and nothing listens.

use std::path::Path;

use e2e::backend::nobody;
use e2e::binary::{Running, sluicegate};
use e2e::manifest::Manifest;
use e2e::tls::Authority;
use serde_json::json;
use tempfile::TempDir;
use tokio::net::TcpListener;

const GOOD: &str = "\
apiVersion: sluicegate/v1
listeners:
  main: {address: LISTENER}
admin: {address: ADMIN}
backends:
  a:
    kind: openai
    url: http://127.0.0.1:9
    models: {sim-chat: {}}
pools:
  chat: {members: [a]}
routes:
  chat: {match: {path: /v1/chat/completions}, pool: chat}
";

/// Runs a gateway that must not start, and gives what it said.
async fn fails(program: &Path, folder: &TempDir, manifest: &str) -> String {
    let file = folder.path().join("gateway.yaml");
    std::fs::write(&file, manifest).unwrap();
    let mut gateway = Running::start(program, &["run", "--manifest", &file.display().to_string()], &[]);
    let status = gateway.ended().await;
    let said = gateway.said();
    assert_eq!(status.code(), Some(2), "{said}");
    assert!(!said.contains("panicked") && !said.contains("sluicegate: ready"), "{said}");
    assert!(!said.contains('\u{1b}'), "colour was asked not to be used: {said}");
    said
}

/// A good manifest on ports that are free, and the two addresses.
fn good() -> (String, [std::net::SocketAddr; 2]) {
    let addresses = [nobody(), nobody()];
    let text =
        GOOD.replace("LISTENER", &addresses[0].to_string()).replace("ADMIN", &addresses[1].to_string());
    (text, addresses)
}

/// Whatever was said, nobody listens afterwards: both ports can be taken.
fn nothing_listens(addresses: [std::net::SocketAddr; 2]) {
    for address in addresses {
        std::net::TcpListener::bind(address).unwrap_or_else(|error| panic!("{address}: {error}"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_manifest_that_is_wrong_is_reported_with_its_file_and_line() {
    let Some(program) = sluicegate() else { return };
    let folder = tempfile::tempdir().unwrap();
    for (from, to, line, words) in [
        ("kind: openai", "kind: [openai", 6, ""),
        ("    kind: openai", "    knd: openai", 7, "knd"),
        ("kind: openai", "kind: openapi", 7, "openapi"),
        ("members: [a]", "members: [b]", 11, "b"),
        ("admin:", "admin: {address: 127.0.0.1:1}\nadmin:", 5, "admin"),
        ("pool: chat", "pool: chat, deadline: 5", 13, "deadline"),
    ] {
        let (manifest, addresses) = good();
        let manifest = manifest.replacen(from, to, 1);
        let said = fails(&program, &folder, &manifest).await;
        let place = format!("gateway.yaml:{line}:");
        let near = said.contains(&place) || (words.is_empty() && said.contains("gateway.yaml:"));
        assert!(near, "{place} is not named for `{to}`:\n{said}");
        assert!(said.contains(words) && said.contains("SG"), "{said}");
        nothing_listens(addresses);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn all_findings_are_reported_at_once() {
    let Some(program) = sluicegate() else { return };
    let folder = tempfile::tempdir().unwrap();
    let manifest = good().0.replace("members: [a]", "members: [b]").replace("pool: chat}", "pool: talk}");
    let said = fails(&program, &folder, &manifest).await;
    assert!(said.contains("gateway.yaml:11:") && said.contains("gateway.yaml:13:"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_missing_secret_is_named() {
    let Some(program) = sluicegate() else { return };
    let folder = tempfile::tempdir().unwrap();
    for (reference, words) in
        [("{env: SLUICEGATE_E2E_UNSET}", "SLUICEGATE_E2E_UNSET"), ("{file: secrets/none}", "secrets/none")]
    {
        let (manifest, addresses) = good();
        let manifest = manifest.replace("models:", "auth: provider\n    models:")
            + &format!("identities:\n  provider: {{apiKey: {reference}}}\n");
        let said = fails(&program, &folder, &manifest).await;
        assert!(said.contains(words), "{said}");
        nothing_listens(addresses);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_that_cannot_serve_is_named() {
    let Some(program) = sluicegate() else { return };
    let folder = tempfile::tempdir().unwrap();
    let authority = Authority::new();
    authority.sign().write(folder.path());
    let other = tempfile::tempdir().unwrap();
    authority.sign().write(other.path());
    let path = |name: &str| folder.path().join(name);
    std::fs::copy(other.path().join("key.pem"), path("other-key.pem")).unwrap();
    std::fs::write(path("garbage.pem"), "no certificate").unwrap();
    for (certificate, key, words) in [
        ("none.pem", "key.pem", "none.pem"),
        ("garbage.pem", "key.pem", "garbage.pem"),
        ("certificate.pem", "garbage.pem", "garbage.pem"),
        ("certificate.pem", "other-key.pem", "other-key.pem"),
    ] {
        let (manifest, addresses) = good();
        let tls = format!(", tls: {{certificate: {{file: {certificate}}}, key: {{file: {key}}}}}}}");
        let listener = addresses[0].to_string();
        let manifest = manifest.replace(&format!("{listener}}}"), &format!("{listener}{tls}"));
        let said = fails(&program, &folder, &manifest).await;
        assert!(said.contains(words), "{words} is not named: {said}");
        let secret = std::fs::read_to_string(path("key.pem")).unwrap();
        let secret = secret.lines().nth(1).unwrap();
        assert!(!said.contains(secret), "key material is shown");
        nothing_listens(addresses);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_port_in_use_is_named_and_no_other_listener_stays() {
    let Some(program) = sluicegate() else { return };
    let folder = tempfile::tempdir().unwrap();
    let taken = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = taken.local_addr().unwrap();
    let (manifest, addresses) = good();
    let second = manifest.replace("admin:", &format!("  second: {{address: \"{address}\"}}\nadmin:"));
    let said = fails(&program, &folder, &second).await;
    assert!(
        said.contains("`second`") && said.contains(&address.to_string()) && said.contains("use"),
        "{said}"
    );
    nothing_listens(addresses);
    let admin = manifest.replace(&addresses[1].to_string(), &address.to_string());
    let said = fails(&program, &folder, &admin).await;
    assert!(said.contains("admin") && said.contains(&address.to_string()), "{said}");
    nothing_listens(addresses);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_manifest_that_is_not_there_or_not_readable_is_named() {
    let Some(program) = sluicegate() else { return };
    let folder = tempfile::tempdir().unwrap();
    let missing = folder.path().join("none.yaml").display().to_string();
    let mut gateway = Running::start(&program, &["run", "--manifest", &missing], &[]);
    assert_eq!(gateway.ended().await.code(), Some(2));
    assert!(gateway.said().contains("none.yaml"), "{}", gateway.said());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_access_log_that_cannot_be_opened_or_a_collector_that_is_no_url_is_named() {
    let Some(program) = sluicegate() else { return };
    let folder = tempfile::tempdir().unwrap();
    for (pointer, value, words) in [
        ("/telemetry/accessLog", json!({"file": "no/such/folder/log"}), "no/such/folder"),
        ("/telemetry/otlp", json!({"endpoint": "collector"}), "collector"),
    ] {
        let manifest = Manifest::new().backend("a", nobody()).set(pointer, value);
        let said = fails(&program, &folder, &manifest.text()).await;
        assert!(said.contains(words), "{said}");
    }
}
