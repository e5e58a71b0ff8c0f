//! How far answers strayed from their prediction, as ratios. It owns the latest samples and the tail they
//! show; it refuses to assume a distribution once it has enough of them.

/// Kept samples.
const CAPACITY: usize = 150;
/// Samples needed before the ring is believed.
pub(crate) const ENOUGH: usize = 15;
/// Spread of ln(actual/predicted) assumed before that.
const PRIOR_SIGMA: f64 = 0.5;

/// The latest ratios of actual to predicted seconds.
#[derive(Clone, Debug)]
pub(crate) struct Residuals {
    ratios: [f32; CAPACITY],
    len: usize,
    next: usize,
}

impl Residuals {
    pub(crate) const fn new() -> Self {
        Self { ratios: [0.0; CAPACITY], len: 0, next: 0 }
    }

    pub(crate) fn push(&mut self, ratio: f64) {
        if let Some(slot) = self.ratios.get_mut(self.next) {
            *slot = ratio as f32;
        }
        self.next = (self.next + 1) % CAPACITY;
        self.len = (self.len + 1).min(CAPACITY);
    }

    pub(crate) const fn len(&self) -> usize {
        self.len
    }

    /// Probability that a ratio exceeds `threshold`.
    pub(crate) fn tail(&self, threshold: f64) -> f64 {
        if self.len < ENOUGH {
            return normal_tail(threshold.max(1e-3).ln() / PRIOR_SIGMA);
        }
        let threshold = threshold as f32;
        let kept = self.ratios.get(..self.len).unwrap_or_default();
        let above: u32 = kept.iter().map(|ratio| u32::from(*ratio > threshold)).sum();
        (f64::from(above) + 0.5) / (self.len as f64 + 1.0)
    }
}

/// P(Z > z), by the logistic approximation of the normal distribution (within 0.01).
fn normal_tail(z: f64) -> f64 {
    1.0 / (1.0 + (1.702 * z).exp())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_samples_half_of_the_answers_are_later_than_predicted() {
        assert!((Residuals::new().tail(1.0) - 0.5).abs() < 1e-9);
        assert!(Residuals::new().tail(4.0) < 0.02);
    }

    #[test]
    fn the_tail_is_that_of_the_latest_samples() {
        let mut residuals = Residuals::new();
        (0..1_000).for_each(|_| residuals.push(9.0));
        (0..CAPACITY).for_each(|k| residuals.push(if k % 10 == 0 { 3.0 } else { 1.0 }));
        let tail = residuals.tail(2.0);
        assert!((tail - 0.1).abs() < 0.01, "{tail}");
    }
}
