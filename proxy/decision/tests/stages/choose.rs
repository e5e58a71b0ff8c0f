//! Stage 6: which members a request may go to, and in what order.

use std::collections::BTreeSet;
use std::time::Duration;

use rule_table::{Pool, Strategy};
use vocabulary::{Reason, Share};

use crate::draft::Draft;
use crate::request::{Caller, Course, NOW, after, chat_of, in_flight};

const THREE: [&str; 3] = ["east/gpt-4o", "north/gpt-4o", "west/gpt-4o"];

#[test]
fn a_pick_is_booked_at_once_and_ends_with_its_attempt() {
    let gate = Draft::chat(&["east/gpt-4o"]).gate();
    let mut exchange = Caller::chat().admitted(&gate, NOW);
    let choice = exchange.choose(NOW, 42).unwrap();
    assert_eq!((choice.attempt, exchange.attempts[0].span_id), (1, 42));
    assert_eq!(in_flight(&gate, NOW), [("east/gpt-4o".to_owned(), 1)]);
    exchange.attempt_served(after(1.0), None);
    assert_eq!(in_flight(&gate, after(1.0)), [("east/gpt-4o".to_owned(), 0)]);
    exchange.fail(after(2.0));
    assert_eq!(in_flight(&gate, after(2.0)), [("east/gpt-4o".to_owned(), 0)], "an attempt ends once");
}

#[test]
fn a_second_pick_ends_an_attempt_that_was_left_open() {
    let gate = Draft::chat(&["east/gpt-4o", "west/gpt-4o"]).gate();
    let mut exchange = Caller::chat().admitted(&gate, NOW);
    exchange.choose_name(NOW);
    let second = exchange.choose_name(after(1.0));
    let busy = in_flight(&gate, after(1.0)).into_iter().filter(|(_, busy)| *busy > 0);
    assert!(busy.eq([(second, 1)]));
    assert_eq!(
        (exchange.attempts[0].reason, exchange.attempts[0].ended),
        (Some(Reason::Internal), Some(after(1.0)))
    );
}

/// The members that requests with this ceiling on their output go to; their prompts are of 64 tokens.
fn picks(draft: &Draft, max_tokens: u64) -> Vec<String> {
    let mut body = chat_of(&"x".repeat(4 * 60));
    body["max_tokens"] = max_tokens.into();
    let gate = draft.gate();
    let pick = |_| Caller::chat().saying(&body).admitted(&gate, NOW).choose_name(NOW);
    (0..4).map(pick).collect::<BTreeSet<_>>().into_iter().collect()
}

#[test]
fn a_member_too_small_for_the_prompt_and_its_output_is_passed_over() {
    let draft = Draft::chat(&["large/gpt-4o", "small/gpt-4o"])
        .with_deployment("small/gpt-4o", |deployment| deployment.context_window = Some(100));
    assert_eq!(picks(&draft, 36), ["large/gpt-4o", "small/gpt-4o"], "100 tokens fit into both");
    for too_many in [37, u64::MAX] {
        assert_eq!(picks(&draft, too_many), ["large/gpt-4o"], "no window is stated for it");
    }
}

#[test]
fn what_seems_to_fit_nowhere_is_for_the_backends_to_judge() {
    let draft = Draft::chat(&["large/gpt-4o", "small/gpt-4o"])
        .with_deployment("small/gpt-4o", |deployment| deployment.context_window = Some(100))
        .with_deployment("large/gpt-4o", |deployment| deployment.context_window = Some(200));
    assert_eq!(picks(&draft, 136), ["large/gpt-4o"]);
    assert_eq!(picks(&draft, 137), ["large/gpt-4o", "small/gpt-4o"]);
}

#[test]
fn a_route_without_a_model_goes_to_members_that_have_the_one_asked_for() {
    let draft = Draft::chat(&["east/gpt-4o", "east/mini", "west/mini"])
        .with_deployment("east/mini", |deployment| deployment.model = Some("mini".to_owned()))
        .with_deployment("west/mini", |deployment| deployment.model = Some("mini".to_owned()));
    let gate = draft.gate();
    for _ in 0..6 {
        let mini = Caller::chat().for_model("mini").admitted(&gate, NOW).choose_name(NOW);
        assert!(mini.ends_with("/mini"), "{mini}");
        assert_eq!(Caller::chat().admitted(&gate, NOW).choose_name(NOW), "east/gpt-4o");
    }
}

