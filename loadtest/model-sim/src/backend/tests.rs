use std::time::Duration;

use proptest::prelude::*;
use vocabulary::Prices;

use super::*;
use crate::config::SimConfig;
use crate::faults::Fault;
use crate::prices::PriceList;
use crate::profile::Profile;
use crate::quota::QuotaConfig;

fn config() -> SimConfig {
    let profile = Profile::hosted(Duration::from_millis(100), 10_000.0, Duration::from_millis(10));
    let prices = Prices {
        input: "2.50 USD/1M".parse().unwrap(),
        cached_input: "2.50 USD/1M".parse().unwrap(),
        output: "10 USD/1M".parse().unwrap(),
        ..Prices::default()
    };
    SimConfig { prices: PriceList::from(prices), ..SimConfig::new("sim", "m", profile) }
}

fn ask(prompt_tokens: u64, output_tokens: u64) -> Arrival {
    Arrival {
        operation: Some(Operation::Chat),
        model: "m".to_owned(),
        prompt_tokens,
        output_tokens: Some(output_tokens),
        ..Arrival::default()
    }
}

fn at(seconds: f64) -> Moment {
    Moment::from_secs_f64(seconds)
}

fn accepted(verdict: Verdict) -> Plan {
    match verdict {
        Verdict::Accepted(plan) => plan,
        Verdict::Refused(refusal) => panic!("{refusal:?}"),
    }
}

fn refused(verdict: Verdict) -> Refusal {
    match verdict {
        Verdict::Refused(refusal) => refusal,
        Verdict::Accepted(plan) => panic!("{plan:?}"),
    }
}

#[test]
fn a_completed_request_is_logged_with_its_times_tokens_and_exact_cost() {
    let mut backend = Backend::new(config());
    let plan = accepted(backend.arrive(at(1.0), ask(1_000, 3)));
    let emissions = backend.advance(at(9.0));
    assert_eq!(emissions.len(), 3);
    backend.head_sent(plan.seq, 200);
    backend.first_token_sent(at(1.3), plan.seq);
    backend.end(at(1.5), plan.seq, Outcome::Completed, 3, 6);

    let log = backend.log();
    let record = log.first().unwrap();
    assert_eq!((record.status, record.outcome, record.billed), (200, Outcome::Completed, true));
    assert_eq!(record.first_token_due, Some(at(1.2)));
    assert_eq!((record.first_token, record.end), (Some(at(1.3)), Some(at(1.5))));
    // 1,000 x 2.50 + 3 x 10 USD per million.
    assert_eq!(record.cost_nanos, 2_530_000);
    assert_eq!(backend.totals().cost().to_string(), "0.00253 USD");
}

#[test]
fn the_wanted_length_wins_over_the_ceiling_and_the_ceiling_over_the_draw() {
    let mut backend = Backend::new(config());
    let wanted = accepted(backend.arrive(at(0.0), Arrival { max_output_tokens: Some(5), ..ask(1, 7) }));
    assert_eq!(wanted.output_tokens, 7);
    let capped = Arrival { output_tokens: None, max_output_tokens: Some(2), ..ask(1, 0) };
    let capped = accepted(backend.arrive(at(0.0), capped));
    assert_eq!((capped.output_tokens, capped.ending), (2, Ending::Ceiling));
    let drawn = |backend: &mut Backend, key| {
        let arrival = Arrival { output_tokens: None, key: Some(key), ..ask(1, 0) };
        accepted(backend.arrive(at(0.0), arrival)).output_tokens
    };
    let mut lengths: Vec<u64> = (0..2_000).map(|key| drawn(&mut backend, key)).collect();
    assert_eq!(lengths[17], drawn(&mut backend, 17), "the draw belongs to the key");
    lengths.sort_unstable();
    assert!((120..140).contains(&lengths[1_000]) && (390..520).contains(&lengths[1_900]), "{lengths:?}");
}

#[test]
fn choices_share_one_sequence_and_embeddings_generate_nothing() {
    let mut backend = Backend::new(config());
    let plan = accepted(backend.arrive(at(0.0), Arrival { choices: 3, ..ask(10, 4) }));
    assert_eq!((plan.choices, backend.advance(at(10.0)).len()), (3, 12));
    let embedding = Arrival { operation: Some(Operation::Embeddings), ..ask(10, 4) };
    assert_eq!(accepted(backend.arrive(at(20.0), embedding)).output_tokens, 0);
}

#[test]
fn a_request_that_cannot_be_served_says_why() {
    let mut backend = Backend::new(config());
    let unknown = refused(backend.arrive(at(0.0), Arrival { model: "x".to_owned(), ..ask(1, 1) }));
    assert_eq!((unknown.status, unknown.code), (404, "model_not_found"));
    let long = Arrival { max_output_tokens: Some(100), ..ask(131_000, 1) };
    let long = refused(backend.arrive(at(0.0), long));
    assert_eq!((long.status, long.code), (400, "context_length_exceeded"));
    assert!(long.message.contains("131072") && long.message.contains("131100"), "{}", long.message);
}

