//! The access control list on the wire: who is refused with which status, who is only noted, and what a body's
//! size changes.

use std::path::Path;

use e2e::backend::{FakeBackend, Reply};
use e2e::gateway::{Settings, TestGateway, chat};
use e2e::manifest::Manifest;
use e2e::mmdb::database;
use e2e::raw::RawConnection;
use serde_json::json;
use vocabulary::Reason;

async fn backend() -> FakeBackend {
    FakeBackend::always(Reply::completion("ok")).await
}

fn manifest(backend: &FakeBackend) -> Manifest {
    Manifest::new().backend("a", backend.address())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_has_its_rule_s_status_and_an_allowing_rule_comes_first() {
    let backend = backend().await;
    let scrapers =
        json!({"priority": 20, "when": {"bot": ["http-library"]}, "action": "block", "status": 404});
    let probe = json!({"priority": 10, "when": {"header": {"x-probe": "yes"}}, "action": "allow"});
    let manifest = manifest(&backend).set("/acl/scrapers", scrapers).set("/acl/probe", probe);
    let gateway = TestGateway::start(&manifest).await;
    let curl = || gateway.client().with("user-agent", "curl/8.7.1");
    let refused = curl().chat(&chat("x")).await;
    assert_eq!((refused.status, refused.error_code().as_str()), (404, "acl_blocked"));
    let record = gateway.access_log().record(refused.request_id()).await;
    assert_eq!(
        (record.status, record.reason, record.acl),
        (404, Some(Reason::AclBlocked), vec!["scrapers".to_owned()])
    );
    assert_eq!(curl().with("x-probe", "yes").chat(&chat("x")).await.status, 200);
    assert_eq!(gateway.client().with("user-agent", "OpenAI/Python 1.35").chat(&chat("x")).await.status, 200);
    assert_eq!(backend.requests().len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_logged_or_in_shadow_mode_goes_through_and_is_told() {
    let backend = backend().await;
    let log = json!({"priority": 1, "when": {"method": ["POST"]}, "action": "log"});
    let shadow = json!({"priority": 2, "when": {"path": "/v1/*"}, "action": "block", "mode": "shadow"});
    let gateway =
        TestGateway::start(&manifest(&backend).set("/acl/posts", log).set("/acl/model-api", shadow)).await;
    let answer = gateway.client().chat(&chat("x")).await;
    assert_eq!(answer.status, 200);
    let record = gateway.access_log().record(answer.request_id()).await;
    assert_eq!((record.reason, record.would_refuse), (None, vec![Reason::AclBlocked]));
    assert_eq!(record.acl, ["posts", "model-api"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_in_chunks_is_judged_once_it_is_read() {
    let backend = backend().await;
    let large = json!({"priority": 1, "when": {"bodyOver": "200 B"}, "action": "block", "status": 413});
    let gateway = TestGateway::start(&manifest(&backend).set("/acl/large", large)).await;
    for (text, status) in [("x".to_owned(), 200), ("x".repeat(300), 413)] {
        let body = chat(&text).to_string();
        let mut caller = RawConnection::open(gateway.address()).await;
        let head = "POST /v1/chat/completions HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n";
        caller.send(format!("{head}{:x}\r\n{body}\r\n0\r\n\r\n", body.len()).as_bytes()).await;
        assert_eq!(caller.answer().await.unwrap().status, status, "{} bytes", body.len());
        assert_eq!(gateway.client().chat(&chat(&text)).await.status, status, "with a length");
    }
    assert_eq!(backend.requests().len(), 2);
}

async fn started(manifest: &Manifest, folder: &Path) -> TestGateway {
    let settings = Settings { folder: Some(folder.to_owned()), ..Settings::default() };
    TestGateway::start_with(manifest, settings).await.unwrap_or_else(|error| panic!("{error}: {error:?}"))
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unknown_country_is_refused_where_the_stance_is_closed() {
    let backend = backend().await;
    for (stance, status) in [("closed", 403), ("open", 200)] {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("geo.mmdb"), database(&[("192.0.2.0/24", "SE")])).unwrap();
        let abroad =
            json!({"priority": 1, "when": {"country": ["US"]}, "action": "block", "onFailure": stance});
        let manifest = manifest(&backend).set("/countries/file", "geo.mmdb").set("/acl/abroad", abroad);
        let gateway = started(&manifest, folder.path()).await;
        // From this machine, whose address has no country.
        assert_eq!(gateway.client().chat(&chat("x")).await.status, status, "{stance}");
    }
}
