//! A collector: a real OTLP server over gRPC. It owns receiving, keeping and waiting for spans and metrics;
//! it refuses to judge them.

use std::collections::BTreeMap;
use std::sync::Arc;

use opentelemetry_proto::tonic::collector::metrics::v1::metrics_service_server::{
    MetricsService, MetricsServiceServer,
};
use opentelemetry_proto::tonic::collector::metrics::v1::{
    ExportMetricsServiceRequest, ExportMetricsServiceResponse,
};
use opentelemetry_proto::tonic::collector::trace::v1::trace_service_server::{
    TraceService, TraceServiceServer,
};
use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTraceServiceRequest, ExportTraceServiceResponse,
};
use opentelemetry_proto::tonic::common::v1::any_value::Value as Any;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue};
use opentelemetry_proto::tonic::metrics::v1::metric::Data;
use opentelemetry_proto::tonic::metrics::v1::{NumberDataPoint, number_data_point};
use opentelemetry_proto::tonic::trace::v1::Span as Wire;
use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
use parking_lot::Mutex;
use prost::Message;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio_stream::wrappers::TcpListenerStream;
use tonic::{Request, Response, Status};

use crate::wait::within;

/// Attributes by key, their values as text.
pub type Attributes = BTreeMap<String, String>;

/// A span as it arrived.
#[derive(Clone, Debug)]
pub struct Span {
    /// Name.
    pub name: String,
    /// Kind.
    pub kind: SpanKind,
    /// 32 hex digits.
    pub trace_id: String,
    /// 16 hex digits.
    pub span_id: String,
    /// 16 hex digits, or empty.
    pub parent: String,
    /// Attributes.
    pub attributes: Attributes,
    /// Whether its status is an error.
    pub failed: bool,
    /// Names of its events.
    pub events: Vec<String>,
    /// Begin and end, Unix nanoseconds.
    pub times: (u64, u64),
}

/// One series of a metric as it was last exported.
#[derive(Clone, Debug, PartialEq)]
pub struct Series {
    /// Attributes.
    pub attributes: Attributes,
    /// The value of a counter or gauge, the sum of a histogram.
    pub value: f64,
    /// Measurements in a histogram; 1 for others.
    pub count: u64,
}

/// A running collector.
#[derive(Debug)]
pub struct Collector {
    endpoint: String,
    kept: Arc<Kept>,
    changes: watch::Receiver<()>,
    _server: JoinSet<()>,
}

#[derive(Debug)]
struct Kept {
    traces: Mutex<Vec<ExportTraceServiceRequest>>,
    metrics: Mutex<Vec<ExportMetricsServiceRequest>>,
    changed: watch::Sender<()>,
}

struct Receiver(Arc<Kept>);

#[tonic::async_trait]
impl TraceService for Receiver {
    async fn export(
        &self,
        request: Request<ExportTraceServiceRequest>,
    ) -> Result<Response<ExportTraceServiceResponse>, Status> {
        self.0.traces.lock().push(request.into_inner());
        self.0.changed.send_replace(());
        Ok(Response::new(ExportTraceServiceResponse::default()))
    }
}

#[tonic::async_trait]
impl MetricsService for Receiver {
    async fn export(
        &self,
        request: Request<ExportMetricsServiceRequest>,
    ) -> Result<Response<ExportMetricsServiceResponse>, Status> {
        self.0.metrics.lock().push(request.into_inner());
        self.0.changed.send_replace(());
        Ok(Response::new(ExportMetricsServiceResponse::default()))
    }
}

