//! What an operator changes while traffic flows, many times over: policy, by file and by publishing, and
//! certificates. Not one request fails.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use e2e::backend::{FakeBackend, Reply, stream_body};
use e2e::client::Client;
use e2e::figures::note;
use e2e::gateway::{Settings, TestGateway, chat, chat_stream};
use e2e::manifest::Manifest;
use e2e::tls::{Authority, Leaf};
use e2e::wait::{until_async, within};
use http::Method;
use http_body_util::{BodyExt, Full};
use rustls::ClientConfig;
use rustls::client::Resumption;
use serde_json::json;
use sluicegate::policy::{Offer, Source};
use tempfile::TempDir;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

const TOKEN: &str = "e2e-admin-token";
const RELOADS: usize = 500;
const ROTATIONS: usize = 200;

/// Two backends that answer requests and streams.
async fn backends() -> [FakeBackend; 2] {
    let answer = || {
        FakeBackend::start(|_, request| match request.json()["stream"].as_bool() {
            Some(true) => Reply::stream(&stream_body(&["all", " of", " it"])),
            _ => Reply::completion("all of it"),
        })
    };
    [answer().await, answer().await]
}

/// Two policies that differ in members, in a limit and in a route.
fn policies([a, b]: &[FakeBackend; 2]) -> [String; 2] {
    let first = Manifest::new().backend("a", a.address()).set("/admin/token", json!({"file": "token"}));
    let second = first.clone().backend("b", b.address()).set("/pools/chat/retry/maxAttempts", 2);
    [first.text(), second.text()]
}

/// Sends requests and streams on fresh and on kept connections until `done`, and counts them.
async fn load(client: &Client, done: &AtomicBool) -> usize {
    let mut served = 0;
    let mut kept = client.connect().await;
    while !done.load(Ordering::SeqCst) {
        let fresh = client.chat(&chat("x")).await;
        assert_eq!(fresh.status, 200, "{}", fresh.text());
        let answer = kept.send(client.json("/v1/chat/completions", chat("x").to_string())).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        let mut stream = client.chat_events(&chat_stream("x")).await;
        let events = stream.rest().await;
        assert!(stream.ended_well() && events.last().is_some_and(e2e::sse::Event::is_done), "{events:?}");
        served += 3;
    }
    served
}

/// Runs `change` under load; gives how many requests were served meanwhile.
async fn under_load(client: &Client, change: impl Future<Output = ()>) -> usize {
    let done = AtomicBool::new(false);
    let change = async {
        change.await;
        done.store(true, Ordering::SeqCst);
    };
    let ((), a, b) = tokio::join!(change, load(client, &done), load(client, &done));
    a + b
}

async fn gateway(source: Source, manifest: &str) -> (TestGateway, TempDir) {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("token"), TOKEN).unwrap();
    let settings = Settings { source, folder: Some(folder.path().to_owned()), ..Settings::default() };
    (TestGateway::start_text(manifest, settings).await.unwrap(), folder)
}

#[tokio::test(flavor = "multi_thread")]
async fn five_hundred_published_policies_fail_no_request() {
    let backends = backends().await;
    let policies = policies(&backends);
    let (gateway, _folder) = gateway(Source::Api, &policies[0]).await;
    let admin = gateway.admin().with_key(TOKEN).with("if-match", "*");
    let publish = async {
        for turn in 1..=RELOADS {
            let body = Full::new(policies[turn % 2].clone().into()).boxed();
            let answer = admin.send(admin.request(Method::PUT, "/v1/manifest", body)).await;
            assert_eq!(answer.status, 200, "{}", answer.text());
        }
    };
    let served = Box::pin(under_load(&gateway.client(), publish)).await;
    assert!(served >= RELOADS / 10, "only {served} requests meanwhile");
    note("Changes", "500 policies published under load", format!("{served} requests meanwhile, all served"));
    let tag = admin.get("/v1/manifest").await;
    assert_eq!(tag.header("etag"), Some(format!("\"{}\"", RELOADS + 1).as_str()), "each was put in force");
}

#[tokio::test(flavor = "multi_thread")]
async fn five_hundred_changed_files_fail_no_request() {
    let backends = backends().await;
    let policies = policies(&backends);
    let (gateway, _folder) = gateway(Source::File, &policies[0]).await;
    let change = async {
        for turn in 1..=RELOADS {
            gateway.write_manifest(&policies[turn % 2]);
            let offer = gateway.reload().await;
            assert!(matches!(offer, Offer::Accepted(_)), "{offer:?}");
        }
    };
    let served = Box::pin(under_load(&gateway.client(), change)).await;
    assert!(served >= RELOADS / 10, "only {served} requests meanwhile");
    note(
        "Changes",
        "500 changes of the manifest file under load",
        format!("{served} requests meanwhile, all served"),
    );
    let tag = gateway.admin().with_key(TOKEN).get("/v1/manifest").await;
    assert_eq!(tag.header("etag"), Some(format!("\"{}\"", RELOADS + 1).as_str()), "each was put in force");
}

