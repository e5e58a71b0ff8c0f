//! What a plain, a streamed, a failed-over and a refused request look like to a collector.

use std::time::Duration;

use opentelemetry_proto::tonic::trace::v1::Span;
use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
use opentelemetry_proto::tonic::trace::v1::status::StatusCode;
use telemetry::otlp::Secret;
use telemetry::{Drops, Export, Protocol, Signal, Telemetry};
use vocabulary::Reason;

use crate::scene::{self, CALLER, ROUTE};
use crate::sink::{Sink, point, text};

const BOTH: [Protocol; 2] = [Protocol::Grpc, Protocol::HttpProtobuf];
const SOON: Duration = Duration::from_secs(20);

fn start(sink: &Sink) -> Telemetry {
    Export::start(&sink.config(), &Drops::default()).unwrap()
}

fn spans_of(protocol: Protocol, trace: &telemetry::ExchangeTrace) -> Vec<Span> {
    let sink = Sink::start(protocol);
    let telemetry = start(&sink);
    scene::keep(&telemetry.traces(), trace);
    assert!(telemetry.shutdown(SOON));
    sink.spans()
}

fn hex(id: &[u8]) -> String {
    id.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn of_kind(spans: &[Span], kind: SpanKind) -> Vec<&Span> {
    let mut found: Vec<_> = spans.iter().filter(|span| span.kind() == kind).collect();
    found.sort_by_key(|span| span.start_time_unix_nano);
    found
}

fn attribute(span: &Span, key: &str) -> String {
    text(&span.attributes, key).unwrap_or_else(|| panic!("{} has no {key}: {:?}", span.name, span.attributes))
}

fn code(span: &Span) -> StatusCode {
    span.status.as_ref().map_or(StatusCode::Unset, opentelemetry_proto::tonic::trace::v1::Status::code)
}

#[test]
fn a_plain_request_is_a_server_span_with_its_stages_and_one_attempt() {
    for protocol in BOTH {
        let spans = spans_of(protocol, &scene::plain_trace(scene::continued()));
        let [root] = of_kind(&spans, SpanKind::Server)[..] else { panic!("{spans:?}") };
        assert_eq!(root.name, format!("POST {ROUTE}"));
        assert_eq!(hex(&root.trace_id), &CALLER[3..35]);
        assert_eq!(hex(&root.parent_span_id), &CALLER[36..52]);
        assert_eq!(root.trace_state, "vendor=opaque");
        assert_eq!(root.end_time_unix_nano - root.start_time_unix_nano, 1_250_000_000);
        assert_eq!(root.start_time_unix_nano, 1_795_000_000_000_000_000);
        assert_eq!(attribute(root, "http.response.status_code"), "200");
        assert_eq!(attribute(root, "sluicegate.sli"), "good");
        assert_eq!(attribute(root, "gen_ai.usage.input_tokens"), "900");
        assert_eq!(attribute(root, "gen_ai.usage.cache_read.input_tokens"), "128");
        assert_eq!(
            attribute(root, "sluicegate.cost.usd"),
            scene::prices().cost(&scene::USAGE).as_f64().to_string()
        );
        assert_eq!(code(root), StatusCode::Unset);

        let stages: Vec<_> =
            of_kind(&spans, SpanKind::Internal).iter().map(|span| span.name.clone()).collect();
        assert_eq!(
            stages,
            ["identify", "admit", "inspect", "reserve", "choose", "rewrite", "settle"]
                .map(|s| format!("sluicegate.{s}"))
        );
        let [attempt] = of_kind(&spans, SpanKind::Client)[..] else { panic!("{spans:?}") };
        assert_eq!(attempt.name, "chat gpt-4o");
        assert_eq!(hex(&attempt.span_id), "0101010101010101", "the id that was announced upstream");
        assert_eq!(attribute(attempt, "gen_ai.provider.name"), "azure.ai.openai");
        assert_eq!(attribute(attempt, "gen_ai.response.model"), "gpt-4o-2024-08-06");
        assert_eq!(attribute(attempt, "gen_ai.response.finish_reasons"), "stop");
        assert_eq!(attribute(attempt, "server.address"), "east.example");
        assert_eq!(attribute(attempt, "server.port"), "443");
        assert_eq!(text(&attempt.attributes, "http.request.resend_count"), None);
        for child in spans.iter().filter(|span| span.span_id != root.span_id) {
            assert_eq!(child.parent_span_id, root.span_id, "{}", child.name);
            assert_eq!(child.trace_id, root.trace_id, "{}", child.name);
        }
        let ids: std::collections::BTreeSet<_> = spans.iter().map(|span| &span.span_id).collect();
        assert_eq!(ids.len(), spans.len(), "span ids repeat");
    }
}

#[test]
fn a_streamed_request_marks_its_first_chunk_and_links_to_an_untrusted_caller() {
    for protocol in BOTH {
        let spans = spans_of(protocol, &scene::streamed_trace());
        let [root] = of_kind(&spans, SpanKind::Server)[..] else { panic!("{spans:?}") };
        assert_ne!(hex(&root.trace_id), &CALLER[3..35]);
        assert!(root.parent_span_id.is_empty());
        assert_eq!(root.trace_state, "");
        let [link] = &root.links[..] else { panic!("{:?}", root.links) };
        assert_eq!(hex(&link.trace_id), &CALLER[3..35]);
        assert_eq!(hex(&link.span_id), &CALLER[36..52]);
        let [attempt] = of_kind(&spans, SpanKind::Client)[..] else { panic!("{spans:?}") };
        assert_eq!(attribute(attempt, "gen_ai.request.stream"), "true");
        let [event] = &attempt.events[..] else { panic!("{:?}", attempt.events) };
        assert_eq!(event.name, "gen_ai.first_chunk");
        assert_eq!(event.time_unix_nano - attempt.start_time_unix_nano, 20_000_000);
    }
}

#[test]
fn a_failed_over_request_has_an_attempt_that_failed_and_one_that_served() {
    for protocol in BOTH {
        let spans = spans_of(protocol, &scene::failed_over_trace());
        let [root] = of_kind(&spans, SpanKind::Server)[..] else { panic!("{spans:?}") };
        assert_eq!(code(root), StatusCode::Unset);
        let [first, second] = of_kind(&spans, SpanKind::Client)[..] else { panic!("{spans:?}") };
        assert_eq!(attribute(first, "error.type"), "backend_rate_limited");
        assert_eq!(attribute(first, "http.response.status_code"), "429");
        assert_eq!(code(first), StatusCode::Error);
        assert_eq!(text(&first.attributes, "gen_ai.usage.input_tokens"), None);
        assert_eq!(attribute(second, "http.request.resend_count"), "1");
        assert_eq!(attribute(second, "sluicegate.backend"), "west/gpt-4o");
        assert_eq!(attribute(second, "sluicegate.attempt"), "2");
        assert_eq!(code(second), StatusCode::Unset);
    }
}

#[test]
fn upstream_is_told_the_span_of_the_attempt_and_whether_it_is_kept() {
    let sink = Sink::start(Protocol::Grpc);
    let mut config = sink.config();
    config.sampling.ratio = vocabulary::Share { ppm: 0 };
    let telemetry = Export::start(&config, &Drops::default()).unwrap();
    let attempt = telemetry::SpanId::new(*b"attempt1").unwrap();
    let sent = telemetry.traces().traceparent(&scene::continued(), attempt).unwrap();
    assert_eq!(sent, "00-4bf92f3577b34da6a3ce929d0e0e4736-617474656d707431-01", "a trusted caller keeps it");
    let sent = telemetry.traces().traceparent(&scene::restarted(), attempt).unwrap();
    assert!(sent.ends_with("-617474656d707431-00"), "{sent}");
}

#[test]
fn a_refused_request_ends_at_the_stage_that_refused_it() {
    for protocol in BOTH {
        let spans = spans_of(protocol, &scene::refused_trace());
        let [root] = of_kind(&spans, SpanKind::Server)[..] else { panic!("{spans:?}") };
        assert_eq!(attribute(root, "error.type"), "token_limit");
        assert_eq!(attribute(root, "sluicegate.sli"), "excluded");
        assert_eq!(code(root), StatusCode::Unset, "a limit that works is no error of the server");
        let stages = of_kind(&spans, SpanKind::Internal);
        assert_eq!(stages.len(), 4);
        assert_eq!(attribute(stages[3], "error.type"), "token_limit");
        assert!(of_kind(&spans, SpanKind::Client).is_empty());
    }
}

#[test]
fn the_metrics_of_all_four_add_up() {
    for protocol in BOTH {
        let sink = Sink::start(protocol);
        let telemetry = start(&sink);
        scene::record(&telemetry.instruments());
        assert!(telemetry.flush(SOON));
        let metrics = sink.metrics();

        let served = point(&metrics, "http.server.request.duration", &[("sluicegate.sli", "good")]);
        assert_eq!((served.count, served.value), (3, 3.75));
        let refused = point(&metrics, "http.server.request.duration", &[("sluicegate.sli", "excluded")]);
        assert_eq!(text(&refused.attributes, "error.type").as_deref(), Some("token_limit"));
        assert_eq!(text(&refused.attributes, "http.response.status_code").as_deref(), Some("429"));
        assert_eq!(point(&metrics, "sluicegate.overhead.duration", &[]).count, 4);
        assert_eq!(
            point(&metrics, "sluicegate.refusals", &[("sluicegate.reason", "token_limit")]).value,
            1.0
        );

        let failed =
            point(&metrics, "gen_ai.client.operation.duration", &[("error.type", "backend_rate_limited")]);
        assert_eq!((failed.count, failed.value), (1, 0.03));
        let east = ("sluicegate.backend", "east/gpt-4o");
        let west = ("sluicegate.backend", "west/gpt-4o");
        assert_eq!(point(&metrics, "gen_ai.client.operation.time_to_first_chunk", &[]).value, 0.4);
        assert_eq!(point(&metrics, "gen_ai.client.inference.usage.input_tokens", &[east]).value, 1_800.0);
        assert_eq!(point(&metrics, "gen_ai.client.inference.usage.output_tokens", &[west]).value, 41.0);
        assert_eq!(
            point(&metrics, "gen_ai.client.inference.usage.cache_read.input_tokens", &[east]).value,
            256.0
        );
        let output = point(&metrics, "gen_ai.client.token.usage", &[east, ("gen_ai.token.type", "output")]);
        assert_eq!((output.count, output.value), (2, 82.0));
        assert_eq!(
            point(&metrics, "sluicegate.failovers", &[("sluicegate.reason", "backend_rate_limited")]).value,
            1.0
        );

        assert_eq!(point(&metrics, "gen_ai.server.request.duration", &[]).count, 3);
        assert_eq!(point(&metrics, "gen_ai.server.time_to_first_token", &[]).value, 0.45);
        let per_token = point(&metrics, "gen_ai.server.time_per_output_token", &[]).value;
        assert!((per_token - 0.02).abs() < 1e-9, "{per_token} s per token");

        let dollars = |part| {
            let of = |backend| {
                point(&metrics, "sluicegate.cost", &[backend, ("sluicegate.cost.component", part)]).value
            };
            of(east) + of(west)
        };
        let total = dollars("input") + dollars("output") + dollars("cache_read");
        let expected = 3.0 * scene::prices().cost(&scene::USAGE).as_f64();
        assert!((total - expected).abs() < 1e-12, "{total} against {expected}");
    }
}

#[test]
fn sums_are_cumulative_from_one_start() {
    let sink = Sink::start(Protocol::Grpc);
    let telemetry = start(&sink);
    let instruments = telemetry.instruments();
    instruments.record_request(&scene::request());
    assert!(telemetry.flush(SOON));
    let first = point(&sink.metrics(), "http.server.request.duration", &[]);
    instruments.record_request(&scene::request());
    assert!(telemetry.flush(SOON));
    let second = point(&sink.metrics(), "http.server.request.duration", &[]);
    assert_eq!((first.count, second.count), (1, 2));
    assert_eq!(first.start, second.start);
}

#[test]
fn counters_with_known_attributes_start_at_zero() {
    let sink = Sink::start(Protocol::Grpc);
    let telemetry = start(&sink);
    telemetry.instruments().declare(&[scene::deployment("east/gpt-4o")]);
    assert!(telemetry.flush(SOON));
    let metrics = sink.metrics();
    for (counter, reason) in
        Reason::ALL.iter().flat_map(|reason| [("refusals", reason), ("shadow.refusals", reason)])
    {
        let name = format!("sluicegate.{counter}");
        assert_eq!(point(&metrics, &name, &[("sluicegate.reason", reason.code())]).value, 0.0, "{name}");
    }
    for result in ["accepted", "rejected"] {
        assert_eq!(point(&metrics, "sluicegate.config.reloads", &[("sluicegate.result", result)]).value, 0.0);
    }
    for signal in Signal::ALL {
        assert_eq!(
            point(&metrics, "sluicegate.telemetry.dropped", &[("sluicegate.signal", signal.name())]).value,
            0.0
        );
    }
    assert_eq!(
        point(&metrics, "sluicegate.failovers", &[("sluicegate.reason", "backend_timeout")]).value,
        0.0
    );
    assert_eq!(point(&metrics, "sluicegate.cost", &[("sluicegate.cost.component", "output")]).value, 0.0);
}

#[test]
fn what_a_shadow_rule_would_have_refused_is_counted_apart_from_what_was_refused() {
    let sink = Sink::start(Protocol::Grpc);
    let telemetry = start(&sink);
    let would_refuse = &[Reason::RequestLimit, Reason::TokenLimit];
    telemetry
        .instruments()
        .record_request(&telemetry::settled::RequestSettled { would_refuse, ..scene::request() });
    assert!(telemetry.flush(SOON));
    let metrics = sink.metrics();
    for reason in would_refuse {
        let by_reason = [("sluicegate.reason", reason.code())];
        assert_eq!(point(&metrics, "sluicegate.shadow.refusals", &by_reason).value, 1.0, "{reason}");
        assert_eq!(point(&metrics, "sluicegate.refusals", &by_reason).value, 0.0, "{reason}");
    }
    let served = point(&metrics, "http.server.request.duration", &[("sluicegate.sli", "good")]);
    assert_eq!(served.count, 1, "a shadow rule changes no outcome");
}

#[test]
fn both_signals_carry_the_same_resource_and_headers() {
    for protocol in BOTH {
        let sink = Sink::start(protocol);
        let mut config = sink.config();
        config.headers = vec![("Authorization".to_owned(), Secret::new("Bearer collector-key"))];
        let telemetry = Export::start(&config, &Drops::default()).unwrap();
        scene::record(&telemetry.instruments());
        scene::keep(&telemetry.traces(), &scene::refused_trace());
        assert!(telemetry.shutdown(SOON));
        for resource in sink.resources() {
            assert_eq!(text(&resource.attributes, "service.name").as_deref(), Some("sluicegate"));
            assert_eq!(text(&resource.attributes, "service.instance.id").as_deref(), Some("sg-1"));
        }
        assert_eq!(
            sink.received.lock().authorizations.first().map(String::as_str),
            Some("Bearer collector-key")
        );
    }
}

#[test]
fn what_a_backend_says_of_itself_is_cut_short() {
    let mut trace = scene::plain_trace(scene::restarted());
    trace.attempts[0].response_model = Some("m".repeat(4_000).into());
    trace.attempts[0].finish_reasons = vec!["r".repeat(4_000).into(); 100];
    let spans = spans_of(Protocol::Grpc, &trace);
    let attempt = of_kind(&spans, SpanKind::Client)[0];
    assert_eq!(attribute(attempt, "gen_ai.response.model"), "m".repeat(64));
    assert_eq!(attribute(attempt, "gen_ai.response.finish_reasons"), vec!["r".repeat(64); 16].join(","));
}

#[test]
fn what_a_caller_wrote_is_in_no_exported_byte() {
    let canary = "canary-6f1d";
    let sink = Sink::start(Protocol::Grpc);
    let mut config = sink.config();
    config.headers = vec![("authorization".to_owned(), Secret::new(canary))];
    let telemetry = Export::start(&config, &Drops::default()).unwrap();
    let state = format!("vendor={canary}");
    let context = telemetry::TraceContext::accept(
        [CALLER.as_bytes()],
        [state.as_bytes()],
        telemetry::Trust::Restart,
        &mut || 3,
    );
    let mut request = scene::request();
    request.method = telemetry::settled::Method::parse(canary);
    let mut trace = scene::plain_trace(context);
    trace.root.method = request.method;
    telemetry.instruments().record_request(&request);
    scene::keep(&telemetry.traces(), &trace);
    assert!(telemetry.shutdown(SOON));
    let bytes = sink.bytes();
    let holds = |word: &str| bytes.windows(word.len()).any(|window| window == word.as_bytes());
    assert!(holds("sluicegate.identify"), "nothing arrived");
    assert!(!holds(canary));
}