#[test]
fn members_not_tried_yet_come_first() {
    for strategy in [Strategy::RoundRobin, Strategy::Weighted, Strategy::Adaptive] {
        // Each in its own way prefers the first member so much that it would pick it again.
        let favoured = |pool: &mut Pool| {
            pool.strategy = strategy;
            pool.members[0].weight = 100;
        };
        let dear = ["50", "50", "200"];
        let gate =
            Draft::chat(&THREE).priced(THREE[1], dear).priced(THREE[2], dear).with_pool("chat", favoured);
        let gate = gate.gate();
        let mut exchange = Caller::chat().admitted(&gate, NOW);
        let mut tried = Vec::new();
        for _ in 0..3 {
            tried.push(exchange.choose_name(NOW));
            exchange.fail(NOW);
        }
        tried.sort();
        assert_eq!(tried, THREE, "{strategy:?}");
        assert_eq!(exchange.choose(NOW, 1).unwrap().attempt, 4, "then those that were");
    }
}

#[test]
fn a_member_that_was_tried_comes_before_one_that_rests() {
    let gate = Draft::chat(&["east/gpt-4o", "west/gpt-4o"]).gate();
    let mut other = Caller::chat().admitted(&gate, NOW);
    let resting = other.choose_name(NOW);
    other.rate_limited(NOW, Duration::from_secs(20));
    let mut exchange = Caller::chat().admitted(&gate, NOW);
    let tried = exchange.choose_name(NOW);
    exchange.fail(NOW);
    assert_ne!(tried, resting);
    assert_eq!(exchange.choose_name(NOW), tried);
}

#[test]
fn when_all_rest_the_refusal_says_when_one_returns() {
    let gate = Draft::chat(&["east/gpt-4o", "west/gpt-4o"]).gate();
    let mut exchange = Caller::chat().admitted(&gate, NOW);
    for seconds in [20, 7] {
        exchange.choose_name(NOW);
        exchange.rate_limited(NOW, Duration::from_secs(seconds));
    }
    let refusal = exchange.choose(after(2.0), 1).unwrap_err();
    assert_eq!((refusal.reason, refusal.retry_after), (Reason::NoBackend, Some(Duration::from_secs(5))));
    assert_eq!(exchange.attempts.len(), 2, "no attempt was made");
    assert!(exchange.choose(after(7.0), 1).is_ok());
}

#[test]
fn attempts_are_spent_when_the_manifest_says() {
    let gate = Draft::chat(&THREE).with_pool("chat", |pool| pool.retry.max_attempts = 2).gate();
    let mut exchange = Caller::chat().admitted(&gate, NOW);
    assert!(!exchange.attempts_spent());
    exchange.choose_name(NOW);
    exchange.fail(NOW);
    assert!(!exchange.attempts_spent());
    exchange.choose_name(NOW);
    assert!(exchange.attempts_spent());
}

#[test]
fn a_backend_whose_probe_fails_gets_nothing_while_another_is_sound() {
    let gate = Draft::chat(&["east/gpt-4o", "west/gpt-4o"]).gate();
    let pick = || Caller::chat().admitted(&gate, NOW).choose_name(NOW);
    gate.probed(0, false, NOW);
    assert!((0..4).all(|_| pick() == "west/gpt-4o"));
    gate.probed(1, false, NOW);
    assert_eq!(
        (0..4).map(|_| pick()).filter(|name| name == "east/gpt-4o").count(),
        2,
        "better doubtful than none"
    );
}

#[test]
fn a_backend_that_keeps_failing_is_ejected_for_all_requests() {
    let share = Share { ppm: 500_000 };
    let draft = Draft::chat(&["east/gpt-4o", "west/gpt-4o"]).with_pool("chat", |pool| {
        pool.ejection.consecutive_failures = 2;
        pool.ejection.max_share = share;
    });
    let gate = draft.gate();
    for _ in 0..2 {
        let mut exchange = Caller::chat().admitted(&gate, NOW);
        while exchange.choose_name(NOW) != "east/gpt-4o" {
            exchange.attempt_served(NOW, None);
        }
        exchange.fail(NOW);
    }
    assert!((0..4).all(|_| Caller::chat().admitted(&gate, NOW).choose_name(NOW) == "west/gpt-4o"));
}

#[test]
fn a_request_that_has_no_route_is_refused_and_books_nothing() {
    let gate = Draft::chat(&["east/gpt-4o"]).gate();
    let mut exchange = Caller::chat().arrives(&gate, NOW);
    assert_eq!(exchange.choose(NOW, 1).unwrap_err().reason, Reason::NoBackend);
    assert_eq!(in_flight(&gate, NOW), [("east/gpt-4o".to_owned(), 0)]);
}

#[test]
fn every_pick_leaves_a_decision_under_its_request() {
    let gate = Draft::chat(&["east/gpt-4o"]).gate();
    Caller::chat().admitted(&gate, NOW).choose_name(NOW);
    assert_eq!(gate.decisions_made(), 1);
    let [decision] = &gate.decisions(10)[..] else { panic!("one decision") };
    assert_eq!((decision.request_id.as_str(), decision.attempt), ("request-1", 1));
    assert_eq!(decision.chosen.as_deref(), Some("east/gpt-4o"));
}
