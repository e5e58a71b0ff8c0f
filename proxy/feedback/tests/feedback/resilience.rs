//! What happens to a member that fails, refuses or comes back.

use std::time::Duration;

use feedback_loop::{Ask, Failure, MemberSet, MemberSpec, Pool, PoolSpec, Strategy};
use vocabulary::{Moment, Usage};

use crate::workbench::{Workbench, ask, at, per_minute, priced, spec};

const ALIKE: [(f64, f64); 3] = [(1.0, 4.0); 3];
const ERROR: Failure = Failure::ServerError { retry_after: None };

fn rotation() -> Pool {
    Pool::new(spec(Strategy::RoundRobin, priced(&ALIKE)), 0, Moment::ZERO)
}

fn adaptive(usd: &[(f64, f64)]) -> Pool {
    Pool::new(spec(Strategy::Adaptive, priced(usd)), 0, Moment::ZERO)
}

/// Picks made in a row at `now`, each answered at once.
fn members_used(pool: &mut Pool, now: Moment, picks: usize) -> Vec<usize> {
    (0..picks).map(|_| pool.serve(now, 0.5)).collect()
}

#[test]
fn a_member_with_a_green_probe_and_failing_requests_loses_its_traffic() {
    for strategy in [Strategy::RoundRobin, Strategy::Weighted, Strategy::Adaptive] {
        let mut pool = Pool::new(spec(strategy, priced(&ALIKE)), 0, Moment::ZERO);
        for _ in 0..5 {
            pool.fail_on(at(1.0), 1, ERROR);
            pool.probe(at(1.0), 1, true);
        }
        assert_eq!(pool.standings(at(2.0))[1], "ejected");
        assert!(!members_used(&mut pool, at(2.0), 60).contains(&1), "{strategy:?}");
    }
}

#[test]
fn a_member_with_a_red_probe_gets_nothing_until_it_is_green_and_then_little_at_first() {
    let mut pool = rotation();
    pool.probe(at(0.0), 0, false);
    assert!(!members_used(&mut pool, at(1.0), 30).contains(&0));
    pool.probe(at(2.0), 0, true);
    let taken =
        |pool: &mut Pool, now| members_used(pool, now, 300).iter().filter(|member| **member == 0).count();
    let (first, last) = (taken(&mut pool, at(2.0)), taken(&mut pool, at(12.0)));
    assert!((1..=20).contains(&first) && last == 100, "{first} then {last} of 300");
}

#[test]
fn at_most_the_allowed_share_of_members_is_ejected_at_once() {
    let mut pool = rotation();
    for member in 0..3 {
        (0..5).for_each(|_| pool.fail_on(at(1.0), member, ERROR));
    }
    let ejected = pool.standings(at(2.0)).iter().filter(|standing| *standing == "ejected").count();
    assert_eq!(ejected, 1, "half of three, rounded down");
}

#[test]
fn when_no_member_is_sound_the_pool_panics_into_using_them() {
    let mut pool = rotation();
    (0..3).for_each(|member| pool.probe(at(0.0), member, false));
    let used = members_used(&mut pool, at(1.0), 9);
    assert!((0..3).all(|member| used.contains(&member)), "{used:?}");
    let latest = pool.latest();
    assert!(latest.why.starts_with("No member is sound"), "{}", latest.why);
    assert!(latest.candidates.iter().all(|candidate| candidate.standing == "unhealthy"));
}

#[test]
fn a_member_that_asked_for_rest_is_left_alone_for_that_long() {
    let mut pool = adaptive(&[(0.1, 0.4), (5.0, 20.0)]);
    let refusal = Failure::RateLimited { retry_after: Some(Duration::from_secs(7)) };
    assert_eq!(pool.fail(at(1.0), refusal), 0);
    assert_eq!(pool.standings(at(1.0))[0], "cooling_down");
    assert_eq!(pool.serve(at(7.9), 0.5), 1);
    assert_eq!(pool.serve(at(8.1), 0.5), 0);
}

#[test]
fn when_all_members_asked_for_rest_nobody_is_asked_and_the_first_return_is_told() {
    let mut pool = rotation();
    for (member, rest) in [(0, 9), (1, 4), (2, 30)] {
        pool.fail_on(at(1.0), member, Failure::RateLimited { retry_after: Some(Duration::from_secs(rest)) });
    }
    let nobody = pool.choose(at(2.0), &ask(at(2.0))).unwrap_err();
    assert_eq!(nobody.retry_after, Some(Duration::from_secs(3)));
    assert_eq!(pool.serve(at(5.1), 0.5), 1);
}

