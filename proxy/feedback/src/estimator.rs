//! What is believed of one member's speed and soundness. It owns which samples teach what, the fast drift
//! over the slow model, and the probability of a miss; it refuses to know prices or quotas.

mod model;
mod residuals;

use std::time::Duration;

use vocabulary::Moment;

pub(crate) use model::Features;
use model::Model;
use residuals::{ENOUGH, Residuals};

/// Weight of one sample in the drift, and of one that differs from it by more than a factor of two.
const DRIFT_WEIGHT: f64 = 0.12;
const DRIFT_WEIGHT_SURPRISED: f64 = 0.22;
const SURPRISE: f64 = 0.7;
/// Bounds of the drift, in ln: half and thirty-three times the model's prediction.
const DRIFT_BOUNDS: (f64, f64) = (-0.7, 3.5);
/// Above this drift the model does not learn: a brown-out must not become the new normal.
const LEARNING_DRIFT: f64 = 0.45;
/// The first samples always teach: a wrong guess of the operator looks like a drift.
const FIRST_SAMPLES: u32 = 30;
/// A drift that lasts this long is the new normal after all.
const LASTING: Duration = Duration::from_secs(1800);
/// Without samples for this long, beliefs about trouble fade, so that the member is tried again.
const STALE: Duration = Duration::from_secs(5);
const FADE_PER_SECOND: f64 = 0.97;
/// How many times its prediction the oldest unanswered request must have waited to count as a lower bound,
/// and what is left of that bound for its being the worst of many: e and e^-0.3.
const CENSORED_FROM: f64 = std::f64::consts::E;
const CENSORED_SHARE: f64 = 0.740_818_220_681_718;
/// Error probability before any sample, and per-sample weights of an answer, an error and a timeout.
const ERROR_PRIOR: f64 = 0.005;
const ERROR_WEIGHT_ANSWER: f64 = 0.02;
const ERROR_WEIGHT_FAILURE: f64 = 0.03;
const ERROR_WEIGHT_TIMEOUT: f64 = 0.1;
/// Share of errors that end in a miss although another member is tried.
const MISS_PER_ERROR: f64 = 0.6;

/// Beliefs about one member.
#[derive(Clone, Debug)]
pub(crate) struct Estimator {
    model: Model,
    residuals: Residuals,
    /// ln of actual over predicted, lately; and its exponential, which every pick asks for.
    drift: f64,
    drift_factor: f64,
    error: f64,
    samples: u32,
    sampled_at: Moment,
    elevated_since: Option<Moment>,
}

/// A first token as it is now expected.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Outlook {
    /// Seconds to the first token.
    pub(crate) ttft: f64,
    /// Probability that it comes too late or not at all.
    pub(crate) miss: f64,
}

impl Estimator {
    pub(crate) fn new(expected_ttft: Duration, objective_ttft: Duration, now: Moment) -> Self {
        Self {
            model: Model::new(expected_ttft.as_secs_f64(), objective_ttft.as_secs_f64()),
            residuals: Residuals::new(),
            drift: 0.0,
            drift_factor: 1.0,
            error: ERROR_PRIOR,
            samples: 0,
            sampled_at: now,
            elevated_since: None,
        }
    }

    /// Seconds predicted by the slow model alone.
    pub(crate) fn predict(&self, x: &Features) -> f64 {
        self.model.predict(x)
    }

    /// Probability that the member fails a request.
    pub(crate) fn error(&self) -> f64 {
        self.error
    }

    /// Drift as a factor on the slow prediction, given how far the oldest unanswered request is past its
    /// own prediction (`waited / predicted`): an answer that has not come is evidence too.
    pub(crate) fn drift_factor(&self, oldest_waiting: Option<f64>) -> f64 {
        let bound = oldest_waiting.filter(|ratio| *ratio > CENSORED_FROM);
        bound.map_or(self.drift_factor, |ratio| self.drift_factor.max(ratio * CENSORED_SHARE))
    }

