//! Streams that break after their caller has seen output: an error in the caller's dialect and no
//! `[DONE]`, so that nobody takes half an answer for a whole one.

use e2e::backend::{FakeBackend, Reply, Step, chunk, stream_body};
use e2e::gateway::{TestGateway, chat_stream};
use e2e::manifest::Manifest;
use vocabulary::Reason;

/// How a stream ends that has begun: what the caller sees and what is accounted for.
async fn ends_with(reply: Reply, reason: Reason) {
    let backend = FakeBackend::always(reply.clone()).await;
    let other = FakeBackend::always(reply).await;
    let manifest = Manifest::new()
        .backend("a", backend.address())
        .backend("b", other.address())
        .set("/backends/a/timeouts/idle", "200ms")
        .set("/backends/b/timeouts/idle", "200ms");
    let gateway = TestGateway::start(&manifest).await;
    let mut stream = gateway.client().chat_events(&chat_stream("x")).await;
    assert_eq!(stream.status, 200);
    let events = stream.rest().await;
    assert_eq!(events[1].text(), "half");
    let last = events.last().unwrap().json();
    assert_eq!(last["error"]["code"], reason.code(), "{events:?}");
    assert_eq!(last["error"]["type"], "server_error");
    assert!(!events.iter().any(e2e::sse::Event::is_done), "a broken stream must not look whole");
    assert!(stream.ended_well(), "the error is the end of the body, not of the connection");
    assert_eq!(backend.requests().len() + other.requests().len(), 1, "half an answer cannot be begun again");
    let record = gateway.access_log().record(&stream.request_id()).await;
    assert_eq!((record.reason, record.status), (Some(reason), 200));
    assert!(record.usage.unwrap().output >= 1, "what was generated is accounted for");
}

fn half() -> Vec<String> {
    stream_body(&["half"])[..2].to_vec()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_closed_in_the_middle_ends_with_an_error_event() {
    ends_with(Reply::stream_then(&half(), Step::Close), Reason::StreamBroken).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_ends_without_finishing_ends_with_an_error_event() {
    ends_with(Reply::stream(&half()), Reason::StreamBroken).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_ends_within_an_event_ends_with_an_error_event() {
    let torn = Step::Write([chunk("data: {\"choices\": [{\"del"), b"0\r\n\r\n"[..].into()].concat().into());
    ends_with(Reply::stream_then(&half(), torn), Reason::StreamBroken).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_error_event_in_the_middle_is_told_in_our_words() {
    let error = chunk("data: {\"error\": {\"message\": \"scripted\", \"type\": \"x\"}}\n\n");
    ends_with(Reply::stream_then(&half(), Step::Write(error)), Reason::StreamBroken).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_silence_longer_than_the_idle_limit_ends_with_an_error_event() {
    ends_with(Reply::stream_then(&half(), Step::Hang), Reason::StreamIdle).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_that_dies_before_any_output_is_an_error_with_its_own_status() {
    let opening = &half()[..1];
    for (end, status, reason) in [
        (Step::Close, 502, "backend_reset"),
        (Step::Reset, 502, "backend_reset"),
        (Step::Hang, 504, "backend_timeout"),
    ] {
        let backend = FakeBackend::always(Reply::stream_then(opening, end)).await;
        let manifest =
            Manifest::new().backend("a", backend.address()).set("/backends/a/timeouts/firstToken", "200ms");
        let gateway = TestGateway::start(&manifest).await;
        let answer = gateway.client().chat(&chat_stream("x")).await;
        assert_eq!((answer.status, answer.error_code().as_str()), (status, reason), "{}", answer.text());
        assert_eq!(
            backend.requests().len(),
            1,
            "the backend may be at work on it: asking again could cost twice"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn bytes_that_are_no_http_are_an_error_of_the_backend() {
    for bytes in ["garbage\r\n\r\n", "HTTP/1.1 abc\r\n\r\n", ""] {
        let reply = Reply::steps(vec![Step::Write(bytes.into()), Step::Close]);
        let backend = FakeBackend::always(reply).await;
        let gateway = TestGateway::start(&Manifest::new().backend("a", backend.address())).await;
        let answer = gateway.client().chat(&e2e::gateway::chat("x")).await;
        assert_eq!(answer.status, 502, "{bytes:?}: {}", answer.text());
        assert!(answer.error_code().starts_with("backend_"), "{}", answer.text());
    }
}
