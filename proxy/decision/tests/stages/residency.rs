//! Residency: no attempt ever goes to a backend that is not known to process data where the team wants it.

use proptest::prelude::*;
use rule_table::{BackendKind, Fallback, FallbackWhen, Geography, Strategy as Picker};
use serde_json::json;
use vocabulary::{Operation, Reason};

use crate::draft::Draft;
use crate::request::{Caller, Course, NOW, after, smallest};

const KEY: &str = "sk-claims";

fn country(code: &str, zone: Option<&str>) -> Geography {
    Geography::Country { code: code.to_owned(), zone: zone.map(str::to_owned) }
}

fn zone(name: &str) -> Geography {
    Geography::Zone(name.to_owned())
}

/// The team `claims`, whose data stays in the EU, in front of a pool of these members.
fn european(members: &[&str]) -> Draft {
    Draft::chat(members).consumer("app", KEY).in_team("app", "claims").with_team("claims", |team| {
        team.residency = Some(zone("eu"));
    })
}

fn placed(draft: Draft, name: &str, place: Geography) -> Draft {
    draft.with_deployment(name, |deployment| deployment.processing = Some(place))
}

fn caller() -> Caller {
    Caller::chat().with_key(KEY)
}

fn fallback(pool: u32) -> Fallback {
    Fallback {
        pool,
        when: vec![FallbackWhen::Exhausted],
        unless_consumers: Vec::new(),
        unless_data_classes: Vec::new(),
    }
}

#[test]
fn only_members_inside_are_asked_and_what_is_not_known_is_outside() {
    let draft = european(&["se/gpt", "us/gpt", "any/gpt", "unknown/gpt"]);
    let draft = ["se/gpt", "us/gpt", "any/gpt", "unknown/gpt"].into_iter().fold(draft, |draft, name| {
        draft.with_deployment(name, |deployment| deployment.model = Some("gpt-4o".to_owned()))
    });
    let draft = placed(draft, "se/gpt", country("se", Some("eu")));
    let draft = placed(draft, "us/gpt", zone("us"));
    let gate = placed(draft, "any/gpt", Geography::Global).gate();
    for _ in 0..8 {
        assert_eq!(caller().admitted(&gate, NOW).choose_name(NOW), "se/gpt");
    }
}

#[test]
fn a_request_that_may_go_nowhere_is_refused_by_name() {
    let draft = placed(european(&["us/gpt-4o"]), "us/gpt-4o", zone("us"));
    let refusal = caller().admitted(&draft.gate(), NOW).choose(NOW, 1).unwrap_err();
    assert_eq!(refusal.reason, Reason::Residency);
    assert!(refusal.message.contains("`eu`"), "{}", refusal.message);
}

#[test]
fn a_member_inside_that_rests_is_a_matter_of_time_and_not_of_residency() {
    let gate = placed(european(&["se/gpt-4o", "us/gpt-4o"]), "se/gpt-4o", country("se", Some("eu"))).gate();
    let mut first = caller().admitted(&gate, NOW);
    first.choose_name(NOW);
    first.rate_limited(NOW, std::time::Duration::from_secs(20));
    let refusal = caller().admitted(&gate, NOW).choose(after(1.0), 1).unwrap_err();
    assert_eq!(refusal.reason, Reason::NoBackend);
    assert!(refusal.retry_after.is_some());
}

#[test]
fn a_fallback_inside_serves_where_the_first_pool_is_outside() {
    let draft = european(&["us/gpt-4o"]).pool("spare", &["de/gpt-4o"]);
    let draft = draft.with_pool("chat", |pool| pool.fallback = vec![fallback(1)]);
    let gate = placed(placed(draft, "us/gpt-4o", zone("us")), "de/gpt-4o", country("de", Some("eu"))).gate();
    let mut exchange = caller().admitted(&gate, NOW);
    assert_eq!(exchange.choose_name(NOW), "de/gpt-4o");
    exchange.serve(after(1.0), None);
    let settled = exchange.end(after(2.0));
    assert_eq!(settled.record.attempts[0].processing.as_deref(), Some("de"), "the log says where");
}

#[test]
fn a_class_of_data_is_kept_from_a_fallback_that_says_so() {
    let kept_out = Fallback { unless_data_classes: vec!["restricted".to_owned()], ..fallback(1) };
    let draft = Draft::chat(&["east/gpt-4o"]).pool("spare", &["west/gpt-4o"]);
    let draft = draft.consumer("app", KEY).in_team("app", "claims");
    let draft = draft.with_pool("chat", |pool| pool.fallback = vec![kept_out]);
    for (class, goes_on) in [("restricted", false), ("public", true)] {
        let gate = draft.clone().with_team("claims", |team| team.data_class = Some(class.to_owned())).gate();
        let mut exchange = caller().admitted(&gate, NOW);
        exchange.choose_name(NOW);
        exchange.rate_limited(NOW, std::time::Duration::from_secs(60));
        assert_eq!(exchange.choose(NOW, 1).is_ok(), goes_on, "{class}");
    }
}

