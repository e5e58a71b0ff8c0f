//! Every metric the gateway can emit, as data: one definition from which instruments, reference docs,
//! dashboards and alerts are made. It owns names, units, buckets and the attributes each metric may
//! carry; it refuses to record anything.
//!
//! Names follow OpenTelemetry's HTTP conventions (stable) and GenAI conventions (in development, as of
//! November 2026) where they have one, and begin with `sluicegate.` where they do not.

pub mod attributes;
mod metrics;
mod render;
pub mod spans;
#[cfg(test)]
mod tests;

use attributes::Attribute;

pub use metrics::*;
pub use render::{to_json, to_markdown};

/// How a metric's values combine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// A sum that only grows.
    Counter,
    /// A sum that grows and shrinks.
    UpDownCounter,
    /// The current value.
    Gauge,
    /// A distribution over explicit buckets.
    Histogram,
}

/// One metric.
#[derive(Debug, serde::Serialize)]
pub struct Metric {
    /// Name, as OTLP carries it.
    pub name: &'static str,
    /// Unit in UCUM: `s`, `1`, or an annotation such as `{request}`.
    pub unit: &'static str,
    /// Kind.
    pub kind: Kind,
    /// One sentence for a person.
    pub description: &'static str,
    /// Upper bounds of the buckets, ascending; histograms only. Without integers where an objective may
    /// be drawn, because back ends disagree on how to print those.
    pub buckets: &'static [f64],
    /// Attributes a point may carry, and no others.
    pub attributes: &'static [&'static Attribute],
    /// Attribute sets kept at most; further ones share one point marked `otel.metric.overflow`.
    pub cardinality: usize,
}

impl Metric {
    /// The series name in Prometheus: dots become underscores, the unit and `_total` are appended.
    /// Histograms have `_bucket`, `_sum` and `_count` after it.
    #[must_use]
    pub fn prometheus_name(&self) -> String {
        let unit = match (self.unit, self.kind) {
            ("s", _) => "_seconds",
            ("1", Kind::Gauge) => "_ratio",
            _ => "",
        };
        let total = if self.kind == Kind::Counter { "_total" } else { "" };
        format!("{}{unit}{total}", self.name.replace('.', "_"))
    }
}
