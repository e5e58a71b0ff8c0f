//! What a limit promises its operator and its callers.

use std::time::Duration;

use ledger::{Claim, Ledger, Shard};
use vocabulary::{Moment, Rate, RateUnit};

fn rate(amount: u64, unit: RateUnit) -> Option<Rate> {
    Some(Rate { amount, unit, per: Duration::from_secs(60) })
}

fn claim(key: u64, requests: Option<u64>, tokens: Option<u64>) -> Claim {
    Claim {
        key,
        requests: requests.and_then(|amount| rate(amount, RateUnit::Requests)),
        tokens: tokens.and_then(|amount| rate(amount, RateUnit::Tokens)),
        shadow: false,
    }
}

fn tokens_left(ledger: &Ledger, now: Moment, claim: Claim) -> u64 {
    ledger.remaining(now, &[claim]).and_then(|left| left.tokens).map_or(u64::MAX, |tokens| tokens.remaining)
}

const NOW: Moment = Moment(5_000_000_000);

#[test]
fn a_refused_request_takes_nothing_from_any_limit() {
    let ledger = Ledger::new();
    let (consumer, route) = (claim(1, Some(5), Some(1_000)), claim(2, None, Some(50)));
    let refused = ledger.reserve(NOW, &[consumer, route], 60).unwrap_err();
    assert_eq!((refused.claim, refused.unit, refused.remaining), (1, RateUnit::Tokens, 50));
    assert!(refused.never_fits());
    let left = ledger.remaining(NOW, &[consumer]).unwrap();
    assert_eq!((left.requests.unwrap().remaining, left.tokens.unwrap().remaining), (5, 1_000));
}

#[test]
fn a_refusal_says_when_to_come_back_and_keeps_its_word() {
    let ledger = Ledger::new();
    let limit = claim(9, Some(1), None);
    let _held = ledger.reserve(NOW, &[limit], 0).unwrap();
    let refused = ledger.reserve(NOW, &[limit], 0).unwrap_err();
    assert_eq!(refused.unit, RateUnit::Requests);
    let early = NOW + refused.retry_after - Duration::from_nanos(1);
    assert!(ledger.reserve(early, &[limit], 0).is_err());
    assert!(ledger.reserve(NOW + refused.retry_after, &[limit], 0).is_ok());
}

#[test]
fn settling_gives_back_what_was_not_used() {
    let ledger = Ledger::new();
    let limit = claim(3, None, Some(1_000));
    let held = ledger.reserve(NOW, &[limit], 900).unwrap();
    assert_eq!(tokens_left(&ledger, NOW, limit), 100);
    ledger.settle(NOW, held, 250);
    assert_eq!(tokens_left(&ledger, NOW, limit), 750);
}

#[test]
fn tokens_beyond_the_estimate_are_counted_and_stop_the_next_request() {
    let ledger = Ledger::new();
    let limit = claim(3, None, Some(100));
    let held = ledger.reserve(NOW, &[limit], 10).unwrap();
    ledger.settle(NOW, held, 130);
    assert_eq!(tokens_left(&ledger, NOW, limit), 0);
    assert!(ledger.reserve(NOW, &[limit], 0).is_err());
}

#[test]
fn releasing_gives_back_the_request_too() {
    let ledger = Ledger::new();
    let limit = claim(4, Some(1), Some(10));
    let held = ledger.reserve(NOW, &[limit], 10).unwrap();
    ledger.release(NOW, held);
    assert!(ledger.reserve(NOW, &[limit], 10).is_ok());
}

#[test]
fn a_settlement_after_the_window_turned_does_not_touch_the_new_window() {
    let ledger = Ledger::new();
    let limit = claim(5, None, Some(1_000));
    let held = ledger.reserve(NOW, &[limit], 10).unwrap();
    let later = NOW + Duration::from_secs(60);
    let _other = ledger.reserve(later, &[limit], 100).unwrap();
    ledger.settle(later, held, 900);
    assert_eq!(tokens_left(&ledger, later, limit), 900);
}

#[test]
fn a_shadow_limit_reports_but_never_refuses() {
    let ledger = Ledger::new();
    let shadow = Claim { shadow: true, ..claim(6, Some(1), None) };
    let enforced = claim(7, Some(10), None);
    let first = ledger.reserve(NOW, &[shadow, enforced], 0).unwrap();
    assert_eq!(first.would_refuse().count(), 0);
    let second = ledger.reserve(NOW, &[shadow, enforced], 0).unwrap();
    assert_eq!(second.would_refuse().collect::<Vec<_>>(), [RateUnit::Requests]);
    assert_eq!(second.would_refusals()[0].key, 6);
    assert_eq!(ledger.remaining(NOW, &[enforced]).unwrap().requests.unwrap().remaining, 8);
    assert_eq!(
        ledger.remaining(NOW, &[shadow]),
        None,
        "callers are not told of limits that do not bind them"
    );
}

#[test]
fn the_tightest_of_several_limits_is_reported() {
    let ledger = Ledger::new();
    let (loose, tight) = (claim(1, Some(100), Some(1_000)), claim(2, None, Some(300)));
    let _held = ledger.reserve(NOW, &[loose, tight], 100).unwrap();
    let left = ledger.remaining(NOW, &[loose, tight]).unwrap();
    let tokens = left.tokens.unwrap();
    assert_eq!((tokens.limit, tokens.remaining), (300, 200));
    assert_eq!(left.requests.unwrap().remaining, 99);
}

#[test]
fn a_lowered_limit_binds_at_once_and_a_raised_one_frees_at_once() {
    let ledger = Ledger::new();
    let _held = ledger.reserve(NOW, &[claim(1, None, Some(1_000))], 500).unwrap();
    assert!(ledger.reserve(NOW, &[claim(1, None, Some(400))], 1).is_err());
    assert_eq!(tokens_left(&ledger, NOW, claim(1, None, Some(2_000))), 1_500);
}

#[test]
fn one_key_claimed_twice_cannot_pass_its_amount() {
    let mut shard = Shard::new();
    let limit = claim(1, None, Some(100));
    assert!(shard.reserve(NOW, &[limit, limit], 60).is_err());
    assert_eq!(shard.remaining(NOW, &limit).tokens.unwrap().remaining, 100);
}

#[test]
fn counters_of_past_windows_are_forgotten_without_loss() {
    let mut shard = Shard::new();
    let (short, long) = (claim(1, Some(5), None), claim(2, None, Some(100)));
    let _short = shard.reserve(NOW, &[short], 0).unwrap();
    let day =
        Claim { tokens: Some(Rate { per: Duration::from_secs(86_400), ..long.tokens.unwrap() }), ..long };
    let _long = shard.reserve(NOW, &[day], 40).unwrap();
    let later = NOW + Duration::from_secs(60);
    shard.sweep(later);
    assert_eq!(shard.len(), 1);
    assert_eq!(shard.remaining(later, &day).tokens.unwrap().remaining, 60);
}

#[test]
fn a_refusal_reads_as_a_sentence() {
    let ledger = Ledger::new();
    let refused = ledger.reserve(NOW, &[claim(1, None, Some(50))], 60).unwrap_err().to_string();
    assert!(
        refused.starts_with("tokens per window are spent: 60 asked, 50 of 50 left, more in "),
        "{refused}"
    );
}
