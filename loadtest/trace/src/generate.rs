//! A synthetic trace that looks like chat traffic. It owns the arrival process and the distributions of
//! lengths; it refuses any state outside its seed: the same specification gives the same trace.

use std::time::Duration;

use rand::RngExt as _;
use rand::SeedableRng as _;
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution as _, Exp1, StandardNormal};

use crate::Entry;

/// What a synthetic trace looks like. The defaults of the lengths are near those of Azure's 2023
/// conversation trace.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct GenerateSpec {
    /// Length in seconds.
    pub seconds: f64,
    /// Requests per second, on average.
    pub rate: f64,
    /// Seed of every draw.
    pub seed: u64,
    /// Depth of the slow wave on the rate, 0 to 1: with 0.3 it swings between 70 % and 130 %.
    pub wave: f64,
    /// Period of the wave in seconds.
    pub wave_period: f64,
    /// Sigma of the logarithm of the rate from one ten-second stretch to the next; 0 leaves a Poisson
    /// process.
    pub burstiness: f64,
    /// Tokens of the prompt.
    pub prompt: LengthSpec,
    /// Tokens of the answer.
    pub output: LengthSpec,
}

/// A lognormal length, in tokens.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LengthSpec {
    /// Half of all are longer.
    pub median: f64,
    /// One in twenty is longer.
    pub p95: f64,
    /// None is longer.
    pub max: u64,
}

impl Default for GenerateSpec {
    fn default() -> Self {
        Self {
            seconds: 600.0,
            rate: 5.5,
            seed: 1,
            wave: 0.3,
            wave_period: 240.0,
            burstiness: 0.2,
            prompt: LengthSpec { median: 1_000.0, p95: 4_000.0, max: 32_000 },
            output: LengthSpec { median: 130.0, p95: 450.0, max: 4_000 },
        }
    }
}

/// The 95th percentile of the standard normal distribution.
const NORMAL_P95: f64 = 1.644_853_626_951_472_2;

/// Length of a stretch of even rate, in seconds.
const STRETCH: f64 = 10.0;

impl LengthSpec {
    fn draw(&self, rng: &mut ChaCha8Rng) -> u64 {
        let sigma = (self.p95 / self.median).max(1.0).ln() / NORMAL_P95;
        let z: f64 = StandardNormal.sample(rng);
        ((self.median * (sigma * z).exp()).round() as u64).clamp(1, self.max.max(1))
    }
}

/// A synthetic trace, one entry at a time.
#[derive(Clone, Debug)]
pub struct Generated {
    spec: GenerateSpec,
    rng: ChaCha8Rng,
    now: f64,
    stretch: u64,
    factor: f64,
}

/// The trace of a specification. Times count from the start of the trace, not from its first entry.
#[must_use]
pub fn generate(spec: GenerateSpec) -> Generated {
    Generated { spec, rng: ChaCha8Rng::seed_from_u64(spec.seed), now: 0.0, stretch: u64::MAX, factor: 1.0 }
}

impl Generated {
    /// The rate now as a share of the highest possible one; draws a new factor with each stretch.
    fn relative_rate(&mut self) -> f64 {
        let stretch = (self.now / STRETCH) as u64;
        if stretch != self.stretch {
            self.stretch = stretch;
            let z: f64 =
                ChaCha8Rng::seed_from_u64(self.spec.seed ^ stretch.wrapping_mul(0x9E37_79B9_7F4A_7C15))
                    .sample(StandardNormal);
            let sigma = self.spec.burstiness;
            // Mean 1, and bounded so that thinning has a ceiling.
            self.factor = (sigma * z - sigma * sigma / 2.0).exp().min(self.ceiling());
        }
        let phase = std::f64::consts::TAU * self.now / self.spec.wave_period.max(1e-9);
        let wave = self.spec.wave.clamp(0.0, 1.0);
        self.factor / self.ceiling() * (1.0 + wave * phase.sin()) / (1.0 + wave)
    }

    fn ceiling(&self) -> f64 {
        (3.0 * self.spec.burstiness).exp()
    }
}

impl Iterator for Generated {
    type Item = Entry;

    fn next(&mut self) -> Option<Entry> {
        // Lewis and Shedler's thinning: arrivals at the highest rate, each kept with the share of that
        // rate which holds at its time.
        let highest = self.spec.rate * self.ceiling() * (1.0 + self.spec.wave.clamp(0.0, 1.0));
        if !(highest.is_finite() && highest > 0.0) {
            return None;
        }
        loop {
            let gap: f64 = Exp1.sample(&mut self.rng);
            self.now += gap / highest;
            if self.now >= self.spec.seconds {
                return None;
            }
            let keep: f64 = self.rng.random();
            if keep < self.relative_rate() {
                return Some(Entry {
                    at: Duration::from_secs_f64(self.now),
                    prompt_tokens: self.spec.prompt.draw(&mut self.rng),
                    output_tokens: self.spec.output.draw(&mut self.rng),
                    ..Entry::default()
                });
            }
        }
    }
}
