//! Stage 5: limits, and what settling does to them.

use std::sync::Arc;
use std::time::Duration;

use decision::{Exchange, Gate};
use rule_table::{Budget, CalendarPeriod, Costs, Mode, Quota, QuotaShape};
use vocabulary::{Moment, Reason};

use crate::draft::Draft;
use crate::request::{Caller, Course, NOW, chat_of, usage};

/// `team` and `guests` under one limit, counted for each of them.
fn limited(mode: Mode, rates: &[&str]) -> Draft {
    Draft::chat(&["east/gpt-4o"])
        .consumer("guests", "sk-guest")
        .consumer("team", "sk-team")
        .limit("few", mode, rates)
        .limit_consumer("guests", "few")
        .limit_consumer("team", "few")
}

fn team() -> Caller {
    Caller::chat().with_key("sk-team")
}

/// A request that reserves 100 tokens: 10 of prompt, 90 of output.
fn of_100_tokens() -> Caller {
    let mut body = chat_of(&"x".repeat(24));
    body["max_tokens"] = 90.into();
    team().saying(&body)
}

fn tokens_left(exchange: &Exchange) -> u64 {
    exchange.remaining.unwrap().tokens.unwrap().remaining
}

/// What `team` has left, to a request that is then dropped.
fn left(gate: &Arc<Gate>, now: Moment) -> (u64, u64) {
    let remaining = of_100_tokens().admitted(gate, now).remaining.unwrap();
    (remaining.requests.unwrap().remaining + 1, remaining.tokens.unwrap().remaining + 100)
}

#[test]
fn a_request_over_its_limit_is_refused_until_the_time_it_is_told() {
    let gate = limited(Mode::Enforce, &["2 requests/min"]).gate();
    let _held = [team().admitted(&gate, NOW), team().admitted(&gate, NOW)];
    let refusal = team().refused(&gate, NOW);
    assert_eq!(refusal.reason, Reason::RequestLimit);
    let wait = refusal.retry_after.unwrap();
    assert!(wait > Duration::ZERO && wait <= Duration::from_secs(60), "{wait:?}");
    assert!(team().stages(&gate, NOW + wait - Duration::from_nanos(1)).1.is_err());
    assert!(team().stages(&gate, NOW + wait).1.is_ok());
}

#[test]
fn a_refused_request_is_told_what_it_has_left() {
    let gate = limited(Mode::Enforce, &["150 tokens/day"]).gate();
    let _held = of_100_tokens().admitted(&gate, NOW);
    let (exchange, refused) = of_100_tokens().stages(&gate, NOW);
    assert_eq!(refused.unwrap_err().reason, Reason::TokenLimit);
    assert_eq!(tokens_left(&exchange), 50);
}

#[test]
fn a_request_larger_than_a_window_is_not_told_to_wait() {
    let gate = limited(Mode::Enforce, &["99 tokens/min"]).gate();
    let refusal = of_100_tokens().refused(&gate, NOW);
    assert_eq!((refusal.reason, refusal.retry_after), (Reason::TokenLimit, None));
    assert!(refusal.message.contains("100 tokens") && refusal.message.contains("99"), "{refusal}");
}

#[test]
fn the_prompt_and_all_the_output_that_was_asked_for_are_reserved() {
    let gate = limited(Mode::Enforce, &["10k tokens/day"]).gate();
    assert_eq!(tokens_left(&of_100_tokens().admitted(&gate, NOW)), 9_900);
    let mut body = chat_of(&"x".repeat(24));
    assert_eq!(
        tokens_left(&team().saying(&body).admitted(&gate, NOW)),
        10_000 - 10 - 256,
        "an output is assumed"
    );
    body["max_tokens"] = 90.into();
    body["n"] = 3.into();
    assert_eq!(
        tokens_left(&team().saying(&body).admitted(&gate, NOW)),
        10_000 - 10 - 270,
        "for every choice"
    );
}

#[test]
fn a_ceiling_beyond_counting_is_refused_and_overflows_nothing() {
    let gate = limited(Mode::Enforce, &["10k tokens/day"]).gate();
    let mut body = chat_of("x");
    body["max_tokens"] = u64::MAX.into();
    body["n"] = 128.into();
    assert_eq!(team().saying(&body).refused(&gate, NOW).reason, Reason::TokenLimit);
}

