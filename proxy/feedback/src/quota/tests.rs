//! Quotas as a provider would count them.

use super::*;
use proptest::prelude::*;

const MINUTE: Duration = Duration::from_secs(60);

fn window_of(tokens: u64, requests: u64) -> Quota {
    Quota::new(Some(&QuotaSpec {
        tokens: Some((tokens, MINUTE)),
        requests: Some((requests, MINUTE)),
        shape: QuotaShape::FixedWindow,
        burst: Duration::ZERO,
        output_weight: 1,
    }))
}

fn bucket_of(per_second: u64, burst: u64, output_weight: u32) -> Quota {
    Quota::new(Some(&QuotaSpec {
        tokens: Some((per_second, Duration::from_secs(1))),
        requests: None,
        shape: QuotaShape::LeakyBucket,
        burst: Duration::from_secs(burst),
        output_weight,
    }))
}

fn at(seconds: f64) -> Moment {
    Moment::from_secs_f64(seconds)
}

fn usage(input: u64, output: u64) -> Usage {
    Usage { input, output, ..Usage::default() }
}

#[test]
fn without_a_quota_there_is_always_room() {
    let quota = Quota::new(None);
    assert!(quota.admits(at(0.0), 1e12, 1e12));
    assert_eq!(quota.used(at(0.0)), None);
}

#[test]
fn a_window_fills_and_turns() {
    let mut quota = window_of(1_000, 10);
    let _booking = quota.book(at(1.0), 800.0, 100.0);
    assert!(!quota.admits(at(59.0), 100.0, 0.0));
    assert!(quota.admits(at(60.0), 100.0, 0.0));
}

#[test]
fn requests_per_window_are_counted_apart_from_tokens() {
    let mut quota = window_of(1_000_000, 2);
    let _bookings = [quota.book(at(0.0), 1.0, 0.0), quota.book(at(0.0), 1.0, 0.0)];
    assert!(!quota.admits(at(1.0), 1.0, 0.0));
    assert_eq!(quota.used(at(1.0)), Some(1.0));
}

#[test]
fn a_bucket_weighs_output_and_drains() {
    let mut quota = bucket_of(100, 10, 4);
    let _booking = quota.book(at(0.0), 200.0, 200.0);
    assert!(!quota.admits(at(0.0), 10.0, 0.0));
    assert!(quota.admits(at(1.0), 100.0, 0.0));
    assert!(!quota.admits(at(1.0), 101.0, 0.0));
}

#[test]
fn an_empty_bucket_takes_a_request_larger_than_itself() {
    let mut quota = bucket_of(100, 10, 4);
    assert!(quota.admits(at(0.0), 5_000.0, 0.0));
    let _booking = quota.book(at(0.0), 5_000.0, 0.0);
    assert!(!quota.admits(at(39.9), 1.0, 0.0));
    assert!(quota.admits(at(50.1), 5_000.0, 0.0));
}

#[test]
fn a_settlement_counts_only_in_the_window_of_its_booking() {
    let mut quota = window_of(1_000, 10);
    let booking = quota.book(at(50.0), 100.0, 100.0);
    quota.settle(at(55.0), &booking, &usage(100, 500));
    assert_eq!(quota.used(at(55.0)), Some(0.6));
    let late = quota.book(at(59.0), 100.0, 100.0);
    quota.settle(at(61.0), &late, &usage(100, 900));
    assert_eq!(quota.used(at(61.0)), Some(0.0));
}

#[test]
fn a_refusal_without_a_time_spends_the_rest_of_the_window() {
    let mut quota = window_of(1_000, 10);
    quota.refused(at(10.0), false);
    assert!(!quota.admits(at(59.0), 1.0, 0.0));
    assert!(quota.admits(at(60.0), 1.0, 0.0));
    quota.refused(at(70.0), true);
    assert!(quota.admits(at(71.0), 1.0, 0.0), "a stated time is the gate's to keep");
}

#[test]
fn a_bucket_that_refuses_is_believed_to_be_smaller_for_a_while() {
    let mut quota = bucket_of(100, 10, 1);
    (0..100).for_each(|_| quota.refused(at(0.0), true));
    assert!(quota.admits(at(60.0), 150.0, 0.0));
    let _booking = quota.book(at(60.0), 150.0, 0.0);
    assert!(!quota.admits(at(60.0), 100.0, 0.0), "a fifth of its depth is left");
    (0..600).for_each(|_| quota.tick());
    assert!(quota.admits(at(60.0), 700.0, 0.0));
}

#[test]
fn what_the_provider_says_is_left_only_ever_tightens() {
    let mut quota = window_of(1_000, 10);
    let booking = quota.book(at(1.0), 100.0, 0.0);
    quota.observe(at(2.0), &booking, (Some(300), None));
    assert_eq!(quota.used(at(2.0)), Some(0.7));
    quota.observe(at(3.0), &booking, (Some(990), None));
    assert_eq!(quota.used(at(3.0)), Some(0.7));
    quota.observe(at(61.0), &booking, (Some(0), None));
    assert_eq!(quota.used(at(61.0)), Some(0.0), "a header of the last window says nothing of this one");
}

#[test]
fn a_new_limit_binds_at_once_and_use_is_carried_over() {
    let mut quota = window_of(1_000, 10);
    let _booking = quota.book(at(1.0), 500.0, 0.0);
    let halved = QuotaSpec {
        tokens: Some((500, MINUTE)),
        requests: None,
        shape: QuotaShape::FixedWindow,
        burst: Duration::ZERO,
        output_weight: 1,
    };
    quota.reconfigure(Some(&halved));
    assert!(!quota.admits(at(2.0), 1.0, 0.0));
}

#[test]
fn spending_ahead_of_the_window_is_measured() {
    let mut quota = window_of(1_000, 10);
    let _booking = quota.book(at(0.0), 500.0, 0.0);
    assert!((quota.ahead(at(6.0)) - 0.3).abs() < 1e-9);
    assert!(quota.ahead(at(36.0)).abs() < 1e-9);
}

proptest! {
    /// What is admitted and settled at its estimate stays within the quota in every window.
    #[test]
    fn admitted_requests_never_exceed_a_window(asks in prop::collection::vec((0.0..20.0_f64, 1.0..400.0_f64, 0.0..100.0_f64), 1..200)) {
        let mut quota = window_of(1_000, 7);
        let (mut now, mut spent) = (0.0, std::collections::BTreeMap::<u64, (f64, u32)>::new());
        for (wait, prompt, output) in asks {
            now += wait;
            if quota.admits(at(now), prompt, output) {
                let _booking = quota.book(at(now), prompt, output);
                let entry = spent.entry((now / 60.0) as u64).or_default();
                *entry = (entry.0 + prompt + output, entry.1 + 1);
            }
        }
        prop_assert!(spent.values().all(|(tokens, requests)| *tokens <= 1_000.0 && *requests <= 7));
    }

    #[test]
    fn an_admitted_request_overflows_a_bucket_only_when_it_was_empty(asks in prop::collection::vec((0.0..3.0_f64, 1.0..600.0_f64), 1..200)) {
        let mut quota = bucket_of(100, 5, 1);
        let (mut now, mut level) = (0.0, 0.0_f64);
        for (wait, prompt) in asks {
            now += wait;
            level = (level - wait * 100.0).max(0.0);
            if quota.admits(at(now), prompt, 0.0) {
                prop_assert!(level < 1e-3 || level + prompt <= 500.0 + 1e-3, "level {level}, asked {prompt}");
                let _booking = quota.book(at(now), prompt, 0.0);
                level += prompt;
            }
        }
    }
}
