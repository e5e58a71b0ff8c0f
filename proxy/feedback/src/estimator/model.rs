//! A member's time to first token as a linear function of what is known when a request is sent. It owns the
//! recursive least-squares fit; it refuses to judge whether a sample is fit to learn from (`estimator`
//! does).

/// What is known at the send: 1, prompt thousands of tokens, unanswered prompt thousands of tokens at the
/// member, and requests in flight beyond its concurrency.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Features(pub(crate) [f64; TERMS]);

const TERMS: usize = 4;

/// Share of the evidence that is left after one more sample: about 200 samples of memory.
const FORGETTING: f64 = 0.995;
/// A sample may pull the fit by at most this many times its prediction.
const MAX_SURPRISE: f64 = 3.0;
/// Uncertainty of each coefficient before any sample, as variance for an objective of two seconds.
const PRIOR_VARIANCE: [f64; TERMS] = [4.0, 1.0, 0.02, 0.05];
/// The expected TTFT splits into a fixed part and one per thousand prompt tokens.
const PRIOR_FIXED: f64 = 0.7;
/// Seconds per request beyond the member's concurrency, for an objective of two seconds.
const PRIOR_PER_QUEUED: f64 = 0.05;
/// Smallest prediction, fixed part and error scale, in seconds for an objective of two seconds.
const LEAST_PREDICTION: f64 = 0.08;
const LEAST_FIXED: f64 = 0.05;
const LEAST_ERROR: f64 = 0.2;

/// Recursive least squares with relative weights: an error of 10 % counts alike on short and long waits.
#[derive(Clone, Debug)]
pub(crate) struct Model {
    theta: [f64; TERMS],
    covariance: [[f64; TERMS]; TERMS],
    /// The objective over two seconds: floors and uncertainties are in proportion to it.
    scale: f64,
}

impl Model {
    /// A model that believes the operator's guess, given the objective, both in seconds.
    pub(crate) fn new(expected_ttft: f64, objective_ttft: f64) -> Self {
        let scale = (objective_ttft / 2.0).max(1e-6);
        let theta =
            [expected_ttft * PRIOR_FIXED, expected_ttft * (1.0 - PRIOR_FIXED), 0.0, PRIOR_PER_QUEUED * scale];
        let mut covariance = [[0.0; TERMS]; TERMS];
        for (i, (row, variance)) in covariance.iter_mut().zip(PRIOR_VARIANCE).enumerate() {
            if let Some(cell) = row.get_mut(i) {
                *cell = variance * scale * scale;
            }
        }
        Self { theta, covariance, scale }
    }

    /// Predicted seconds to first token.
    pub(crate) fn predict(&self, x: &Features) -> f64 {
        dot(&self.theta, &x.0).max(LEAST_PREDICTION * self.scale)
    }

    /// Learns that `x` took `seconds`.
    pub(crate) fn fit(&mut self, x: &Features, seconds: f64) {
        let predicted = self.predict(x);
        let weight = 1.0 / predicted.max(LEAST_ERROR * self.scale).powi(2);
        let gain = self.covariance.map(|row| dot(&row, &x.0));
        let denominator = FORGETTING / weight + dot(&gain, &x.0);
        let bound = MAX_SURPRISE * predicted;
        let error = (seconds - dot(&self.theta, &x.0)).clamp(-bound, bound);
        for (theta, g) in self.theta.iter_mut().zip(gain) {
            *theta = (*theta + g / denominator * error).max(0.0);
        }
        self.theta[0] = self.theta[0].max(LEAST_FIXED * self.scale);
        for (row, gi) in self.covariance.iter_mut().zip(gain) {
            for (cell, gj) in row.iter_mut().zip(gain) {
                *cell = (*cell - gi * gj / denominator) / FORGETTING;
            }
        }
        self.bound_uncertainty();
    }

    /// Takes a lasting change of level into the model.
    pub(crate) fn rescale(&mut self, factor: f64) {
        for theta in &mut self.theta {
            *theta *= factor;
        }
    }

    /// Forgetting inflates what no sample touches (a member that never queues says nothing of queueing).
    /// No direction may become less certain than it was before any sample; scaling row and column alike
    /// keeps the matrix a covariance.
    fn bound_uncertainty(&mut self) {
        for (i, prior) in PRIOR_VARIANCE.into_iter().enumerate() {
            let ceiling = prior * self.scale * self.scale;
            let variance = self.covariance.get(i).and_then(|row| row.get(i)).copied().unwrap_or(0.0);
            if variance > ceiling {
                let shrink = (ceiling / variance).sqrt();
                for (k, row) in self.covariance.iter_mut().enumerate() {
                    let whole_row = if k == i { shrink } else { 1.0 };
                    for (j, cell) in row.iter_mut().enumerate() {
                        *cell *= whole_row * if j == i { shrink } else { 1.0 };
                    }
                }
            }
        }
    }
}

fn dot(a: &[f64; TERMS], b: &[f64; TERMS]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn before_any_sample_the_operators_guess_holds() {
        let model = Model::new(0.8, 2.0);
        assert!((model.predict(&Features([1.0, 1.0, 0.0, 0.0])) - 0.8).abs() < 1e-9);
    }

    #[test]
    fn the_cost_of_a_prompts_size_is_learned_apart_from_the_fixed_part() {
        let mut model = Model::new(2.0, 2.0);
        for k in 0..400 {
            let prompt = f64::from(k * 7 % 40) / 10.0;
            model.fit(&Features([1.0, prompt, 0.0, 0.0]), 0.3 + 0.11 * prompt);
        }
        let (small, large) =
            (model.predict(&Features([1.0, 0.0, 0.0, 0.0])), model.predict(&Features([1.0, 4.0, 0.0, 0.0])));
        assert!((small - 0.3).abs() < 0.02 && (large - 0.74).abs() < 0.02, "{small} {large}");
    }

    #[test]
    fn a_direction_without_evidence_does_not_stop_the_others_from_learning() {
        let mut model = Model::new(0.5, 2.0);
        let x = Features([1.0, 1.0, 0.0, 0.0]);
        (0..20_000).for_each(|_| model.fit(&x, 0.5));
        (0..600).for_each(|_| model.fit(&x, 1.0));
        assert!((model.predict(&x) - 1.0).abs() < 0.1, "{}", model.predict(&x));
    }

    proptest! {
        #[test]
        fn predictions_stay_finite_and_positive(samples in prop::collection::vec(
            (0.0..200.0_f64, 0.0..500.0_f64, 0.0..100.0_f64, 0.0..600.0_f64), 1..300)) {
            let mut model = Model::new(0.5, 2.0);
            for (prompt, queued, over, seconds) in samples {
                let x = Features([1.0, prompt, queued, over]);
                model.fit(&x, seconds);
                prop_assert!(model.predict(&x).is_finite() && model.predict(&x) > 0.0);
            }
        }
    }
}