#[test]
fn a_refusal_without_a_time_rests_the_member_for_longer_each_time() {
    let mut pool = rotation();
    let mut rests = Vec::new();
    let mut now = at(1.0);
    for _ in 0..4 {
        pool.fail_on(now, 2, Failure::RateLimited { retry_after: None });
        let nobody = pool.choose(now, &Ask { eligible: MemberSet::EMPTY, ..ask(now) }).unwrap_err();
        let rest = nobody.retry_after.unwrap();
        rests.push(rest.as_secs());
        now = now + rest;
    }
    assert_eq!(rests, [1, 2, 4, 8]);
}

#[test]
fn refusals_for_quota_never_eject_or_count_as_slow() {
    let mut pool = rotation();
    let before = pool.status(at(1.0)).members[0].predicted_ttft_s;
    (0..20)
        .for_each(|_| pool.fail_on(at(1.0), 0, Failure::RateLimited { retry_after: Some(Duration::ZERO) }));
    let after = pool.status(at(1.0));
    assert_eq!(after.members[0].standing, "ready");
    assert!((after.members[0].predicted_ttft_s - before).abs() < 1e-9);
}

#[test]
fn a_server_error_that_names_a_time_is_heeded_too() {
    let mut pool = rotation();
    pool.fail_on(at(1.0), 0, Failure::ServerError { retry_after: Some(Duration::from_secs(5)) });
    assert_eq!(pool.standings(at(5.9))[0], "cooling_down");
    assert_eq!(pool.standings(at(6.1))[0], "ready");
}

#[test]
fn a_refused_credential_ejects_at_once() {
    let mut pool = rotation();
    pool.fail_on(at(1.0), 0, Failure::Auth);
    assert_eq!(pool.standings(at(1.0))[0], "ejected");
}

#[test]
fn requests_the_member_rightly_refused_and_callers_who_left_do_not_eject() {
    let mut pool = rotation();
    for _ in 0..50 {
        pool.fail_on(at(1.0), 0, Failure::Refused);
        pool.fail_on(at(1.0), 0, Failure::Cancelled);
    }
    assert_eq!(pool.standings(at(1.0))[0], "ready");
    assert!(pool.status(at(1.0)).members[0].error_ratio < 0.01);
}

#[test]
fn a_member_is_used_although_its_quota_is_spent_only_when_there_is_no_other() {
    let spent = MemberSpec { quota: Some(per_minute(2_000)), ..priced(&[(0.1, 0.4)]).remove(0) };
    let dear = MemberSpec { name: "b".to_owned(), ..priced(&[(5.0, 20.0)]).remove(0) };
    let mut pool = Pool::new(spec(Strategy::Adaptive, vec![spent, dear]), 0, Moment::ZERO);
    assert_eq!(pool.serve(at(1.0), 0.5), 0);
    assert_eq!(pool.serve(at(1.0), 0.5), 1, "a second request would pass the quota");
    assert_eq!(pool.standings(at(1.0))[0], "quota_spent");
    pool.fail_on(at(2.0), 0, Failure::Cancelled);
    assert!(
        pool.latest().why.contains("quota_spent") && pool.latest().why.contains("last resort"),
        "{}",
        pool.latest().why
    );
}

#[test]
fn rotation_does_not_look_at_quotas() {
    let members =
        priced(&ALIKE).into_iter().map(|m| MemberSpec { quota: Some(per_minute(10)), ..m }).collect();
    let mut pool = Pool::new(spec(Strategy::RoundRobin, members), 0, Moment::ZERO);
    assert_eq!(members_used(&mut pool, at(1.0), 6), [0, 1, 2, 0, 1, 2]);
}

#[test]
fn the_local_quota_is_never_exceeded_while_another_member_is_ready() {
    let quota = per_minute(20_000);
    let cheap = MemberSpec { quota: Some(quota), ..priced(&[(0.0, 0.0)]).remove(0) };
    let dear = MemberSpec { name: "b".to_owned(), ..priced(&[(5.0, 20.0)]).remove(0) };
    let mut pool = Pool::new(spec(Strategy::Adaptive, vec![cheap, dear]), 0, Moment::ZERO);
    let mut tokens_by_minute = std::collections::BTreeMap::<u64, u64>::new();
    for k in 0..3_000_u32 {
        let now = at(f64::from(k) * 0.1);
        if pool.serve(now, 0.0) == 0 {
            *tokens_by_minute.entry(u64::from(k / 600)).or_default() += 1_100;
        }
    }
    assert_eq!(tokens_by_minute.len(), 5);
    assert!(
        tokens_by_minute.values().all(|tokens| (15_000..=20_000).contains(tokens)),
        "{tokens_by_minute:?}"
    );
}

