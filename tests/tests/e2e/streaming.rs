//! Streams on their way to the caller: event by event, nothing added, nothing the caller did not ask for,
//! and an end for the backend when the caller leaves.

use std::sync::Arc;
use std::time::Duration;

use e2e::backend::{FakeBackend, Reply, fast, simulate, stream_body};
use e2e::client::Client;
use e2e::gateway::{TestGateway, chat_stream};
use e2e::manifest::{MODEL, Manifest};
use e2e::sse::Event;
use e2e::wait::until;
use model_sim::{Outcome, Profile, SimConfig};
use serde_json::json;
use tokio::sync::Semaphore;
use vocabulary::{Reason, UsageSource};

async fn before(backend: &FakeBackend) -> TestGateway {
    TestGateway::start(&Manifest::new().backend("a", backend.address())).await
}

#[tokio::test(flavor = "multi_thread")]
async fn every_event_reaches_the_caller_before_the_backend_sends_the_next() {
    let pace = Arc::new(Semaphore::new(0));
    let events = stream_body(&["one", " two", " three", " four"]);
    let backend = FakeBackend::always(Reply::paced(&events, &pace)).await;
    let gateway = before(&backend).await;
    // The opening has no output yet: until some comes another backend could still answer.
    pace.add_permits(2);
    let mut stream = gateway.client().chat_events(&chat_stream("x")).await;
    assert_eq!(stream.next().await.unwrap().data, events[0]);
    assert_eq!(stream.next().await.unwrap().data, events[1]);
    for event in &events[2..=5] {
        // The backend is held until the caller has what was sent before, or this would wait for ever.
        pace.add_permits(1);
        assert_eq!(&stream.next().await.unwrap().data, event);
    }
    pace.add_permits(2);
    let rest = stream.rest().await;
    assert!(rest.len() == 1 && rest[0].is_done(), "only [DONE] is left once usage is taken out: {rest:?}");
    assert!(stream.ended_well());
    assert_eq!(stream.headers["content-type"], "text/event-stream; charset=utf-8");
}

