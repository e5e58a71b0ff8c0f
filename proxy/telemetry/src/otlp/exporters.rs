//! The two OTLP exporters and what is wrapped around them: a runtime to run in, a bound on time, a count
//! of losses and a word in the log when export starts or stops failing.

use std::fmt;
use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use ::http::{HeaderMap, HeaderName, HeaderValue, Uri};
use opentelemetry_otlp::tonic_types::metadata::MetadataMap;
use opentelemetry_otlp::tonic_types::transport::ClientTlsConfig;
use opentelemetry_otlp::{MetricExporter, SpanExporter, WithExportConfig, WithHttpConfig, WithTonicConfig};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::{OTelSdkError, OTelSdkResult};
use opentelemetry_sdk::metrics::Temporality;
use opentelemetry_sdk::metrics::data::{AggregatedMetrics, MetricData, ResourceMetrics};
use opentelemetry_sdk::metrics::exporter::PushMetricExporter;
use opentelemetry_sdk::trace::{SpanData, SpanExporter as ExportSpans};
use parking_lot::RwLock;
use tokio::runtime::{Handle, Runtime};

use super::http::{Client, METRICS_PATH, TRACES_PATH};
use super::{ExportConfig, ExportError, Protocol};
use crate::drops::{Drops, Signal};

pub(super) struct Exporters {
    pub(super) metrics: CountedMetrics,
    pub(super) spans: CountedSpans,
    pub(super) gate: Gate,
}

impl Exporters {
    pub(super) fn new(config: &ExportConfig, runtime: &Runtime, drops: &Drops) -> Result<Self, ExportError> {
        let _entered = runtime.enter();
        let headers = headers(config)?;
        let secure = endpoint_is_secure(&config.endpoint)?;
        let (metrics, spans) = match config.protocol {
            Protocol::Grpc => grpc(config, &headers, secure)?,
            Protocol::HttpProtobuf => http(config, &headers, secure, runtime.handle())?,
        };
        let gate = Gate { runtime: runtime.handle().clone(), open: Arc::new(RwLock::new(true)) };
        let guard = |signal| Guard {
            gate: gate.clone(),
            timeout: config.timeout,
            drops: drops.clone(),
            signal,
            failing: AtomicBool::new(false),
        };
        Ok(Self {
            metrics: CountedMetrics { inner: metrics, guard: guard(Signal::Metrics) },
            spans: CountedSpans { inner: spans, guard: guard(Signal::Traces), waiting: Arc::default() },
            gate,
        })
    }
}

fn endpoint_is_secure(endpoint: &str) -> Result<bool, ExportError> {
    let error = |why: &str| ExportError::Endpoint { endpoint: endpoint.to_owned(), why: why.to_owned() };
    let uri: Uri = endpoint.parse().map_err(|_| error("it is not a URL"))?;
    if uri.host().is_none_or(str::is_empty) {
        return Err(error("it names no host"));
    }
    match uri.scheme_str() {
        Some("http") => Ok(false),
        Some("https") => Ok(true),
        _ => Err(error("its scheme is neither http nor https")),
    }
}

fn headers(config: &ExportConfig) -> Result<HeaderMap, ExportError> {
    let mut map = HeaderMap::new();
    for (name, value) in &config.headers {
        let error = || ExportError::Header { name: name.clone() };
        let key = HeaderName::from_bytes(name.as_bytes()).map_err(|_| error())?;
        let mut value = HeaderValue::from_str(value.expose()).map_err(|_| error())?;
        value.set_sensitive(true);
        map.append(key, value);
    }
    Ok(map)
}

type Built = (MetricExporter, SpanExporter);

fn metrics_error(source: opentelemetry_otlp::ExporterBuildError) -> ExportError {
    ExportError::Exporter { signal: Signal::Metrics.name(), source }
}

fn traces_error(source: opentelemetry_otlp::ExporterBuildError) -> ExportError {
    ExportError::Exporter { signal: Signal::Traces.name(), source }
}

fn grpc(config: &ExportConfig, headers: &HeaderMap, secure: bool) -> Result<Built, ExportError> {
    let metadata = || MetadataMap::from_headers(headers.clone());
    let tls = || ClientTlsConfig::new().with_native_roots();
    let mut metrics = MetricExporter::builder()
        .with_tonic()
        .with_endpoint(&config.endpoint)
        .with_timeout(config.timeout)
        .with_metadata(metadata());
    let mut spans = SpanExporter::builder()
        .with_tonic()
        .with_endpoint(&config.endpoint)
        .with_timeout(config.timeout)
        .with_metadata(metadata());
    if secure {
        metrics = metrics.with_tls_config(tls());
        spans = spans.with_tls_config(tls());
    }
    let metrics = metrics.with_temporality(Temporality::Cumulative).build().map_err(metrics_error)?;
    Ok((metrics, spans.build().map_err(traces_error)?))
}