/// A gateway that speaks TLS with `leaf`, and a caller that trusts its authority and resumes nothing.
async fn with_certificate(leaf: &Leaf, authority: &Authority, backend: &FakeBackend) -> Rotating {
    let folder = tempfile::tempdir().unwrap();
    leaf.write(folder.path());
    let files = json!({"certificate": {"file": "certificate.pem"}, "key": {"file": "key.pem"}});
    let manifest = Manifest::new().backend("a", backend.address()).set("/listeners/main/tls", files);
    let settings = Settings { folder: Some(folder.path().to_owned()), ..Settings::default() };
    let gateway = TestGateway::start_with(&manifest, settings).await.unwrap();
    let mut config = ClientConfig::clone(&authority.client(&["http/1.1"]));
    config.resumption = Resumption::disabled();
    Rotating { gateway, config: Arc::new(config), folder }
}

struct Rotating {
    gateway: TestGateway,
    config: Arc<ClientConfig>,
    folder: TempDir,
}

impl Rotating {
    /// The certificate a new handshake gets to see.
    async fn shown(&self) -> Vec<u8> {
        let stream = TcpStream::connect(self.gateway.address()).await.unwrap();
        let name = "localhost".try_into().unwrap();
        let handshake = TlsConnector::from(Arc::clone(&self.config)).connect(name, stream);
        let stream = within("a TLS handshake", handshake).await.unwrap();
        stream.get_ref().1.peer_certificates().unwrap()[0].to_vec()
    }

    async fn shows(&self, leaf: &Leaf) {
        until_async("the new certificate", async || (self.shown().await == leaf.der()).then_some(())).await;
    }

    fn client(&self) -> Client {
        self.gateway.client().tls(Arc::clone(&self.config))
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn two_hundred_certificates_under_load_fail_no_request() {
    let [backend, _] = backends().await;
    let authority = Authority::new();
    let rotating = with_certificate(&authority.sign(), &authority, &backend).await;
    let rotate = async {
        for turn in 0..ROTATIONS {
            let leaf = authority.sign();
            leaf.write(rotating.folder.path());
            if turn % 20 != 0 {
                // Watching waits until the files have settled; a signal does not.
                drop(rotating.gateway.reload().await);
                assert_eq!(rotating.shown().await, leaf.der(), "rotation {turn}");
            }
            rotating.shows(&leaf).await;
        }
    };
    let served = Box::pin(under_load(&rotating.client(), rotate)).await;
    assert!(served >= ROTATIONS / 10, "only {served} requests meanwhile");
    note(
        "Changes",
        "200 certificates replaced under load",
        format!("{served} requests meanwhile, all served"),
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pair_that_does_not_belong_together_changes_nothing_until_its_other_half_is_there() {
    let [backend, _] = backends().await;
    let authority = Authority::new();
    let old = authority.sign();
    let rotating = with_certificate(&old, &authority, &backend).await;
    let new = authority.sign();
    let elsewhere = tempfile::tempdir().unwrap();
    new.write(elsewhere.path());
    let (from, to) = (elsewhere.path(), rotating.folder.path());
    for (bad, bytes) in [
        ("certificate.pem", std::fs::read(from.join("certificate.pem")).unwrap()),
        ("key.pem", b"no key".to_vec()),
    ] {
        std::fs::write(to.join(bad), bytes).unwrap();
        // Whether the manifest, which names these files, is accepted again is another matter.
        drop(rotating.gateway.reload().await);
        assert_eq!(rotating.shown().await, old.der(), "{bad}");
        assert_eq!(rotating.client().chat(&chat("x")).await.status, 200);
    }
    std::fs::copy(from.join("key.pem"), to.join("key.pem")).unwrap();
    rotating.shows(&new).await;
}

/// As Kubernetes mounts secrets: the files are links through a folder that is replaced as a whole.
#[tokio::test(flavor = "multi_thread")]
async fn a_mounted_secret_that_is_replaced_is_noticed() {
    let [backend, _] = backends().await;
    let authority = Authority::new();
    let rotating = with_certificate(&authority.sign(), &authority, &backend).await;
    let folder = rotating.folder.path();
    let new = authority.sign();
    for leaf in [&authority.sign(), &new] {
        let version = tempfile::tempdir_in(folder).unwrap().keep();
        leaf.write(&version);
        let data = folder.join("..data_tmp");
        std::os::unix::fs::symlink(&version, &data).unwrap();
        std::fs::rename(&data, folder.join("..data")).unwrap();
        for name in ["certificate.pem", "key.pem"] {
            // Only the first time: afterwards the link leads to the new version by itself.
            if !folder.join(name).is_symlink() {
                std::fs::remove_file(folder.join(name)).unwrap();
                std::os::unix::fs::symlink(format!("..data/{name}"), folder.join(name)).unwrap();
            }
        }
        rotating.shows(leaf).await;
    }
}
