//! Draws that are functions of a seed and a key: the same request on the same server always meets the
//! same luck, in whatever order requests arrive. It owns the generator; it refuses global state.

/// A short stream of random numbers that belongs to one key.
///
/// The generator is SplitMix64: a counter with a finalising mix. It is fast, passes the usual batteries
/// and does not change under us with a library's next version.
#[derive(Clone, Debug)]
pub struct Draws {
    state: u64,
}

const STEP: u64 = 0x9E37_79B9_7F4A_7C15;

const fn mix(mut x: u64) -> u64 {
    x ^= x >> 30;
    x = x.wrapping_mul(0xBF58_476D_1CE4_E5B9);
    x ^= x >> 27;
    x = x.wrapping_mul(0x94D0_49BB_1331_11EB);
    x ^ (x >> 31)
}

impl Draws {
    /// The stream of `key` under `seed`. Streams of different keys are independent for our purposes.
    #[must_use]
    pub fn keyed(seed: u64, key: &[u64]) -> Self {
        let state = key.iter().fold(mix(seed.wrapping_add(STEP)), |state, part| {
            mix(state.rotate_left(17) ^ part.wrapping_mul(STEP).wrapping_add(STEP))
        });
        Self { state }
    }

    /// 64 random bits.
    pub fn bits(&mut self) -> u64 {
        self.state = self.state.wrapping_add(STEP);
        mix(self.state)
    }

    /// Uniform in `[0, 1)`.
    pub fn unit(&mut self) -> f64 {
        (self.bits() >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// True with the given probability.
    pub fn chance(&mut self, probability: f64) -> bool {
        self.unit() < probability
    }

    /// A standard normal number, by the polar-free Box-Muller form.
    pub fn normal(&mut self) -> f64 {
        let radius = (-2.0 * (1.0 - self.unit()).ln()).sqrt();
        radius * (std::f64::consts::TAU * self.unit()).cos()
    }

    /// A lognormal factor with median 1 and the given sigma of its logarithm.
    pub fn lognormal(&mut self, sigma: f64) -> f64 {
        (sigma * self.normal()).exp()
    }

    /// An exponential number with mean 1.
    pub fn exponential(&mut self) -> f64 {
        -(1.0 - self.unit()).ln()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_key_gives_the_same_stream_and_another_key_another() {
        let stream = |key: &[u64]| {
            let mut draws = Draws::keyed(7, key);
            [draws.bits(), draws.bits(), draws.bits()]
        };
        assert_eq!(stream(&[1, 2]), stream(&[1, 2]));
        assert_ne!(stream(&[1, 2]), stream(&[2, 1]));
        assert_ne!(stream(&[1]), stream(&[1, 0]));
    }

    #[test]
    fn moments_of_the_draws_are_those_of_their_distributions() {
        let n = 20_000;
        let draw = |f: fn(&mut Draws) -> f64| -> Vec<f64> {
            (0..n).map(|i| f(&mut Draws::keyed(3, &[i]))).collect()
        };
        let mean = |xs: &[f64]| xs.iter().sum::<f64>() / xs.len() as f64;
        let normal = draw(Draws::normal);
        assert!(mean(&normal).abs() < 0.03, "{}", mean(&normal));
        let square = mean(&normal.iter().map(|x| x * x).collect::<Vec<_>>());
        assert!((square - 1.0).abs() < 0.04, "{square}");
        assert!((mean(&draw(Draws::unit)) - 0.5).abs() < 0.01);
        assert!((mean(&draw(Draws::exponential)) - 1.0).abs() < 0.03);
    }
}