fn http(
    config: &ExportConfig,
    headers: &HeaderMap,
    secure: bool,
    runtime: &Handle,
) -> Result<Built, ExportError> {
    let client = Client::new(secure, headers.clone(), runtime.clone(), config.timeout)?;
    let base = config.endpoint.trim_end_matches('/');
    let metrics = MetricExporter::builder()
        .with_http()
        .with_protocol(opentelemetry_otlp::Protocol::HttpBinary)
        .with_endpoint(format!("{base}{METRICS_PATH}"))
        .with_timeout(config.timeout)
        .with_http_client(client.clone())
        .with_temporality(Temporality::Cumulative)
        .build()
        .map_err(metrics_error)?;
    let spans = SpanExporter::builder()
        .with_http()
        .with_protocol(opentelemetry_otlp::Protocol::HttpBinary)
        .with_endpoint(format!("{base}{TRACES_PATH}"))
        .with_timeout(config.timeout)
        .with_http_client(client)
        .build()
        .map_err(traces_error)?;
    Ok((metrics, spans))
}

/// Runs one export and accounts for its end.
#[derive(Debug)]
struct Guard {
    gate: Gate,
    timeout: Duration,
    drops: Drops,
    signal: Signal,
    failing: AtomicBool,
}

impl Guard {
    /// `items` is only asked for when they are lost.
    async fn run(
        &self,
        export: impl Future<Output = OTelSdkResult>,
        items: impl FnOnce() -> u64,
    ) -> OTelSdkResult {
        let bounded = async {
            match tokio::time::timeout(self.timeout, export).await {
                Ok(result) => result,
                Err(_) => Err(OTelSdkError::Timeout(self.timeout)),
            }
        };
        let result = Gated { gate: &self.gate, future: pin!(bounded) }.await;
        match &result {
            Ok(()) => {
                if self.failing.swap(false, Ordering::Relaxed) {
                    tracing::info!(signal = self.signal.name(), "telemetry is exported again");
                }
            }
            Err(error) => {
                self.drops.add(self.signal, items());
                if !self.failing.swap(true, Ordering::Relaxed) {
                    tracing::warn!(signal = self.signal.name(), %error, "telemetry cannot be exported and is dropped");
                }
            }
        }
        result
    }
}

/// The way into the exporter's runtime. The SDK polls exports on plain threads, where timers and sockets
/// of the runtime would not be found, and where they would panic once it is gone.
#[derive(Clone, Debug)]
pub(super) struct Gate {
    runtime: Handle,
    open: Arc<RwLock<bool>>,
}

impl Gate {
    /// Waits for polls under way, which are short, and lets no further one in: exports end with an error
    /// when they are next polled. The runtime can go now.
    pub(super) fn close(&self) {
        *self.open.write() = false;
    }
}

struct Gated<'a, F> {
    gate: &'a Gate,
    future: Pin<&'a mut F>,
}

impl<F: Future<Output = OTelSdkResult>> Future for Gated<'_, F> {
    type Output = OTelSdkResult;
    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<OTelSdkResult> {
        let open = self.gate.open.read();
        if !*open {
            return Poll::Ready(Err(OTelSdkError::AlreadyShutdown));
        }
        let _entered = self.gate.runtime.enter();
        self.future.as_mut().poll(context)
    }
}

pub(super) struct CountedMetrics {
    inner: MetricExporter,
    guard: Guard,
}

impl PushMetricExporter for CountedMetrics {
    async fn export(&self, metrics: &ResourceMetrics) -> OTelSdkResult {
        self.guard.run(self.inner.export(metrics), || points(metrics)).await
    }

    fn force_flush(&self) -> OTelSdkResult {
        self.inner.force_flush()
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.inner.shutdown_with_timeout(timeout)
    }

    fn temporality(&self) -> Temporality {
        Temporality::Cumulative
    }
}

fn points(metrics: &ResourceMetrics) -> u64 {
    let count = |data: &AggregatedMetrics| match data {
        AggregatedMetrics::F64(data) => count_points(data),
        AggregatedMetrics::U64(data) => count_points(data),
        AggregatedMetrics::I64(data) => count_points(data),
    };
    metrics.scope_metrics().flat_map(|scope| scope.metrics()).map(|metric| count(metric.data()) as u64).sum()
}

fn count_points<T>(data: &MetricData<T>) -> usize {
    match data {
        MetricData::Gauge(gauge) => gauge.data_points().count(),
        MetricData::Sum(sum) => sum.data_points().count(),
        MetricData::Histogram(histogram) => histogram.data_points().count(),
        MetricData::ExponentialHistogram(histogram) => histogram.data_points().count(),
    }
}

pub(super) struct CountedSpans {
    inner: SpanExporter,
    guard: Guard,
    waiting: Arc<AtomicUsize>,
}

impl CountedSpans {
    /// Spans queued and not yet handed to the exporter.
    pub(super) fn waiting(&self) -> Arc<AtomicUsize> {
        Arc::clone(&self.waiting)
    }
}

impl fmt::Debug for CountedSpans {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CountedSpans").field("waiting", &self.waiting).finish_non_exhaustive()
    }
}

impl ExportSpans for CountedSpans {
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        let items = batch.len();
        self.waiting.fetch_sub(items, Ordering::Relaxed);
        self.guard.run(self.inner.export(batch), || items as u64).await
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.inner.shutdown_with_timeout(timeout)
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.inner.set_resource(resource);
    }
}
