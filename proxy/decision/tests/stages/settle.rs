//! Stage 9: the account of a request.

use std::time::Duration;

use feedback_loop::Failure;
use rule_table::{HeaderMatch, Strategy};
use vocabulary::access_log::ACCESS_LOG_VERSION;
use vocabulary::{Operation, Reason, Usage, UsageSource};

use crate::draft::{CHAT, Draft, MODEL};
use crate::request::{ARRIVAL_MS, Caller, Course, NOW, after, chat_of, in_flight, usage};

fn two_prices() -> Draft {
    Draft::chat(&["a/m", "b/m"])
        .priced("a/m", ["2.50", "1.25", "10"])
        .priced("b/m", ["0.15", "0.075", "0.60"])
}

#[test]
fn cost_adds_up_over_attempts_in_nano_dollars() {
    let gate = two_prices().gate();
    let mut exchange = Caller::chat().admitted(&gate, NOW);
    let used = Usage { input: 1_001, cached_input: 400, output: 7, reasoning_output: 3, ..Usage::default() };
    for _ in 0..2 {
        exchange.choose_name(NOW);
        exchange.attempt().unwrap().usage = Some(used);
        exchange.fail(NOW);
    }
    // a: 601 * 2500 + 400 * 1250 + 7 * 10000; b: 601 * 150 + 400 * 75 + 7 * 600.
    let expected = 2_072_500 + 124_350;
    exchange.reason = Some(Reason::BackendError);
    let settled = exchange.end(NOW);
    assert_eq!((settled.cost.nanos, settled.record.cost_nanos), (expected, expected));
}

#[test]
fn failed_attempts_without_usage_cost_nothing() {
    let gate = two_prices().gate();
    let mut exchange = Caller::chat().admitted(&gate, NOW);
    for _ in 0..2 {
        exchange.choose_name(NOW);
        exchange.fail(NOW);
    }
    exchange.reason = Some(Reason::BackendError);
    assert_eq!(exchange.end(NOW).cost.nanos, 0);
}

#[test]
fn a_cancelled_stream_is_charged_what_was_generated() {
    let gate = Draft::chat(&["a/m"]).priced("a/m", ["2.50", "1.25", "10"]).gate();
    let mut exchange = Caller::chat().admitted(&gate, NOW);
    exchange.choose_name(NOW);
    exchange.first_output(after(0.5));
    exchange.cancel(after(1.0), Some(usage(100, 12)));
    let settled = exchange.end(after(1.0));
    assert_eq!(settled.cost.nanos, 100 * 2_500 + 12 * 10_000);
    assert_eq!((settled.record.status, settled.record.reason), (499, Some(Reason::ClientClosed)));
    assert_eq!(settled.record.usage, Some(usage(100, 12)));
}

#[test]
fn a_deployment_without_prices_costs_nothing() {
    let mut exchange = Caller::chat().admitted(&Draft::chat(&["a/m"]).gate(), NOW);
    exchange.serve(NOW, Some(usage(1_000_000, 1_000_000)));
    assert_eq!(exchange.end(NOW).cost.nanos, 0);
}

#[test]
fn an_attempt_left_open_is_closed() {
    let gate = Draft::chat(&["a/m"]).gate();
    for (reason, told) in
        [(None, Reason::Internal), (Some(Reason::DeadlineExceeded), Reason::DeadlineExceeded)]
    {
        let mut exchange = Caller::chat().admitted(&gate, NOW);
        exchange.choose_name(NOW);
        exchange.reason = reason;
        let record = exchange.end(after(2.0)).record;
        assert_eq!((record.attempts[0].reason, record.attempts[0].duration_ms), (Some(told), 2_000.0));
        assert_eq!(in_flight(&gate, NOW)[0].1, 0);
    }
}

#[test]
fn an_attempt_that_has_ended_stays_as_it_ended() {
    let gate = Draft::chat(&["a/m"]).gate();
    let mut exchange = Caller::chat().admitted(&gate, NOW);
    exchange.choose_name(NOW);
    exchange.rate_limited(after(0.1), Duration::from_secs(5));
    // The caller leaves while the gateway waits for the backend to be free again.
    exchange.reason = Some(Reason::ClientClosed);
    exchange.attempt_failed(after(2.0), Reason::ClientClosed, Failure::Cancelled);
    exchange.attempt_served(after(2.0), Some(usage(1, 1)));
    let record = exchange.end(after(2.0)).record;
    assert_eq!(record.reason, Some(Reason::ClientClosed));
    let [attempt] = &record.attempts[..] else { panic!("{:?}", record.attempts) };
    assert_eq!((attempt.reason, attempt.duration_ms), (Some(Reason::BackendRateLimited), 100.0));
    assert_eq!((record.cost_nanos, exchange.attempts[0].usage), (0, None));
}

