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

#[cfg(test)]
mod tests {
    use super::*;

    fn times(spec: GenerateSpec) -> Vec<f64> {
        generate(spec).map(|entry| entry.at.as_secs_f64()).collect()
    }

    fn flat(seed: u64) -> GenerateSpec {
        GenerateSpec {
            seconds: 4_000.0,
            rate: 10.0,
            seed,
            wave: 0.0,
            burstiness: 0.0,
            ..GenerateSpec::default()
        }
    }

    /// Variance over mean of the counts per second: 1 for a Poisson process.
    fn dispersion(times: &[f64], seconds: usize) -> f64 {
        let mut counts = vec![0.0_f64; seconds];
        times.iter().for_each(|at| counts[*at as usize] += 1.0);
        let mean = counts.iter().sum::<f64>() / seconds as f64;
        counts.iter().map(|count| (count - mean).powi(2)).sum::<f64>() / seconds as f64 / mean
    }

    #[test]
    fn the_same_specification_gives_the_same_trace_and_another_seed_another() {
        let spec = GenerateSpec::default();
        assert!(generate(spec).eq(generate(spec)));
        assert!(!generate(spec).eq(generate(GenerateSpec { seed: 2, ..spec })));
    }

    #[test]
    fn without_wave_and_bursts_arrivals_are_poisson() {
        for seed in 1..=5 {
            let times = times(flat(seed));
            let rate = times.len() as f64 / 4_000.0;
            assert!((rate - 10.0).abs() < 0.25, "seed {seed}: {rate} per second");
            let idc = dispersion(&times, 4_000);
            assert!((0.9..1.1).contains(&idc), "seed {seed}: dispersion {idc}");
            // The exponential distribution's share of gaps longer than its mean is 1 / e.
            let long =
                times.windows(2).filter(|pair| pair[1] - pair[0] > 0.1).count() as f64 / times.len() as f64;
            assert!((long - 0.3679).abs() < 0.01, "seed {seed}: {long}");
        }
    }

    #[test]
    fn bursts_spread_the_counts_and_leave_the_rate() {
        let spec = GenerateSpec { burstiness: 0.5, ..flat(3) };
        let times = times(spec);
        assert!(dispersion(&times, 4_000) > 2.0);
        assert!((times.len() as f64 / 40_000.0 - 1.0).abs() < 0.1, "{}", times.len());
    }

    #[test]
    fn the_wave_swings_the_rate_by_its_depth() {
        let spec = GenerateSpec { wave: 0.5, wave_period: 400.0, ..flat(4) };
        let times = times(spec);
        let near =
            |phase: f64| times.iter().filter(|at| ((**at % 400.0) - phase).abs() < 20.0).count() as f64;
        let ratio = near(100.0) / near(300.0);
        assert!((2.6..3.4).contains(&ratio), "crest over trough {ratio}");
    }

    #[test]
    fn lengths_have_their_median_and_their_95th_percentile() {
        let entries: Vec<Entry> = generate(flat(5)).collect();
        for (lengths, median, p95) in [
            (entries.iter().map(|entry| entry.prompt_tokens).collect::<Vec<_>>(), 1_000.0, 4_000.0),
            (entries.iter().map(|entry| entry.output_tokens).collect(), 130.0, 450.0),
        ] {
            let mut lengths = lengths;
            lengths.sort_unstable();
            let at = |q: f64| lengths[(q * lengths.len() as f64) as usize] as f64;
            assert!((at(0.5) / median - 1.0).abs() < 0.03, "{}", at(0.5));
            assert!((at(0.95) / p95 - 1.0).abs() < 0.05, "{}", at(0.95));
            assert!(lengths[0] >= 1);
        }
    }

    #[test]
    fn a_trace_of_no_rate_or_no_length_is_empty() {
        assert_eq!(times(GenerateSpec { rate: 0.0, ..flat(1) }).len(), 0);
        assert_eq!(times(GenerateSpec { rate: f64::NAN, ..flat(1) }).len(), 0);
        assert_eq!(times(GenerateSpec { seconds: 0.0, ..flat(1) }).len(), 0);
    }
}
