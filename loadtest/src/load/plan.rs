//! Everything a run needs to be told. It owns the plan's fields and their proof; it refuses to start
//! anything.

use std::fmt;
use std::ops::Range;
use std::time::Duration;

use http::{HeaderName, HeaderValue};
use trace::Entry;

use super::{Arrivals, PriceList, Target};
use crate::Error;

/// An API key, never printed.
#[derive(Clone)]
pub struct ApiKey(String);

impl ApiKey {
    /// A key to send as a bearer token.
    #[must_use]
    pub fn new(key: impl Into<String>) -> Self {
        Self(key.into())
    }

    /// The value of the `Authorization` header.
    pub(crate) fn authorization(&self) -> String {
        format!("Bearer {}", self.0)
    }
}

impl fmt::Debug for ApiKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ApiKey(…)")
    }
}

/// A run, ready to start. All durations are policy time: under a time scale of N, the run takes
/// 1/N of them by the clock on the wall.
pub struct Plan {
    /// Where requests go.
    pub target: Target,
    /// The model to ask for; a trace's own model names are not asked for.
    pub model: String,
    /// The caller's key.
    pub key: Option<ApiKey>,
    /// Further headers of every request.
    pub headers: Vec<(HeaderName, HeaderValue)>,
    /// What is due when.
    pub arrivals: Arrivals,
    /// Whether to ask for a stream where the arrival does not say.
    pub stream: bool,
    /// Whether to ask for answers of exactly the planned length, by `min_tokens` in the body. vLLM and the
    /// simulator know this field; other servers may refuse it.
    pub exact_output: bool,
    /// Decides the prompts' text.
    pub seed: u64,
    /// Policy seconds per wall-clock second of the system under test.
    pub time_scale: f64,
    /// The longest a caller waits for a whole answer, from its intended arrival.
    pub timeout: Duration,
    /// Requests in flight at which further ones are counted as not sent, rather than delayed.
    pub max_in_flight: usize,
    /// Threads that send and receive.
    pub workers: usize,
    /// Time to first token (whole answers without a stream) up to which an answer is good.
    pub objective: Option<Duration>,
    /// What tokens cost.
    pub prices: PriceList,
    /// Stretches of the run that are reported on their own, by intended arrival.
    pub phases: Vec<Phase>,
}

/// A stretch of a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Phase {
    /// Its name in the report.
    pub name: String,
    /// Intended arrivals that belong to it, since the run's start.
    pub span: Range<Duration>,
}

impl Plan {
    /// A plan of `arrivals` with everything else at its default: streams, 60 s of patience, one worker.
    #[must_use]
    pub fn new(target: Target, model: impl Into<String>, arrivals: Arrivals) -> Self {
        Self {
            target,
            model: model.into(),
            key: None,
            headers: Vec::new(),
            arrivals,
            stream: true,
            exact_output: false,
            seed: 1,
            time_scale: 1.0,
            timeout: Duration::from_secs(60),
            max_in_flight: 20_000,
            workers: 1,
            objective: None,
            prices: PriceList::default(),
            phases: Vec::new(),
        }
    }

    /// A plan over entries already in memory, in order of time.
    #[must_use]
    pub fn of_entries(target: Target, model: impl Into<String>, entries: Vec<Entry>) -> Self {
        Self::new(target, model, Box::new(entries.into_iter().map(Ok)))
    }

    /// Refuses numbers no run can be made of.
    pub(crate) fn prove(&self) -> Result<(), Error> {
        if !(self.time_scale.is_finite() && (0.001..=1000.0).contains(&self.time_scale)) {
            return Err(Error::Usage(format!(
                "a time scale of {} is not between 0.001 and 1000",
                self.time_scale
            )));
        }
        if self.workers == 0 || self.max_in_flight == 0 {
            return Err(Error::Usage("a run needs at least one worker and one request in flight".to_owned()));
        }
        if self.timeout.is_zero() {
            return Err(Error::Usage("a timeout of 0 s fails every request".to_owned()));
        }
        if self.model.is_empty() {
            return Err(Error::Usage("the model's name is empty".to_owned()));
        }
        Ok(())
    }
}

impl fmt::Debug for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Plan")
            .field("target", &self.target)
            .field("model", &self.model)
            .field("seed", &self.seed)
            .field("time_scale", &self.time_scale)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plan_never_prints_its_key() {
        let mut plan = Plan::of_entries("http://127.0.0.1:1".parse().unwrap(), "m", Vec::new());
        plan.key = Some(ApiKey::new("sk-canary"));
        assert!(!format!("{plan:?} {:?}", plan.key).contains("canary"));
    }

    #[test]
    fn impossible_numbers_are_refused() {
        let mut plan = Plan::of_entries("http://127.0.0.1:1".parse().unwrap(), "m", Vec::new());
        assert!(plan.prove().is_ok());
        plan.time_scale = f64::NAN;
        assert!(matches!(plan.prove(), Err(Error::Usage(_))));
    }
}
