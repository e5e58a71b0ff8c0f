//! Counts of telemetry that was given up so that requests were not held up. It owns the tally per
//! signal; it refuses to decide what to drop.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// What kind of telemetry was lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Signal {
    /// Spans of requests and of the gateway itself.
    Traces,
    /// Metric points of an export that failed. The series are cumulative: the next export that
    /// succeeds carries their values.
    Metrics,
    /// Lines of the access log.
    AccessLog,
}

impl Signal {
    /// Every signal.
    pub const ALL: [Self; 3] = [Self::Traces, Self::Metrics, Self::AccessLog];

    /// The value of the attribute `sluicegate.signal`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Traces => "traces",
            Self::Metrics => "metrics",
            Self::AccessLog => "access_log",
        }
    }
}

/// Lost items per signal since start. Clones share one tally, which is exported as
/// `sluicegate.telemetry.dropped`.
#[derive(Clone, Debug, Default)]
pub struct Drops {
    tally: Arc<Tally>,
}

#[derive(Debug, Default)]
struct Tally {
    traces: AtomicU64,
    metrics: AtomicU64,
    access_log: AtomicU64,
}

impl Drops {
    /// Adds `items` lost.
    pub fn add(&self, signal: Signal, items: u64) {
        self.cell(signal).fetch_add(items, Ordering::Relaxed);
    }

    /// Items lost so far.
    #[must_use]
    pub fn count(&self, signal: Signal) -> u64 {
        self.cell(signal).load(Ordering::Relaxed)
    }

    fn cell(&self, signal: Signal) -> &AtomicU64 {
        match signal {
            Signal::Traces => &self.tally.traces,
            Signal::Metrics => &self.tally.metrics,
            Signal::AccessLog => &self.tally.access_log,
        }
    }
}
