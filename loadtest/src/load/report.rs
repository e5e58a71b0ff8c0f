//! The figures of a run, in a form for machines. It owns the schema and its version, and the judgement
//! whether the run is to be believed; it refuses to lay out a table (`terminal` does).

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Serialize;
use vocabulary::Usage;

use super::latency::Summary;
use super::pacer::{Gauges, Paced};
use super::recorder::{Recorder, Tally};
use super::{Latencies, Outcome};

/// Version of [`Report`]'s JSON form.
pub const REPORT_VERSION: u16 = 1;

/// A client's own lateness that is never held against a run, by the clock on the wall.
const LAG_FLOOR: Duration = Duration::from_millis(10);
/// The largest part of the median answer the client's own lateness may make up.
const LAG_SHARE: f64 = 0.1;

/// What a run measured. Times are seconds of policy time unless a name says otherwise.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// [`REPORT_VERSION`].
    pub schema_version: u16,
    /// Where requests went.
    pub target: String,
    /// The model asked for.
    pub model: String,
    /// Seed of the run.
    pub seed: u64,
    /// Policy seconds per wall-clock second.
    pub time_scale: f64,
    /// Time over which requests were offered; all rates are per second of it.
    pub window_s: f64,
    /// Whether the run is to be believed.
    pub validity: Validity,
    /// Requests by outcome; those that did not occur are left out.
    pub outcomes: BTreeMap<&'static str, u64>,
    /// Refusals by status and error code.
    pub details: BTreeMap<String, u64>,
    /// Time to first token from the intended arrival, of whole streams.
    pub ttft: Summary,
    /// The same with every failed request as one that waits forever; a quantile among them is absent.
    pub ttft_with_failures: WithFailures,
    /// Time to first token from the send.
    pub ttft_service: Summary,
    /// Time per output token after the first.
    pub time_per_output_token: Summary,
    /// Longest silence within a stream.
    pub stall: Summary,
    /// Intended arrival to end.
    pub response: Summary,
    /// Requests offered per second.
    pub offered_per_s: f64,
    /// Output tokens received per second.
    pub output_tokens_per_s: f64,
    /// Sum of all `usage` blocks.
    pub usage: Usage,
    /// Whole answers without a `usage` block.
    pub without_usage: u64,
    /// The objective and how it was met, when one was given.
    pub objective: Option<Attainment>,
    /// Money, when a price was given.
    pub cost: Option<Money>,
    /// By `x-sluicegate-backend`.
    pub backends: BTreeMap<String, Part>,
    /// By phase of the plan.
    pub phases: BTreeMap<String, Part>,
    /// The slowest whole answers, slowest first.
    pub slowest: Vec<SlowRequest>,
}

/// Quantiles among all requests, failed ones included.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct WithFailures {
    /// Median.
    pub p50_s: Option<f64>,
    /// 95th percentile.
    pub p95_s: Option<f64>,
    /// 99th percentile.
    pub p99_s: Option<f64>,
}

/// Good answers among all requests offered.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Attainment {
    /// The objective.
    pub limit_s: f64,
    /// Answers within it.
    pub good: u64,
    /// `good` over all requests offered, 0 to 1: what failed or was never sent was not good.
    pub fraction: f64,
}

/// What the tokens cost.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Money {
    /// Sum over all priced answers.
    pub usd: f64,
    /// Per million tokens, input and output together.
    pub usd_per_million_tokens: Option<f64>,
    /// Per thousand good answers (whole answers, when there is no objective).
    pub usd_per_thousand_good: Option<f64>,
    /// Answers from backends without a price.
    pub unpriced: u64,
}

/// One backend's, or one phase's, part of a run.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Part {
    /// Share of all requests that name a backend, or of all that ended, 0 to 1.
    pub share: f64,
    /// Requests that ended, in whatever way.
    pub requests: u64,
    /// Those that failed.
    pub failed: u64,
    /// Answers within the objective.
    pub good: u64,
    /// Time to first token from the intended arrival.
    pub ttft: Summary,
    /// Sum of the `usage` blocks.
    pub usage: Usage,
    /// What they cost, in USD.
    pub usd: f64,
}

/// A slow answer.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct SlowRequest {
    /// Its `x-request-id`.
    pub request_id: String,
    /// Who served it.
    pub backend: Option<String>,
    /// Intended arrival since the run's start.
    pub at_s: f64,
    /// Time to first token, or to the end without a stream.
    pub waited_s: f64,
}

/// Whether the client did what it was told, so that the figures are the server's.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Validity {
    /// No problem was found.
    pub valid: bool,
    /// What makes the figures unfit to be quoted.
    pub problems: Vec<String>,
    /// Whether someone stopped the run before its end.
    pub stopped_early: bool,
    /// Requests that fell due.
    pub offered: u64,
    /// Requests sent.
    pub sent: u64,
    /// Lateness of sends by the clock on the wall, in milliseconds.
    pub send_lag_p99_wall_ms: f64,
    /// The lateness that is tolerated: 10 ms, or a tenth of the median answer if that is longer.
    pub send_lag_limit_wall_ms: f64,
}

/// What a report repeats of its plan.
#[derive(Clone, Debug)]
pub(crate) struct Heading {
    pub(crate) target: String,
    pub(crate) model: String,
    pub(crate) seed: u64,
    pub(crate) objective: Option<Duration>,
    pub(crate) priced: bool,
}

