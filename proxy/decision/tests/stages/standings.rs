//! Where limits stand, as operators see it.

use rule_table::Mode;
use vocabulary::Reason;
use vocabulary::admin::limits::LimitStanding;

use crate::draft::Draft;
use crate::request::{Caller, Course, NOW, after, chat_of, usage};

fn limited() -> Draft {
    Draft::chat(&["east/gpt-4o"])
        .consumer("team", "sk-team")
        .limit("few", Mode::Enforce, &["10 requests/day", "1k tokens/day"])
        .limit("route", Mode::Shadow, &["100 requests/min"])
        .limit_consumer("team", "few")
        .limit_route("chat", "route")
}

/// A request that reserves 100 tokens: 10 of prompt, 90 of output.
fn of_100_tokens() -> Caller {
    let mut body = chat_of(&"x".repeat(24));
    body["max_tokens"] = 90.into();
    Caller::chat().with_key("sk-team").saying(&body)
}

fn amounts(one: &LimitStanding) -> (&str, &str, &str, u64, u64, u64, u64) {
    (&one.limit, &one.subject, &one.unit, one.ceiling, one.used, one.reserved, one.remaining)
}

#[test]
fn every_limit_is_listed_with_what_it_used_and_what_it_holds_the_fullest_first() {
    let gate = limited().gate();
    let mut over = of_100_tokens().admitted(&gate, NOW);
    over.serve(NOW, Some(usage(10, 7)));
    over.end(NOW);
    let _under_way = of_100_tokens().admitted(&gate, NOW);
    let standings = gate.limit_standings(NOW, 10);
    assert_eq!(
        standings.counters.iter().map(amounts).collect::<Vec<_>>(),
        [
            ("few", "team", "requests", 10, 1, 1, 8),
            ("few", "team", "tokens", 1_000, 17, 100, 883),
            ("route", "chat", "requests", 100, 1, 1, 98),
        ]
    );
    assert_eq!((standings.others, standings.held, standings.unknown), (0, 3, 0));
    let [requests, .., route] = standings.counters.as_slice() else { panic!("{standings:?}") };
    assert_eq!(
        (requests.scope.as_str(), requests.per.as_deref(), requests.mode.as_str()),
        ("consumer", Some("day"), "enforce")
    );
    assert_eq!(
        (route.scope.as_str(), route.per.as_deref(), route.mode.as_str()),
        ("route", Some("min"), "shadow")
    );
}

#[test]
fn a_limit_that_has_counted_nothing_is_listed_as_empty() {
    let standings = limited().gate().limit_standings(NOW, 10);
    assert_eq!(standings.counters.len(), 3);
    assert!(standings.counters.iter().all(|one| (one.used, one.reserved, one.share) == (0, 0, 0.0)));
}

#[test]
fn a_window_that_has_turned_is_listed_as_empty() {
    let gate = limited().gate();
    let mut over = of_100_tokens().admitted(&gate, NOW);
    over.serve(NOW, Some(usage(10, 7)));
    over.end(NOW);
    let later = after(86_400.0);
    let standings = gate.limit_standings(later, 10);
    assert!(standings.counters.iter().all(|one| one.used == 0), "{standings:?}");
}

#[test]
fn what_does_not_fit_is_counted() {
    let standings = limited().gate().limit_standings(NOW, 1);
    assert_eq!((standings.counters.len(), standings.others), (1, 2));
}

#[test]
fn the_counters_of_a_limit_that_is_gone_are_counted_as_unknown() {
    let gate = limited().gate();
    let mut over = of_100_tokens().admitted(&gate, NOW);
    over.serve(NOW, Some(usage(10, 7)));
    over.end(NOW);
    let bare = Draft::chat(&["east/gpt-4o"]).replacing(&gate, NOW);
    let standings = bare.limit_standings(NOW, 10);
    assert_eq!((standings.counters.len(), standings.unknown), (0, 3));
}

#[test]
fn a_caller_that_left_a_request_that_was_sent_is_charged_its_prompt() {
    let gate = limited().gate();
    let mut left = of_100_tokens().admitted(&gate, NOW);
    left.choose_name(NOW);
    left.attempt().unwrap().serves_as = left.operation;
    left.reason = Some(Reason::ClientClosed);
    let record = left.end(after(1.0)).record;
    assert_eq!(record.charged_tokens, Some(10));
}