#[tokio::test(flavor = "multi_thread")]
async fn usage_is_always_asked_for_and_shown_only_to_callers_that_asked() {
    let backend = FakeBackend::always(Reply::stream(&stream_body(&["a", " b"]))).await;
    let gateway = before(&backend).await;
    let mut wanted = chat_stream("x");
    wanted["stream_options"] = json!({"include_usage": true});
    let mut unwanted = chat_stream("x");
    unwanted["stream_options"] = json!({"include_usage": false});
    for (request, is_shown) in [(chat_stream("x"), false), (unwanted, false), (wanted, true)] {
        let mut stream = gateway.client().chat_events(&request).await;
        let events = stream.rest().await;
        let received = backend.requests().pop().unwrap().json();
        assert_eq!(received["stream_options"]["include_usage"], true);
        let usage: Vec<_> = events.iter().filter(|event| !event.json()["usage"].is_null()).collect();
        assert_eq!(!usage.is_empty(), is_shown, "{events:?}");
        assert!(events.last().unwrap().is_done());
        let record = gateway.access_log().record(&stream.request_id()).await;
        let counted = record.usage.unwrap();
        assert_eq!((counted.input, counted.output, record.usage_source), (3, 2, Some(UsageSource::Provider)));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn events_cut_anywhere_arrive_whole() {
    let mut config = fast("a");
    config.faults = model_sim::FaultScript::parse(r#"[{"at": 0, "kind": "split_events"}]"#).unwrap();
    let sim = simulate(config);
    let gateway = TestGateway::start(&Manifest::new().backend("a", sim.addr())).await;
    let mut request = chat_stream("one two three");
    request["max_tokens"] = 40.into();
    let mut stream = gateway.client().chat_events(&request).await;
    let events = stream.rest().await;
    let text: String = events.iter().map(Event::text).collect();
    let record = &sim.log()[0];
    assert_eq!(model_sim::tokens::count(&text), record.output_tokens);
    assert!(events.last().unwrap().is_done() && stream.ended_well());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_that_only_lacks_its_terminator_is_given_one() {
    let mut events = stream_body(&["a"]);
    events.pop();
    let backend = FakeBackend::always(Reply::stream(&events)).await;
    let gateway = before(&backend).await;
    let mut stream = gateway.client().chat_events(&chat_stream("x")).await;
    assert!(stream.rest().await.last().unwrap().is_done());
    let record = gateway.access_log().record(&stream.request_id()).await;
    assert_eq!(record.reason, None);
}

#[tokio::test(flavor = "multi_thread")]
async fn tokens_are_estimated_and_marked_so_when_a_backend_counts_none() {
    let events = stream_body(&["twelve bytes", " and twelve "]);
    let without_usage: Vec<String> = events.into_iter().filter(|event| !event.contains("usage")).collect();
    let backend = FakeBackend::always(Reply::stream(&without_usage)).await;
    let gateway = before(&backend).await;
    let mut stream = gateway.client().chat_events(&chat_stream("x")).await;
    stream.rest().await;
    let record = gateway.access_log().record(&stream.request_id()).await;
    assert_eq!(record.usage_source, Some(UsageSource::Gateway));
    assert_eq!(record.usage.unwrap().output, 6, "a token for every four bytes");
}

/// Reads a few events of a slow stream, leaves, and checks what the server did afterwards.
async fn leaves_in_the_middle(connect: impl Fn(&TestGateway) -> Client, backend_http2: bool) {
    let profile = Profile::hosted(Duration::from_millis(10), 1e6, Duration::from_millis(40));
    let sim = simulate(SimConfig::new("slow", MODEL, profile));
    let manifest = Manifest::new().backend("a", sim.addr()).set("/backends/a/http2", backend_http2);
    let gateway = TestGateway::start(&manifest).await;
    let mut request = chat_stream("x");
    request["max_tokens"] = 400.into();
    let mut stream = connect(&gateway).chat_events(&request).await;
    for _ in 0..4 {
        stream.next().await.expect("an event");
    }
    let id = stream.request_id();
    drop(stream);
    let ended = || sim.log().into_iter().next().filter(|record| record.outcome != Outcome::InFlight);
    let record = until("the backend to hear of it", ended).await;
    assert_eq!(record.outcome, Outcome::Cancelled);
    assert!(
        record.events <= 4 + 2,
        "{} events were sent although the caller had left after 4",
        record.events
    );
    let settled = gateway.access_log().record(&id).await;
    assert_eq!((settled.reason, settled.status), (Some(Reason::ClientClosed), 200));
    assert!(settled.usage.unwrap().output >= 3, "what was generated is accounted for: {:?}", settled.usage);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_caller_that_leaves_ends_the_generation_over_http1() {
    leaves_in_the_middle(TestGateway::client, false).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_caller_that_leaves_ends_the_generation_over_h2c() {
    leaves_in_the_middle(|gateway| gateway.client().http2(), false).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_caller_that_leaves_ends_the_generation_when_the_backend_speaks_http2() {
    leaves_in_the_middle(TestGateway::client, true).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_caller_that_leaves_before_the_first_byte_ends_the_generation_too() {
    for request in [e2e::gateway::chat("x"), chat_stream("x")] {
        let backend = FakeBackend::always(Reply::steps(vec![e2e::backend::Step::Hang])).await;
        let gateway = before(&backend).await;
        let client = gateway.client();
        let mut connection = client.connect().await;
        let request = client.json("/v1/chat/completions", request.to_string());
        tokio::select! {
            _ = connection.try_begin(request) => panic!("nobody answers"),
            _ = backend.await_requests(1) => {}
        }
        drop(connection);
        backend.await_left().await;
        let record = &gateway.access_log().at_least(1).await[0];
        assert_eq!((record.reason, record.status), (Some(Reason::ClientClosed), 499));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_without_a_stream_arrives_byte_for_byte() {
    let body = format!("{{\"choices\": [], \"odd\":\t1.50, \"text\": \"{}\"}}", "水".repeat(200_000));
    let backend = FakeBackend::always(Reply::with(200, &[("content-type", "application/json")], &body)).await;
    let gateway = before(&backend).await;
    let answer = gateway.client().chat(&e2e::gateway::chat("x")).await;
    assert!(answer.text() == body, "{} bytes became {}", body.len(), answer.body.len());
}