#[test]
fn settling_returns_what_was_reserved_and_not_used() {
    let gate = limited(Mode::Enforce, &["10 requests/day", "10k tokens/day"]).gate();
    let mut exchange = of_100_tokens().admitted(&gate, NOW);
    assert_eq!(tokens_left(&exchange), 9_900);
    exchange.serve(NOW, Some(usage(10, 7)));
    exchange.end(NOW);
    assert_eq!(left(&gate, NOW), (9, 10_000 - 17));
}

#[test]
fn an_answer_longer_than_was_reserved_counts_in_full() {
    let gate = limited(Mode::Enforce, &["10 requests/day", "10k tokens/day"]).gate();
    let mut exchange = of_100_tokens().admitted(&gate, NOW);
    exchange.serve(NOW, Some(usage(10, 400)));
    exchange.end(NOW);
    assert_eq!(left(&gate, NOW), (9, 10_000 - 410));
}

#[test]
fn an_answer_that_nobody_counted_takes_its_estimate() {
    let gate = limited(Mode::Enforce, &["10 requests/day", "10k tokens/day"]).gate();
    let mut exchange = of_100_tokens().admitted(&gate, NOW);
    exchange.serve(NOW, None);
    exchange.end(NOW);
    drop(exchange);
    assert_eq!(left(&gate, NOW), (9, 9_900));
}

#[test]
fn what_a_backend_or_the_gateway_failed_costs_the_caller_nothing() {
    let gate = limited(Mode::Enforce, &["10 requests/day", "10k tokens/day"]).gate();
    let mut exchange = of_100_tokens().admitted(&gate, NOW);
    exchange.choose_name(NOW);
    exchange.fail(NOW);
    exchange.reason = Some(Reason::BackendError);
    exchange.end(NOW);
    assert_eq!(left(&gate, NOW), (10, 10_000));
}

#[test]
fn what_a_backend_refused_or_its_caller_left_counts_as_a_request() {
    for reason in [Reason::BackendRefused, Reason::ClientClosed] {
        let gate = limited(Mode::Enforce, &["10 requests/day", "10k tokens/day"]).gate();
        let mut exchange = of_100_tokens().admitted(&gate, NOW);
        exchange.choose_name(NOW);
        exchange.reason = Some(reason);
        exchange.end(NOW);
        assert_eq!(left(&gate, NOW), (9, 10_000), "{reason}");
    }
}

#[test]
fn tokens_that_were_spent_count_whoever_failed() {
    let gate = limited(Mode::Enforce, &["10 requests/day", "10k tokens/day"]).gate();
    let mut exchange = of_100_tokens().admitted(&gate, NOW);
    exchange.choose_name(NOW);
    exchange.attempt().unwrap().usage = Some(usage(10, 3));
    exchange.fail(NOW);
    exchange.serve(NOW, Some(usage(10, 20)));
    exchange.end(NOW);
    assert_eq!(left(&gate, NOW), (9, 10_000 - 43));
}

#[test]
fn a_limit_counts_each_of_its_subjects_alone() {
    let gate = limited(Mode::Enforce, &["1 request/day"]).gate();
    let _held = team().admitted(&gate, NOW);
    assert!(team().stages(&gate, NOW).1.is_err());
    assert!(Caller::chat().with_key("sk-guest").stages(&gate, NOW).1.is_ok());
}

#[test]
fn what_one_limit_refuses_takes_nothing_from_another() {
    let draft = limited(Mode::Enforce, &["10 requests/day", "10k tokens/day"])
        .limit("route", Mode::Enforce, &["1 request/day"])
        .limit_route("chat", "route");
    let gate = draft.gate();
    let mut first = of_100_tokens().admitted(&gate, NOW);
    assert!(of_100_tokens().stages(&gate, NOW).1.is_err(), "the route is spent");
    first.serve(NOW, Some(usage(10, 10)));
    first.end(NOW);
    let (exchange, _) = of_100_tokens().stages(&gate, NOW);
    assert_eq!(tokens_left(&exchange), 10_000 - 20);
}

#[test]
fn a_shadow_limit_lets_pass_and_is_reported() {
    let gate = limited(Mode::Shadow, &["1 request/day", "150 tokens/day"]).gate();
    let mut first = of_100_tokens().admitted(&gate, NOW);
    let mut second = of_100_tokens().admitted(&gate, NOW);
    assert_eq!(second.remaining, None, "a shadow limit tells callers nothing");
    for exchange in [&mut first, &mut second] {
        exchange.serve(NOW, Some(usage(10, 10)));
    }
    assert!(first.end(NOW).record.would_refuse.is_empty());
    let record = second.end(NOW).record;
    assert_eq!((record.status, record.reason), (200, None));
    assert_eq!(record.would_refuse, [Reason::RequestLimit, Reason::TokenLimit]);
}

