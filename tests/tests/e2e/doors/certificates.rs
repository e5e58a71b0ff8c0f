//! Certificates by server name, versions of TLS, and certificates of clients.

use std::path::Path;
use std::sync::Arc;

use e2e::client::Client;
use e2e::gateway::{TestGateway, chat};
use e2e::manifest::Manifest;
use e2e::raw::RawConnection;
use e2e::tls::{Authority, Leaf};
use e2e::wait::{until_async, within};
use rustls::ClientConfig;
use serde_json::json;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use super::{backend, started};

fn write(leaf: &Leaf, folder: &Path, name: &str) {
    std::fs::create_dir_all(folder.join(name)).unwrap();
    leaf.write(&folder.join(name));
}

fn files(name: &str) -> serde_json::Value {
    json!({"certificate": {"file": format!("{name}/certificate.pem")}, "key": {"file": format!("{name}/key.pem")}})
}

fn secure(address: std::net::SocketAddr) -> Manifest {
    Manifest::new().backend("a", address).set("/listeners/main/tls", files("main"))
}

/// The certificate shown to a client that asks for `name`.
async fn shown(gateway: &TestGateway, client: Arc<ClientConfig>, name: &str) -> Vec<u8> {
    let stream = TcpStream::connect(gateway.address()).await.unwrap();
    let name = name.to_owned().try_into().unwrap();
    let stream = within("a handshake", TlsConnector::from(client).connect(name, stream)).await.unwrap();
    stream.get_ref().1.peer_certificates().unwrap()[0].to_vec()
}

