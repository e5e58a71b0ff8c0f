//! Comments that keep a stream's connection alive while its first token is long in coming, through an
//! ingress that cuts what is silent.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use e2e::backend::{FakeBackend, Reply, Step, stream_body};
use e2e::client::Client;
use e2e::gateway::{TestGateway, chat_stream};
use e2e::manifest::Manifest;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

/// How long this ingress lets a connection say nothing after a request.
const IDLE_CUT: Duration = Duration::from_millis(400);

/// An ingress before `upstream` that closes both sides of a connection on which no answer has come for
/// [`IDLE_CUT`], as Container Apps does after 240 s.
async fn idle_cutting_ingress(upstream: SocketAddr) -> (SocketAddr, JoinSet<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let mut ingress = JoinSet::new();
    ingress.spawn(async move {
        let mut connections = JoinSet::new();
        while let Ok((client, _)) = listener.accept().await {
            connections.spawn(carry(client, upstream));
        }
    });
    (address, ingress)
}

async fn carry(client: TcpStream, upstream: SocketAddr) {
    let Ok(server) = TcpStream::connect(upstream).await else { return };
    let (mut from_client, mut to_client) = client.into_split();
    let (mut from_server, mut to_server) = server.into_split();
    let mut bytes = vec![0; 16 * 1024];
    let answers = async {
        while let Ok(Ok(read @ 1..)) = tokio::time::timeout(IDLE_CUT, from_server.read(&mut bytes)).await {
            if to_client.write_all(&bytes[..read]).await.is_err() {
                break;
            }
        }
    };
    tokio::select! {
        () = answers => {}
        _ = tokio::io::copy(&mut from_client, &mut to_server) => {}
    }
}

/// A backend whose first token comes when the test says so.
async fn patient() -> (FakeBackend, Arc<Semaphore>) {
    let pace = Arc::new(Semaphore::new(0));
    let backend = FakeBackend::always(Reply::paced(&stream_body(&["late", " words"]), &pace)).await;
    (backend, pace)
}

fn release_later(pace: Arc<Semaphore>) -> JoinSet<()> {
    let mut later = JoinSet::new();
    later.spawn(async move {
        tokio::time::sleep(4 * IDLE_CUT).await;
        pace.add_permits(100);
    });
    later
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slow_first_token_survives_an_ingress_that_cuts_silence() {
    let (backend, pace) = patient().await;
    let manifest = Manifest::new().backend("patient", backend.address()).set("/routes/chat/heartbeat", "1s");
    let settings = e2e::gateway::Settings { time_scale: 10.0, ..e2e::gateway::Settings::default() };
    let gateway = TestGateway::start_with(&manifest, settings).await.unwrap();
    let (ingress, _running) = idle_cutting_ingress(gateway.address()).await;
    let _later = release_later(pace);
    let mut stream = Client::new(ingress).chat_events(&chat_stream("x")).await;
    assert_eq!(stream.status, 200);
    let events = stream.rest().await;
    assert!(stream.ended_well(), "the stream is whole");
    let text: String = events.iter().map(e2e::sse::Event::text).collect();
    assert_eq!(text, "late words");
}

#[tokio::test(flavor = "multi_thread")]
async fn without_heartbeats_that_ingress_cuts_it_off() {
    let (backend, pace) = patient().await;
    let manifest = Manifest::new().backend("patient", backend.address());
    let gateway = TestGateway::start(&manifest).await;
    let (ingress, _running) = idle_cutting_ingress(gateway.address()).await;
    let _later = release_later(pace);
    let client = Client::new(ingress);
    let request = client.json("/v1/chat/completions", chat_stream("x").to_string());
    let answer = client.connect().await.try_begin(request).await;
    assert!(answer.is_err(), "the ingress closed before any byte of an answer");
}

#[tokio::test(flavor = "multi_thread")]
async fn when_every_backend_fails_after_a_heartbeat_the_error_is_the_streams_last_event() {
    let pace = Arc::new(Semaphore::new(0));
    let failing = FakeBackend::always(Reply::steps(vec![
        Step::Await(Arc::clone(&pace)),
        Step::Write(bytes::Bytes::from_static(b"HTTP/1.1 503 Scripted\r\ncontent-length: 0\r\n\r\n")),
    ]))
    .await;
    let manifest = Manifest::new()
        .backend("failing", failing.address())
        .set("/pools/chat/retry/maxAttempts", 1)
        .set("/routes/chat/heartbeat", "1s");
    let settings = e2e::gateway::Settings { time_scale: 10.0, ..e2e::gateway::Settings::default() };
    let gateway = TestGateway::start_with(&manifest, settings).await.unwrap();
    let _later = release_later(pace);
    let mut stream = gateway.client().chat_events(&chat_stream("x")).await;
    assert_eq!(stream.status, 200, "it began with a heartbeat");
    let events = stream.rest().await;
    assert_eq!(
        events.last().map(|event| event.json()["error"]["code"].clone()),
        Some("backend_error".into())
    );
    assert!(!events.iter().any(e2e::sse::Event::is_done));
    let record = gateway.access_log().record(&stream.request_id()).await;
    assert_eq!((record.status, record.reason), (200, Some(vocabulary::Reason::BackendError)));
}
