//! What moves the shares of an adaptive pool, and what it tells its operators.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::Duration;

use feedback_loop::{Failure, MemberSpec, Objective, Pool, PoolSpec, Strategy};
use vocabulary::Moment;

use crate::sim::fleet::{self, BUDGET, PAYG, PTU, Steps, VLLM};
use crate::sim::{Backend, Change, Sim, trace};
use crate::workbench::{Workbench, at, per_minute, priced, spec};

fn run(fleet: Vec<Backend>, seconds: f64) -> Sim {
    Sim::new(fleet, Strategy::Adaptive, 1).run(&trace::generated(seconds, 5.5, 3))
}

#[test]
fn changing_only_a_price_moves_shares() {
    let mut fleet = fleet::four();
    fleet[BUDGET].prices = fleet[BUDGET].prices.clone().then(600.0, (6.0, 24.0));
    let sim = run(fleet, 1_200.0);
    let (before, after) =
        (sim.report(240.0, 600.0).shares[BUDGET], sim.report(660.0, 1_200.0).shares[BUDGET]);
    assert!(before > 0.08 && after < before * 0.4, "{before} then {after}");
}

#[test]
fn changing_only_a_latency_moves_shares() {
    let mut fleet = fleet::four();
    fleet[VLLM].slowness = Steps::constant(1.0).then(600.0, 3.0);
    let sim = run(fleet, 1_200.0);
    let (before, after) = (sim.report(240.0, 600.0).shares[VLLM], sim.report(660.0, 1_200.0).shares[VLLM]);
    assert!(before > 0.2 && after < before * 0.75, "{before} then {after}");
}

#[test]
fn a_brown_out_sheds_its_traffic_within_fifteen_seconds_and_gets_it_back_within_a_minute() {
    let mut fleet = fleet::four();
    fleet[PTU].slowness = Steps::constant(1.0).then(600.0, 6.0).then(900.0, 1.0);
    let sim = run(fleet, 1_200.0);
    let share = |from, to| sim.report(from, to).shares[PTU];
    let (before, shed, after) = (share(300.0, 600.0), share(615.0, 900.0), share(960.0, 1_200.0));
    assert!(shed < before * 0.4, "{before} then {shed}");
    assert!(after > before * 0.8, "{before} then {after}");
    assert!(sim.report(600.0, 900.0).met > 90.0);
}

#[test]
fn a_member_that_swallows_requests_costs_few_of_them() {
    let mut fleet = fleet::four();
    fleet[BUDGET].slowness = Steps::constant(1.0).then(600.0, 200.0).then(900.0, 1.0);
    let sim = run(fleet, 1_200.0);
    assert!(sim.report(600.0, 900.0).met > 94.0, "{:?}", sim.report(600.0, 900.0));
    assert!(sim.report(615.0, 900.0).shares[BUDGET] < 0.02);
}

#[test]
fn local_quotas_spare_the_backends_almost_every_refusal() {
    let trace = trace::generated(900.0, 7.0, 3);
    let rejections =
        |strategy| Sim::new(fleet::four(), strategy, 1).run(&trace).report(0.0, 900.0).rejections;
    let (adaptive, rotation) = (rejections(Strategy::Adaptive), rejections(Strategy::RoundRobin));
    assert!(adaptive < 0.5, "{adaptive} per 100 requests, {rotation} in rotation");
}

#[test]
fn at_most_one_request_in_fifty_is_spent_on_learning() {
    let sim = run(fleet::four(), 1_200.0);
    let probes = sim.picks.iter().filter(|(_, probe)| *probe).count();
    assert!(probes > 0 && probes * 50 <= sim.picks.len(), "{probes} of {}", sim.picks.len());
}

#[test]
fn two_runs_are_identical_to_the_last_decision() {
    let digest = || {
        let sim = run(fleet::eventful(), 1_000.0);
        let mut hasher = DefaultHasher::new();
        sim.picks.hash(&mut hasher);
        format!("{:?}{:?}{:?}", sim.pool.decisions(256), sim.pool.status(at(1_000.0)), sim.share_changes)
            .hash(&mut hasher);
        hasher.finish()
    };
    assert_eq!(digest(), digest());
}

#[test]
fn every_ticket_of_a_simulated_day_is_closed() {
    let sim = run(fleet::eventful(), 1_000.0);
    let closes = sim.pool.closes();
    assert_eq!(sim.pool.open_tickets(), 0);
    assert_eq!((closes.lost, closes.stray), (0, 0));
    assert_eq!(closes.finished + closes.failed, sim.picks.len() as u64);
}

