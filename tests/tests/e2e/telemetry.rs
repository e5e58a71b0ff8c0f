//! What arrives at a real collector: spans and metrics of a plain, a streamed, a failed-over and a refused
//! request, and nothing a caller wrote or a key protects.

use std::collections::BTreeSet;

use e2e::backend::{FakeBackend, Reply, nobody, stream_body};
use e2e::gateway::{Settings, TestGateway, chat, chat_stream};
use e2e::manifest::Manifest;
use e2e::otlp::{Collector, Span};
use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
use serde_json::json;

const KEY: &str = "sk-canary-key-of-the-caller";
const ROUTE: &str = "/v1/chat/completions";

async fn gateway(collector: &Collector, backends: &[(&str, &FakeBackend)]) -> TestGateway {
    let mut manifest = Manifest::new().consumer("team", KEY).otlp(collector.endpoint());
    for (name, backend) in backends {
        manifest = manifest.backend(name, backend.address());
    }
    TestGateway::start(&manifest).await
}

/// The SERVER span, which every other span of the gateway has as its parent.
fn root(spans: &[Span]) -> &Span {
    let roots: Vec<&Span> = spans.iter().filter(|span| span.kind == SpanKind::Server).collect();
    assert_eq!(roots.len(), 1, "{spans:#?}");
    for span in spans.iter().filter(|span| span.span_id != roots[0].span_id) {
        assert_eq!(span.parent, roots[0].span_id, "{}", span.name);
        assert!(span.times.0 >= roots[0].times.0, "{} begins before its parent", span.name);
        // The account is drawn up after the last byte, which is where the request ends for its caller.
        let is_within = span.times.1 <= roots[0].times.1 || span.name == "sluicegate.settle";
        assert!(is_within, "{} ends after its parent", span.name);
    }
    roots[0]
}

fn attempts(spans: &[Span]) -> Vec<&Span> {
    let mut attempts: Vec<&Span> = spans.iter().filter(|span| span.kind == SpanKind::Client).collect();
    attempts.sort_by_key(|span| span.attribute("sluicegate.attempt").to_owned());
    attempts
}

fn stages(spans: &[Span]) -> BTreeSet<&str> {
    spans.iter().filter(|span| span.kind == SpanKind::Internal).map(|span| span.name.as_str()).collect()
}

