//! Export of metrics and spans over OTLP, gRPC or HTTP. It owns the exporters, their bounded queues and a
//! runtime of their own; it refuses to let a slow or absent collector reach a request.

mod exporters;
mod http;
mod sink;

use std::sync::Arc;
use std::sync::mpsc::sync_channel;
use std::time::{Duration, Instant};

use opentelemetry::metrics::MeterProvider as _;
use opentelemetry::{InstrumentationScope, KeyValue};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::metrics::{Instrument, PeriodicReader, SdkMeterProvider, Stream};
use opentelemetry_sdk::trace::{Sampler, SdkTracerProvider};
use tokio::runtime::Runtime;
use vocabulary::Share;

use crate::catalogue::METRICS;
use crate::context::Sampling;
use crate::drops::Drops;
use crate::instruments::Instruments;
use crate::recorder::Recorder;
use crate::spans::Traces;
use exporters::{Exporters, Gate};
pub(crate) use sink::SpanSink;

/// The environment variable that asks for other temporalities than cumulative.
const TEMPORALITY_VARIABLE: &str = "OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE";

/// OTLP transport.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// gRPC, usually port 4317.
    Grpc,
    /// Protobuf over HTTP/1.1, usually port 4318.
    HttpProtobuf,
}

/// A header value that is not shown.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Wraps a value.
    #[must_use]
    pub fn new(value: impl Into<String>) -> Self {
        Self(value.into())
    }

    fn expose(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secret")
    }
}

/// Where and how to export.
#[derive(Clone, Debug)]
pub struct ExportConfig {
    /// Base URL such as `http://127.0.0.1:4317`; HTTP appends `/v1/metrics` and `/v1/traces`.
    pub endpoint: String,
    /// Transport.
    pub protocol: Protocol,
    /// Sent with every export.
    pub headers: Vec<(String, Secret)>,
    /// Time between two exports of metrics.
    pub interval: Duration,
    /// Time one export may take, retries included.
    pub timeout: Duration,
    /// Spans that wait for export, at most; a trace that does not fit is dropped whole.
    pub span_queue: usize,
    /// `service.name`.
    pub service_name: String,
    /// `service.version`.
    pub service_version: String,
    /// `service.instance.id`.
    pub instance_id: String,
    /// Which traces are kept.
    pub sampling: Sampling,
}

impl ExportConfig {
    /// Defaults for everything but the collector: 15 s interval, 10 s timeout, all traces.
    #[must_use]
    pub fn new(endpoint: impl Into<String>, protocol: Protocol) -> Self {
        Self {
            endpoint: endpoint.into(),
            protocol,
            headers: Vec::new(),
            interval: Duration::from_secs(15),
            timeout: Duration::from_secs(10),
            span_queue: 8_192,
            service_name: "sluicegate".to_owned(),
            service_version: env!("CARGO_PKG_VERSION").to_owned(),
            instance_id: String::new(),
            sampling: Sampling { ratio: Share { ppm: 1_000_000 }, slow: None },
        }
    }
}

/// Why export could not be started.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    /// The endpoint is not a URL of a collector.
    #[error("OTLP endpoint `{endpoint}`: {why}; give a base URL such as `http://127.0.0.1:4317`")]
    Endpoint {
        /// As configured.
        endpoint: String,
        /// What is wrong with it.
        why: String,
    },
    /// A header's name or value cannot be sent.
    #[error("OTLP header `{name}` cannot be sent: its name or value has characters outside HTTP's grammar")]
    Header {
        /// Its name.
        name: String,
    },
    /// Another temporality is asked for.
    #[error(
        "{TEMPORALITY_VARIABLE} is `{0}`, but metrics are exported as cumulative sums only: dashboards and \
         alerts read those; unset the variable or set it to `cumulative`"
    )]
    Temporality(String),
    /// The exporter refuses its settings.
    #[error("OTLP exporter for {signal}: {source}")]
    Exporter {
        /// `metrics` or `traces`.
        signal: &'static str,
        /// What it said.
        source: opentelemetry_otlp::ExporterBuildError,
    },
    /// The system's certificates could not be read.
    #[error("OTLP over TLS needs the system's root certificates: {0}")]
    Roots(std::io::Error),
    /// The exporter's runtime could not be started.
    #[error("the OTLP exporter's thread cannot be started: {0}")]
    Runtime(std::io::Error),
}

/// Starts export.
#[derive(Debug)]
pub struct Export;

