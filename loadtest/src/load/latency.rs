//! Latency histograms and their summaries. It owns precision and quantiles; it refuses to keep single
//! measurements, so that a run of any length needs the same memory.

use std::time::Duration;

use hdrhistogram::Histogram;
use serde::Serialize;

/// Three significant digits from 1 µs to 10 h of policy time.
const HIGHEST_US: u64 = 36_000_000_000;
const DIGITS: u8 = 3;

/// Latencies of one kind. Merging two gives what one would have held.
#[derive(Clone, Debug)]
pub(crate) struct Latencies {
    histogram: Option<Histogram<u64>>,
}

impl Default for Latencies {
    fn default() -> Self {
        // The bounds are constants; a test shows that they are accepted.
        Self { histogram: Histogram::new_with_bounds(1, HIGHEST_US, DIGITS).ok() }
    }
}

impl Latencies {
    /// Adds one.
    pub(crate) fn record(&mut self, latency: Duration) {
        let micros = u64::try_from(latency.as_micros()).unwrap_or(HIGHEST_US);
        if let Some(histogram) = &mut self.histogram {
            histogram.saturating_record(micros.max(1));
        }
    }

    /// How many were added.
    #[must_use]
    pub(crate) fn count(&self) -> u64 {
        self.histogram.as_ref().map_or(0, Histogram::len)
    }

    /// The latency that `quantile` (0 to 1) of them do not exceed, in seconds.
    #[must_use]
    pub(crate) fn quantile(&self, quantile: f64) -> Option<f64> {
        self.histogram.as_ref().filter(|h| !h.is_empty()).map(|h| h.value_at_quantile(quantile) as f64 / 1e6)
    }

    /// The same, as if `failures` more had taken forever; `None` when the quantile falls among them.
    #[must_use]
    pub(crate) fn quantile_with_failures(&self, quantile: f64, failures: u64) -> Option<f64> {
        let (answered, all) = (self.count() as f64, (self.count() + failures) as f64);
        let within = quantile * all / answered;
        if within <= 1.0 { self.quantile(within) } else { None }
    }

    pub(crate) fn merge(&mut self, other: &Self) {
        if let (Some(mine), Some(theirs)) = (&mut self.histogram, &other.histogram) {
            // Cannot fail: both have the same bounds.
            let _ = mine.add(theirs);
        }
    }

    /// Count, mean and quantiles.
    #[must_use]
    pub(crate) fn summary(&self) -> Summary {
        let at = |quantile| self.quantile(quantile);
        Summary {
            count: self.count(),
            mean_s: self.histogram.as_ref().filter(|h| !h.is_empty()).map(|h| h.mean() / 1e6),
            p50_s: at(0.5),
            p90_s: at(0.9),
            p95_s: at(0.95),
            p99_s: at(0.99),
            p999_s: at(0.999),
            max_s: at(1.0),
        }
    }
}

/// A distribution in figures, in policy seconds; all absent when nothing was measured.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Summary {
    /// Measurements.
    pub count: u64,
    /// Arithmetic mean.
    pub mean_s: Option<f64>,
    /// Median.
    pub p50_s: Option<f64>,
    /// 90th percentile.
    pub p90_s: Option<f64>,
    /// 95th percentile.
    pub p95_s: Option<f64>,
    /// 99th percentile.
    pub p99_s: Option<f64>,
    /// 99.9th percentile.
    pub p999_s: Option<f64>,
    /// Largest.
    pub max_s: Option<f64>,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(millis: impl IntoIterator<Item = u64>) -> Latencies {
        let mut latencies = Latencies::default();
        millis.into_iter().for_each(|ms| latencies.record(Duration::from_millis(ms)));
        latencies
    }

    #[test]
    fn quantiles_are_right_to_three_digits() {
        let summary = of(1..=1000).summary();
        assert_eq!(summary.count, 1000);
        for (got, expected) in
            [(summary.p50_s, 0.5), (summary.p95_s, 0.95), (summary.max_s, 1.0), (summary.mean_s, 0.5005)]
        {
            assert!((got.unwrap() / expected - 1.0).abs() < 2e-3, "{got:?} {expected}");
        }
    }

    #[test]
    fn failures_count_as_forever() {
        let latencies = of(1..=90);
        assert_eq!(latencies.quantile_with_failures(0.5, 10), latencies.quantile(50.0 / 90.0));
        assert!(latencies.quantile_with_failures(0.9, 10).is_some());
        assert_eq!(latencies.quantile_with_failures(0.95, 10), None);
    }

    #[test]
    fn nothing_measured_is_absent_rather_than_zero() {
        assert_eq!(Latencies::default().summary(), Summary::default());
        assert_eq!(Latencies::default().quantile_with_failures(0.5, 3), None);
    }

    #[test]
    fn two_halves_merge_to_the_whole() {
        let mut half = of(1..=500);
        half.merge(&of(501..=1000));
        assert_eq!(half.summary(), of(1..=1000).summary());
    }

    #[test]
    fn what_is_off_the_scale_is_kept_at_its_end() {
        let latencies = of([u64::MAX]);
        assert!(latencies.quantile(1.0).unwrap() >= HIGHEST_US as f64 / 1e6);
    }
}
