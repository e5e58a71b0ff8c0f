//! The catalogue as JSON for programs and as Markdown for people. It owns their layout; it refuses to
//! know anything about a metric that the table does not say.

use std::fmt::Write as _;

use super::{Attribute, METRICS, Metric, attributes};

/// The catalogue as a JSON object: `metrics` and `attributes`.
#[must_use]
pub fn to_json() -> serde_json::Value {
    let metrics: Vec<_> = METRICS.iter().map(|metric| metric_json(metric)).collect();
    serde_json::json!({ "metrics": metrics, "attributes": attributes::ALL })
}

fn metric_json(metric: &Metric) -> serde_json::Value {
    serde_json::json!({
        "name": metric.name,
        "prometheus_name": metric.prometheus_name(),
        "unit": metric.unit,
        "kind": metric.kind,
        "description": metric.description,
        "buckets": metric.buckets,
        "attributes": metric.attributes.iter().map(|attribute| attribute.key).collect::<Vec<_>>(),
        "cardinality": metric.cardinality,
    })
}

const HEAD: &str = "\
<!-- Generated from proxy/telemetry/src/catalogue; regenerate with `UPDATE_DOCS=1 cargo test -p telemetry`. -->

# Metrics

Names follow OpenTelemetry's HTTP and GenAI conventions where they have one, and begin with `sluicegate.`
where they do not. Histograms have explicit buckets, sums are cumulative. The Prometheus name is what the
standard OTLP translation makes of it; histograms add `_bucket`, `_sum` and `_count`.

Durations are in policy time, which is wall-clock time unless a `time_scale` compresses a run;
`sluicegate.overhead.duration` is always wall-clock time.

";

/// The reference documentation, as kept in `docs/metrics.md`.
#[must_use]
pub fn to_markdown() -> String {
    let mut page = HEAD.to_owned();
    page.push_str("| Metric | Unit | Kind | Prometheus name | Meaning |\n|---|---|---|---|---|\n");
    for metric in METRICS {
        push(&mut page, format_args!("| [`{}`](#{}) ", metric.name, anchor(metric.name)));
        push(&mut page, format_args!("| `{}` | {} ", metric.unit, kind_name(metric)));
        push(&mut page, format_args!("| `{}` | {} |\n", metric.prometheus_name(), metric.description));
    }
    for metric in METRICS {
        section(&mut page, metric);
    }
    page.push_str("\n## Attributes\n\n| Attribute | Values |\n|---|---|\n");
    for attribute in attributes::ALL {
        push(&mut page, format_args!("| `{}` | {} |\n", attribute.key, attribute.description));
    }
    page
}

fn section(page: &mut String, metric: &Metric) {
    push(page, format_args!("\n## {}\n\n{}\n\n", metric.name, metric.description));
    push(page, format_args!("- Attributes: {}\n", keys(metric.attributes)));
    push(page, format_args!("- Series at most: {}\n", metric.cardinality));
    if !metric.buckets.is_empty() {
        let bounds: Vec<_> = metric.buckets.iter().map(f64::to_string).collect();
        push(page, format_args!("- Buckets up to: {}\n", bounds.join(", ")));
    }
}

fn keys(attributes: &[&Attribute]) -> String {
    if attributes.is_empty() {
        return "none".to_owned();
    }
    let keys: Vec<_> = attributes.iter().map(|attribute| format!("`{}`", attribute.key)).collect();
    keys.join(", ")
}

const fn kind_name(metric: &Metric) -> &'static str {
    match metric.kind {
        super::Kind::Counter => "counter",
        super::Kind::UpDownCounter => "up-down counter",
        super::Kind::Gauge => "gauge",
        super::Kind::Histogram => "histogram",
    }
}

/// How Markdown renderers derive a heading's anchor.
fn anchor(heading: &str) -> String {
    heading.replace('.', "")
}

fn push(page: &mut String, text: std::fmt::Arguments<'_>) {
    // Writing to a string cannot fail.
    let _ = page.write_fmt(text);
}
