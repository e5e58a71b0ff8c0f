use std::collections::BTreeMap;
use std::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::random::Draws;

const MS: u64 = 1_000_000;

fn job(seq: u64, prompt_tokens: u64, output_tokens: u64) -> Job {
    Job { seq: SeqId(seq), prompt_tokens, output_tokens, key: seq }
}

fn batch(slots: usize) -> Engine {
    let profile = Profile::self_hosted(slots, 5_000.0, Duration::from_millis(20), Duration::from_millis(1));
    Engine::new(&profile, 1)
}

fn hosted(profile: &Profile) -> Engine {
    Engine::new(profile, 1)
}

fn plain_hosted() -> Profile {
    Profile::hosted(Duration::from_millis(250), 10_000.0, Duration::from_millis(20))
}

fn end() -> Moment {
    Moment(u64::MAX)
}

/// Milliseconds of each emission, rounded.
fn millis(emissions: &[Emission]) -> Vec<u64> {
    emissions.iter().map(|emission| (emission.at.0 + MS / 2) / MS).collect()
}

#[test]
fn a_lone_sequence_takes_its_prefill_chunks_and_then_one_iteration_per_token() {
    let mut engine = batch(4);
    engine.submit(Moment::ZERO, job(1, 1_000, 3));
    // 512 and 488 prompt tokens at 0.2 ms each, with 21 ms per iteration; then 21 ms per token.
    assert_eq!(millis(&engine.advance(end())), [242, 263, 284]);
    assert_eq!((engine.next_event(), engine.in_flight()), (None, 0));
}

#[test]
fn tokens_of_a_fuller_batch_are_slower_and_a_full_one_makes_others_wait() {
    let gap_of = |sequences: u64| {
        let mut engine = batch(4);
        (0..sequences).for_each(|seq| engine.submit(Moment::ZERO, job(seq, 0, 50)));
        let all = engine.advance(end());
        let times: Vec<u64> = all.iter().filter(|e| e.seq == SeqId(0)).map(|e| e.at.0).collect();
        // The first iteration began before the others were there.
        (times[20] - times[10]) / 10 / MS
    };
    assert_eq!([gap_of(1), gap_of(4), gap_of(8)], [21, 24, 24]);

    let mut engine = batch(1);
    engine.submit(Moment::ZERO, job(1, 0, 10));
    engine.submit(Moment::ZERO, job(2, 0, 1));
    let all = engine.advance(end());
    assert_eq!(all.last().map(|e| (e.seq, e.at)), Some((SeqId(2), Moment(11 * 21 * MS))));
}

#[test]
fn waiting_for_one_slot_follows_the_theory_of_a_queue_with_fixed_service() {
    // M/D/1: one slot, one iteration of 10 ms per request. Mean wait is rho x D / (2 (1 - rho)).
    for rho in [0.5, 0.8] {
        let service = Duration::from_millis(10);
        let mut engine = Engine::new(&Profile::self_hosted(1, 1e9, service, Duration::ZERO), 1);
        let mut draws = Draws::keyed(42, &[]);
        let (n, mut now, mut arrivals) = (200_000_u64, 0.0, Vec::new());
        let mut waited = 0.0;
        let mut take = |emissions: Vec<Emission>, arrivals: &[f64]| {
            for emission in emissions {
                waited +=
                    emission.at.as_secs_f64() - arrivals[emission.seq.0 as usize] - service.as_secs_f64();
            }
        };
        for seq in 0..n {
            now += draws.exponential() * service.as_secs_f64() / rho;
            take(engine.advance(Moment::from_secs_f64(now)), &arrivals);
            arrivals.push(now);
            engine.submit(Moment::from_secs_f64(now), job(seq, 0, 1));
        }
        take(engine.advance(end()), &arrivals);
        let (mean, theory) = (waited / n as f64, rho * service.as_secs_f64() / (2.0 * (1.0 - rho)));
        assert!((mean / theory - 1.0).abs() < 0.03, "rho {rho}: {mean} against {theory}");
    }
}

#[test]
fn a_cancelled_sequence_emits_nothing_more_and_frees_its_slot() {
    let mut engine = batch(1);
    engine.submit(Moment::ZERO, job(1, 0, 1_000));
    engine.submit(Moment::ZERO, job(2, 0, 1));
    assert_eq!(engine.advance(Moment(50 * MS)).len(), 2);
    assert!(engine.cancel(Moment(50 * MS), SeqId(1)));
    assert!(!engine.cancel(Moment(50 * MS), SeqId(1)));
    // The iteration under way ends at 63 ms; the next one is the other sequence's.
    let rest = engine.advance(end());
    assert_eq!(rest.iter().map(|e| (e.seq, e.at)).collect::<Vec<_>>(), [(SeqId(2), Moment(84 * MS))]);
}

#[test]
fn a_slow_engine_is_slow_from_its_next_iteration_on() {
    let mut engine = batch(1);
    engine.submit(Moment::ZERO, job(1, 0, 3));
    assert_eq!(engine.advance(Moment(30 * MS)).len(), 1);
    engine.set_condition(Condition { decode: 2.0, ..Condition::default() });
    assert_eq!(millis(&engine.advance(end())), [42, 84]);
}

#[test]
fn a_hosted_answer_waits_by_its_prompt_and_then_keeps_its_pace() {
    let mut engine = hosted(&plain_hosted());
    engine.submit(Moment(5 * MS), job(1, 1_000, 3));
    assert_eq!(engine.next_event(), Some(Moment(355 * MS)));
    assert_eq!(millis(&engine.advance(end())), [355, 375, 395]);
}