#[test]
fn what_a_backend_says_is_left_keeps_further_requests_away() {
    let cheap = MemberSpec { quota: Some(per_minute(100_000)), ..priced(&[(0.1, 0.4)]).remove(0) };
    let dear = MemberSpec { name: "b".to_owned(), ..priced(&[(5.0, 20.0)]).remove(0) };
    let mut pool = Pool::new(spec(Strategy::Adaptive, vec![cheap, dear]), 0, Moment::ZERO);
    let pick = pool.pick(at(1.0));
    assert_eq!(pick.member, 0);
    pool.observe_remaining(at(1.5), &pick.ticket, Some(500), None);
    assert_eq!(pool.serve(at(2.0), 0.5), 1);
    pool.failed(at(2.0), pick.ticket, Failure::Cancelled);
}

#[test]
fn a_silent_member_loses_its_traffic_before_anything_times_out() {
    let mut pool = adaptive(&[(0.1, 0.4), (5.0, 20.0)]);
    for second in 0..60 {
        pool.serve(at(f64::from(second)), 0.4);
    }
    let silent = pool.pick(at(60.0));
    assert_eq!(silent.member, 0);
    assert_eq!(pool.serve(at(64.0), 0.4), 1);
    pool.failed(at(64.0), silent.ticket, Failure::Cancelled);
}

#[test]
fn nobody_eligible_is_said_so() {
    let mut pool = rotation();
    let nobody = pool.choose(at(1.0), &Ask { eligible: MemberSet::EMPTY, ..ask(at(1.0)) }).unwrap_err();
    assert_eq!(nobody.retry_after, None);
    assert_eq!(pool.latest().chosen, None);
    let empty = PoolSpec { members: Vec::new(), ..spec(Strategy::Adaptive, Vec::new()) };
    assert!(Pool::new(empty, 9, Moment::ZERO).choose(at(1.0), &ask(at(1.0))).is_err());
}

#[test]
fn a_dropped_ticket_gives_its_room_back_in_the_end_and_is_counted() {
    let mut pool = rotation();
    drop(pool.pick(at(1.0)));
    assert_eq!(pool.open_tickets(), 1);
    pool.tick(at(80.0));
    assert_eq!(pool.open_tickets(), 1, "it could still be answered");
    pool.tick(at(82.0));
    assert_eq!((pool.open_tickets(), pool.closes().lost), (0, 1));
    assert!(
        pool.status(at(82.0)).members.iter().all(|m| m.in_flight == 0 && m.unanswered_prompt_tokens == 0)
    );
}

#[test]
fn a_ticket_of_another_pool_changes_nothing_and_is_counted() {
    let (mut pool, mut other) =
        (rotation(), Pool::new(spec(Strategy::RoundRobin, priced(&ALIKE)), 77, Moment::ZERO));
    let (mine, theirs) = (pool.pick(at(1.0)), other.pick(at(1.0)));
    pool.finished(at(2.0), theirs.ticket, None);
    assert_eq!((pool.open_tickets(), pool.closes().stray), (1, 1));
    pool.finished(at(2.0), mine.ticket, None);
    assert_eq!(pool.open_tickets(), 0);
}

#[test]
fn answers_without_a_stream_teach_nothing_about_the_first_token() {
    let mut pool = rotation();
    let before = pool.status(at(0.0)).members[0].predicted_ttft_s;
    for k in 0..90 {
        let now = at(f64::from(k));
        let pick = pool.choose(now, &Ask { streamed: false, ..ask(now) }).unwrap();
        let done = now + Duration::from_secs(30);
        pool.first_token(done, &pick.ticket);
        pool.finished(done, pick.ticket, Some(Usage { input: 1_000, output: 100, ..Usage::default() }));
    }
    let status = pool.status(at(120.0));
    assert!((status.members[0].predicted_ttft_s - before).abs() < 1e-6);
    assert_eq!(status.miss_ratio, None);
}
