//! What a limit promises its operator and its callers.

#![cfg(test)]

use std::time::Duration;

use ledger::{Allowance, Calendar, Claim, Exhausted, Ledger, Meter, Period, Refused, Took};
use vocabulary::Moment;

const MINUTE: Period = Period::Window(Duration::from_secs(60));
/// 22 November 2026, 23:00 UTC.
const NOW: Moment = Moment(1_795_388_400_000_000_000);

fn claim(key: u64, meter: Meter, ceiling: u64, asked: u64) -> Claim {
    let period = match meter {
        Meter::Streams => Period::Concurrent,
        Meter::Spend => Period::Calendar(Calendar::Month),
        _ => MINUTE,
    };
    Claim { key, group: 0, meter, ceiling, period, asked, shadow: false, shared: false, closed: true }
}

fn tokens(key: u64, ceiling: u64, asked: u64) -> Claim {
    claim(key, Meter::Tokens, ceiling, asked)
}

fn left(ledger: &Ledger, now: Moment, claim: Claim) -> u64 {
    let room = ledger.remaining(now, &[claim]).unwrap();
    let of: Option<Allowance> = room.requests.or(room.tokens).or(room.streams).or(room.spend);
    of.unwrap().remaining
}

fn exhausted(refused: Refused) -> Exhausted {
    match refused {
        Refused::Exhausted(exhausted) => exhausted,
        other => panic!("{other}"),
    }
}

fn took(tokens: u64) -> Took {
    Took { tokens, spend_nanos: tokens * 10, ..Took::default() }
}

#[test]
fn a_refused_request_takes_nothing_from_any_limit() {
    let ledger = Ledger::default();
    let (requests, route) = (claim(1, Meter::Requests, 5, 1), tokens(2, 50, 60));
    let refused = exhausted(ledger.reserve(NOW, &[requests, route]).unwrap_err());
    assert_eq!((refused.claim, refused.meter, refused.remaining), (1, Meter::Tokens, 50));
    assert!(refused.never_fits());
    assert_eq!(left(&ledger, NOW, requests), 5);
}

#[test]
fn a_refusal_says_when_to_come_back_and_keeps_its_word() {
    let ledger = Ledger::default();
    let limit = claim(9, Meter::Requests, 1, 1);
    let _held = ledger.reserve(NOW, &[limit]).unwrap();
    let refused = exhausted(ledger.reserve(NOW, &[limit]).unwrap_err());
    let early = NOW + refused.retry_after - Duration::from_nanos(1);
    assert!(ledger.reserve(early, &[limit]).is_err());
    assert!(ledger.reserve(NOW + refused.retry_after, &[limit]).is_ok());
}

#[test]
fn settling_gives_back_what_was_not_used() {
    let ledger = Ledger::default();
    let limit = tokens(3, 1_000, 900);
    let held = ledger.reserve(NOW, &[limit]).unwrap();
    assert_eq!(left(&ledger, NOW, limit), 100);
    ledger.settle(NOW, held, &took(250));
    assert_eq!(left(&ledger, NOW, limit), 750);
}

#[test]
fn tokens_beyond_the_estimate_are_counted_and_stop_the_next_request() {
    let ledger = Ledger::default();
    let held = ledger.reserve(NOW, &[tokens(3, 100, 10)]).unwrap();
    ledger.settle(NOW, held, &took(130));
    assert!(ledger.reserve(NOW, &[tokens(3, 100, 0)]).is_err());
}

#[test]
fn what_nobody_counted_stays_as_it_was_reserved_and_its_stream_ends() {
    let ledger = Ledger::default();
    let (limit, streams) = (tokens(3, 1_000, 900), claim(4, Meter::Streams, 1, 1));
    let held = ledger.reserve(NOW, &[limit, streams]).unwrap();
    ledger.keep(NOW, held);
    assert_eq!((left(&ledger, NOW, limit), left(&ledger, NOW, streams)), (100, 1));
}