#[test]
fn the_quota_counts_the_ceiling_when_there_is_one() {
    let quota = QuotaConfig::PerMinute { requests: None, tokens: Some(100) };
    let mut backend = Backend::new(SimConfig { quota, ..config() });
    accepted(backend.arrive(at(0.0), Arrival { max_output_tokens: Some(60), ..ask(20, 5) }));
    let refusal = refused(backend.arrive(at(30.0), ask(20, 5)));
    assert_eq!((refusal.status, refusal.code), (429, "rate_limit_exceeded"));
    assert!(refusal.headers.contains(&("retry-after", "30".to_owned())), "{:?}", refusal.headers);
    assert_eq!(backend.totals().refused, 1);
}

#[test]
fn a_brown_out_begins_and_ends_at_its_own_moments_however_late_one_asks() {
    let faults = FaultScript {
        faults: vec![Fault::new(
            10.0,
            5.0,
            FaultKind::BrownOut { factor: 6.0, capacity: 1.0, error_ratio: 0.0 },
        )],
    };
    let mut backend = Backend::new(SimConfig { faults, ..config() });
    let mut wait_at = |seconds: f64| {
        let plan = accepted(backend.arrive(at(seconds), ask(0, 1)));
        let emission = backend.advance(at(seconds + 1.0)).into_iter().find(|e| e.seq == plan.seq).unwrap();
        (emission.at.since(at(seconds)).as_secs_f64() * 1_000.0).round() as u64
    };
    assert_eq!([wait_at(8.0), wait_at(10.001), wait_at(13.9), wait_at(15.001)], [100, 600, 600, 100]);
}

#[test]
fn a_script_set_later_counts_from_then_and_a_reset_starts_it_again() {
    let script = FaultScript { faults: vec![Fault::new(5.0, 5.0, FaultKind::ServerError { status: 503 })] };
    let mut backend = Backend::new(config());
    backend.set_faults(at(100.0), script);
    accepted(backend.arrive(at(104.0), ask(1, 1)));
    assert_eq!(refused(backend.arrive(at(106.0), ask(1, 1))).status, 503);
    accepted(backend.arrive(at(111.0), ask(1, 1)));
    backend.reset();
    assert!(backend.log().is_empty());
    assert_eq!(refused(backend.arrive(at(6.0), ask(1, 1))).status, 503);
}

#[test]
fn an_arrival_loses_nothing_that_came_out_before_it() {
    let mut backend = Backend::new(config());
    let first = accepted(backend.arrive(at(0.0), ask(0, 3)));
    accepted(backend.arrive(at(0.115), ask(0, 1)));
    assert_eq!(backend.next_event(), Some(at(0.1)));
    let emissions = backend.advance(at(0.12));
    assert_eq!(emissions.iter().filter(|emission| emission.seq == first.seq).count(), 3);
}

#[test]
fn a_price_holds_from_the_arrival() {
    let dear = Prices { input: "100 USD/1M".parse().unwrap(), ..Prices::default() };
    let prices = config().prices.with_change(at(10.0), dear);
    let mut backend = Backend::new(SimConfig { prices, ..config() });
    let before = accepted(backend.arrive(at(9.0), ask(1_000_000 / 8, 0)));
    backend.end(at(11.0), before.seq, Outcome::Completed, 0, 1);
    assert_eq!(backend.totals().cost().to_string(), "0.3125 USD");
}

proptest! {
    #[test]
    fn totals_are_the_sums_of_the_log(steps in proptest::collection::vec((0_u64..4, 0_u64..2_000, 0_u64..50), 1..60)) {
        let quota = QuotaConfig::PerMinute { requests: Some(30), tokens: Some(30_000) };
        let faults = FaultScript::parse(r#"[{"at": 0, "kind": "server_error", "status": 500, "fraction": 0.2}]"#).unwrap();
        let mut backend = Backend::new(SimConfig { quota, faults, ..config() });
        for (i, (end, prompt, output)) in steps.into_iter().enumerate() {
            let now = at(i as f64);
            let Verdict::Accepted(plan) = backend.arrive(now, ask(prompt, output)) else { continue };
            match end {
                0 => backend.end(now, plan.seq, Outcome::Completed, output, output + 4),
                1 => backend.end(now, plan.seq, Outcome::Cancelled, output / 2, output / 2),
                2 => backend.end(now, plan.seq, Outcome::Failed, 0, 0),
                _ => {}
            }
        }
        let mut sums = Totals::default();
        for record in backend.log() {
            if record.outcome == Outcome::InFlight { sums.in_flight += 1 } else { sums.add(&record) }
            let billed = config().prices.cost(record.arrival, &record.usage());
            if record.outcome != Outcome::InFlight { prop_assert_eq!(billed.nanos, record.cost_nanos); }
        }
        prop_assert_eq!(sums, backend.totals());
    }
}