impl Collector {
    /// Listens on a free port.
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let endpoint = format!("http://{}", listener.local_addr().expect("an address"));
        let (changed, changes) = watch::channel(());
        let kept = Arc::new(Kept { traces: Mutex::default(), metrics: Mutex::default(), changed });
        let (traces, metrics) = (Receiver(Arc::clone(&kept)), Receiver(Arc::clone(&kept)));
        let mut server = JoinSet::new();
        server.spawn(async move {
            let services = tonic::transport::Server::builder()
                .add_service(TraceServiceServer::new(traces))
                .add_service(MetricsServiceServer::new(metrics));
            services
                .serve_with_incoming(TcpListenerStream::new(listener))
                .await
                .expect("the collector serves");
        });
        Self { endpoint, kept, changes, _server: server }
    }

    /// Its base URL.
    #[must_use]
    pub fn endpoint(&self) -> &str {
        &self.endpoint
    }

    /// Every span so far.
    #[must_use]
    pub fn spans(&self) -> Vec<Span> {
        let traces = self.kept.traces.lock();
        let resources = traces.iter().flat_map(|request| &request.resource_spans);
        resources
            .flat_map(|resource| &resource.scope_spans)
            .flat_map(|scope| &scope.spans)
            .map(Span::of)
            .collect()
    }

    /// The spans of the request of that id, once its SERVER span is there: a trace arrives whole.
    pub async fn trace_of(&self, request_id: &str) -> Vec<Span> {
        let root = || {
            let is_root =
                |span: &Span| span.attributes.get("sluicegate.request_id").is_some_and(|id| id == request_id);
            self.spans().into_iter().find(is_root)
        };
        self.changed("the request's trace", || root().is_some()).await;
        let trace = root().expect("it was there").trace_id;
        self.spans().into_iter().filter(|span| span.trace_id == trace).collect()
    }

    /// The latest series of a metric.
    #[must_use]
    pub fn series(&self, metric: &str) -> Vec<Series> {
        let exports = self.kept.metrics.lock();
        let of_export = |request: &ExportMetricsServiceRequest| {
            let scopes = request.resource_metrics.iter().flat_map(|resource| &resource.scope_metrics);
            let named = scopes.flat_map(|scope| &scope.metrics).filter(|one| one.name == metric);
            named.filter_map(|one| one.data.as_ref()).flat_map(series).collect::<Vec<_>>()
        };
        exports.iter().rev().map(of_export).find(|series| !series.is_empty()).unwrap_or_default()
    }

    /// Waits until a metric has a series with these attributes that satisfies `is_enough`.
    pub async fn await_series(
        &self,
        metric: &str,
        attributes: &[(&str, &str)],
        is_enough: impl Fn(&Series) -> bool,
    ) -> Series {
        let has = |series: &Series| {
            attributes
                .iter()
                .all(|(key, value)| series.attributes.get(*key).is_some_and(|have| have == value))
        };
        let find = || self.series(metric).into_iter().find(|series| has(series) && is_enough(series));
        self.changed(&format!("{metric} {attributes:?}"), || find().is_some()).await;
        find().expect("it was there")
    }

    /// Unit of a metric, once exported.
    #[must_use]
    pub fn unit(&self, metric: &str) -> Option<String> {
        let exports = self.kept.metrics.lock();
        let resources = exports.iter().flat_map(|request| &request.resource_metrics);
        let mut named =
            resources.flat_map(|resource| &resource.scope_metrics).flat_map(|scope| &scope.metrics);
        named.find(|one| one.name == metric).map(|one| one.unit.clone())
    }

    /// Every byte received, encoded again: what a search for a secret has to go through.
    #[must_use]
    pub fn bytes(&self) -> Vec<u8> {
        let traces = self.kept.traces.lock().iter().flat_map(Message::encode_to_vec).collect::<Vec<u8>>();
        let metrics = self.kept.metrics.lock().iter().flat_map(Message::encode_to_vec).collect::<Vec<u8>>();
        [traces, metrics].concat()
    }

    async fn changed(&self, what: &str, mut is_so: impl FnMut() -> bool) {
        let mut changes = self.changes.clone();
        within(what, changes.wait_for(|()| is_so())).await.expect("the collector lives");
    }
}

impl Span {
    fn of(wire: &Wire) -> Self {
        Self {
            name: wire.name.clone(),
            kind: wire.kind(),
            trace_id: hex(&wire.trace_id),
            span_id: hex(&wire.span_id),
            parent: hex(&wire.parent_span_id),
            attributes: attributes(&wire.attributes),
            failed: wire.status.as_ref().is_some_and(|status| status.code == 2),
            events: wire.events.iter().map(|event| event.name.clone()).collect(),
            times: (wire.start_time_unix_nano, wire.end_time_unix_nano),
        }
    }

    /// An attribute's value; empty when it is not there.
    #[must_use]
    pub fn attribute(&self, key: &str) -> &str {
        self.attributes.get(key).map_or("", String::as_str)
    }
}

fn series(data: &Data) -> Vec<Series> {
    let number = |point: &NumberDataPoint| Series {
        attributes: attributes(&point.attributes),
        value: match point.value {
            Some(number_data_point::Value::AsDouble(value)) => value,
            Some(number_data_point::Value::AsInt(value)) => value as f64,
            None => f64::NAN,
        },
        count: 1,
    };
    match data {
        Data::Gauge(gauge) => gauge.data_points.iter().map(number).collect(),
        Data::Sum(sum) => sum.data_points.iter().map(number).collect(),
        Data::Histogram(histogram) => {
            let point = |point: &opentelemetry_proto::tonic::metrics::v1::HistogramDataPoint| Series {
                attributes: attributes(&point.attributes),
                value: point.sum.unwrap_or(f64::NAN),
                count: point.count,
            };
            histogram.data_points.iter().map(point).collect()
        }
        Data::ExponentialHistogram(_) | Data::Summary(_) => panic!("no dashboard reads this kind of metric"),
    }
}

fn attributes(list: &[KeyValue]) -> Attributes {
    list.iter().map(|pair| (pair.key.clone(), pair.value.as_ref().map(text).unwrap_or_default())).collect()
}

fn text(value: &AnyValue) -> String {
    match &value.value {
        Some(Any::StringValue(text)) => text.clone(),
        Some(Any::BoolValue(value)) => value.to_string(),
        Some(Any::IntValue(value)) => value.to_string(),
        Some(Any::DoubleValue(value)) => value.to_string(),
        Some(Any::ArrayValue(list)) => list.values.iter().map(text).collect::<Vec<_>>().join(","),
        _ => String::new(),
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
