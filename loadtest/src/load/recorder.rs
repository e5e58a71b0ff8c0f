//! What a worker adds up. It owns totals, the tally per backend and a short memory for live views; it
//! refuses to judge them (`report` does).

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use vocabulary::{Usage, Usd};

use super::latency::Latencies;
use super::outcome::OutcomeCounts;
use super::plan::Phase;
use super::{Outcome, PriceList, Sample};

/// Ended requests a live view can look back on.
const RECENT: usize = 4096;
/// Slowest requests kept by id.
const SLOWEST: usize = 5;

/// What samples are held against.
#[derive(Clone, Debug, Default)]
pub(crate) struct Yardstick {
    pub(crate) prices: PriceList,
    pub(crate) objective: Option<Duration>,
    pub(crate) phases: Vec<Phase>,
}

/// What was added up for one backend, or over one phase.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tally {
    pub(crate) outcomes: OutcomeCounts,
    pub(crate) good: u64,
    pub(crate) ttft: Latencies,
    pub(crate) usage: Usage,
    pub(crate) cost: Usd,
}

/// A slow request, to be asked about by its id.
#[derive(Clone, Debug)]
pub(crate) struct Slow {
    pub(crate) waited: Duration,
    pub(crate) request_id: String,
    pub(crate) backend: Option<String>,
    pub(crate) at: Duration,
}

/// An ended request as a live view needs it.
#[derive(Clone, Debug)]
pub(crate) struct Recent {
    pub(crate) ended: Duration,
    pub(crate) outcome: Outcome,
    pub(crate) backend: Option<String>,
    pub(crate) ttft: Option<Duration>,
    pub(crate) good: bool,
    pub(crate) tokens: u64,
    pub(crate) cost: Usd,
}

/// Everything one worker adds up.
#[derive(Clone, Debug, Default)]
pub(crate) struct Recorder {
    pub(crate) outcomes: OutcomeCounts,
    pub(crate) details: BTreeMap<String, u64>,
    pub(crate) good: u64,
    pub(crate) lag: Latencies,
    pub(crate) ttft: Latencies,
    pub(crate) ttft_service: Latencies,
    pub(crate) per_token: Latencies,
    pub(crate) stall: Latencies,
    pub(crate) response: Latencies,
    pub(crate) usage: Usage,
    pub(crate) without_usage: u64,
    pub(crate) cost: Usd,
    pub(crate) unpriced: u64,
    pub(crate) backends: BTreeMap<String, Tally>,
    pub(crate) phases: BTreeMap<String, Tally>,
    pub(crate) slowest: Vec<Slow>,
    pub(crate) recent: VecDeque<Recent>,
}

/// Adds usage field by field.
pub(crate) fn add_usage(total: &mut Usage, more: &Usage) {
    total.input += more.input;
    total.cached_input += more.cached_input;
    total.output += more.output;
    total.reasoning_output += more.reasoning_output;
}

fn record_some(into: &mut Latencies, latency: Option<Duration>) {
    if let Some(latency) = latency {
        into.record(latency);
    }
}

/// The tally of that name, made when it is not there yet.
fn tally<'t>(tallies: &'t mut BTreeMap<String, Tally>, name: &str) -> &'t mut Tally {
    tallies.entry(name.to_owned()).or_default()
}

impl Tally {
    fn record(&mut self, sample: &Sample, good: bool, cost: Usd) {
        self.outcomes.add(sample.outcome);
        self.good += u64::from(good);
        self.cost += cost;
        if let Some(usage) = &sample.usage {
            add_usage(&mut self.usage, usage);
        }
        if sample.outcome.is_ok() {
            record_some(&mut self.ttft, sample.ttft);
        }
    }

    fn merge(&mut self, other: &Self) {
        self.outcomes.merge(&other.outcomes);
        self.good += other.good;
        self.cost += other.cost;
        self.ttft.merge(&other.ttft);
        add_usage(&mut self.usage, &other.usage);
    }
}

impl Recorder {
    /// Adds one ended request.
    pub(crate) fn record(&mut self, sample: Sample, yardstick: &Yardstick) {
        let good =
            yardstick.objective.is_some_and(|limit| sample.judged().is_some_and(|taken| taken <= limit));
        let cost = sample.usage.and_then(|usage| yardstick.prices.cost(sample.backend.as_deref(), &usage));
        self.outcomes.add(sample.outcome);
        self.good += u64::from(good);
        self.lag.record(sample.lag);
        if let Some(detail) = &sample.detail {
            *self.details.entry(detail.clone()).or_default() += 1;
        }
        match &sample.usage {
            Some(usage) => add_usage(&mut self.usage, usage),
            None => self.without_usage += u64::from(sample.outcome.is_ok()),
        }
        self.unpriced += u64::from(cost.is_none() && sample.usage.is_some());
        self.cost += cost.unwrap_or_default();
        if sample.outcome.is_ok() {
            self.record_latencies(&sample);
        }
        let cost = cost.unwrap_or_default();
        if let Some(backend) = &sample.backend {
            tally(&mut self.backends, backend).record(&sample, good, cost);
        }
        for phase in yardstick.phases.iter().filter(|phase| phase.span.contains(&sample.at)) {
            tally(&mut self.phases, &phase.name).record(&sample, good, cost);
        }
        self.remember(sample, good, cost);
    }