    /// The outlook of a request with features `x` that has `slack` seconds left.
    pub(crate) fn outlook(&self, x: &Features, slack: f64, oldest_waiting: Option<f64>) -> Outlook {
        let ttft = self.model.predict(x) * self.drift_factor(oldest_waiting);
        let late = self.residuals.tail(slack.max(1e-3) / ttft.max(1e-6));
        Outlook { ttft, miss: late + (1.0 - late) * self.error * MISS_PER_ERROR }
    }

    /// A first token came `seconds` after the send, when `predicted` had been expected.
    pub(crate) fn answered(&mut self, now: Moment, x: &Features, predicted: f64, seconds: f64) {
        let ratio = ratio(seconds, predicted);
        self.shift(now, ratio);
        self.samples = self.samples.saturating_add(1);
        self.error *= 1.0 - ERROR_WEIGHT_ANSWER;
        if self.drift < LEARNING_DRIFT {
            self.residuals.push(ratio);
        } else if self.residuals.len() < ENOUGH {
            self.residuals.push(1.0);
        }
        if self.drift < LEARNING_DRIFT || self.samples <= FIRST_SAMPLES {
            self.model.fit(x, seconds);
        }
    }

    /// No first token came for `seconds`, then the caller left: a lower bound, heeded only when it says more
    /// than is believed already.
    pub(crate) fn abandoned(&mut self, now: Moment, predicted: f64, seconds: f64) {
        let ratio = ratio(seconds, predicted);
        if ratio > self.drift_factor {
            self.shift(now, ratio);
        }
    }

    /// No first token came for `seconds`, and the gateway gave up.
    pub(crate) fn timed_out(&mut self, now: Moment, predicted: f64, seconds: f64) {
        self.shift(now, ratio(seconds, predicted));
        self.error += ERROR_WEIGHT_TIMEOUT * (1.0 - self.error);
    }

    /// An answer whose speed says nothing: the member works.
    pub(crate) fn worked(&mut self, now: Moment) {
        self.sampled_at = now;
        self.error *= 1.0 - ERROR_WEIGHT_ANSWER;
    }

    /// The member failed the request. Says nothing of its speed: a fast error is not a fast answer.
    pub(crate) fn errored(&mut self, now: Moment) {
        self.sampled_at = now;
        self.error += ERROR_WEIGHT_FAILURE * (1.0 - self.error);
    }

    /// One second passed.
    pub(crate) fn tick(&mut self, now: Moment) {
        if now.since(self.sampled_at) > STALE {
            self.set_drift(self.drift * FADE_PER_SECOND);
            if self.error > ERROR_PRIOR {
                self.error = (self.error * FADE_PER_SECOND).max(ERROR_PRIOR);
            }
        }
        if self.drift < LEARNING_DRIFT {
            self.elevated_since = None;
        } else if now.since(*self.elevated_since.get_or_insert(now)) > LASTING {
            self.model.rescale(self.drift_factor);
            self.set_drift(0.0);
            self.elevated_since = None;
        }
    }

    fn shift(&mut self, now: Moment, ratio: f64) {
        let surprise = ratio.ln() - self.drift;
        let weight = if surprise.abs() > SURPRISE { DRIFT_WEIGHT_SURPRISED } else { DRIFT_WEIGHT };
        self.set_drift((self.drift + weight * surprise).clamp(DRIFT_BOUNDS.0, DRIFT_BOUNDS.1));
        self.sampled_at = now;
    }

    fn set_drift(&mut self, ln: f64) {
        self.drift = ln;
        self.drift_factor = ln.exp();
    }
}

/// Bounded below, so that an instant answer does not count without limit.
fn ratio(seconds: f64, predicted: f64) -> f64 {
    let predicted = predicted.max(1e-6);
    seconds.max(predicted / 50.0) / predicted
}