#[test]
fn two_shadow_limits_that_agree_report_one_reason() {
    let gate = limited(Mode::Shadow, &["1 request/day"])
        .limit("route", Mode::Shadow, &["1 request/day"])
        .limit_route("chat", "route")
        .limit("tokens", Mode::Shadow, &["10 tokens/day"])
        .gate();
    let _held = team().admitted(&gate, NOW);
    assert_eq!(team().admitted(&gate, NOW).would_refuse, [Reason::RequestLimit]);
}

#[test]
fn shadow_limits_report_every_reason_they_have() {
    let gate = limited(Mode::Shadow, &["1 request/day"])
        .limit("route", Mode::Shadow, &["10 tokens/day"])
        .limit_route("chat", "route")
        .gate();
    let _held = team().admitted(&gate, NOW);
    assert_eq!(team().admitted(&gate, NOW).would_refuse, [Reason::RequestLimit, Reason::TokenLimit]);
}

#[test]
fn a_piped_request_counts_as_one() {
    let gate = Draft::new()
        .pool("docs", &["docs"])
        .with_pool("docs", |pool| pool.piped = true)
        .route("docs", "/docs/*", "docs")
        .limit("few", Mode::Enforce, &["1 request/day", "100 tokens/day"])
        .limit_route("docs", "few")
        .gate();
    let get = Caller::chat().asking(&http::Method::GET, "/docs/a");
    let (mut first, _) = get.identify(&gate);
    first.reserve(NOW).unwrap();
    assert_eq!(tokens_left(&first), 100);
    first.end(NOW);
    let (mut second, _) = get.identify(&gate);
    assert_eq!(second.reserve(NOW).unwrap_err().reason, Reason::RequestLimit);
}

/// Provisioned throughput for 36 USD an hour that gives 1,000 tokens a second, output counted four times, and
/// a dollar per million tokens on top; under a budget of 1 USD a day.
fn provisioned(costs: Costs, hard: bool) -> Draft {
    let draft = limited(Mode::Enforce, &[]).priced("east/gpt-4o", ["1", "1", "1"]);
    let draft = draft.with_policy(|policy| {
        let amount = "1 USD".parse().unwrap();
        policy.limits[0].budget = Some(Budget { amount, period: CalendarPeriod::Day });
        policy.limits[0].costs = costs;
        policy.limits[0].hard = hard;
    });
    draft.with_deployment("east/gpt-4o", |one| {
        one.hourly = Some("36 USD/hour".parse().unwrap());
        one.max_output = Some(90);
        one.quota = Some(Quota {
            tokens: Some("60k tokens/min".parse().unwrap()),
            requests: None,
            shape: QuotaShape::LeakyBucket,
            burst: Duration::from_secs(10),
            output_weight: 4,
        });
    })
}

fn nanos_left(gate: &Arc<Gate>) -> u64 {
    gate.limit_standings(NOW, 1).counters[0].remaining
}

#[test]
fn a_budget_counts_the_share_of_capacity_a_request_takes_where_the_manifest_says_so() {
    for (costs, nanos) in [(Costs::Marginal, 17_000), (Costs::Amortised, 17_000 + 380_000)] {
        let gate = provisioned(costs, false).gate();
        let mut exchange = of_100_tokens().admitted(&gate, NOW);
        exchange.serve(NOW, Some(usage(10, 7)));
        exchange.end(NOW);
        // 10 + 4 x 7 of the 3.6 million tokens that an hour gives for 36 USD.
        assert_eq!(nanos_left(&gate), 1_000_000_000 - nanos, "{costs:?}");
    }
}

#[test]
fn a_hard_budget_of_amortised_costs_is_never_exceeded() {
    let gate = provisioned(Costs::Amortised, true).gate();
    let mut served = 0;
    while let (mut exchange, Ok(())) = of_100_tokens().stages(&gate, NOW) {
        exchange.serve(NOW, Some(usage(10, 90)));
        exchange.end(NOW);
        served += 1;
        assert!(served < 10_000, "the budget never ends");
    }
    // Each takes 3.7 million nano-dollars of capacity and 100,000 of tokens.
    assert_eq!(nanos_left(&gate), 1_000_000_000 - served * 3_800_000);
    assert!(served > 250, "{served}");
}
