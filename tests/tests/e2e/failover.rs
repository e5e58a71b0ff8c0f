//! What a failing backend means for its caller before anything was sent: another backend where that is
//! safe, an honest error where it is not.

use e2e::backend::{FakeBackend, Reply, nobody, stream_body};
use e2e::gateway::{TestGateway, chat, chat_stream};
use e2e::manifest::Manifest;
use serde_json::json;
use vocabulary::Reason;

/// A gateway before a backend that fails and one that serves; the pool takes turns, so that half of the
/// requests begin at each.
struct Pair {
    gateway: TestGateway,
    failing: FakeBackend,
    serving: FakeBackend,
}

async fn pair(failure: Reply) -> Pair {
    let failing = FakeBackend::always(failure).await;
    let serving = FakeBackend::always(Reply::completion("served")).await;
    let manifest =
        Manifest::new().backend("failing", failing.address()).backend("serving", serving.address());
    Pair { gateway: TestGateway::start(&manifest).await, failing, serving }
}

impl Pair {
    /// Sends `count` requests, each of which must be served; gives the reasons of failed attempts.
    async fn all_are_served(&self, count: usize) -> Vec<Reason> {
        let mut reasons = Vec::new();
        for _ in 0..count {
            let answer = self.gateway.client().chat(&chat("x")).await;
            assert_eq!(answer.status, 200, "{}", answer.text());
            assert_eq!(answer.header("x-sluicegate-backend"), Some("serving/sim-chat"));
            let record = self.gateway.access_log().record(answer.request_id()).await;
            assert_eq!((record.reason, record.backend.as_deref()), (None, Some("serving/sim-chat")));
            let failed = record.attempts.iter().filter(|attempt| attempt.reason.is_some());
            reasons.extend(failed.filter_map(|attempt| attempt.reason));
        }
        assert_eq!(self.serving.requests().len(), count);
        reasons
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backend_that_asks_for_rest_is_not_asked_again_until_then() {
    let pair = pair(Reply::error(429, "rate_limit_exceeded", &[("retry-after", "30")])).await;
    let reasons = pair.all_are_served(8).await;
    assert_eq!(reasons, [Reason::BackendRateLimited]);
    assert_eq!(pair.failing.requests().len(), 1);
    pair.gateway.await_standing("chat", "failing/sim-chat", "cooling_down").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backend_that_is_rate_limited_without_saying_until_when_is_passed_over_too() {
    let pair = pair(Reply::error(429, "rate_limit_exceeded", &[])).await;
    let reasons = pair.all_are_served(4).await;
    assert!(
        !reasons.is_empty() && reasons.iter().all(|reason| *reason == Reason::BackendRateLimited),
        "{reasons:?}"
    );
    assert_eq!(pair.failing.requests().len(), reasons.len());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_that_fails_with_5xx_is_served_by_the_next_backend() {
    for status in [500, 503, 529] {
        let pair = pair(Reply::error(status, "server_error", &[])).await;
        let reasons = pair.all_are_served(4).await;
        assert_eq!(reasons, [Reason::BackendError; 2], "{status}");
        let (first, second) = (pair.failing.requests(), pair.serving.requests());
        assert!(first.iter().all(|request| request.body == second[0].body), "both get the same request");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backend_that_refuses_connections_costs_no_request() {
    let serving = FakeBackend::always(Reply::completion("served")).await;
    let manifest = Manifest::new().backend("failing", nobody()).backend("serving", serving.address());
    let pair = Pair {
        gateway: TestGateway::start(&manifest).await,
        failing: FakeBackend::always(Reply::default()).await,
        serving,
    };
    assert_eq!(pair.all_are_served(4).await, [Reason::BackendConnect; 2]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_without_credit_takes_its_backend_out_at_once() {
    let pair = pair(Reply::error(429, "insufficient_quota", &[])).await;
    assert_eq!(pair.all_are_served(6).await, [Reason::BackendQuota]);
    pair.gateway.await_standing("chat", "failing/sim-chat", "ejected").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_error_event_before_any_output_fails_over_within_the_same_answer() {
    let opening = stream_body(&[])[0].clone();
    let error = json!({"error": {"message": "overloaded", "type": "server_error", "code": null}}).to_string();
    let failing = FakeBackend::always(Reply::stream(&[opening, error])).await;
    let serving = FakeBackend::always(Reply::stream(&stream_body(&["all", " good"]))).await;
    let manifest =
        Manifest::new().backend("failing", failing.address()).backend("serving", serving.address());
    let gateway = TestGateway::start(&manifest).await;
    for _ in 0..4 {
        let mut stream = gateway.client().chat_events(&chat_stream("x")).await;
        let events = stream.rest().await;
        assert_eq!(events.iter().map(e2e::sse::Event::text).collect::<String>(), "all good");
        assert!(events.last().unwrap().is_done());
        let roles = events.iter().filter(|event| event.json()["choices"][0]["delta"]["role"] == "assistant");
        assert_eq!(roles.count(), 1, "the failed answer's opening leaked");
    }
    assert_eq!((failing.requests().len(), serving.requests().len()), (2, 4));
}

#[tokio::test(flavor = "multi_thread")]
async fn when_all_backends_fail_the_caller_gets_the_last_reason_and_when_to_come_back() {
    for (status, code, seconds, expected, reason) in [
        (503, "overloaded", "30", 502, "backend_error"),
        (429, "rate_limit_exceeded", "40", 429, "backend_rate_limited"),
    ] {
        let failure = Reply::error(status, code, &[("retry-after", seconds)]);
        let backends = [FakeBackend::always(failure.clone()).await, FakeBackend::always(failure).await];
        let manifest =
            Manifest::new().backend("a", backends[0].address()).backend("b", backends[1].address());
        let gateway = TestGateway::start(&manifest).await;
        let answer = gateway.client().chat(&chat("x")).await;
        assert_eq!((answer.status, answer.error_code().as_str()), (expected, reason), "{}", answer.text());
        assert_eq!(answer.header("retry-after"), Some(seconds));
        assert!(!answer.text().contains("scripted"), "a backend's own words: {}", answer.text());
        assert!(backends.iter().all(|backend| !backend.requests().is_empty()), "each was tried");
        let record = gateway.access_log().record(answer.request_id()).await;
        assert_eq!(record.attempts.len(), 2, "whoever asked for rest is not asked again: {status}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_short_rest_of_the_only_backend_is_waited_for() {
    let backend = FakeBackend::start(|count, _| match count {
        0 => Reply::error(429, "rate_limit_exceeded", &[("retry-after-ms", "300")]),
        _ => Reply::completion("rested"),
    })
    .await;
    let gateway = TestGateway::start(&Manifest::new().backend("a", backend.address())).await;
    let answer = gateway.client().chat(&chat("x")).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    let requests = backend.requests();
    let rest = requests[1].at - requests[0].at;
    assert!(rest >= std::time::Duration::from_millis(300), "asked again after {rest:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_manifest_bounds_the_attempts_of_a_request() {
    let backends = [
        FakeBackend::always(Reply::error(500, "server_error", &[])).await,
        FakeBackend::always(Reply::error(500, "server_error", &[])).await,
    ];
    let manifest = Manifest::new()
        .backend("a", backends[0].address())
        .backend("b", backends[1].address())
        .set("/pools/chat/retry/maxAttempts", 1);
    let gateway = TestGateway::start(&manifest).await;
    assert_eq!(gateway.client().chat(&chat("x")).await.status, 502);
    assert_eq!(backends[0].requests().len() + backends[1].requests().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_backend_says_about_the_request_itself_is_passed_on_and_not_tried_elsewhere() {
    let words = json!({"error": {"message": "Unsupported value: 'temperature'", "type": "invalid_request_error",
        "param": "temperature", "code": "unsupported_value"}});
    let refusing = FakeBackend::always(Reply::json(400, &words)).await;
    let other = FakeBackend::always(Reply::json(400, &words)).await;
    let manifest = Manifest::new().backend("a", refusing.address()).backend("b", other.address());
    let gateway = TestGateway::start(&manifest).await;
    let answer = gateway.client().chat(&chat("x")).await;
    assert_eq!((answer.status, answer.json()), (400, words));
    assert_eq!(refusing.requests().len() + other.requests().len(), 1);
    let record = gateway.access_log().record(answer.request_id()).await;
    assert_eq!(record.reason, Some(Reason::BackendRefused));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_credential_of_the_gateway_never_looks_like_the_callers_and_never_shows() {
    const SECRET: &str = "sk-canary-of-the-gateway";
    let words = json!({"error": {"message": format!("Incorrect API key provided: {SECRET}"), "code": "invalid_api_key"}});
    let backend = FakeBackend::always(Reply::json(401, &words)).await;
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("key"), SECRET).unwrap();
    let manifest = Manifest::new()
        .backend("a", backend.address())
        .set("/identities/provider/apiKey", json!({"file": "key"}))
        .set("/backends/a/auth", "provider");
    let settings = e2e::gateway::Settings { folder: Some(folder.path().to_owned()), ..Default::default() };
    let gateway = TestGateway::start_with(&manifest, settings).await.unwrap();
    let answer = gateway.client().with_key("the-callers-own").chat(&chat("x")).await;
    assert_eq!((answer.status, answer.error_code().as_str()), (502, "backend_auth"));
    let received = backend.requests();
    assert_eq!(received[0].header("authorization"), Some(format!("Bearer {SECRET}").as_str()));
    assert!(!received[0].head.contains("the-callers-own"), "the caller's key was passed on");
    gateway.access_log().record(answer.request_id()).await;
    let shown = [answer.text(), format!("{:?}", answer.headers), gateway.access_log().text()].concat();
    assert!(!shown.contains("canary"), "{shown}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backend_that_never_answers_ends_in_504_and_the_request_is_not_paid_for_twice() {
    let silent = FakeBackend::always(Reply::steps(vec![e2e::backend::Step::Hang])).await;
    let other = FakeBackend::always(Reply::steps(vec![e2e::backend::Step::Hang])).await;
    let manifest = Manifest::new()
        .backend("a", silent.address())
        .backend("b", other.address())
        .set("/backends/a/timeouts/firstToken", "150ms")
        .set("/backends/b/timeouts/firstToken", "150ms");
    let gateway = TestGateway::start(&manifest).await;
    for request in [chat("x"), chat_stream("x")] {
        let before = silent.requests().len() + other.requests().len();
        let answer = gateway.client().chat(&request).await;
        assert_eq!(
            (answer.status, answer.error_code().as_str()),
            (504, "backend_timeout"),
            "{}",
            answer.text()
        );
        assert_eq!(silent.requests().len() + other.requests().len(), before + 1);
    }
}