#[test]
fn a_response_whose_home_is_outside_is_not_continued() {
    let draft = Draft::new().pool("chat", &["us/gpt-4o", "se/gpt-4o"]).route("all", "/v1/*", "chat");
    let draft = draft.consumer("app", KEY).in_team("app", "claims");
    let draft = placed(placed(draft, "us/gpt-4o", zone("us")), "se/gpt-4o", country("se", Some("eu")));
    let asked = |body: &serde_json::Value| {
        Caller::chat().with_key(KEY).asking(&http::Method::POST, Operation::Responses.path()).saying(body)
    };
    let before = draft.gate();
    let mut first = asked(&smallest(Operation::Responses)).admitted(&before, NOW);
    while first.choose_name(NOW) != "us/gpt-4o" {}
    let body = bytes::Bytes::from(json!({"id": "resp_1", "object": "response", "output": []}).to_string());
    first.answered(NOW, &body, 0).unwrap();
    let strict = draft.with_team("claims", |team| team.residency = Some(zone("eu")));
    let gate = strict.replacing(&before, NOW);
    let mut continued = smallest(Operation::Responses);
    continued["previous_response_id"] = "resp_1".into();
    let refusal = asked(&continued).admitted(&gate, NOW).choose(NOW, 1).unwrap_err();
    assert_eq!(refusal.reason, Reason::Residency);
}

/// Where a deployment may be, with what that means for the EU.
fn places() -> impl Strategy<Value = Option<Geography>> {
    prop::sample::select(vec![
        None,
        Some(Geography::Global),
        Some(zone("eu")),
        Some(zone("us")),
        Some(country("se", Some("eu"))),
        Some(country("de", Some("eu"))),
        Some(country("no", None)),
        Some(country("us", Some("us"))),
    ])
}

const MEMBERS: [&str; 6] = ["a/gpt-4o", "b/gpt-4o", "c/gpt-4o", "d/gpt-4o", "e/gpt-4o", "f/gpt-4o"];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn under_any_pool_fault_and_fallback_no_attempt_goes_outside(
        places in prop::collection::vec(places(), 6),
        wanted in prop::sample::select(vec![zone("eu"), country("se", Some("eu")), zone("us"), country("no", None)]),
        picker in prop::sample::select(vec![Picker::RoundRobin, Picker::Weighted, Picker::Adaptive]),
        windows in prop::collection::vec(prop::option::of(1_u64..100), 6),
        faults in prop::collection::vec(0_u8..4, 12),
        anthropic in any::<bool>(),
    ) {
        let draft = Draft::chat(&MEMBERS[..3]).pool("second", &MEMBERS[2..5]).pool("third", &MEMBERS[4..]);
        let mut draft = draft.consumer("app", KEY).in_team("app", "claims").with_team("claims", |team| {
            team.residency = Some(wanted.clone());
        });
        for (pool, next) in [("chat", Some(1)), ("second", Some(2)), ("third", None)] {
            draft = draft.with_pool(pool, |section| {
                section.strategy = picker;
                section.retry.max_attempts = 10;
                section.fallback = next.map(fallback).into_iter().collect();
            });
        }
        for ((name, place), window) in MEMBERS.into_iter().zip(&places).zip(&windows) {
            draft = draft.with_deployment(name, |deployment| {
                deployment.processing = place.clone();
                deployment.context_window = *window;
            });
        }
        if anthropic {
            draft = draft.with_backend("b", |backend| backend.kind = BackendKind::Anthropic);
        }
        let gate = draft.gate();
        for turn in faults.chunks(3) {
            let mut exchange = caller().admitted(&gate, NOW);
            for (fault, now) in turn.iter().zip([1.0, 2.0, 3.0].map(after)) {
                if exchange.choose(now, 1).is_err() {
                    break;
                }
                match fault {
                    0 => exchange.fail(now),
                    1 => exchange.rate_limited(now, std::time::Duration::from_secs(60)),
                    2 => exchange.held(),
                    _ => { exchange.fall_back(now, FallbackWhen::Exhausted); }
                }
            }
            for attempt in &exchange.attempts {
                let place = gate.deployment(attempt.deployment).unwrap().processing.clone();
                prop_assert!(place.as_ref().is_some_and(|place| place.within(&wanted)), "{place:?} for {wanted:?}");
            }
        }
    }
}
