//! What operators hold of a pool, pick by pick.

use std::collections::BTreeSet;

use feedback_loop::{HoldSpec, Pool, Strategy};

use crate::workbench::{Workbench, at, priced, spec};

/// Adaptive, with a member that is cheapest by far.
fn pool() -> Pool {
    Pool::new(spec(Strategy::Adaptive, priced(&[(1.0, 1.0), (50.0, 50.0), (60.0, 60.0)])), 0, at(0.0))
}

fn served(pool: &mut Pool, from: f64) -> BTreeSet<usize> {
    (0..30).map(|turn| pool.serve(at(from + f64::from(turn) * 0.01), 0.4)).collect()
}

fn drained(names: &[&str]) -> HoldSpec {
    HoldSpec { drained: names.iter().map(|&name| name.to_owned()).collect(), ..HoldSpec::default() }
}

#[test]
fn a_drained_member_takes_nothing_new_and_ends_what_it_has() {
    let mut pool = pool();
    let pick = pool.pick(at(0.0));
    assert_eq!(pick.member, 0);
    pool.hold(&drained(&["a"]));
    assert!(!served(&mut pool, 1.0).contains(&0));
    assert_eq!(pool.standings(at(2.0))[0], "drained");
    assert_eq!(pool.status(at(2.0)).members[0].in_flight, 1);
    pool.finished(at(3.0), pick.ticket, None);
    assert_eq!(pool.status(at(3.0)).members[0].in_flight, 0);
    pool.hold(&HoldSpec::default());
    assert!(served(&mut pool, 4.0).contains(&0));
}

#[test]
fn a_hold_follows_its_member_through_a_reload() {
    let mut pool = pool();
    pool.hold(&drained(&["a"]));
    let mut members = priced(&[(1.0, 1.0), (50.0, 50.0)]);
    members.reverse();
    pool.reconfigure(spec(Strategy::Adaptive, members), at(1.0));
    assert_eq!(pool.standings(at(1.0)), ["ready", "drained"]);
}

#[test]
fn a_pin_leaves_one_member_and_a_pin_to_nobody_leaves_all() {
    let mut pool = pool();
    pool.hold(&HoldSpec { pinned: Some("b".to_owned()), ..HoldSpec::default() });
    assert_eq!(served(&mut pool, 1.0), BTreeSet::from([1]));
    assert_eq!(pool.standings(at(2.0)), ["pinned_out", "ready", "pinned_out"]);
    pool.hold(&HoldSpec { pinned: Some("gone".to_owned()), ..HoldSpec::default() });
    assert!(served(&mut pool, 3.0).contains(&0));
}

#[test]
fn when_all_are_drained_nobody_is_picked() {
    let mut pool = pool();
    pool.hold(&drained(&["a", "b", "c"]));
    assert!(pool.choose(at(1.0), &crate::workbench::ask(at(1.0))).is_err());
}

#[test]
fn a_frozen_pool_takes_turns_by_its_weights_and_its_price_of_a_miss_stays() {
    let mut pool = pool();
    let weights = [("a", 1), ("b", 2), ("c", 1)].map(|(name, weight)| (name.to_owned(), weight));
    pool.hold(&HoldSpec { frozen: Some(weights.to_vec()), ..HoldSpec::default() });
    let lambda = pool.status(at(0.0)).lambda_usd;
    let mut counts = [0; 3];
    for turn in 0..40 {
        // Slow enough to miss every objective.
        counts[pool.serve(at(f64::from(turn) * 5.0), 4.0)] += 1;
        pool.tick(at(f64::from(turn) * 5.0 + 4.5));
    }
    assert_eq!(counts, [10, 20, 10]);
    assert_eq!(pool.status(at(200.0)).lambda_usd, lambda);
    assert!(pool.status(at(200.0)).frozen);
}
