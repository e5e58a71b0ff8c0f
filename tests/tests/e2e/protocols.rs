//! How callers and backends may speak: HTTP/1.1 and HTTP/2, with TLS and without.

use e2e::backend::{FakeBackend, Reply, stream_body};
use e2e::binary::{Running, sluicegate};
use e2e::client::{Answer, Client};
use e2e::gateway::{Settings, TestGateway, chat, chat_stream};
use e2e::manifest::Manifest;
use e2e::tls::{Authority, terminate};
use serde_json::json;

const CHAT: &str = "/v1/chat/completions";

async fn plain() -> (TestGateway, FakeBackend) {
    let backend = FakeBackend::start(|_, request| {
        if request.json()["stream"] == true {
            Reply::stream(&stream_body(&["a", " b"]))
        } else {
            Reply::completion("ok")
        }
    })
    .await;
    let gateway = TestGateway::start(&Manifest::new().backend("a", backend.address())).await;
    (gateway, backend)
}

#[tokio::test(flavor = "multi_thread")]
async fn an_http1_connection_carries_one_request_after_another_and_so_does_the_backends() {
    let (gateway, backend) = plain().await;
    let client = gateway.client();
    let mut connection = client.connect().await;
    for _ in 0..5 {
        let answer = connection.send(client.json(CHAT, chat("x").to_string())).await;
        assert_eq!(answer.status, 200);
        let stream = connection.send(client.json(CHAT, chat_stream("x").to_string())).await;
        assert!(stream.text().ends_with("data: [DONE]\n\n"));
    }
    // The caller has its `[DONE]` a moment before the backend's connection is free again, so there may be two.
    let opened = backend.connections();
    assert!(opened <= 2, "{opened} connections for ten requests, one after another");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_after_a_whole_body_leaves_the_connection_usable() {
    let (gateway, _backend) = plain().await;
    let client = gateway.client();
    let mut connection = client.connect().await;
    let refused = connection.send(client.json(CHAT, "{}")).await;
    assert_eq!(refused.status, 400);
    assert_eq!(connection.send(client.json(CHAT, chat("x").to_string())).await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn http2_without_tls_is_spoken_by_prior_knowledge_and_carries_many_requests_at_once() {
    let (gateway, backend) = plain().await;
    let client = gateway.client().http2();
    let mut connection = client.connect().await;
    let mut heads = Vec::new();
    for _ in 0..20 {
        let response = connection.begin(client.json(CHAT, chat_stream("x").to_string())).await;
        assert_eq!(response.version(), http::Version::HTTP_2);
        heads.push(response);
    }
    for response in heads {
        assert!(Answer::read(response).await.text().ends_with("data: [DONE]\n\n"));
    }
    assert_eq!(backend.requests().len(), 20);
}

#[tokio::test(flavor = "multi_thread")]
async fn tls_offers_http2_and_http1_and_speaks_what_the_caller_chose() {
    let (authority, folder) = (Authority::new(), tempfile::tempdir().unwrap());
    authority.sign().write(folder.path());
    let backend = FakeBackend::always(Reply::completion("ok")).await;
    let manifest = Manifest::new().backend("a", backend.address()).set(
        "/listeners/main/tls",
        json!({"certificate": {"file": "certificate.pem"}, "key": {"file": "key.pem"}}),
    );
    let settings = Settings { folder: Some(folder.path().to_owned()), ..Settings::default() };
    let gateway = TestGateway::start_with(&manifest, settings).await.unwrap();
    for (offered, version) in [
        (&["h2", "http/1.1"][..], http::Version::HTTP_2),
        (&["http/1.1"][..], http::Version::HTTP_11),
        (&[][..], http::Version::HTTP_11),
    ] {
        let client = gateway.client().tls(authority.client(offered));
        let response = client.connect().await.begin(client.json(CHAT, chat("x").to_string())).await;
        assert_eq!((response.status().as_u16(), response.version()), (200, version), "{offered:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backend_may_speak_http2_without_tls() {
    let sim = e2e::backend::simulate(e2e::backend::fast("a"));
    let manifest = Manifest::new().backend("a", sim.addr()).set("/backends/a/http2", true);
    let gateway = TestGateway::start(&manifest).await;
    for request in [chat("x"), chat_stream("x")] {
        assert_eq!(gateway.client().chat(&request).await.status, 200);
    }
    assert_eq!(sim.totals().completed, 2);
}

/// In a process of its own, since the roots of trust are the process's.
#[tokio::test(flavor = "multi_thread")]
async fn a_backend_behind_tls_is_verified_against_the_systems_roots() {
    let Some(program) = sluicegate() else { return };
    let (trusted, stranger, folder) = (Authority::new(), Authority::new(), tempfile::tempdir().unwrap());
    let backend = FakeBackend::always(Reply::completion("ok")).await;
    let good = terminate(&trusted.sign(), backend.address()).await;
    let bad = terminate(&stranger.sign(), backend.address()).await;
    let path = |name: &str| folder.path().join(name).display().to_string();
    std::fs::write(path("roots.pem"), trusted.pem()).unwrap();
    let url = |address: std::net::SocketAddr| format!("https://127.0.0.1:{}", address.port());
    let manifest = Manifest::new()
        .backend_of("good", "openai", &url(good.address()))
        .backend_of("bad", "openai", &url(bad.address()))
        .member("chat", "good")
        .member("others", "bad")
        .set(
            "/routes/others",
            json!({"match": {"path": CHAT, "method": "POST", "header": {"x-other": "*"}}, "pool": "others"}),
        );
    std::fs::write(path("gateway.yaml"), manifest.text()).unwrap();
    let gateway = Running::start(
        &program,
        &["run", "--manifest", &path("gateway.yaml")],
        &[("SSL_CERT_FILE", &path("roots.pem"))],
    );
    let client = Client::new(gateway.listener("main").await);
    let answer = client.chat(&chat("x")).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    let refused = client.with("x-other", "1").chat(&chat("x")).await;
    assert_eq!((refused.status, refused.error_code().as_str()), (502, "backend_tls"), "{}", refused.text());
    assert_eq!(backend.requests().len(), 1, "nothing was sent to a server nobody vouches for");
}