    /// Latencies are of whole answers only; failures are counted beside them.
    fn record_latencies(&mut self, sample: &Sample) {
        record_some(&mut self.ttft, sample.ttft);
        record_some(&mut self.ttft_service, sample.ttft_service);
        record_some(&mut self.per_token, sample.time_per_output_token());
        record_some(&mut self.stall, sample.stall);
        self.response.record(sample.response);
        if let (Some(waited), Some(request_id)) = (sample.judged(), &sample.request_id)
            && (self.slowest.len() < SLOWEST || self.slowest.last().is_some_and(|last| waited > last.waited))
        {
            let (backend, request_id) = (sample.backend.clone(), request_id.clone());
            self.slowest.push(Slow { waited, request_id, backend, at: sample.at });
            self.keep_slowest();
        }
    }

    fn keep_slowest(&mut self) {
        self.slowest.sort_by_key(|slow| std::cmp::Reverse(slow.waited));
        self.slowest.truncate(SLOWEST);
    }

    fn remember(&mut self, sample: Sample, good: bool, cost: Usd) {
        if self.recent.len() == RECENT {
            self.recent.pop_front();
        }
        self.recent.push_back(Recent {
            ended: sample.at + sample.response,
            outcome: sample.outcome,
            ttft: sample.judged(),
            backend: sample.backend,
            good,
            tokens: sample.usage.map_or(0, |usage| usage.total()),
            cost,
        });
    }

    /// Adds what another worker added up; the live memory is left alone.
    pub(crate) fn merge(&mut self, other: &Self) {
        self.outcomes.merge(&other.outcomes);
        for (detail, count) in &other.details {
            *self.details.entry(detail.clone()).or_default() += count;
        }
        self.good += other.good;
        self.without_usage += other.without_usage;
        self.unpriced += other.unpriced;
        self.cost += other.cost;
        add_usage(&mut self.usage, &other.usage);
        self.lag.merge(&other.lag);
        self.ttft.merge(&other.ttft);
        self.ttft_service.merge(&other.ttft_service);
        self.per_token.merge(&other.per_token);
        self.stall.merge(&other.stall);
        self.response.merge(&other.response);
        for (mine, theirs) in [(&mut self.backends, &other.backends), (&mut self.phases, &other.phases)] {
            for (name, theirs) in theirs {
                tally(mine, name).merge(theirs);
            }
        }
        self.slowest.extend(other.slowest.iter().cloned());
        self.keep_slowest();
    }
}

#[cfg(test)]
mod tests {
    use super::super::sample::sample;
    use super::*;

    fn recorded(samples: impl IntoIterator<Item = Sample>) -> Recorder {
        let prices =
            PriceList::from_json(r#"{"a/m": {"input": "1 USD/1M", "output": "10 USD/1M"}}"#).unwrap();
        let early = Phase { name: "early".to_owned(), span: Duration::ZERO..Duration::from_secs(1) };
        let yardstick =
            Yardstick { prices, objective: Some(Duration::from_millis(300)), phases: vec![early] };
        let mut recorder = Recorder::default();
        samples.into_iter().for_each(|sample| recorder.record(sample, &yardstick));
        recorder
    }

    #[test]
    fn usage_money_and_good_answers_add_up() {
        let slow = Sample { ttft: Some(Duration::from_secs(9)), ..sample() };
        let unknown = Sample { backend: Some("b/m".to_owned()), ..sample() };
        let recorder = recorded([sample(), slow, unknown]);
        assert_eq!((recorder.outcomes.total(), recorder.good, recorder.unpriced), (3, 2, 1));
        assert_eq!(recorder.usage, Usage { input: 300, output: 30, ..Usage::default() });
        assert_eq!(recorder.cost.to_string(), "0.0004 USD");
        assert_eq!(recorder.backends["a/m"].outcomes.total(), 2);
    }

    #[test]
    fn a_failure_counts_but_its_latency_does_not() {
        let recorder =
            recorded([Sample { outcome: Outcome::Truncated, detail: Some("x".into()), ..sample() }]);
        assert_eq!(recorder.ttft.count(), 0);
        assert_eq!((recorder.outcomes.failed(), recorder.good, recorder.details["x"]), (1, 0, 1));
    }

    #[test]
    fn a_phase_holds_what_was_due_in_it() {
        let late = Sample { at: Duration::from_secs(1), ..sample() };
        let recorder = recorded([sample(), Sample { outcome: Outcome::Timeout, ..sample() }, late]);
        let early = &recorder.phases["early"];
        assert_eq!((early.outcomes.total(), early.outcomes.failed(), early.good), (2, 1, 1));
    }

    #[test]
    fn merged_workers_equal_one_worker() {
        let samples: Vec<Sample> = (0..40)
            .map(|i| Sample {
                ttft: Some(Duration::from_millis(i * 10)),
                request_id: Some(i.to_string()),
                ..sample()
            })
            .collect();
        let whole = recorded(samples.clone());
        let mut merged = recorded(samples[..13].iter().cloned());
        merged.merge(&recorded(samples[13..].iter().cloned()));
        assert_eq!(merged.ttft.summary(), whole.ttft.summary());
        assert_eq!((merged.good, merged.usage, merged.cost), (whole.good, whole.usage, whole.cost));
        let ids = |r: &Recorder| r.slowest.iter().map(|s| s.request_id.clone()).collect::<Vec<_>>();
        assert_eq!(ids(&merged), ["39", "38", "37", "36", "35"]);
        assert_eq!(ids(&merged), ids(&whole));
    }
}
