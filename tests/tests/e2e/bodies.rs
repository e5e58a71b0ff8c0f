//! Request bodies: every size up to the limit arrives as it was sent, and not a byte more is taken.

use bytes::Bytes;
use e2e::backend::{FakeBackend, Reply};
use e2e::client::{Answer, Client, chunked};
use e2e::gateway::{TestGateway, chat};
use e2e::manifest::Manifest;
use http::Method;
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

const KIB: usize = 1024;
const LIMIT: usize = 8 * 1024 * KIB;

/// A chat request of exactly `size` bytes, with characters of every width in its text.
fn body_of(size: usize) -> Bytes {
    let empty = chat("").to_string().len();
    let mut words = "weir – 水路 ".repeat(size / 16);
    while empty + words.len() > size {
        words.pop();
    }
    words.push_str(&"x".repeat(size - empty - words.len()));
    let body = chat(&words).to_string();
    assert_eq!(body.len(), size, "the test's own arithmetic");
    Bytes::from(body)
}

async fn gateway() -> (TestGateway, FakeBackend) {
    let backend = FakeBackend::always(Reply::completion("ok")).await;
    let gateway = TestGateway::start(&Manifest::new().backend("a", backend.address())).await;
    (gateway, backend)
}

/// Sends `body` in pieces of an odd size, without saying how long it is.
async fn post_chunked(client: &Client, body: &Bytes) -> Answer {
    let pieces = body.chunks(65_521).map(Bytes::copy_from_slice).collect();
    let mut request = client.request(Method::POST, "/v1/chat/completions", chunked(pieces));
    request.headers_mut().insert("content-type", "application/json".parse().unwrap());
    client.send(request).await
}

#[tokio::test(flavor = "multi_thread")]
async fn bodies_up_to_the_limit_arrive_byte_for_byte_with_a_length_and_without() {
    let (gateway, backend) = gateway().await;
    for size in [63 * KIB, 64 * KIB, 65 * KIB, 1024 * KIB, LIMIT] {
        let body = body_of(size);
        let with_length = gateway.client().post_bytes("/v1/chat/completions", body.clone()).await;
        let without = post_chunked(&gateway.client(), &body).await;
        let over_http2 = gateway.client().http2().post_bytes("/v1/chat/completions", body.clone()).await;
        for (answer, how) in
            [(with_length, "with a length"), (without, "chunked"), (over_http2, "over HTTP/2")]
        {
            assert_eq!(answer.status, 200, "{size} bytes {how}: {}", answer.text());
            let received = backend.requests().pop().unwrap();
            assert!(received.body == body, "{size} bytes {how} were changed on the way");
            assert_eq!(received.header("content-length"), Some(size.to_string().as_str()), "{how}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_large_body_keeps_its_text_when_fields_are_edited() {
    let (gateway, backend) = gateway().await;
    let mut sent: Value = serde_json::from_slice(&body_of(1024 * KIB)).unwrap();
    sent["stream"] = true.into();
    gateway.client().chat(&sent).await;
    let received = backend.requests().pop().unwrap().json();
    sent["stream_options"] = serde_json::json!({"include_usage": true});
    assert!(received == sent, "more than stream_options was changed");
}

#[tokio::test(flavor = "multi_thread")]
async fn one_byte_over_the_limit_is_refused_and_no_backend_hears_of_it() {
    let (gateway, backend) = gateway().await;
    let body = body_of(LIMIT + 1);
    let mut answers = Vec::new();
    // Repeated, since a connection closed too early loses the answer only now and then.
    for _ in 0..5 {
        answers.push(gateway.client().post_bytes("/v1/chat/completions", body.clone()).await);
        answers.push(post_chunked(&gateway.client(), &body).await);
        answers.push(gateway.client().http2().post_bytes("/v1/chat/completions", body.clone()).await);
    }
    for answer in answers {
        assert_eq!((answer.status, answer.error_code().as_str()), (413, "body_too_large"));
        assert_eq!(answer.json()["error"]["type"], "invalid_request_error");
        assert!(answer.text().contains("8MiB"), "{}", answer.text());
        let record = gateway.access_log().record(answer.request_id()).await;
        assert_eq!(record.reason, Some(vocabulary::Reason::BodyTooLarge));
    }
    assert_eq!(backend.requests().len(), 0);
}

/// Reads until `text` has come, and gives everything up to there.
async fn read_until(stream: &mut TcpStream, text: &str) -> String {
    let mut got = String::new();
    let mut buffer = [0; 4096];
    while !got.contains(text) {
        let read = e2e::wait::within("bytes", stream.read(&mut buffer)).await.unwrap();
        assert!(read > 0, "the connection ended after: {got}");
        got.push_str(std::str::from_utf8(&buffer[..read]).unwrap());
    }
    got
}

fn head_expecting(length: usize) -> String {
    format!(
        "POST /v1/chat/completions HTTP/1.1\r\nhost: gateway\r\ncontent-type: application/json\r\n\
         content-length: {length}\r\nexpect: 100-continue\r\n\r\n"
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn a_caller_that_waits_for_100_continue_gets_it_before_it_sends_its_body() {
    let (gateway, backend) = gateway().await;
    let mut stream = TcpStream::connect(gateway.address()).await.unwrap();
    let body = body_of(2 * KIB);
    stream.write_all(head_expecting(body.len()).as_bytes()).await.unwrap();
    let word = read_until(&mut stream, "\r\n\r\n").await;
    assert!(word.starts_with("HTTP/1.1 100 "), "{word}");
    stream.write_all(&body).await.unwrap();
    let answer = read_until(&mut stream, "usage").await;
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    assert!(backend.requests()[0].header("expect").is_none(), "the expectation was meant for the gateway");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_caller_that_waits_is_told_413_without_100_when_its_body_would_be_too_large() {
    let (gateway, _backend) = gateway().await;
    let mut stream = TcpStream::connect(gateway.address()).await.unwrap();
    stream.write_all(head_expecting(LIMIT + 1).as_bytes()).await.unwrap();
    let answer = read_until(&mut stream, "body_too_large").await;
    assert!(answer.starts_with("HTTP/1.1 413 "), "{answer}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_does_not_arrive_in_time_is_refused_with_408() {
    let backend = FakeBackend::always(Reply::completion("ok")).await;
    let manifest =
        Manifest::new().backend("a", backend.address()).set("/listeners/main/bodyTimeout", "200ms");
    let gateway = TestGateway::start(&manifest).await;
    let mut stream = TcpStream::connect(gateway.address()).await.unwrap();
    let head = head_expecting(KIB).replace("expect: 100-continue\r\n", "");
    stream.write_all(format!("{head}{{\"model\"").as_bytes()).await.unwrap();
    let answer = read_until(&mut stream, "body_timeout").await;
    assert!(answer.starts_with("HTTP/1.1 408 "), "{answer}");
    assert_eq!(backend.requests().len(), 0);
}