#[test]
fn hosted_waits_have_their_median_their_spread_and_their_tail() {
    let profile = plain_hosted().with_noise(0.4, 0.02);
    let waits: Vec<f64> = (0..20_000)
        .map(|seq| {
            let mut engine = hosted(&profile);
            engine.submit(Moment::ZERO, job(seq, 0, 1));
            engine.next_event().unwrap().as_secs_f64() / 0.25
        })
        .collect();
    let mut sorted = waits;
    sorted.sort_by(f64::total_cmp);
    let at = |q: f64| sorted[(q * sorted.len() as f64) as usize];
    assert!((at(0.5) - 1.0).abs() < 0.05, "median {}", at(0.5));
    // Without the tail this is exp(0.4 x 1.645).
    assert!((1.85..2.15).contains(&at(0.95)), "p95 {}", at(0.95));
    assert!(at(0.99) > 3.0, "p99 {}", at(0.99));
}

#[test]
fn a_hosted_server_slows_with_the_square_of_what_exceeds_its_soft_limit() {
    let Profile::Hosted { ttft_base, prefill_tokens_per_s, time_per_token, sigma, tail, .. } = plain_hosted()
    else {
        unreachable!()
    };
    let soft_concurrency = Some(10);
    let profile =
        Profile::Hosted { ttft_base, prefill_tokens_per_s, time_per_token, sigma, tail, soft_concurrency };
    let mut engine = hosted(&profile);
    (0..20).for_each(|seq| engine.submit(Moment::ZERO, job(seq, 0, 1)));
    let waits = millis(&engine.advance(end()));
    assert_eq!((waits[0], waits[9], waits[19]), (250, 250, 500));
}

#[test]
fn no_output_means_one_emission_when_the_prompt_is_done() {
    for mut engine in [batch(2), hosted(&plain_hosted())] {
        engine.submit(Moment::ZERO, job(1, 100, 0));
        let all = engine.advance(end());
        assert_eq!(all.iter().map(|e| (e.token_index, e.last)).collect::<Vec<_>>(), [(0, true)]);
    }
}

#[derive(Clone, Debug)]
struct Script {
    jobs: Vec<(u64, u64, u64)>,
    steps: Vec<u64>,
}

fn scripts() -> impl Strategy<Value = Script> {
    let jobs = proptest::collection::vec((0_u64..300, 0_u64..2_000, 0_u64..20), 1..25);
    (jobs, proptest::collection::vec(1_u64..80, 0..60)).prop_map(|(mut jobs, steps)| {
        jobs.sort_unstable();
        Script { jobs, steps }
    })
}

/// Runs a script, asking at the arrivals and at the given steps besides.
fn run(mut engine: Engine, script: &Script, ask_often: bool) -> Vec<Emission> {
    let mut moments: BTreeMap<u64, Vec<u64>> = BTreeMap::new();
    for (seq, (at, ..)) in script.jobs.iter().enumerate() {
        moments.entry(at * MS).or_default().push(seq as u64);
    }
    if ask_often {
        let mut at = 0;
        for step in &script.steps {
            at += step * MS / 3;
            moments.entry(at).or_default();
        }
    }
    let mut out = Vec::new();
    for (at, seqs) in moments {
        if ask_often {
            out.extend(engine.advance(Moment(at)));
        }
        for seq in seqs {
            let (_, prompt, output) = script.jobs[seq as usize];
            engine.submit(Moment(at), job(seq, prompt, output));
        }
    }
    out.extend(engine.advance(end()));
    out
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn every_token_comes_out_once_in_order_however_often_one_asks(script in scripts(), is_batch: bool) {
        let engine = || if is_batch { batch(3) } else { hosted(&plain_hosted().with_noise(0.5, 0.1)) };
        let (often, once) = (run(engine(), &script, true), run(engine(), &script, false));
        prop_assert_eq!(&often, &once, "asking late must change nothing");
        prop_assert!(once.windows(2).all(|pair| pair[0].at <= pair[1].at));
        for (seq, (at, _, output)) in script.jobs.iter().enumerate() {
            let own: Vec<&Emission> = once.iter().filter(|e| e.seq == SeqId(seq as u64)).collect();
            prop_assert_eq!(own.len() as u64, (*output).max(1));
            prop_assert!(own.iter().enumerate().all(|(i, e)| e.token_index == i as u64));
            prop_assert!(own.iter().rev().skip(1).all(|e| !e.last) && own.last().is_some_and(|e| e.last));
            prop_assert!(own[0].at > Moment(at * MS));
        }
    }

    #[test]
    fn an_arrival_at_the_very_end_of_an_iteration_is_treated_alike_however_often_one_asks(prompt in 0_u64..2_000) {
        let script = Script { jobs: vec![(44, 659, 2), (45, 186, 0), (256, prompt, 0)], steps: Vec::new() };
        prop_assert_eq!(run(batch(3), &script, true), run(batch(3), &script, false));
    }

    #[test]
    fn another_seed_gives_other_luck_and_the_same_seed_the_same(seed: u64) {
        let first = |seed| {
            let mut engine = Engine::new(&plain_hosted().with_noise(0.4, 0.0), seed);
            engine.submit(Moment::ZERO, job(9, 100, 1));
            engine.next_event()
        };
        prop_assert_eq!(first(seed), first(seed));
        prop_assert_ne!(first(seed), first(seed ^ 1));
    }
}