#[test]
fn moved_shares_are_reported_with_their_cause() {
    let mut fleet = fleet::four();
    fleet[PTU].slowness = Steps::constant(1.0).then(620.0, 6.0);
    let fell_ill: Change = Box::new(|pool, now| pool.probe(now, VLLM, false));
    let sim =
        Sim::new(fleet, Strategy::Adaptive, 1).at(900.0, fell_ill).run(&trace::generated(1_000.0, 5.5, 3));
    let causes = |member: &str, from: f64, to: f64| -> Vec<&str> {
        let changes = sim.share_changes.iter().filter(|c| c.member == member && (from..to).contains(&c.at_s));
        changes.filter(|change| change.to < change.from).map(|change| change.because.as_str()).collect()
    };
    assert!(causes("ptu", 620.0, 635.0).contains(&"miss"), "{:?}", causes("ptu", 620.0, 635.0));
    assert!(causes("vllm", 900.0, 912.0).contains(&"standing"), "{:?}", causes("vllm", 900.0, 912.0));
}

#[test]
fn an_objective_out_of_reach_is_reported_and_costs_no_more_than_allowed() {
    let members = priced(&[(1.0, 4.0), (2.0, 8.0)]);
    let mut pool = Pool::new(spec(Strategy::Adaptive, members), 0, Moment::ZERO);
    for k in 0..3_000 {
        let now = at(f64::from(k) * 0.2);
        pool.serve(now, 5.0);
        pool.tick(now);
    }
    let status = pool.status(at(600.0));
    assert_eq!((status.feasible, status.lambda_usd), (Some(false), Some(0.2)));
    assert!(status.miss_ratio.unwrap() > 0.99);
}

#[test]
fn a_request_that_nobody_answered_is_a_miss() {
    let mut pool = Pool::new(spec(Strategy::Adaptive, priced(&[(1.0, 4.0)])), 0, Moment::ZERO);
    pool.serve(at(1.0), 0.5);
    pool.fail(at(1.0), Failure::ServerError { retry_after: None });
    pool.unanswered(at(1.0));
    assert_eq!(pool.status(at(2.0)).miss_ratio, Some(0.5));
}

#[test]
fn the_cheapest_of_equals_is_chosen_and_the_reason_is_said() {
    let mut pool =
        Pool::new(spec(Strategy::Adaptive, priced(&[(3.0, 12.0), (0.0, 0.0), (1.0, 4.0)])), 0, Moment::ZERO);
    assert_eq!(pool.serve(at(1.0), 0.5), 1, "a price of nought is a price");
    let latest = pool.latest();
    assert_eq!(latest.chosen.as_deref(), Some("b"));
    assert!(
        latest.why.contains("`b` has the lowest total") && latest.why.ends_with("mostly for its cost."),
        "{}",
        latest.why
    );
    let chosen = &latest.candidates[1];
    let sum = chosen.cost_usd + chosen.miss_usd + chosen.queue_usd + chosen.pace_usd;
    assert!((chosen.total_usd - sum).abs() < 1e-12 && chosen.cost_usd.abs() < 1e-12);
}

#[test]
fn a_quota_spent_ahead_of_its_window_is_dearer() {
    let hasty = MemberSpec { quota: Some(per_minute(20_000)), ..priced(&[(1.0, 4.0)]).remove(0) };
    let mut pool = Pool::new(spec(Strategy::Adaptive, vec![hasty]), 0, Moment::ZERO);
    (0..12).for_each(|_| {
        pool.serve(at(1.0), 0.5);
    });
    assert!(pool.latest().candidates[0].pace_usd > 0.0);
    pool.serve(at(50.0), 0.5);
    assert!(pool.latest().candidates[0].pace_usd.abs() < 1e-12);
}

#[test]
fn requests_beyond_the_concurrency_are_dearer() {
    let narrow = MemberSpec { concurrency: Some(2), ..priced(&[(1.0, 4.0)]).remove(0) };
    let mut pool = Pool::new(spec(Strategy::Adaptive, vec![narrow]), 0, Moment::ZERO);
    let mut queue = || {
        let pick = pool.pick(at(1.0));
        let queue = pool.latest().candidates[0].queue_usd;
        (pick, queue)
    };
    let picks: Vec<_> = (0..4).map(|_| queue()).collect();
    let prices: Vec<f64> = picks.iter().map(|(_, queue)| *queue).collect();
    assert!(prices[1].abs() < 1e-12 && prices[2] > 0.0 && prices[3] > prices[2], "{prices:?}");
    picks.into_iter().for_each(|(pick, _)| pool.failed(at(1.0), pick.ticket, Failure::Cancelled));
}

