//! Routes to plain HTTP services: passed through as they are, with what was meant for the gateway taken off.

use std::sync::Arc;

use bytes::Bytes;
use e2e::backend::{FakeBackend, Reply, Step, chunk, nobody};
use e2e::client::{Answer, chunked};
use e2e::gateway::TestGateway;
use e2e::manifest::Manifest;
use http::Method;
use serde_json::json;
use tokio::sync::Semaphore;
use vocabulary::Reason;

const KEY: &str = "sk-e2e-piping";

fn tools() -> Manifest {
    Manifest::new()
        .backend("a", nobody())
        .set("/routes/tools", json!({"match": {"path": "/tools/*"}, "pool": "tools"}))
}

async fn before(backend: &FakeBackend) -> TestGateway {
    TestGateway::start(&tools().service("one", backend.address(), "tools").consumer("team", KEY)).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_and_its_answer_pass_through_as_they_are() {
    let headers = [("content-type", "text/csv"), ("x-own", "kept"), ("set-cookie", "a=b")];
    let backend = FakeBackend::always(Reply::with(207, &headers, "a;b\n")).await;
    let gateway = before(&backend).await;
    let client = gateway.client().with_key(KEY).with("x-own", "kept").with("accept", "text/csv");
    let mut request = client.json("/tools/table%20one?of=two&x=%2F", "{\"a\": 1}");
    *request.method_mut() = Method::PUT;
    let answer = client.send(request).await;
    assert_eq!((answer.status, answer.text().as_str()), (207, "a;b\n"));
    for (name, value) in headers {
        assert_eq!(answer.header(name), Some(value));
    }
    assert_eq!(answer.header("x-sluicegate-backend"), Some("one"));
    let received = &backend.requests()[0];
    assert_eq!(
        (received.method.as_str(), received.target.as_str()),
        ("PUT", "/tools/table%20one?of=two&x=%2F")
    );
    assert_eq!(received.body, "{\"a\": 1}");
    assert_eq!((received.header("x-own"), received.header("accept")), (Some("kept"), Some("text/csv")));
    assert_eq!(received.header("x-request-id"), Some(answer.request_id()));
    let record = gateway.access_log().record(answer.request_id()).await;
    assert_eq!((record.status, record.reason, record.consumer.as_deref()), (207, None, Some("team")));
    assert_eq!(record.path_template.as_deref(), Some("/tools/*"));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_meant_for_the_gateway_is_taken_off() {
    let backend = FakeBackend::always(Reply::with(200, &[], "")).await;
    let gateway = before(&backend).await;
    let client = gateway
        .client()
        .with_key(KEY)
        .with("api-key", "another-key")
        .with("baggage", "user=7")
        .with("traceparent", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01");
    assert_eq!(client.get("/tools/x").await.status, 200);
    let received = &backend.requests()[0];
    for name in ["authorization", "api-key", "baggage", "traceparent"] {
        assert_eq!(received.header(name), None, "{name} was passed on");
    }
    assert_eq!(received.header("host"), Some(backend.address().to_string().as_str()));
    assert_eq!(received.header("x-forwarded-for"), Some("127.0.0.1"));
}

#[tokio::test(flavor = "multi_thread")]
async fn bodies_pass_in_pieces_both_ways() {
    let pace = Arc::new(Semaphore::new(0));
    let head = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n";
    let backend = FakeBackend::always(Reply::steps(vec![
        Step::Write([head.as_bytes(), &chunk("data: one\n\n")].concat().into()),
        Step::Await(Arc::clone(&pace)),
        Step::Write([&chunk("data: two\n\n")[..], b"0\r\n\r\n"].concat().into()),
    ]))
    .await;
    let gateway = before(&backend).await;
    let client = gateway.client().with_key(KEY);
    let sent = vec![Bytes::from(vec![7; 300_000]); 4];
    let mut stream = client.events(client.request(Method::POST, "/tools/x", chunked(sent.clone()))).await;
    assert_eq!(stream.next().await.unwrap().data, "one");
    pace.add_permits(1);
    assert_eq!(stream.next().await.unwrap().data, "two");
    assert!(stream.next().await.is_none() && stream.ended_well());
    assert!(backend.requests()[0].body == sent.concat(), "the body was changed on the way");
}

fn is_problem(answer: &Answer, reason: Reason) {
    assert_eq!(answer.status, reason.status(), "{}", answer.text());
    assert_eq!(answer.header("content-type"), Some("application/problem+json"));
    assert_eq!(answer.json()["reason"], reason.code());
    assert_eq!(answer.json()["request_id"], answer.request_id());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_over_the_limit_is_refused_whether_declared_or_counted() {
    let backend = FakeBackend::always(Reply::with(200, &[], "")).await;
    let manifest = tools().service("one", backend.address(), "tools").set("/listeners/main/maxBody", "64KiB");
    let gateway = TestGateway::start(&manifest).await;
    let client = gateway.client();
    let declared = client.post_bytes("/tools/x", vec![b'x'; 65_537]).await;
    is_problem(&declared, Reason::BodyTooLarge);
    assert_eq!(backend.requests().len(), 0);
    let pieces = vec![Bytes::from(vec![b'x'; 16_384]); 5];
    let counted = client.send(client.request(Method::POST, "/tools/x", chunked(pieces))).await;
    is_problem(&counted, Reason::BodyTooLarge);
    assert!(counted.text().contains("64KiB"), "{}", counted.text());
    let record = gateway.access_log().record(counted.request_id()).await;
    assert_eq!((record.status, record.reason), (413, Some(Reason::BodyTooLarge)));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_that_is_down_is_a_problem_with_status_502() {
    let gateway = TestGateway::start(&tools().service("one", nobody(), "tools")).await;
    let answer = gateway.client().get("/tools/x").await;
    is_problem(&answer, Reason::BackendConnect);
    let record = gateway.access_log().record(answer.request_id()).await;
    assert_eq!((record.status, record.reason), (502, Some(Reason::BackendConnect)));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_that_closes_before_it_answers_is_a_problem_with_status_502() {
    let backend = FakeBackend::always(Reply::steps(vec![Step::Close])).await;
    let gateway = TestGateway::start(&tools().service("one", backend.address(), "tools")).await;
    is_problem(&gateway.client().post("/tools/x", &json!({})).await, Reason::BackendReset);
    assert_eq!(backend.requests().len(), 1, "a request that may have had an effect is not repeated");
}

#[tokio::test(flavor = "multi_thread")]
async fn members_take_turns() {
    let (one, two) = (
        FakeBackend::always(Reply::with(200, &[], "1")).await,
        FakeBackend::always(Reply::with(200, &[], "2")).await,
    );
    let manifest = tools().service("one", one.address(), "tools").service("two", two.address(), "tools");
    let gateway = TestGateway::start(&manifest).await;
    for _ in 0..10 {
        assert_eq!(gateway.client().get("/tools/x").await.status, 200);
    }
    assert_eq!((one.requests().len(), two.requests().len()), (5, 5));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_member_that_refuses_connections_costs_no_request() {
    let alive = FakeBackend::always(Reply::with(200, &[], "ok")).await;
    let manifest = tools().service("alive", alive.address(), "tools").service("dead", nobody(), "tools");
    let gateway = TestGateway::start(&manifest).await;
    for _ in 0..6 {
        assert_eq!(gateway.client().post("/tools/x", &json!({})).await.status, 200);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_member_whose_probe_fails_is_skipped() {
    let sick = FakeBackend::start(|_, request| {
        Reply::with(if request.target == "/up" { 503 } else { 200 }, &[], "sick")
    })
    .await;
    let sound = FakeBackend::always(Reply::with(200, &[], "sound")).await;
    let probe = json!({"path": "/up", "interval": "100ms"});
    let manifest = tools()
        .service("sick", sick.address(), "tools")
        .service("sound", sound.address(), "tools")
        .set("/backends/sick/health", probe.clone())
        .set("/backends/sound/health", probe);
    let gateway = TestGateway::start(&manifest).await;
    e2e::wait::until_async("the sick member to be out", async || {
        for _ in 0..6 {
            if gateway.client().get("/tools/x").await.text() == "sick" {
                return None;
            }
        }
        Some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_base_path_and_a_credential_are_the_backends_own() {
    let backend = FakeBackend::always(Reply::with(200, &[], "")).await;
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("key"), "of-the-service").unwrap();
    let manifest = tools()
        .service("one", backend.address(), "tools")
        .set("/backends/one/url", format!("http://{}/base", backend.address()))
        .set("/identities/service/apiKey", json!({"file": "key"}))
        .set("/backends/one/auth", "service");
    let settings = e2e::gateway::Settings { folder: Some(folder.path().to_owned()), ..Default::default() };
    let gateway = TestGateway::start_with(&manifest, settings).await.unwrap();
    assert_eq!(gateway.client().get("/tools/x?y=1").await.status, 200);
    let received = &backend.requests()[0];
    assert_eq!(received.target, "/base/tools/x?y=1");
    assert_eq!(received.header("authorization"), Some("Bearer of-the-service"));
}