impl Export {
    /// Starts the exporters. Losses are added to `drops`, which are exported too. Works within and
    /// outside an async runtime, and does not connect before the first export.
    ///
    /// # Errors
    /// When the endpoint, a header or the environment's wishes cannot be honoured.
    pub fn start(config: &ExportConfig, drops: &Drops) -> Result<Telemetry, ExportError> {
        cumulative_only(std::env::var(TEMPORALITY_VARIABLE).ok().as_deref())?;
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .thread_name("otlp")
            .enable_all()
            .build()
            .map_err(ExportError::Runtime)?;
        let exporters = Exporters::new(config, &runtime, drops)?;
        let resource = resource(config);
        let reader = PeriodicReader::builder(exporters.metrics).with_interval(config.interval).build();
        let metrics = SdkMeterProvider::builder()
            .with_reader(reader)
            .with_view(bounded)
            .with_resource(resource.clone())
            .build();
        let sink = Arc::new(SpanSink::start(exporters.spans, &resource, config.span_queue, drops));
        let tracer = SdkTracerProvider::builder()
            .with_span_processor(sink::Shared(Arc::clone(&sink)))
            .with_sampler(Sampler::AlwaysOn)
            .with_resource(resource)
            .build();
        let scope =
            InstrumentationScope::builder("sluicegate").with_version(config.service_version.clone()).build();
        let recorder = Recorder::new(&metrics.meter_with_scope(scope), drops, &config.service_version);
        Ok(Telemetry {
            instruments: Instruments::recording(recorder),
            traces: Traces::exporting(sink, config.sampling),
            metrics,
            tracer,
            gate: exporters.gate,
            runtime: Some(runtime),
        })
    }
}

fn cumulative_only(preference: Option<&str>) -> Result<(), ExportError> {
    match preference {
        None | Some("") => Ok(()),
        Some(wish) if wish.eq_ignore_ascii_case("cumulative") => Ok(()),
        Some(wish) => Err(ExportError::Temporality(wish.to_owned())),
    }
}

fn resource(config: &ExportConfig) -> Resource {
    let mut identity = vec![KeyValue::new("service.version", config.service_version.clone())];
    if !config.instance_id.is_empty() {
        identity.push(KeyValue::new("service.instance.id", config.instance_id.clone()));
    }
    Resource::builder().with_service_name(config.service_name.clone()).with_attributes(identity).build()
}

/// Bounds each metric's series as the catalogue says.
fn bounded(instrument: &Instrument) -> Option<Stream> {
    let metric = METRICS.iter().find(|metric| metric.name == instrument.name())?;
    Stream::builder().with_cardinality_limit(metric.cardinality).build().ok()
}

/// Running export. Dropping it without [`Telemetry::shutdown`] loses what is queued.
#[derive(Debug)]
pub struct Telemetry {
    instruments: Instruments,
    traces: Traces,
    metrics: SdkMeterProvider,
    tracer: SdkTracerProvider,
    gate: Gate,
    runtime: Option<Runtime>,
}

impl Telemetry {
    /// For recording metrics.
    #[must_use]
    pub fn instruments(&self) -> Instruments {
        self.instruments.clone()
    }

    /// For recording the traces of requests.
    #[must_use]
    pub fn traces(&self) -> Traces {
        self.traces.clone()
    }

    /// For the gateway's own spans, through `tracing`.
    pub(crate) fn tracer(&self) -> &SdkTracerProvider {
        &self.tracer
    }

    /// Exports what there is now; says whether all of it arrived within `timeout`. Blocks.
    #[must_use]
    pub fn flush(&self, timeout: Duration) -> bool {
        let (metrics, tracer) = (self.metrics.clone(), self.tracer.clone());
        both(timeout, move || tracer.force_flush().is_ok(), move || metrics.force_flush().is_ok())
    }

    /// Exports what is queued and stops; says whether all of it arrived within `timeout`. Blocks, and
    /// never for much longer than `timeout`. What is recorded afterwards is lost.
    pub fn shutdown(mut self, timeout: Duration) -> bool {
        let (metrics, tracer) = (self.metrics.clone(), self.tracer.clone());
        let arrived = both(
            timeout,
            move || tracer.shutdown_with_timeout(timeout).is_ok(),
            move || metrics.shutdown_with_timeout(timeout).is_ok(),
        );
        self.stop_runtime();
        arrived
    }

    /// Without waiting: an export still under way is given up.
    fn stop_runtime(&mut self) {
        self.gate.close();
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

impl Drop for Telemetry {
    fn drop(&mut self) {
        self.stop_runtime();
    }
}

/// Runs both on threads of their own, because the SDK's calls have no bound or one of their own.
fn both(
    timeout: Duration,
    spans: impl FnOnce() -> bool + Send + 'static,
    metrics: impl FnOnce() -> bool + Send + 'static,
) -> bool {
    let deadline = Instant::now() + timeout;
    let (done, results) = sync_channel(2);
    let spawn = |work: Box<dyn FnOnce() -> bool + Send>| {
        let done = done.clone();
        let report = move || {
            // Nobody listens any more once the timeout has passed.
            let _ = done.send(work());
        };
        std::thread::Builder::new().name("otlp-flush".to_owned()).spawn(report).is_ok()
    };
    if !spawn(Box::new(spans)) || !spawn(Box::new(metrics)) {
        return false;
    }
    let wait = || results.recv_timeout(deadline.saturating_duration_since(Instant::now())).unwrap_or(false);
    let first = wait();
    wait() && first
}

#[cfg(test)]
mod tests;