#[test]
fn weights_are_met_exactly() {
    let members =
        priced(&[(1.0, 4.0); 3]).into_iter().zip([3, 1, 0]).map(|(m, weight)| MemberSpec { weight, ..m });
    let mut pool = Pool::new(spec(Strategy::Weighted, members.collect()), 0, Moment::ZERO);
    let mut picks = [0; 3];
    (0..400).for_each(|_| picks[pool.serve(at(1.0), 0.5)] += 1);
    assert_eq!(picks, [300, 100, 0]);
    assert!((pool.status(at(1.5)).members[0].share - 0.75).abs() < 1e-9);
}

#[test]
fn a_new_policy_keeps_what_was_learned_under_a_members_name() {
    let mut pool = Pool::new(spec(Strategy::Adaptive, priced(&[(1.0, 4.0), (1.0, 4.0)])), 0, Moment::ZERO);
    for k in 0..200 {
        let now = at(f64::from(k));
        let pick = pool.pick(now);
        let ttft = [0.2, 1.6][pick.member];
        pool.first_token(now + Duration::from_secs_f64(ttft), &pick.ticket);
        pool.finished(now + Duration::from_secs_f64(ttft), pick.ticket, None);
    }
    let open = pool.pick(at(200.0));
    assert_eq!(open.member, 0);
    let learned = pool.status(at(200.0)).members[0].clone();
    let renamed = priced(&[(1.0, 4.0); 3]).into_iter().rev().collect();
    pool.reconfigure(spec(Strategy::Adaptive, renamed), at(200.0));
    let status = pool.status(at(200.0));
    let names: Vec<&str> = status.members.iter().map(|member| member.member.as_str()).collect();
    assert_eq!(names, ["c", "b", "a"]);
    let kept = &status.members[2];
    assert_eq!((kept.in_flight, kept.unanswered_prompt_tokens), (1, 1_000));
    assert!((kept.predicted_ttft_s - learned.predicted_ttft_s).abs() < 1e-9);
    pool.failed(at(200.0), open.ticket, Failure::Cancelled);
    assert_eq!(pool.status(at(200.0)).members[2].in_flight, 0);
}

#[test]
fn a_new_price_holds_from_the_next_pick() {
    let mut pool = Pool::new(spec(Strategy::Adaptive, priced(&[(1.0, 4.0), (2.0, 8.0)])), 0, Moment::ZERO);
    assert_eq!(pool.serve(at(1.0), 0.5), 0);
    pool.reconfigure(spec(Strategy::Adaptive, priced(&[(3.0, 12.0), (2.0, 8.0)])), at(1.0));
    assert_eq!(pool.serve(at(1.0), 0.5), 1);
}

#[test]
fn a_member_that_joins_a_running_pool_starts_slowly() {
    let mut pool = Pool::new(spec(Strategy::Adaptive, priced(&[(2.0, 8.0)])), 0, Moment::ZERO);
    pool.reconfigure(spec(Strategy::Adaptive, priced(&[(2.0, 8.0), (1.0, 4.0)])), at(1.0));
    let taken = (0..100).filter(|_| pool.serve(at(1.0), 0.5) == 1).count();
    assert!((1..=8).contains(&taken), "{taken} of 100");
    let later: Vec<usize> = (0..10).map(|_| pool.serve(at(30.0), 0.5)).collect();
    assert!(
        later.iter().filter(|member| **member == 1).count() >= 9,
        "one may be spent on learning: {later:?}"
    );
}

#[test]
fn a_lower_ceiling_holds_at_once() {
    let before = spec(Strategy::Adaptive, priced(&[(1.0, 4.0), (9.0, 36.0)]));
    let mut pool = Pool::new(before.clone(), 0, Moment::ZERO);
    let frugal = Objective { max_cost_per_miss_usd: 0.001, ..before.objective };
    pool.reconfigure(PoolSpec { objective: frugal, ..before }, at(1.0));
    assert!(pool.status(at(1.0)).lambda_usd.unwrap() <= 0.001);
}

#[test]
fn shares_of_a_simulated_fleet_add_up() {
    let sim = run(fleet::four(), 300.0);
    let shares = sim.report(0.0, 300.0).shares;
    assert!((shares.iter().sum::<f64>() - 1.0).abs() < 0.01, "{shares:?}");
    assert!(shares[PAYG] < shares[PTU], "prepaid capacity is used first: {shares:?}");
}
