//! The story under one strategy. It owns the replay and what is kept of it; it refuses to compare.

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use http::{HeaderName, HeaderValue};
use model_sim::Totals;
use tokio::time::{Instant, MissedTickBehavior, sleep};

use super::console::Console;
use super::fleet::Fleet;
use super::story::{KEY, MODEL, OBJECTIVE, PRICE_RISE, phases, trace, with_risen_price};
use super::view::View;
use super::watch::{WINDOW, Watch};
use crate::Error;
use crate::load::{ApiKey, Plan, Report, Run, Target};
use crate::terminal::{LOOK, Line, Tone};

/// Longest wait, by the clock on the wall, until the gateway has taken over a changed manifest.
const RELOAD: Duration = Duration::from_secs(3);

/// How the gateway picks a backend.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Strategy {
    RoundRobin,
    Adaptive,
}

impl Strategy {
    /// For people.
    pub(super) fn label(self) -> &'static str {
        match self {
            Self::RoundRobin => "round robin",
            Self::Adaptive => "adaptive",
        }
    }

    /// Its pool in the manifest.
    fn pool(self) -> &'static str {
        match self {
            Self::RoundRobin => "in-turn",
            Self::Adaptive => "chat",
        }
    }

    /// What a request carries to be routed to that pool.
    fn headers(self) -> Vec<(HeaderName, HeaderValue)> {
        match self {
            Self::RoundRobin => {
                vec![(HeaderName::from_static("x-strategy"), HeaderValue::from_static("round-robin"))]
            }
            Self::Adaptive => Vec::new(),
        }
    }
}

/// What came of one strategy.
#[derive(Clone, Debug)]
pub(super) struct Pass {
    /// The callers' account.
    pub(super) report: Report,
    /// The backends' own accounts.
    pub(super) accounts: Vec<(String, Totals)>,
}

/// What both strategies run on.
#[derive(Debug)]
pub(super) struct Stage {
    pub(super) fleet: Fleet,
    pub(super) console: Console,
    pub(super) target: Target,
    /// The manifest's file, and its text before the rise in price.
    pub(super) manifest: (PathBuf, String),
    pub(super) time_scale: f64,
    pub(super) seed: u64,
}

impl Stage {
    /// Writes the manifest; whoever reads it at that moment sees the old one or the new one.
    pub(super) fn write_manifest(&self, text: &str) -> Result<(), Error> {
        let (path, _) = &self.manifest;
        let beside = path.with_extension("new");
        fs::write(&beside, text)?;
        Ok(fs::rename(&beside, path)?)
    }

    /// Writes the manifest as it was, and waits until the gateway runs it. False when it does not in
    /// time.
    pub(super) async fn restore_price(&self) -> Result<bool, Error> {
        let Some(before) = self.console.status().await else { return Ok(false) };
        self.write_manifest(&self.manifest.1)?;
        let deadline = Instant::now() + RELOAD;
        while Instant::now() < deadline {
            if self.console.status().await.is_some_and(|now| now.generation > before.generation) {
                return Ok(true);
            }
            sleep(Duration::from_millis(50)).await;
        }
        Ok(false)
    }

    fn plan(&self, strategy: Strategy) -> Plan {
        let mut plan = Plan::of_entries(self.target.clone(), MODEL, trace(self.seed));
        plan.key = Some(ApiKey::new(KEY));
        plan.headers = strategy.headers();
        plan.exact_output = true;
        plan.seed = self.seed;
        plan.time_scale = self.time_scale;
        plan.timeout = Duration::from_secs(180);
        plan.objective = Some(OBJECTIVE);
        plan.phases = phases();
        plan
    }

    /// Plays the story once, from its beginning.
    pub(super) async fn play(&self, strategy: Strategy, mut view: View) -> Result<Pass, Error> {
        self.fleet.rewind();
        let mut run = Run::start(self.plan(strategy)).await?;
        let mut watch = Watch::default();
        let mut looks = tokio::time::interval(LOOK);
        looks.set_missed_tick_behavior(MissedTickBehavior::Skip);
        let mut risen = false;
        let report = loop {
            tokio::select! {
                report = run.ended() => break report?,
                _ = looks.tick() => {
                    let live = run.live(WINDOW);
                    if live.elapsed >= PRICE_RISE && !risen {
                        self.write_manifest(&with_risen_price(&self.manifest.1))?;
                        risen = true;
                    }
                    let status = self.console.status().await;
                    let scene = watch.look(&live, &self.fleet.totals(), status.as_ref(), strategy.pool());
                    view.show(&scene);
                }
            }
        };
        if !report.validity.valid {
            for problem in &report.validity.problems {
                view.say(&Line::new().with(Tone::Warn, format!("  {problem}")));
            }
        }
        view.end();
        Ok(Pass { report, accounts: self.fleet.totals() })
    }
}
