//! The process's own log: starts, reloads, probes, failures of its surroundings. It owns format, filter
//! and the bridge that turns its spans into traces; it refuses everything below a warning from crates
//! that are not ours, whatever the filter says, because their finer events print headers and bodies.

use tracing::{Level, Metadata};
#[cfg(feature = "otlp")]
use tracing_subscriber::Registry;
use tracing_subscriber::filter::{EnvFilter, LevelFilter, ParseError, filter_fn};
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{Layer, fmt};

/// Crates of this product: what they log is ours to answer for.
const OURS: &[&str] = &[
    "sluicegate",
    "decision",
    "feedback_loop",
    "ledger",
    "loadtest",
    "model_sim",
    "policy_compiler",
    "rule_table",
    "telemetry",
    "trace",
    "vocabulary",
    "wire",
];

/// Already told by the exporter's own wrapper, once per outage instead of once per export.
const SILENT: &str = "opentelemetry";

/// How lines look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// For people.
    Text,
    /// One JSON object per line.
    Json,
}

/// Why the log could not be set up.
#[derive(Debug, thiserror::Error)]
pub enum OperationalError {
    /// The filter is not understood.
    #[error("log filter `{filter}`: {source}; write a level such as `info`, or `sluicegate=debug,warn`")]
    Filter {
        /// As given.
        filter: String,
        /// What is wrong with it.
        source: ParseError,
    },
    /// Something else has set up logging for this process.
    #[error("logging is already set up in this process")]
    AlreadySet,
}

#[cfg(feature = "otlp")]
type SpanLayer = tracing_opentelemetry::OpenTelemetryLayer<Registry, opentelemetry_sdk::trace::SdkTracer>;

/// The running log.
pub struct Operational {
    #[cfg(feature = "otlp")]
    spans: tracing_subscriber::reload::Handle<Option<SpanLayer>, Registry>,
}

/// Starts logging to stderr for the whole process. `filter` is a level or a list of `target=level`.
///
/// # Errors
/// When the filter is not understood or logging is set up already.
pub fn init(format: Format, filter: &str) -> Result<Operational, OperationalError> {
    let filter = EnvFilter::builder()
        .parse(filter)
        .map_err(|source| OperationalError::Filter { filter: filter.to_owned(), source })?;
    let admitted = filter_fn(is_admitted);
    let lines: Box<dyn Layer<_> + Send + Sync> = match format {
        Format::Text => fmt::layer().with_ansi(takes_colour()).with_writer(std::io::stderr).boxed(),
        Format::Json => fmt::layer().json().flatten_event(true).with_writer(std::io::stderr).boxed(),
    };
    #[cfg(feature = "otlp")]
    let (spans, handle) = tracing_subscriber::reload::Layer::new(None);
    let registry = tracing_subscriber::registry();
    // Without the hint every debug line of every crate would be offered to the filters, on the request path.
    #[cfg(feature = "otlp")]
    let registry =
        registry.with(spans.with_filter(filter_fn(becomes_span).with_max_level_hint(LevelFilter::INFO)));
    registry
        .with(lines.with_filter(admitted).with_filter(filter))
        .try_init()
        .map_err(|_| OperationalError::AlreadySet)?;
    Ok(Operational {
        #[cfg(feature = "otlp")]
        spans: handle,
    })
}

impl std::fmt::Debug for Operational {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Operational")
    }
}

#[cfg(feature = "otlp")]
impl Operational {
    /// From now on the gateway's own spans of level info and above are exported as traces of their own.
    pub fn export(&self, telemetry: &crate::otlp::Telemetry) {
        use opentelemetry::trace::TracerProvider as _;
        let tracer = telemetry.tracer().tracer("sluicegate.operational");
        let layer = tracing_opentelemetry::layer()
            .with_tracer(tracer)
            .with_location(false)
            .with_threads(false)
            .with_tracked_inactivity(false);
        // The handle outlives the subscriber only while the process ends.
        let _ = self.spans.reload(Some(layer));
    }

    /// Stops exporting them, before the export itself is shut down.
    pub fn detach(&self) {
        let _ = self.spans.reload(None);
    }
}

/// A terminal whose user has not asked for none (<https://no-color.org>).
fn takes_colour() -> bool {
    use std::io::IsTerminal as _;
    std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}

fn is_admitted(metadata: &Metadata<'_>) -> bool {
    is_ours(metadata.target()) || (*metadata.level() <= Level::WARN && !metadata.target().starts_with(SILENT))
}

#[cfg_attr(not(feature = "otlp"), expect(dead_code, reason = "only export turns spans into traces"))]
fn becomes_span(metadata: &Metadata<'_>) -> bool {
    is_ours(metadata.target()) && *metadata.level() <= Level::INFO
}

fn is_ours(target: &str) -> bool {
    let crate_name = target.split("::").next().unwrap_or_default();
    OURS.contains(&crate_name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_our_own_crates_speak_below_a_warning() {
        assert!(is_ours("sluicegate::edge::respond"));
        assert!(is_ours("wire"));
        assert!(!is_ours("hyper::proto::h1"));
        assert!(!is_ours("sluicegate_impostor"));
        assert!(!is_ours("opentelemetry-otlp"));
    }

    #[test]
    fn a_filter_that_is_not_one_is_reported() {
        let error = init(Format::Text, "sluicegate=loud").unwrap_err();
        assert!(error.to_string().contains("`sluicegate=loud`"), "{error}");
    }
}
