//! A new policy while requests are under way: each keeps the policy it arrived under, and what is learned
//! and counted goes on.

use std::time::Duration;

use rule_table::Mode;
use vocabulary::Reason;

use crate::draft::Draft;
use crate::request::{Caller, Course, NOW, after, in_flight, usage};

fn flights(expected: &[(&str, u32)]) -> Vec<(String, u32)> {
    expected.iter().map(|(name, count)| ((*name).to_owned(), *count)).collect()
}

#[test]
fn members_that_are_reordered_keep_their_requests_and_their_places() {
    let before = Draft::chat(&["a/m", "b/m", "c/m"]).gate();
    let mut exchange = Caller::chat().admitted(&before, NOW);
    let first = exchange.choose_name(NOW);
    let after_it = Draft::chat(&["c/m", "b/m", "a/m"]).replacing(&before, NOW);
    let on_first = |count: u32| {
        in_flight(&after_it, NOW)
            .into_iter()
            .all(|(name, busy)| busy == if name == first { count } else { 0 })
    };
    assert!(on_first(1), "{first}: {:?}", in_flight(&after_it, NOW));
    exchange.fail(NOW);
    assert!(on_first(0), "{first}: {:?}", in_flight(&after_it, NOW));

    let mut tried = vec![first];
    for _ in 0..2 {
        let name = exchange.choose_name(NOW);
        let busy = in_flight(&after_it, NOW).into_iter().filter(|(_, busy)| *busy > 0);
        assert!(busy.eq([(name.clone(), 1)]), "{name} was picked, {:?} are busy", in_flight(&after_it, NOW));
        tried.push(name);
        exchange.fail(NOW);
    }
    tried.sort();
    assert_eq!(tried, ["a/m", "b/m", "c/m"], "each was tried once");
}

#[test]
fn a_member_that_is_renamed_away_is_not_picked_again_and_its_room_is_freed() {
    let before = Draft::chat(&["a/m", "b/m"]).gate();
    let mut on_a = Caller::chat().admitted(&before, NOW);
    while on_a.choose_name(NOW) != "a/m" {
        on_a.fail(NOW);
    }
    let later = Draft::chat(&["a2/m", "b/m"]).replacing(&before, NOW);
    assert_eq!(in_flight(&later, NOW), flights(&[("a2/m", 0), ("b/m", 0)]));
    on_a.fail(NOW);
    for _ in 0..3 {
        assert_eq!(on_a.choose_name(NOW), "b/m", "the only one both policies know");
        assert_eq!(in_flight(&later, NOW), flights(&[("a2/m", 0), ("b/m", 1)]));
        on_a.fail(NOW);
    }
    assert_eq!(in_flight(&later, NOW), flights(&[("a2/m", 0), ("b/m", 0)]));
}

#[test]
fn a_request_whose_members_are_all_gone_is_refused() {
    let before = Draft::chat(&["a/m"]).gate();
    let mut exchange = Caller::chat().admitted(&before, NOW);
    let later = Draft::chat(&["b/m"]).replacing(&before, NOW);
    assert_eq!(exchange.choose(NOW, 1).unwrap_err().reason, Reason::NoBackend);
    assert_eq!(in_flight(&later, NOW), flights(&[("b/m", 0)]));
}

#[test]
fn a_pool_that_is_gone_still_takes_back_what_it_gave() {
    let before = Draft::chat(&["a/m"]).gate();
    let mut exchange = Caller::chat().admitted(&before, NOW);
    exchange.choose_name(NOW);
    let later = Draft::new()
        .pool("other", &["a/m"])
        .route("chat", crate::draft::CHAT, "other")
        .replacing(&before, NOW);
    exchange.attempt_served(NOW, Some(usage(1, 1)));
    let settled = exchange.end(NOW);
    assert_eq!(
        (settled.record.pool.as_deref(), settled.record.backend.as_deref()),
        (Some("chat"), Some("a/m"))
    );
    assert_eq!(in_flight(&before, NOW), flights(&[("a/m", 0)]));
    assert_eq!(later.pool_status(NOW)[0].members[0].in_flight, 0);
}

#[test]
fn a_member_that_rests_rests_under_the_next_policy_too() {
    let before = Draft::chat(&["a/m"]).gate();
    let mut exchange = Caller::chat().admitted(&before, NOW);
    exchange.choose_name(NOW);
    exchange.rate_limited(NOW, Duration::from_secs(10));
    let later = Draft::chat(&["a/m"]).replacing(&before, NOW);
    let refusal = Caller::chat().admitted(&later, NOW).choose(after(4.0), 1).unwrap_err();
    assert_eq!(refusal.retry_after, Some(Duration::from_secs(6)));
}

#[test]
fn limits_keep_their_count_when_consumers_are_renumbered() {
    let draft = |consumers: &[&str]| {
        let draft = Draft::chat(&["a/m"]).limit("few", Mode::Enforce, &["1 request/day"]);
        let add = |draft: Draft, name: &&str| {
            draft.consumer(name, &format!("sk-{name}")).limit_consumer(name, "few")
        };
        consumers.iter().fold(draft, add)
    };
    let before = draft(&["team"]).gate();
    let _held = Caller::chat().with_key("sk-team").admitted(&before, NOW);
    let later = draft(&["guests", "team"]).replacing(&before, NOW);
    assert_eq!(Caller::chat().with_key("sk-team").refused(&later, NOW).reason, Reason::RequestLimit);
    assert!(Caller::chat().with_key("sk-guests").stages(&later, NOW).1.is_ok());
}

#[test]
fn a_request_is_charged_at_the_prices_it_arrived_under() {
    let priced = |output: &str| Draft::chat(&["a/m"]).priced("a/m", ["1", "1", output]);
    let before = priced("10").gate();
    let mut exchange = Caller::chat().admitted(&before, NOW);
    let later = priced("20").replacing(&before, NOW);
    exchange.serve(NOW, Some(usage(0, 100)));
    let settled = exchange.end(NOW);
    assert_eq!(settled.cost.to_string(), "0.001 USD");
    assert_eq!(settled.record.bundle, before.digest());
    assert_ne!(before.digest(), later.digest());
    assert_eq!(later.generation(), before.generation() + 1);
}
