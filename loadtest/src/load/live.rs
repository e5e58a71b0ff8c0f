//! A look at a run under way. It owns the figures a live view needs; it refuses to keep any between
//! looks.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use parking_lot::Mutex;
use vocabulary::Usd;

use super::latency::Latencies;
use super::outcome::OutcomeCounts;
use super::pacer::Gauges;
use super::recorder::{Recent, Recorder};

/// How a run stands. Times are policy time.
#[derive(Clone, Debug, Default)]
pub struct Live {
    /// Since the run's start.
    pub elapsed: Duration,
    /// Requests that fell due so far.
    pub offered: u64,
    /// Requests sent and not ended.
    pub in_flight: usize,
    /// Requests by outcome so far, those never sent included.
    pub outcomes: OutcomeCounts,
    /// Money spent so far, where prices are known.
    pub cost: Usd,
    /// Requests that ended within the window.
    pub recent: Recently,
    /// The same by backend.
    pub backends: BTreeMap<String, Recently>,
}

/// Requests that ended lately.
#[derive(Clone, Debug, Default)]
pub struct Recently {
    /// How many ended.
    pub requests: u64,
    /// How many of them failed.
    pub failed: u64,
    /// How many of them met the objective.
    pub good: u64,
    /// Median time to first token, in seconds.
    pub p50_s: Option<f64>,
    /// 95th percentile of it.
    pub p95_s: Option<f64>,
    /// Tokens, input and output.
    pub tokens: u64,
    /// What they cost.
    pub cost: Usd,
}

#[derive(Default)]
struct Gathering {
    so_far: Recently,
    ttft: Latencies,
}

impl Gathering {
    fn add(&mut self, ended: &Recent) {
        self.so_far.requests += 1;
        self.so_far.failed += u64::from(!ended.outcome.is_ok());
        self.so_far.good += u64::from(ended.good);
        self.so_far.tokens += ended.tokens;
        self.so_far.cost += ended.cost;
        if let Some(ttft) = ended.ttft {
            self.ttft.record(ttft);
        }
    }

    fn done(self) -> Recently {
        Recently { p50_s: self.ttft.quantile(0.5), p95_s: self.ttft.quantile(0.95), ..self.so_far }
    }
}

impl Live {
    pub(crate) fn look(gauges: &Gauges, recorders: &[Arc<Mutex<Recorder>>], window: Duration) -> Self {
        let elapsed = gauges.now();
        let since = elapsed.saturating_sub(window);
        let mut live = Self {
            elapsed,
            offered: gauges.offered.load(Ordering::Relaxed),
            in_flight: gauges.in_flight.load(Ordering::Relaxed),
            ..Self::default()
        };
        live.outcomes.add_many(super::Outcome::NotSent, gauges.not_sent.load(Ordering::Relaxed));
        let mut all = Gathering::default();
        let mut by_backend: BTreeMap<String, Gathering> = BTreeMap::new();
        for recorder in recorders {
            let recorder = recorder.lock();
            live.outcomes.merge(&recorder.outcomes);
            live.cost += recorder.cost;
            for ended in recorder.recent.iter().rev().take_while(|ended| ended.ended >= since) {
                all.add(ended);
                if let Some(backend) = &ended.backend {
                    by_backend.entry(backend.clone()).or_default().add(ended);
                }
            }
        }
        live.recent = all.done();
        live.backends = by_backend.into_iter().map(|(name, gathering)| (name, gathering.done())).collect();
        live
    }
}

#[cfg(test)]
mod tests {
    use super::super::recorder::Yardstick;
    use super::super::sample::sample;
    use super::super::{Outcome, Sample};
    use super::*;

    #[test]
    fn only_what_ended_within_the_window_is_looked_at() {
        let mut gauges = Gauges::new(1.0);
        gauges.started = std::time::Instant::now() - Duration::from_secs(100);
        let mut recorder = Recorder::default();
        for at in [10, 20, 97, 98] {
            let outcome = if at == 98 { Outcome::Truncated } else { Outcome::Ok };
            let sample = Sample { at: Duration::from_secs(at), outcome, ..sample() };
            recorder.record(sample, &Yardstick::default());
        }
        let live = Live::look(&gauges, &[Arc::new(Mutex::new(recorder))], Duration::from_secs(10));
        assert_eq!((live.outcomes.total(), live.recent.requests, live.recent.failed), (4, 2, 1));
        assert_eq!(live.backends["a/m"].requests, 2);
    }
}