#[test]
fn releasing_gives_back_the_request_too() {
    let ledger = Ledger::default();
    let limits = [claim(4, Meter::Requests, 1, 1), tokens(5, 10, 10)];
    let held = ledger.reserve(NOW, &limits).unwrap();
    ledger.release(NOW, held);
    assert!(ledger.reserve(NOW, &limits).is_ok());
}

#[test]
fn a_settlement_after_the_window_turned_does_not_touch_the_new_window() {
    let ledger = Ledger::default();
    let held = ledger.reserve(NOW, &[tokens(5, 1_000, 10)]).unwrap();
    let later = NOW + Duration::from_secs(60);
    let _other = ledger.reserve(later, &[tokens(5, 1_000, 100)]).unwrap();
    ledger.settle(later, held, &took(900));
    assert_eq!(left(&ledger, later, tokens(5, 1_000, 0)), 900);
}

#[test]
fn streams_are_under_way_until_they_end_and_no_sweep_forgets_them() {
    let ledger = Ledger::default();
    let limit = claim(6, Meter::Streams, 2, 1);
    let first = ledger.reserve(NOW, &[limit]).unwrap();
    let _second = ledger.reserve(NOW, &[limit]).unwrap();
    let hours_later = NOW + Duration::from_secs(36_000);
    ledger.sweep(hours_later);
    let refused = exhausted(ledger.reserve(hours_later, &[limit]).unwrap_err());
    assert_eq!((refused.meter, refused.retry_after), (Meter::Streams, Duration::from_secs(1)));
    ledger.settle(hours_later, first, &took(1));
    assert!(ledger.reserve(hours_later, &[limit]).is_ok());
}

#[test]
fn a_budget_lasts_until_its_month_ends() {
    let ledger = Ledger::default();
    let limit = claim(7, Meter::Spend, 1_000, 900);
    let held = ledger.reserve(NOW, &[limit]).unwrap();
    ledger.settle(NOW, held, &took(80));
    let refused = exhausted(ledger.reserve(NOW, &[limit]).unwrap_err());
    assert_eq!((refused.remaining, refused.retry_after), (200, Duration::from_secs(8 * 86_400 + 3_600)));
    ledger.sweep(NOW + Duration::from_secs(86_400));
    assert_eq!(left(&ledger, NOW + refused.retry_after - Duration::from_nanos(1), limit), 200);
    assert_eq!(left(&ledger, NOW + refused.retry_after, limit), 1_000);
}

#[test]
fn a_shadow_limit_reports_but_never_refuses() {
    let ledger = Ledger::default();
    let shadow = Claim { shadow: true, ..claim(6, Meter::Requests, 1, 1) };
    let enforced = claim(7, Meter::Requests, 10, 1);
    let first = ledger.reserve(NOW, &[shadow, enforced]).unwrap();
    assert_eq!(first.would_refuse().count(), 0);
    let second = ledger.reserve(NOW, &[shadow, enforced]).unwrap();
    assert_eq!(second.would_refuse().collect::<Vec<_>>(), [Meter::Requests]);
    assert_eq!(second.would_refusals()[0].key, 6);
    assert_eq!(left(&ledger, NOW, enforced), 8);
    let told = ledger.remaining(NOW, &[shadow]);
    assert_eq!(told, None, "callers are not told of limits that do not bind them");
}

#[test]
fn the_tightest_of_several_limits_is_reported() {
    let ledger = Ledger::default();
    let claims = [claim(1, Meter::Requests, 100, 1), tokens(2, 1_000, 100), tokens(3, 300, 100)];
    let _held = ledger.reserve(NOW, &claims).unwrap();
    let left = ledger.remaining(NOW, &claims).unwrap();
    let tokens = left.tokens.unwrap();
    assert_eq!((tokens.limit, tokens.remaining), (300, 200));
    assert_eq!(left.requests.unwrap().remaining, 99);
}

#[test]
fn a_lowered_limit_binds_at_once_and_a_raised_one_frees_at_once() {
    let ledger = Ledger::default();
    let _held = ledger.reserve(NOW, &[tokens(1, 1_000, 500)]).unwrap();
    assert!(ledger.reserve(NOW, &[tokens(1, 400, 1)]).is_err());
    assert_eq!(left(&ledger, NOW, tokens(1, 2_000, 0)), 1_500);
}

