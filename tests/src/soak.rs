//! A fleet under steady load with random faults, and what must hold of it whatever happens. It owns the fleet,
//! the faults, the callers and the judgement; the command line and the clock are the program's.

mod callers;
mod fleet;
mod judgement;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use model_sim::random::Draws;
use rustix::process::Signal;
use tokio::task::JoinSet;
use tokio::time::Instant;
use vocabulary::admin::Status;

use crate::access_log::AccessLog;
use crate::binary::Running;
use crate::client::Client;
use crate::wait::until_async;
pub use callers::{Ended, Tally};
pub use fleet::{CAPACITY_PER_S, Fleet, LOAD};
pub use judgement::{Verdict, judge};

/// How a soak is run.
#[derive(Clone, Debug)]
pub struct Soak {
    /// The gateway's program.
    pub program: PathBuf,
    /// How long requests come.
    pub lasting: Duration,
    /// Of arrivals, faults and callers' patience.
    pub seed: u64,
}

/// Memory of the gateway at a moment.
#[derive(Clone, Copy, Debug)]
pub struct Sample {
    /// Since the first request.
    pub at: Duration,
    /// Resident set in bytes.
    pub memory: u64,
}

/// What came of it.
#[derive(Debug)]
pub struct Soaked {
    /// What callers saw.
    pub tally: Tally,
    /// Memory, one sample a second.
    pub samples: Vec<Sample>,
    /// The gateway before its first request.
    pub before: Status,
    /// The gateway after its last request.
    pub status: Status,
    /// Every line of the access log.
    pub records: Vec<vocabulary::access_log::AccessLogRecord>,
    /// Every generated answer, by the servers' own logs.
    pub sims: Vec<model_sim::Record>,
    /// Faults that were in force, by name.
    pub faults: Vec<&'static str>,
}

impl Soak {
    /// Runs it in `folder`. `tell` is called once a second with a line for people.
    pub async fn run(&self, folder: &Path, mut tell: impl FnMut(&str)) -> Soaked {
        let fleet = Fleet::start();
        let file = folder.join("gateway.yaml");
        std::fs::write(&file, fleet.manifest().text()).expect("a manifest can be written");
        let state = folder.join("state");
        let path = |path: &Path| path.to_str().expect("a path in UTF-8").to_owned();
        let arguments = ["run", "--manifest", &path(&file), "--state-dir", &path(&state), "--threads", "2"];
        let mut gateway = Running::start(&self.program, &arguments, &[]);
        let (address, admin) = (gateway.listener("main").await, Client::new(gateway.admin().await));
        let before = admin.get("/v1/status").await.parsed();
        let tally = Arc::new(Tally::default());
        let (mut samples, mut faults) = (Vec::new(), Vec::new());
        let mut callers = JoinSet::new();
        let begun = Instant::now();
        let mut due = begun;
        let (mut number, mut second) = (0, 0);
        while begun.elapsed() < self.lasting {
            // Poisson arrivals, each due by the clock and not by the end of another.
            let wait = Draws::keyed(self.seed, &[number]).exponential() / (CAPACITY_PER_S * LOAD);
            due += Duration::from_secs_f64(wait);
            tokio::time::sleep_until(due).await;
            callers.spawn(callers::one(address, number, self.seed, Arc::clone(&tally)));
            number += 1;
            while callers.try_join_next().is_some() {}
            if begun.elapsed().as_secs() > second {
                second = begun.elapsed().as_secs();
                faults.extend(fleet.fault(self.seed, second));
                samples.push(Sample { at: begun.elapsed(), memory: gateway.memory() });
                tell(&line(second, &tally, callers.len(), gateway.memory(), fleet.faulty(second, self.seed)));
            }
        }
        fleet.heal();
        while callers.join_next().await.is_some() {}
        let status = until_async("the gateway to be idle", async || {
            let status: Status = admin.get("/v1/status").await.parsed();
            (status.in_flight == 0).then_some(status)
        })
        .await;
        gateway.signal(Signal::TERM);
        assert!(gateway.ended().await.success(), "{}", gateway.said());
        Soaked {
            tally: tally.snapshot(),
            samples,
            before,
            status,
            records: AccessLog::new(&folder.join("access.jsonl")).records(),
            sims: fleet.log(),
            faults,
        }
    }
}

fn line(second: u64, tally: &Tally, under_way: usize, memory: u64, fault: Option<&str>) -> String {
    let ended = tally.ended();
    format!(
        "{second:>4} s  {:>6} served  {:>4} refused  {:>4} cut  {:>4} left  {} lost  {under_way:>3} under way  {:>5.1} MiB  {}",
        ended.served,
        ended.refused,
        ended.cut,
        ended.left,
        ended.lost,
        memory as f64 / 1_048_576.0,
        fault.unwrap_or("-"),
    )
}
