//! Shedding: which priority is turned away at which load, and whose word decides the priority.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use decision::{Exchange, Gate, Load};
use proptest::prelude::*;
use rule_table::{Mode, Priority};
use vocabulary::Reason;

use crate::draft::Draft;
use crate::request::{Caller, NOW};

const KEY: &str = "sk-app";
const BY_RANK: [Priority; 3] = [Priority::Batch, Priority::Standard, Priority::Critical];

fn bounded(mode: Mode) -> Arc<Gate> {
    Draft::chat(&["east/gpt-4o"])
        .overload(|overload| {
            overload.max_in_flight = Some(10);
            overload.max_buffered = Some(1000);
            overload.mode = mode;
        })
        .gate()
}

fn exchange(gate: &Arc<Gate>) -> Exchange {
    Caller::chat().admitted(gate, NOW)
}

#[test]
fn batch_is_shed_from_eighty_percent_standard_from_ninety_and_critical_at_the_bound() {
    let gate = bounded(Mode::Enforce);
    for (in_flight, buffered, shed) in
        [(7, 799, 0), (8, 0, 1), (0, 800, 1), (9, 0, 2), (0, 900, 2), (9, 999, 2), (10, 0, 3), (0, 1000, 3)]
    {
        let load = Load { in_flight, buffered };
        let refused = BY_RANK.map(|priority| exchange(&gate).admit_load(priority, load).is_err());
        let expected = [0, 1, 2].map(|rank| rank < shed);
        assert_eq!(refused, expected, "{load:?}");
    }
}

#[test]
fn shed_requests_come_back_one_to_three_seconds_later_and_not_together() {
    let gate = bounded(Mode::Enforce);
    let load = Load { in_flight: 10, buffered: 0 };
    let after = |n: u32| {
        let mut exchange = exchange(&gate);
        exchange.request_id = format!("{n:032x}");
        let refusal = exchange.admit_load(Priority::Standard, load).unwrap_err();
        assert_eq!(refusal.reason, Reason::Overloaded);
        refusal.retry_after.unwrap()
    };
    let seconds: BTreeSet<Duration> = (0..50).map(after).collect();
    assert_eq!(seconds, [1, 2, 3].map(Duration::from_secs).into());
}

#[test]
fn in_shadow_mode_nobody_is_shed_and_it_is_told_once() {
    let gate = bounded(Mode::Shadow);
    let mut exchange = exchange(&gate);
    for _ in 0..2 {
        exchange.admit_load(Priority::Batch, Load { in_flight: 50, buffered: 0 }).unwrap();
    }
    assert_eq!(exchange.would_refuse, [Reason::Overloaded]);
}

#[test]
fn the_consumers_word_comes_before_its_teams_and_the_teams_before_the_routes() {
    let draft = Draft::chat(&["east/gpt-4o"]).consumer("app", KEY).in_team("app", "claims");
    let of = |draft: &Draft| Caller::chat().with_key(KEY).admitted(&draft.gate(), NOW).priority();
    assert_eq!(of(&draft), Some(Priority::Standard));
    let draft = draft.with_route("chat", |route| route.priority = Some(Priority::Critical));
    assert_eq!(of(&draft), Some(Priority::Critical));
    let draft = draft.with_team("claims", |team| team.priority = Some(Priority::Batch));
    assert_eq!(of(&draft), Some(Priority::Batch));
    let draft = draft.with_consumer("app", |consumer| consumer.priority = Some(Priority::Standard));
    assert_eq!(of(&draft), Some(Priority::Standard));
}

#[test]
fn before_the_body_is_read_a_route_that_is_not_known_leaves_it_open() {
    let draft = Draft::chat(&["east/gpt-4o"]).with_route("chat", |route| {
        route.priority = Some(Priority::Batch);
    });
    assert_eq!(Caller::chat().arrives(&draft.gate(), NOW).priority(), None);
    assert_eq!(Caller::chat().arrives(&bounded(Mode::Enforce), NOW).priority(), Some(Priority::Standard));
}

proptest! {
    #[test]
    fn whoever_is_shed_nobody_of_lower_priority_gets_in(in_flight in 0_u64..20, buffered in 0_u64..2000) {
        let gate = bounded(Mode::Enforce);
        let load = Load { in_flight, buffered };
        let refused = BY_RANK.map(|priority| exchange(&gate).admit_load(priority, load).is_err());
        prop_assert!(refused.is_sorted_by_key(|refused| !refused), "{refused:?}");
    }
}
