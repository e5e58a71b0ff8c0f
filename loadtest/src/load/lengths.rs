//! Distributions of token counts, as written on the command line. It owns their grammar and sampling;
//! it refuses to own randomness, which callers pass in.

use std::fmt;
use std::str::FromStr;

use rand::Rng;
use rand_distr::{Distribution, StandardNormal, StandardUniform};

/// A distribution of token counts.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Lengths {
    /// Always this many; written `600` or `constant(600)`.
    Constant(u64),
    /// Any count from the first to the second, both included; written `uniform(100, 900)`.
    Uniform(u64, u64),
    /// A log-normal with this median and this standard deviation of the logarithm; written
    /// `lognormal(600, 1.1)`.
    LogNormal(f64, f64),
}

/// The longest text a draw may ask for, so that a heavy tail cannot ask for gigabytes.
const MAX_TOKENS: u64 = 1_000_000;

/// A text that describes no distribution.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{given}` is not a token count such as `600`, `uniform(100, 900)` or `lognormal(600, 1.1)` (median, sigma)"
)]
pub struct LengthsError {
    given: String,
}

impl Lengths {
    /// Draws one count, at least 1 and at most a million.
    pub fn sample(&self, rng: &mut impl Rng) -> u64 {
        let drawn = match *self {
            Self::Constant(count) => count,
            Self::Uniform(low, high) => {
                let unit: f64 = StandardUniform.sample(rng);
                low + (unit * (high - low + 1) as f64) as u64
            }
            Self::LogNormal(median, sigma) => {
                let normal: f64 = StandardNormal.sample(rng);
                (median * (sigma * normal).exp()).round() as u64
            }
        };
        drawn.clamp(1, MAX_TOKENS)
    }
}

impl FromStr for Lengths {
    type Err = LengthsError;

    fn from_str(text: &str) -> Result<Self, LengthsError> {
        let error = || LengthsError { given: text.to_owned() };
        let count =
            |s: &str| s.parse::<u64>().ok().filter(|n| (1..=MAX_TOKENS).contains(n)).ok_or_else(error);
        let Some((name, rest)) = text.split_once('(') else { return count(text.trim()).map(Self::Constant) };
        let inner = rest.strip_suffix(')').ok_or_else(error)?;
        let arguments: Vec<&str> = inner.split(',').map(str::trim).collect();
        match (name.trim(), arguments.as_slice()) {
            ("constant", [value]) => count(value).map(Self::Constant),
            ("uniform", [low, high]) => {
                let (low, high) = (count(low)?, count(high)?);
                if low > high { Err(error()) } else { Ok(Self::Uniform(low, high)) }
            }
            ("lognormal", [median, sigma]) => {
                let positive =
                    |s: &str| s.parse::<f64>().ok().filter(|n| n.is_finite() && *n >= 0.0).ok_or_else(error);
                let (median, sigma) = (positive(median)?, positive(sigma)?);
                if median < 1.0 || sigma > 5.0 { Err(error()) } else { Ok(Self::LogNormal(median, sigma)) }
            }
            _ => Err(error()),
        }
    }
}

impl fmt::Display for Lengths {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Constant(count) => write!(f, "{count}"),
            Self::Uniform(low, high) => write!(f, "uniform({low}, {high})"),
            Self::LogNormal(median, sigma) => write!(f, "lognormal({median}, {sigma})"),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rand::SeedableRng;
    use rand_chacha::ChaCha8Rng;

    use super::*;

    #[test]
    fn a_log_normal_has_the_median_it_was_given() {
        let lengths: Lengths = "lognormal(600, 1.1)".parse().unwrap();
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        let mut drawn: Vec<u64> = (0..20_000).map(|_| lengths.sample(&mut rng)).collect();
        drawn.sort_unstable();
        let median = drawn[10_000] as f64;
        assert!((median / 600.0 - 1.0).abs() < 0.05, "median {median}");
    }

    #[test]
    fn a_uniform_reaches_both_ends_and_nothing_else() {
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        let drawn: std::collections::BTreeSet<u64> =
            (0..200).map(|_| Lengths::Uniform(3, 6).sample(&mut rng)).collect();
        assert_eq!(drawn, (3..=6).collect());
    }

    #[test]
    fn nonsense_is_refused_with_an_example() {
        for text in [
            "",
            "0",
            "-5",
            "uniform(9, 3)",
            "lognormal(600)",
            "lognormal(600, NaN)",
            "gamma(1, 2)",
            "uniform(1, 2",
        ] {
            let error = text.parse::<Lengths>().unwrap_err();
            assert!(error.to_string().contains("lognormal(600, 1.1)"), "{text}");
        }
    }

    proptest! {
        #[test]
        fn printing_and_parsing_agree(low in 1_u64..1000, more in 0_u64..1000, sigma in 0.0_f64..5.0) {
            for lengths in [Lengths::Constant(low), Lengths::Uniform(low, low + more), Lengths::LogNormal(low as f64, sigma)] {
                prop_assert_eq!(lengths.to_string().parse::<Lengths>().unwrap(), lengths);
            }
        }

        #[test]
        fn no_text_makes_the_parser_panic(text in "\\PC*") {
            let _ = text.parse::<Lengths>();
        }
    }
}
