//! What one request measured. It owns the definitions of every latency; it refuses to aggregate.
//!
//! ```text
//! a ──────── s ─────── h ─────── f ──── … ──── l ── e
//! intended   sent      head      first         last  end
//! ```
//! `ttft = f - a` and `response = e - a` begin at the intended arrival, so a caller who could not be
//! served because the server stalled still waits in the figures. `ttft_service = f - s` is what tools
//! that start the clock at the send would report.

use std::time::Duration;

use vocabulary::Usage;

use super::Outcome;

/// One request, ended. Durations are policy time unless they say otherwise.
#[derive(Clone, Debug)]
pub(crate) struct Sample {
    /// Intended arrival since the run's start (`a`).
    pub(crate) at: Duration,
    /// Intended arrival to send (`s - a`), in wall-clock time: the client's own fault.
    pub(crate) lag: Duration,
    /// Whether a stream was asked for.
    pub(crate) stream: bool,
    /// How it ended.
    pub(crate) outcome: Outcome,
    /// Status and error code, such as `404 unknown_model`, when it was refused.
    pub(crate) detail: Option<String>,
    /// Intended arrival to the first output-bearing event (`f - a`); none without a stream.
    pub(crate) ttft: Option<Duration>,
    /// Send to the first output-bearing event (`f - s`).
    pub(crate) ttft_service: Option<Duration>,
    /// First to last output-bearing event (`l - f`); none when there was only one.
    pub(crate) generation: Option<Duration>,
    /// Longest silence between two output-bearing events.
    pub(crate) stall: Option<Duration>,
    /// Intended arrival to the end (`e - a`).
    pub(crate) response: Duration,
    /// The `usage` block of the answer.
    pub(crate) usage: Option<Usage>,
    /// Who served it, from `x-sluicegate-backend`.
    pub(crate) backend: Option<String>,
    /// `x-request-id` of the answer.
    pub(crate) request_id: Option<String>,
}

impl Sample {
    /// Time per output token after the first: `(l - f) / (n - 1)`. Undefined for fewer than two tokens,
    /// and never derived from a count of events: an event may hold any number of tokens.
    #[must_use]
    pub(crate) fn time_per_output_token(&self) -> Option<Duration> {
        let more = self.usage?.output.checked_sub(1).filter(|more| *more > 0)?;
        Some(self.generation?.div_f64(more as f64))
    }

    /// What an objective is held against: time to first token, or the whole answer without a stream.
    #[must_use]
    pub(crate) fn judged(&self) -> Option<Duration> {
        match (self.outcome.is_ok(), self.stream) {
            (false, _) => None,
            (true, true) => self.ttft,
            (true, false) => Some(self.response),
        }
    }
}

#[cfg(test)]
pub(crate) fn sample() -> Sample {
    Sample {
        at: Duration::ZERO,
        lag: Duration::ZERO,
        stream: true,
        outcome: Outcome::Ok,
        detail: None,
        ttft: Some(Duration::from_millis(300)),
        ttft_service: Some(Duration::from_millis(290)),
        generation: Some(Duration::from_millis(900)),
        stall: Some(Duration::from_millis(120)),
        response: Duration::from_millis(1210),
        usage: Some(Usage { input: 100, output: 10, ..Usage::default() }),
        backend: Some("a/m".to_owned()),
        request_id: Some("r-1".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_per_output_token_leaves_the_first_token_out() {
        assert_eq!(sample().time_per_output_token(), Some(Duration::from_millis(100)));
    }

    #[test]
    fn time_per_output_token_of_one_token_is_undefined() {
        let one = Sample { usage: Some(Usage { input: 5, output: 1, ..Usage::default() }), ..sample() };
        assert_eq!(one.time_per_output_token(), None);
        assert_eq!(Sample { usage: None, ..sample() }.time_per_output_token(), None);
    }

    #[test]
    fn a_failure_is_never_judged_by_its_speed() {
        assert_eq!(sample().judged(), Some(Duration::from_millis(300)));
        assert_eq!(Sample { outcome: Outcome::Truncated, ..sample() }.judged(), None);
        assert_eq!(
            Sample { stream: false, ttft: None, ..sample() }.judged(),
            Some(Duration::from_millis(1210))
        );
    }
}