fn has(span: &Span, expected: &[(&str, &str)]) {
    for (key, value) in expected {
        assert_eq!(span.attribute(key), *value, "{key} of {}: {span:#?}", span.name);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plain_request_arrives_as_a_tree_with_its_tokens_and_its_cost() {
    let backend = FakeBackend::always(Reply::completion("ok")).await;
    let collector = Collector::start().await;
    let gateway = gateway(&collector, &[("a", &backend)]).await;
    let answer = gateway.client().with_key(KEY).chat(&chat("x")).await;
    let spans = collector.trace_of(answer.request_id()).await;
    let server = root(&spans);
    assert_eq!(
        (server.name.as_str(), server.parent.as_str(), server.failed),
        ("POST /v1/chat/completions", "", false)
    );
    let tokens = [
        ("gen_ai.usage.input_tokens", "3"),
        ("gen_ai.usage.output_tokens", "2"),
        ("sluicegate.cost.usd", "0.000005"),
    ];
    has(server, &tokens);
    has(
        server,
        &[
            ("http.request.method", "POST"),
            ("http.route", ROUTE),
            ("http.response.status_code", "200"),
            ("url.scheme", "http"),
            ("gen_ai.operation.name", "chat"),
            ("gen_ai.request.model", "sim-chat"),
            ("sluicegate.consumer", "team"),
            ("sluicegate.pool", "chat"),
            ("sluicegate.sli", "good"),
            ("error.type", ""),
        ],
    );
    assert!(server.attribute("sluicegate.bundle").starts_with("blake3:"));
    let attempts = attempts(&spans);
    assert_eq!((attempts.len(), attempts[0].name.as_str()), (1, "chat sim-chat"));
    has(attempts[0], &tokens);
    let port = backend.address().port().to_string();
    has(
        attempts[0],
        &[
            ("sluicegate.attempt", "1"),
            ("sluicegate.backend", "a/sim-chat"),
            ("gen_ai.provider.name", "openai"),
            ("server.address", "127.0.0.1"),
            ("server.port", &port),
            ("http.response.status_code", "200"),
        ],
    );
    let expected = ["identify", "admit", "inspect", "choose", "rewrite", "settle"]
        .map(|name| format!("sluicegate.{name}"));
    for stage in &expected {
        assert!(stages(&spans).contains(stage.as_str()), "{stage} is missing among {:?}", stages(&spans));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn metrics_of_a_plain_request_have_their_names_units_and_values() {
    let backend = FakeBackend::always(Reply::completion("ok")).await;
    let collector = Collector::start().await;
    let gateway = gateway(&collector, &[("a", &backend)]).await;
    gateway.client().with_key(KEY).chat(&chat("x")).await;
    let attempt = [
        ("gen_ai.provider.name", "openai"),
        ("gen_ai.request.model", "sim-chat"),
        ("sluicegate.backend", "a/sim-chat"),
        ("sluicegate.pool", "chat"),
    ];
    for (metric, unit, labels, value, count) in [
        ("gen_ai.client.inference.usage.input_tokens", "{token}", &attempt[..], Some(3.0), 1),
        ("gen_ai.client.inference.usage.output_tokens", "{token}", &attempt[..], Some(2.0), 1),
        ("gen_ai.client.operation.duration", "s", &attempt[..], None, 1),
        ("sluicegate.cost", "{USD}", &[("sluicegate.cost.component", "input")][..], Some(0.000_003), 1),
        ("sluicegate.cost", "{USD}", &[("sluicegate.cost.component", "output")][..], Some(0.000_002), 1),
        (
            "http.server.request.duration",
            "s",
            &[("http.route", ROUTE), ("http.response.status_code", "200"), ("sluicegate.sli", "good")][..],
            None,
            1,
        ),
        ("sluicegate.overhead.duration", "s", &[("http.route", ROUTE)][..], None, 1),
        ("gen_ai.server.request.duration", "s", &[("gen_ai.operation.name", "chat")][..], None, 1),
        ("sluicegate.config.generation", "{generation}", &[][..], Some(1.0), 1),
        ("sluicegate.backend.ready", "{ready}", &[("sluicegate.backend", "a/sim-chat")][..], Some(1.0), 1),
    ] {
        let is_there = |series: &e2e::otlp::Series| {
            series.count == count && value.is_none_or(|value| (series.value - value).abs() < 1e-9)
        };
        let series = collector.await_series(metric, labels, is_there).await;
        assert!(series.value > 0.0, "{metric}: {series:?}");
        assert_eq!(collector.unit(metric).as_deref(), Some(unit), "{metric}");
    }
    collector.await_series("http.server.active_requests", &[], |series| series.value == 0.0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_streamed_request_tells_when_its_first_output_came() {
    let backend = FakeBackend::always(Reply::stream(&stream_body(&["a", " b", " c"]))).await;
    let collector = Collector::start().await;
    let gateway = gateway(&collector, &[("a", &backend)]).await;
    let mut stream = gateway.client().with_key(KEY).chat_events(&chat_stream("x")).await;
    stream.rest().await;
    let spans = collector.trace_of(&stream.request_id()).await;
    has(root(&spans), &[("gen_ai.request.stream", "true"), ("gen_ai.usage.output_tokens", "3")]);
    assert_eq!(attempts(&spans)[0].events, ["gen_ai.first_chunk"]);
    for metric in [
        "gen_ai.client.operation.time_to_first_chunk",
        "gen_ai.server.time_to_first_token",
        "gen_ai.server.time_per_output_token",
    ] {
        collector
            .await_series(metric, &[("gen_ai.request.model", "sim-chat")], |series| series.count == 1)
            .await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failed_over_request_shows_both_attempts() {
    let failing = FakeBackend::always(Reply::error(503, "overloaded", &[])).await;
    let serving = FakeBackend::always(Reply::completion("ok")).await;
    let collector = Collector::start().await;
    let gateway = gateway(&collector, &[("failing", &failing), ("serving", &serving)]).await;
    let client = gateway.client().with_key(KEY);
    let answers = [client.chat(&chat("x")).await, client.chat(&chat("x")).await];
    let failed_over = failing.requests()[0].header("x-request-id").unwrap().to_owned();
    assert!(answers.iter().any(|answer| answer.request_id() == failed_over));
    let spans = collector.trace_of(&failed_over).await;
    has(
        root(&spans),
        &[("http.response.status_code", "200"), ("sluicegate.sli", "good"), ("error.type", "")],
    );
    let [first, second] = attempts(&spans)[..] else { panic!("{spans:#?}") };
    has(
        first,
        &[
            ("sluicegate.backend", "failing/sim-chat"),
            ("error.type", "backend_error"),
            ("http.response.status_code", "503"),
        ],
    );
    has(
        second,
        &[("sluicegate.backend", "serving/sim-chat"), ("http.request.resend_count", "1"), ("error.type", "")],
    );
    assert!(first.failed && !second.failed && first.times.1 <= second.times.0);
    let labels = [("sluicegate.reason", "backend_error"), ("sluicegate.backend", "failing/sim-chat")];
    collector.await_series("sluicegate.failovers", &labels, |series| series.value == 1.0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_request_is_a_tree_without_attempts_that_names_its_reason() {
    let backend = FakeBackend::always(Reply::completion("ok")).await;
    let collector = Collector::start().await;
    let gateway = gateway(&collector, &[("a", &backend)]).await;
    let answer = gateway.client().with_key("sk-wrong").chat(&chat("x")).await;
    let spans = collector.trace_of(answer.request_id()).await;
    let server = root(&spans);
    assert_eq!(
        (server.name.as_str(), server.failed),
        ("POST", false),
        "the caller's mistake is no error of the server"
    );
    has(
        server,
        &[
            ("error.type", "invalid_key"),
            ("http.response.status_code", "401"),
            ("sluicegate.sli", "excluded"),
        ],
    );
    assert!(attempts(&spans).is_empty());
    let stage = spans.iter().find(|span| span.name == "sluicegate.identify").unwrap();
    has(stage, &[("error.type", "invalid_key")]);
    collector
        .await_series("sluicegate.refusals", &[("sluicegate.reason", "invalid_key")], |series| {
            series.value == 1.0
        })
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_incoming_trace_is_continued_and_passed_on_to_ones_own_servers_only() {
    const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
    let backend = FakeBackend::always(Reply::completion("ok")).await;
    let collector = Collector::start().await;
    for (kind, is_forwarded) in [("vllm", true), ("openai", false)] {
        let manifest = Manifest::new()
            .backend_of("a", kind, &format!("http://{}", backend.address()))
            .member("chat", "a")
            .set("/backends/a/health", json!({"enabled": false}))
            .otlp(collector.endpoint());
        let gateway = TestGateway::start(&manifest).await;
        let client = gateway.client().with("traceparent", &format!("00-{TRACE}-00f067aa0ba902b7-01"));
        let answer = client.chat(&chat("x")).await;
        let spans: Vec<Span> = collector.trace_of(answer.request_id()).await;
        // Both gateways' trees are in the caller's one trace.
        let own =
            spans.iter().find(|span| span.attribute("sluicegate.request_id") == answer.request_id()).unwrap();
        assert_eq!((own.trace_id.as_str(), own.parent.as_str()), (TRACE, "00f067aa0ba902b7"));
        let attempt =
            spans.iter().find(|span| span.kind == SpanKind::Client && span.parent == own.span_id).unwrap();
        let sent = backend.requests().pop().unwrap().header("traceparent").map(str::to_owned);
        let expected = is_forwarded.then(|| format!("00-{TRACE}-{}-01", attempt.span_id));
        assert_eq!(sent, expected, "{kind}");
        let record = gateway.access_log().record(answer.request_id()).await;
        assert_eq!(record.trace_id.as_deref(), Some(TRACE));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_collector_that_is_down_or_hangs_holds_up_no_request() {
    let backend = FakeBackend::always(Reply::completion("ok")).await;
    let hanging = FakeBackend::always(Reply::steps(vec![e2e::backend::Step::Hang])).await;
    for endpoint in [nobody(), hanging.address()] {
        let manifest = Manifest::new()
            .backend("a", backend.address())
            .otlp(&format!("http://{endpoint}"))
            .set("/telemetry/otlp/protocol", "http-protobuf");
        let gateway = TestGateway::start(&manifest).await;
        let began = std::time::Instant::now();
        for _ in 0..200 {
            assert_eq!(gateway.client().chat(&chat("x")).await.status, 200);
        }
        assert!(
            began.elapsed() < std::time::Duration::from_secs(10),
            "200 requests took {:?}",
            began.elapsed()
        );
        gateway.access_log().at_least(200).await;
        e2e::wait::within("the end", gateway.shutdown(std::time::Duration::from_secs(1))).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_prompt_answer_or_key_leaves_by_any_other_way_than_to_the_backend() {
    const ANSWER: &str = "canary-answer";
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("key"), "canary-key-of-the-backend").unwrap();
    let events = stream_body(&[ANSWER]);
    let backend = FakeBackend::start(move |count, _| match count % 3 {
        0 => Reply::completion(ANSWER),
        1 => Reply::stream(&events),
        _ => Reply::error(400, "canary-code", &[("x-canary", "canary-header")]),
    })
    .await;
    let collector = Collector::start().await;
    let manifest = Manifest::new()
        .backend("a", backend.address())
        .consumer("team", KEY)
        .set("/identities/provider/apiKey", json!({"file": "key"}))
        .set("/backends/a/auth", "provider")
        .otlp(collector.endpoint());
    let settings = Settings { folder: Some(folder.path().to_owned()), ..Settings::default() };
    let gateway = TestGateway::start_with(&manifest, settings).await.unwrap();
    let client =
        gateway.client().with_key(KEY).with("user-agent", "canary-agent").with("x-user", "canary-user");
    let mut last = String::new();
    for request in [
        chat("canary-prompt"),
        chat_stream("canary-prompt"),
        chat("canary-prompt"),
        json!({"model": "canary-model"}),
    ] {
        let answer = client.post("/v1/chat/completions?canary-query=1", &request).await;
        answer.request_id().clone_into(&mut last);
    }
    let stranger = gateway.client().with_key("sk-canary-of-a-stranger").get("/canary-path").await;
    for id in [last.as_str(), stranger.request_id()] {
        gateway.access_log().record(id).await;
        collector.trace_of(id).await;
    }
    collector.await_series("sluicegate.refusals", &[("sluicegate.reason", "invalid_key")], |_| true).await;
    let mut seen = vec![("the collector", collector.bytes())];
    // The model's name is written down on purpose; it is what operators search for.
    seen.push(("the access log", gateway.access_log().text().replace("canary-model", "").into_bytes()));
    for path in ["/v1/status", "/v1/decisions?limit=1000", "/v1/shares", "/v1/manifest"] {
        seen.push(("the admin API", gateway.admin().get(path).await.body.to_vec()));
    }
    for (place, bytes) in seen {
        let text = String::from_utf8_lossy(&bytes);
        let found =
            text.match_indices("canary").map(|(at, _)| text.get(at.saturating_sub(20)..at + 20)).next();
        assert_eq!(found, None, "{place} shows what it must not");
    }
}
