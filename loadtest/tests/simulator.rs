//! Against the simulated model server: counts are exact, and failures are told apart as the server
//! itself tells them.
#![expect(clippy::unwrap_used, reason = "a helper of a test fails it by panicking")]

use std::net::TcpListener;
use std::time::Duration;

use loadtest::{Arrivals, Lengths, Outcome, Plan, Poisson, replay};
use model_sim::{Fault, FaultKind, FaultScript, Profile, SimConfig, SimHandle, spawn_thread};
use trace::Entry;
use vocabulary::Usage;

fn sim(time_scale: f64, faults: Vec<Fault>) -> SimHandle {
    let profile = Profile::hosted(Duration::from_millis(200), 10_000.0, Duration::from_millis(20));
    let config =
        SimConfig { time_scale, faults: FaultScript { faults }, ..SimConfig::new("sim", "m", profile) };
    spawn_thread(TcpListener::bind("127.0.0.1:0").unwrap(), config).unwrap()
}

fn plan(sim: &SimHandle, time_scale: f64, arrivals: Arrivals) -> Plan {
    let mut plan = Plan::new(format!("http://{}", sim.addr()).parse().unwrap(), "m", arrivals);
    plan.time_scale = time_scale;
    plan
}

fn poisson(rate: f64, seconds: u64) -> Poisson {
    let (prompt, output) = (Lengths::LogNormal(300.0, 1.0), Lengths::LogNormal(40.0, 0.8));
    Poisson::new(rate, Duration::from_secs(seconds), prompt, output, 7)
}

#[tokio::test]
async fn usage_equals_the_trace_and_the_servers_own_log_to_the_token() {
    let sim = sim(10.0, Vec::new());
    let trace: Vec<Entry> = poisson(6.0, 40).collect();
    let report = replay(plan(&sim, 10.0, Box::new(trace.clone().into_iter().map(Ok)))).await.unwrap();
    let asked = Usage {
        input: trace.iter().map(|entry| entry.prompt_tokens).sum(),
        output: trace.iter().map(|entry| entry.output_tokens).sum(),
        ..Usage::default()
    };
    let totals = sim.totals();
    assert_eq!((report.count(Outcome::Ok), report.lost()), (trace.len() as u64, 0), "{:?}", report.outcomes);
    assert_eq!(report.usage, asked);
    assert_eq!((totals.completed_prompt_tokens, totals.completed_output_tokens), (asked.input, asked.output));
    assert_eq!((totals.requests, report.without_usage), (trace.len() as u64, 0));
}

#[tokio::test]
async fn latencies_in_policy_time_are_those_of_the_servers_profile() {
    let sim = sim(5.0, Vec::new());
    let entry = |i: u64| Entry {
        at: Duration::from_millis(250 * i),
        prompt_tokens: 1_000,
        output_tokens: 51,
        ..Entry::default()
    };
    let report = replay(plan(&sim, 5.0, Box::new((0..80).map(entry).map(Ok)))).await.unwrap();
    assert_eq!(report.lost(), 0);
    // 200 ms and 1,000 tokens at 10,000 a second; then 50 gaps of 20 ms. A late wake-up of the machine
    // counts fivefold, so the upper bounds are wide.
    let (first, per_token) = (report.ttft.p50_s.unwrap(), report.time_per_output_token.p50_s.unwrap());
    assert!((0.299..0.36).contains(&first), "{first}");
    assert!((0.0195..0.0215).contains(&per_token), "{per_token}");
}

#[tokio::test]
async fn every_fault_of_the_server_has_its_outcome() {
    for (kind, outcome) in [
        (FaultKind::RateLimited { retry_after: Some(1.0) }, Outcome::RateLimited),
        (FaultKind::ServerError { status: 503 }, Outcome::ServerError),
        (FaultKind::ServerError { status: 418 }, Outcome::Refused),
        (FaultKind::HangBeforeHeaders, Outcome::Timeout),
        (FaultKind::HangMidStream { after_events: 3 }, Outcome::Timeout),
        (FaultKind::ResetBeforeHeaders, Outcome::Reset),
        (FaultKind::ResetMidStream { after_events: 3 }, Outcome::MidStreamDrop),
        (FaultKind::TruncatedChunk { after_events: 3 }, Outcome::MidStreamDrop),
        (FaultKind::DropMidStream { after_events: 3 }, Outcome::MidStreamDrop),
        (FaultKind::MissingDone, Outcome::Truncated),
        (FaultKind::MalformedSse { after_events: 3 }, Outcome::BadSse),
        (FaultKind::ErrorEvent { after_events: 3 }, Outcome::ErrorEvent),
        (FaultKind::SplitEvents, Outcome::Ok),
    ] {
        let sim = sim(10.0, vec![Fault::new(0.0, 1e6, kind.clone())]);
        let entry = Entry { prompt_tokens: 10, output_tokens: 8, ..Entry::default() };
        let mut plan = plan(&sim, 10.0, Box::new(std::iter::once(Ok(entry))));
        plan.timeout = Duration::from_secs(8);
        let report = replay(plan).await.unwrap();
        assert_eq!(report.count(outcome), 1, "{}: {:?} {:?}", kind.name(), report.outcomes, report.details);
    }
}

#[tokio::test]
async fn two_workers_measure_what_one_does() {
    let sim = sim(10.0, Vec::new());
    let mut counts = Vec::new();
    for workers in [1, 2] {
        sim.reset();
        let mut plan = plan(&sim, 10.0, Box::new(poisson(5.0, 20).map(Ok)));
        plan.workers = workers;
        let report = replay(plan).await.unwrap();
        counts.push((report.count(Outcome::Ok), report.usage, report.ttft.count));
    }
    assert_eq!(counts.first(), counts.last());
}