impl Report {
    pub(crate) fn new(heading: &Heading, gauges: &Gauges, paced: &Paced, mut recorder: Recorder) -> Self {
        let read = std::sync::atomic::Ordering::Relaxed;
        let (offered, not_sent) = (gauges.offered.load(read), gauges.not_sent.load(read));
        recorder.outcomes.add_many(Outcome::NotSent, not_sent);
        let window_s = paced.window.as_secs_f64();
        let per_s = |count: u64| if window_s > 0.0 { count as f64 / window_s } else { 0.0 };
        let named: u64 = recorder.backends.values().map(|tally| tally.outcomes.total()).sum();
        let ended = recorder.outcomes.total();
        let parts = |tallies: &BTreeMap<String, Tally>, of| {
            tallies.iter().map(|(name, tally)| (name.clone(), part(tally, of))).collect()
        };
        Self {
            schema_version: REPORT_VERSION,
            target: heading.target.clone(),
            model: heading.model.clone(),
            seed: heading.seed,
            time_scale: gauges.time_scale,
            window_s,
            validity: validity(&recorder, paced.stopped, offered, not_sent, gauges.time_scale),
            outcomes: recorder.outcomes.occurred().map(|(outcome, count)| (outcome.code(), count)).collect(),
            ttft: recorder.ttft.summary(),
            ttft_with_failures: with_failures(&recorder.ttft, recorder.outcomes.failed()),
            ttft_service: recorder.ttft_service.summary(),
            time_per_output_token: recorder.per_token.summary(),
            stall: recorder.stall.summary(),
            response: recorder.response.summary(),
            offered_per_s: per_s(offered),
            output_tokens_per_s: per_s(recorder.usage.output),
            usage: recorder.usage,
            without_usage: recorder.without_usage,
            objective: heading.objective.map(|limit| attainment(limit, recorder.good, offered)),
            cost: heading.priced.then(|| money(&recorder, heading.objective.is_some())),
            backends: parts(&recorder.backends, named),
            phases: parts(&recorder.phases, ended),
            slowest: recorder.slowest.iter().map(slow).collect(),
            details: recorder.details,
        }
    }

    /// Requests with this outcome.
    #[must_use]
    pub fn count(&self, outcome: Outcome) -> u64 {
        self.outcomes.get(outcome.code()).copied().unwrap_or(0)
    }

    /// Requests that fell due and did not get a whole answer, for whatever reason.
    #[must_use]
    pub fn lost(&self) -> u64 {
        self.outcomes.values().sum::<u64>() - self.count(Outcome::Ok)
    }
}

fn validity(
    recorder: &Recorder,
    stopped_early: bool,
    offered: u64,
    not_sent: u64,
    time_scale: f64,
) -> Validity {
    let lag_p99 = recorder.lag.quantile(0.99).unwrap_or(0.0);
    let median_wall = recorder.response.quantile(0.5).unwrap_or(0.0) / time_scale;
    let limit = (median_wall * LAG_SHARE).max(LAG_FLOOR.as_secs_f64());
    let mut problems = Vec::new();
    if offered == 0 {
        problems.push("no request fell due".to_owned());
    }
    if not_sent > 0 {
        problems.push(format!(
            "{not_sent} requests were never sent: the ceiling of requests in flight was reached"
        ));
    }
    if lag_p99 > limit {
        let (lag, limit) = (lag_p99 * 1e3, limit * 1e3);
        problems.push(format!(
            "this machine sent late: 1 in 100 requests by {lag:.1} ms or more (limit {limit:.1} ms)"
        ));
    }
    Validity {
        valid: problems.is_empty(),
        problems,
        stopped_early,
        offered,
        sent: offered - not_sent,
        send_lag_p99_wall_ms: lag_p99 * 1e3,
        send_lag_limit_wall_ms: limit * 1e3,
    }
}

fn with_failures(ttft: &Latencies, failed: u64) -> WithFailures {
    let at = |quantile| ttft.quantile_with_failures(quantile, failed);
    WithFailures { p50_s: at(0.5), p95_s: at(0.95), p99_s: at(0.99) }
}

fn attainment(limit: Duration, good: u64, offered: u64) -> Attainment {
    Attainment { limit_s: limit.as_secs_f64(), good, fraction: good as f64 / offered.max(1) as f64 }
}

fn money(recorder: &Recorder, judged: bool) -> Money {
    let usd = recorder.cost.as_f64();
    let per = |count: u64, of: f64| (count > 0).then(|| usd / count as f64 * of);
    let good = if judged { recorder.good } else { recorder.outcomes.get(Outcome::Ok) };
    Money {
        usd,
        usd_per_million_tokens: per(recorder.usage.total(), 1e6),
        usd_per_thousand_good: per(good, 1e3),
        unpriced: recorder.unpriced,
    }
}

fn part(tally: &Tally, of: u64) -> Part {
    Part {
        share: tally.outcomes.total() as f64 / of.max(1) as f64,
        requests: tally.outcomes.total(),
        failed: tally.outcomes.failed(),
        good: tally.good,
        ttft: tally.ttft.summary(),
        usage: tally.usage,
        usd: tally.cost.as_f64(),
    }
}

fn slow(slow: &super::recorder::Slow) -> SlowRequest {
    SlowRequest {
        request_id: slow.request_id.clone(),
        backend: slow.backend.clone(),
        at_s: slow.at.as_secs_f64(),
        waited_s: slow.waited.as_secs_f64(),
    }
}

#[cfg(test)]
#[path = "report_tests.rs"]
mod tests;