#[tokio::test(flavor = "multi_thread")]
async fn each_server_name_has_its_certificate_and_follows_its_own_file() {
    let (authority, backend) = (Authority::new(), backend().await);
    let folder = tempfile::tempdir().unwrap();
    let main = authority.sign_for(&["localhost", "other.example.com", "a.b.example.com"]);
    let exact = authority.sign_for(&["api.example.com"]);
    let wild = authority.sign_for(&["*.example.com"]);
    for (leaf, name) in [(&main, "main"), (&exact, "exact"), (&wild, "wild")] {
        write(leaf, folder.path(), name);
    }
    let manifest = secure(backend.address()).set(
        "/listeners/main/tls/names",
        json!({"api.example.com": files("exact"), "*.example.com": files("wild")}),
    );
    let gateway = started(&manifest, folder.path()).await;
    let client = authority.client(&["http/1.1"]);
    for (name, leaf) in [
        ("localhost", &main),
        ("api.example.com", &exact),
        ("other.example.com", &wild),
        ("a.b.example.com", &main),
    ] {
        assert_eq!(shown(&gateway, Arc::clone(&client), name).await, leaf.der(), "{name}");
    }
    let renewed = authority.sign_for(&["api.example.com"]);
    write(&renewed, folder.path(), "exact");
    until_async("the renewed certificate", async || {
        (shown(&gateway, authority.client(&["http/1.1"]), "api.example.com").await == renewed.der())
            .then_some(())
    })
    .await;
    assert_eq!(shown(&gateway, client, "localhost").await, main.der());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_over_old_tls_is_refused_before_anything_else() {
    let (authority, backend) = (Authority::new(), backend().await);
    let folder = tempfile::tempdir().unwrap();
    write(&authority.sign(), folder.path(), "main");
    let manifest =
        secure(backend.address()).set("/listeners/main/tls/minVersion", "1.3").consumer("a", "key");
    let gateway = started(&manifest, folder.path()).await;
    let asked = async |config| gateway.client().tls(config).with_key("key").chat(&chat("x")).await;
    for protocol in ["http/1.1", "h2"] {
        let refused = asked(authority.old_client(&[protocol])).await;
        assert_eq!((refused.status, refused.error_code().as_str()), (426, "tls_version"), "{protocol}");
        assert_eq!(refused.header("upgrade"), (protocol == "http/1.1").then_some("TLS/1.3"));
        assert_eq!(asked(authority.client(&[protocol])).await.status, 200, "{protocol}");
    }
    assert_eq!(backend.requests().len(), 2);
}

/// Whether a request over such a connection is answered.
async fn is_served(gateway: &TestGateway, config: Arc<ClientConfig>) -> bool {
    let stream = TcpStream::connect(gateway.address()).await.unwrap();
    let connected = TlsConnector::from(config).connect("localhost".try_into().unwrap(), stream).await;
    let Ok(mut stream) = connected else { return false };
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let request = b"GET /v1/models HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
    let mut answer = Vec::new();
    // With TLS 1.3 a client learns that it is refused only once it reads.
    stream.write_all(request).await.is_ok()
        && within("the answer", stream.read_to_end(&mut answer)).await.is_ok()
        && answer.starts_with(b"HTTP/1.1 200")
}

#[tokio::test(flavor = "multi_thread")]
async fn clients_show_certificates_of_authorities_that_can_be_replaced() {
    let (authority, clients, strangers) = (Authority::new(), Authority::new(), Authority::new());
    let backend = backend().await;
    let folder = tempfile::tempdir().unwrap();
    write(&authority.sign(), folder.path(), "main");
    std::fs::write(folder.path().join("clients.pem"), clients.pem()).unwrap();
    let manifest = secure(backend.address())
        .set("/listeners/main/tls/clients", json!({"authorities": {"file": "clients.pem"}}));
    let gateway = started(&manifest, folder.path()).await;
    let (known, stranger) = (clients.sign_for(&["agent.example"]), strangers.sign_for(&["agent.example"]));
    let showing = |leaf: &Leaf| authority.client_showing(&["http/1.1"], leaf);
    assert!(is_served(&gateway, showing(&known)).await);
    assert!(!is_served(&gateway, showing(&stranger)).await);
    assert!(!is_served(&gateway, authority.client(&["http/1.1"])).await, "one is required");
    std::fs::write(folder.path().join("clients.pem"), strangers.pem()).unwrap();
    until_async("the other authority", async || is_served(&gateway, showing(&stranger)).await.then_some(()))
        .await;
    assert!(!is_served(&gateway, showing(&known)).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_resumed_session_does_not_outlive_its_authority() {
    let (authority, clients, strangers) = (Authority::new(), Authority::new(), Authority::new());
    let backend = backend().await;
    let folder = tempfile::tempdir().unwrap();
    write(&authority.sign(), folder.path(), "main");
    std::fs::write(folder.path().join("clients.pem"), clients.pem()).unwrap();
    let manifest = secure(backend.address())
        .set("/listeners/main/tls/clients", json!({"authorities": {"file": "clients.pem"}}));
    let gateway = started(&manifest, folder.path()).await;
    // One configuration keeps its sessions from connection to connection.
    let known = authority.client_showing(&["http/1.1"], &clients.sign_for(&["agent.example"]));
    let client = gateway.client().tls(known);
    assert_eq!(client.get("/v1/models").await.status, 200);
    std::fs::write(folder.path().join("clients.pem"), strangers.pem()).unwrap();
    gateway.reload().await;
    let refused = client.get("/v1/models").await;
    assert_eq!((refused.status, refused.error_code().as_str()), (403, "invalid_certificate"));
}

/// A revoked certificate, one whose authority says nothing of it, and a list that changes while the gateway runs.
#[tokio::test(flavor = "multi_thread")]
async fn a_revoked_certificate_is_refused_from_the_moment_its_list_is_replaced() {
    let (authority, clients, silent) = (Authority::new(), Authority::new(), Authority::new());
    let backend = backend().await;
    let folder = tempfile::tempdir().unwrap();
    write(&authority.sign(), folder.path(), "main");
    std::fs::write(folder.path().join("clients.pem"), clients.pem() + &silent.pem()).unwrap();
    let (good, lost) = (clients.sign_for(&["good.example"]), clients.sign_for(&["lost.example"]));
    std::fs::write(folder.path().join("revoked.pem"), clients.revoking(&[])).unwrap();
    let section = json!({"authorities": {"file": "clients.pem"}, "crl": {"file": "revoked.pem"}});
    let manifest = secure(backend.address()).set("/listeners/main/tls/clients", section);
    let gateway = started(&manifest, folder.path()).await;
    let showing = |leaf: &Leaf| authority.client_showing(&["http/1.1"], leaf);
    assert!(is_served(&gateway, showing(&good)).await && is_served(&gateway, showing(&lost)).await);
    assert!(
        !is_served(&gateway, showing(&silent.sign_for(&["x.example"]))).await,
        "its authority has no list"
    );
    // One configuration keeps its sessions from connection to connection.
    let resuming = gateway.client().tls(showing(&lost));
    assert_eq!(resuming.get("/v1/models").await.status, 200);
    std::fs::write(folder.path().join("revoked.pem"), clients.revoking(&[&lost])).unwrap();
    gateway.reload().await;
    assert!(!is_served(&gateway, showing(&lost)).await);
    assert_eq!(resuming.get("/v1/models").await.error_code(), "invalid_certificate");
    assert!(is_served(&gateway, showing(&good)).await);
    std::fs::write(folder.path().join("revoked.pem"), "").unwrap();
    gateway.reload().await;
    assert!(!is_served(&gateway, showing(&lost)).await, "a list that cannot be read leaves the one in use");
}

#[tokio::test(flavor = "multi_thread")]
async fn where_a_certificate_is_not_required_strangers_to_the_authority_are_still_refused() {
    let (authority, clients, strangers) = (Authority::new(), Authority::new(), Authority::new());
    let backend = backend().await;
    let folder = tempfile::tempdir().unwrap();
    write(&authority.sign(), folder.path(), "main");
    std::fs::write(folder.path().join("clients.pem"), clients.pem()).unwrap();
    let section = json!({"authorities": {"file": "clients.pem"}, "required": false});
    let manifest = secure(backend.address()).set("/listeners/main/tls/clients", section);
    let gateway = started(&manifest, folder.path()).await;
    assert!(is_served(&gateway, authority.client(&["http/1.1"])).await);
    assert!(
        is_served(&gateway, authority.client_showing(&["http/1.1"], &clients.sign_for(&["a.example"]))).await
    );
    assert!(
        !is_served(&gateway, authority.client_showing(&["http/1.1"], &strangers.sign_for(&["a.example"])))
            .await
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn plain_bytes_on_a_tls_listener_are_nobodys_request() {
    let (authority, backend) = (Authority::new(), backend().await);
    let folder = tempfile::tempdir().unwrap();
    write(&authority.sign(), folder.path(), "main");
    let gateway = started(&secure(backend.address()), folder.path()).await;
    let mut caller = RawConnection::open(gateway.address()).await;
    caller.send(b"GET /v1/models HTTP/1.1\r\nHost: a\r\n\r\n").await;
    let answer = caller.rest().await;
    assert!(!answer.starts_with(b"HTTP/"), "{answer:?}");
    let client = Client::new(gateway.address()).tls(authority.client(&["h2"]));
    assert_eq!(client.get("/v1/models").await.status, 200);
}
