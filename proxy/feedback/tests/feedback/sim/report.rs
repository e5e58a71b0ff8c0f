//! What a run came to.

use super::engine::{Run, Sim};

const OBJECTIVE: f64 = 2.0;

/// Figures over the requests of a stretch of time.
#[derive(Clone, Debug)]
pub(crate) struct Report {
    pub(crate) p50: f64,
    pub(crate) p95: f64,
    pub(crate) p99: f64,
    /// Share that met the objective, in percent.
    pub(crate) met: f64,
    /// USD per million tokens served.
    pub(crate) usd_per_million: f64,
    /// Refusals for quota per hundred requests.
    pub(crate) rejections: f64,
    /// Share of requests served by each member.
    pub(crate) shares: Vec<f64>,
}

impl Sim {
    /// Figures over requests that arrived from `from` until before `to`, in seconds.
    pub(crate) fn report(&self, from: f64, to: f64) -> Report {
        let runs: Vec<&Run> = self.runs.iter().filter(|run| (from..to).contains(&run.request.at)).collect();
        let count = runs.len().max(1) as f64;
        let mut waits: Vec<f64> = runs.iter().map(|run| run.ttft.unwrap_or(60.0)).collect();
        waits.sort_by(f64::total_cmp);
        let quantile = |q: f64| {
            waits.get(((waits.len().max(1) - 1) as f64 * q).round() as usize).copied().unwrap_or(0.0)
        };
        let served = runs.iter().filter(|run| run.ttft.is_some());
        let tokens: u64 = served.map(|run| run.request.prompt + run.request.output).sum();
        let share = |member| runs.iter().filter(|run| run.served_by == Some(member)).count() as f64 / count;
        Report {
            p50: quantile(0.50),
            p95: quantile(0.95),
            p99: quantile(0.99),
            met: runs.iter().filter(|run| run.ttft.is_some_and(|ttft| ttft <= OBJECTIVE)).count() as f64
                / count
                * 100.0,
            usd_per_million: runs.iter().map(|run| run.cost).sum::<f64>() / tokens.max(1) as f64 * 1e6,
            rejections: runs.iter().map(|run| f64::from(run.rejections)).sum::<f64>() / count * 100.0,
            shares: (0..4).map(share).collect(),
        }
    }
}