#[test]
fn settling_again_gives_the_same_account() {
    let gate = two_prices().gate();
    let mut exchange = Caller::chat().admitted(&gate, NOW);
    exchange.serve(NOW, Some(usage(10, 10)));
    let (first, second) = (exchange.end(after(1.0)), exchange.end(after(1.0)));
    assert_eq!((first.record, first.cost), (second.record, second.cost));
}

#[test]
fn a_request_that_no_backend_answered_counts_as_one_miss() {
    let gate = Draft::chat(&["a/m"]).with_pool("chat", |pool| pool.strategy = Strategy::Adaptive).gate();
    let missed = || gate.pool_status(after(1.0))[0].miss_ratio;
    let mut body = chat_of("x");
    body["stream"] = true.into();
    let mut served = Caller::chat().saying(&body).admitted(&gate, NOW);
    served.serve(NOW, Some(usage(1, 1)));
    served.end(NOW);
    assert_eq!(missed(), Some(0.0));
    let mut failed = Caller::chat().saying(&body).admitted(&gate, NOW);
    failed.reason = Some(Reason::NoBackend);
    failed.end(NOW);
    failed.end(NOW);
    assert_eq!(missed(), Some(0.5));
    let mut refused = Caller::chat().saying(&body).admitted(&gate, NOW);
    refused.reason = Some(Reason::TokenLimit);
    refused.end(NOW);
    assert_eq!(missed(), Some(0.5), "a refusal by policy is no miss");
}

#[test]
fn the_record_tells_the_whole_story() {
    let condition = HeaderMatch { name: "x-tier".to_owned(), value: Some("gold".to_owned()) };
    let gate = Draft::chat(&["a/m", "b/m"])
        .consumer("team", "sk-team")
        .with_route("chat", |route| route.matching.headers = vec![condition])
        .gate();
    let mut body = chat_of(&"x".repeat(4_096));
    body["stream"] = true.into();
    body["max_tokens"] = 64.into();
    let caller = Caller::chat().with_key("sk-team").with("x-tier", "gold").saying(&body);
    let mut exchange = caller.admitted(&gate, NOW);
    let first = exchange.choose_name(after(0.1));
    exchange.attempt().unwrap().status = Some(429);
    exchange.rate_limited(after(0.2), Duration::from_secs(1));
    let second = exchange.choose_name(after(0.2));
    exchange.attempt().unwrap().status = Some(200);
    exchange.first_output(after(0.7));
    exchange.usage = Some(usage(1_030, 9));
    exchange.usage_source = UsageSource::Provider;
    exchange.attempt_served(after(1.2), exchange.usage);
    let record = exchange.end(after(1.25)).record;

    assert_eq!((record.v, record.arrival_ms), (ACCESS_LOG_VERSION, ARRIVAL_MS));
    assert_eq!((record.request_id.as_str(), record.method.as_str()), ("request-1", "POST"));
    assert_eq!((record.route.as_deref(), record.path_template.as_deref()), (Some("chat"), Some(CHAT)));
    assert_eq!(record.matched_headers, ["x-tier"], "their names, not their values");
    assert_eq!((record.consumer.as_deref(), record.pool.as_deref()), (Some("team"), Some("chat")));
    assert_eq!((record.operation, record.model.as_deref()), (Some(Operation::Chat), Some(MODEL)));
    assert_eq!((record.stream, record.max_output_tokens, record.prefix_ids.len()), (true, Some(64), 2));
    assert_eq!((record.usage, record.usage_source), (Some(usage(1_030, 9)), Some(UsageSource::Provider)));
    assert_eq!((record.status, record.reason, record.overhead_us), (200, None, 140));
    assert_eq!((record.ttft_ms, record.duration_ms), (Some(700.0), 1_250.0));
    assert_eq!((record.backend.as_deref(), record.bundle.as_str()), (Some(second.as_str()), gate.digest()));
    let [refused, served] = &record.attempts[..] else { panic!("{:?}", record.attempts) };
    assert_eq!((&refused.backend, refused.status, refused.ttft_ms), (&first, Some(429), None));
    assert_eq!((refused.reason, refused.duration_ms), (Some(Reason::BackendRateLimited), 100.0));
    assert_eq!((&served.backend, served.reason, served.ttft_ms), (&second, None, Some(500.0)));
}

#[test]
fn the_first_output_of_a_request_is_that_of_its_first_answer() {
    let gate = Draft::chat(&["a/m"]).gate();
    let mut exchange = Caller::chat().admitted(&gate, NOW);
    exchange.choose_name(NOW);
    exchange.first_output(after(0.3));
    exchange.first_output(after(0.9));
    exchange.attempt_failed(after(1.0), Reason::StreamBroken, Failure::ServerError { retry_after: None });
    let record = exchange.end(after(1.0)).record;
    assert_eq!((record.ttft_ms, record.attempts[0].ttft_ms), (Some(300.0), Some(300.0)));
}
