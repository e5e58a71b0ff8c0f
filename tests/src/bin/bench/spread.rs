//! Repeated measurements as one figure with its spread. It owns median, least and most; it refuses means:
//! on a shared machine they follow the neighbours.

use serde::Serialize;

/// What several rounds came to.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub(crate) struct Spread {
    /// The middle one; of an even number the mean of the two.
    pub(crate) median: f64,
    /// The least.
    pub(crate) min: f64,
    /// The most.
    pub(crate) max: f64,
}

impl Spread {
    /// Of `values`; nothing comes of none.
    pub(crate) fn of(values: impl IntoIterator<Item = f64>) -> Option<Self> {
        let mut sorted: Vec<f64> = values.into_iter().collect();
        sorted.sort_by(f64::total_cmp);
        let (min, max) = (*sorted.first()?, *sorted.last()?);
        let upper = *sorted.get(sorted.len() / 2)?;
        let lower = *sorted.get(sorted.len().saturating_sub(1) / 2)?;
        Some(Self { median: f64::midpoint(lower, upper), min, max })
    }

    /// Of what `combine` makes of the two values of each round, so that a slow round counts in both.
    pub(crate) fn of_pairs(left: &[f64], right: &[f64], combine: impl Fn(f64, f64) -> f64) -> Option<Self> {
        Self::of(left.iter().zip(right).map(|(left, right)| combine(*left, *right)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_middle_of_odd_and_even_numbers_of_values() {
        let spread = Spread::of([3.0, 1.0, 9.0]).unwrap();
        assert_eq!((spread.median, spread.min, spread.max), (3.0, 1.0, 9.0));
        assert_eq!(Spread::of([1.0, 3.0]).unwrap().median, 2.0);
        assert_eq!(Spread::of([]), None);
    }

    #[test]
    fn a_round_that_slows_both_down_leaves_their_ratio_alone() {
        let ratio = Spread::of_pairs(&[20.0, 60.0], &[10.0, 30.0], |left, right| left / right).unwrap();
        assert_eq!((ratio.min, ratio.max), (2.0, 2.0));
    }
}