#[cfg(test)]
mod tests {
    use super::*;

    const X: Features = Features([1.0, 1.0, 0.0, 0.0]);

    fn at(seconds: u64) -> Moment {
        Moment::ZERO + Duration::from_secs(seconds)
    }

    fn trained(seconds: f64) -> Estimator {
        let mut estimator =
            Estimator::new(Duration::from_secs_f64(seconds), Duration::from_secs(2), Moment::ZERO);
        for k in 0..200 {
            let wobble = 1.0 + 0.2 * (f64::from(k % 5) - 2.0) / 2.0;
            estimator.answered(at(0), &X, estimator.predict(&X), seconds * wobble);
        }
        estimator
    }

    #[test]
    fn a_brown_out_raises_the_outlook_within_ten_answers_but_not_the_model() {
        let mut estimator = trained(0.5);
        let before = estimator.outlook(&X, 2.0, None);
        for _ in 0..10 {
            estimator.answered(at(1), &X, estimator.predict(&X), 3.0);
        }
        assert!(before.miss < 0.02);
        assert!(estimator.outlook(&X, 2.0, None).miss > 0.3);
        assert!(estimator.predict(&X) < 1.0, "the slow model stays near normal: {}", estimator.predict(&X));
    }

    #[test]
    fn an_answer_that_does_not_come_raises_the_outlook_at_once() {
        let estimator = trained(0.5);
        assert!(estimator.outlook(&X, 2.0, Some(10.0)).miss > 0.9);
        assert!(estimator.outlook(&X, 2.0, Some(2.0)).miss < 0.02, "twice the prediction is nothing unusual");
    }

    #[test]
    fn doubt_fades_while_a_member_is_left_alone() {
        let mut estimator = trained(0.5);
        (0..30).for_each(|_| estimator.answered(at(1), &X, estimator.predict(&X), 5.0));
        let browned = estimator.outlook(&X, 2.0, None).miss;
        (2..90).for_each(|second| estimator.tick(at(second)));
        assert!(browned > 0.9 && estimator.outlook(&X, 2.0, None).miss < 0.05);
    }

    #[test]
    fn an_early_departure_of_the_caller_is_no_evidence() {
        let mut estimator = trained(0.5);
        let before = estimator.outlook(&X, 2.0, None);
        estimator.abandoned(at(1), 0.5, 0.1);
        assert_eq!(estimator.outlook(&X, 2.0, None), before);
        estimator.abandoned(at(1), 0.5, 9.0);
        assert!(estimator.outlook(&X, 2.0, None).ttft > before.ttft);
    }

    #[test]
    fn fast_errors_do_not_look_like_low_latency() {
        let mut estimator = trained(0.5);
        let before = estimator.outlook(&X, 2.0, None);
        (0..20).for_each(|_| estimator.errored(at(1)));
        let after = estimator.outlook(&X, 2.0, None);
        assert!((after.ttft - before.ttft).abs() < 1e-9 && after.miss > before.miss + 0.2);
    }

    #[test]
    fn a_change_of_level_that_lasts_becomes_the_model() {
        let mut estimator = trained(0.3);
        for second in 0..2_000 {
            estimator.answered(at(second), &X, estimator.predict(&X), 1.2);
            estimator.tick(at(second));
        }
        assert!((estimator.predict(&X) - 1.2).abs() < 0.2, "{}", estimator.predict(&X));
        assert!(estimator.drift_factor(None) < 1.3);
    }

    #[test]
    fn a_wrong_guess_of_the_operator_is_corrected_by_the_first_answers() {
        let mut estimator = Estimator::new(Duration::from_millis(100), Duration::from_secs(2), Moment::ZERO);
        for _ in 0..60 {
            estimator.answered(at(0), &X, estimator.predict(&X), 1.5);
        }
        assert!((estimator.predict(&X) - 1.5).abs() < 0.3, "{}", estimator.predict(&X));
    }
}