#[test]
fn a_shared_counter_hands_out_no_more_than_was_granted() {
    let ledger = Ledger::default();
    let limit = Claim { shared: true, ..tokens(1, 1_000, 60) };
    let Err(Refused::NeedsLease { claims }) = ledger.reserve(NOW, &[limit]) else { panic!("no grant yet") };
    assert_eq!((claims.len(), claims[0].claim, claims[0].short), (1, 0, 60));
    assert_eq!(ledger.grant(1, claims[0].window_index, 100), Some(100));
    let _held = ledger.reserve(NOW, &[limit]).unwrap();
    let Err(Refused::NeedsLease { claims }) = ledger.reserve(NOW, &[limit]) else { panic!("40 are left") };
    assert_eq!(claims[0].short, 20);
    assert_eq!(ledger.grant(1, claims[0].window_index, 10), Some(60), "what is held cannot be given back");
    assert_eq!(ledger.grant(1, claims[0].window_index + 1, 500), None, "another window");
    assert_eq!(ledger.grant(2, 0, 500), None, "an unknown counter");
}

#[test]
fn a_ceiling_that_is_reached_is_no_want_of_a_grant() {
    let ledger = Ledger::default();
    let limit = Claim { shared: true, ..tokens(1, 100, 101) };
    assert!(matches!(ledger.reserve(NOW, &[limit]), Err(Refused::Exhausted(_))));
}

#[test]
fn standings_show_what_is_used_held_and_granted() {
    let ledger = Ledger::default();
    let limit = Claim { shared: true, ..tokens(1, 1_000, 60) };
    let _ = ledger.reserve(NOW, &[limit]);
    let index = MINUTE.place(1, NOW).index;
    ledger.grant(1, index, 500).unwrap();
    let first = ledger.reserve(NOW, &[limit]).unwrap();
    let _second = ledger.reserve(NOW, &[limit]).unwrap();
    ledger.settle(NOW, first, &took(20));
    let mut seen = Vec::new();
    ledger.standings(|standing| seen.push(*standing));
    assert_eq!(seen.len(), 1);
    assert_eq!((seen[0].used, seen[0].reserved, seen[0].granted, seen[0].ceiling), (20, 60, 500, 1_000));
    assert_eq!((seen[0].window_index, seen[0].window_ends), (index, MINUTE.place(1, NOW).ends));
}

#[test]
fn a_clock_set_back_an_hour_gives_no_window_twice_running_or_across_a_restart() {
    use ledger::Timekeeper;
    let hour = Duration::from_secs(3_600);
    let limit = claim(1, Meter::Requests, 1, 1);
    let ledger = Ledger::new(Timekeeper::new(Moment::ZERO, NOW, Moment::ZERO), None);
    let at = |ledger: &Ledger, policy| ledger.time().at(policy);
    let _held = ledger.reserve(at(&ledger, Moment::ZERO), &[limit]).unwrap();
    let mut policy = Moment::ZERO;
    let mut served = 1;
    // Two hours of wall time after a step back: at half speed the ledger sees one, of 60 windows.
    for second in 1..=7_200_u64 {
        policy = policy + Duration::from_secs(1);
        ledger.time().look(policy, NOW - hour + Duration::from_secs(second));
        served += u32::from(ledger.reserve(at(&ledger, policy), &[limit]).is_ok());
    }
    assert!((60..=62).contains(&served), "{served} in 60 windows");
    let mut kept = Vec::new();
    ledger.standings(|standing| kept.push(*standing));
    let recorded = at(&ledger, policy);
    let restarted = Ledger::new(Timekeeper::new(Moment::ZERO, recorded - hour, recorded), None);
    restarted.restore(kept);
    assert!(restarted.reserve(at(&restarted, Moment::ZERO), &[limit]).is_err(), "this window is spent");
}
