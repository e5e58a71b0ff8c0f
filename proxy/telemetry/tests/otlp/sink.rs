//! A collector that keeps what it gets. It owns the two transports; it refuses to interpret anything.

use std::convert::Infallible;
use std::sync::Arc;

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
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
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue};
use opentelemetry_proto::tonic::metrics::v1::{Metric, metric::Data};
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::Span;
use parking_lot::Mutex;
use prost::Message;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use telemetry::{ExportConfig, Protocol};
use tokio::net::TcpListener;
use tokio::runtime::Runtime;
use tokio_rustls::TlsAcceptor;
use tonic::{Request, Response, Status};

#[derive(Default)]
pub(crate) struct Received {
    pub(crate) metrics: Vec<ExportMetricsServiceRequest>,
    pub(crate) traces: Vec<ExportTraceServiceRequest>,
    pub(crate) authorizations: Vec<String>,
}

/// A running collector; it stops when dropped.
pub(crate) struct Sink {
    pub(crate) received: Arc<Mutex<Received>>,
    base: String,
    protocol: Protocol,
    _runtime: Runtime,
}

#[derive(Clone)]
struct Keeper(Arc<Mutex<Received>>);

#[tonic::async_trait]
impl MetricsService for Keeper {
    async fn export(
        &self,
        request: Request<ExportMetricsServiceRequest>,
    ) -> Result<Response<ExportMetricsServiceResponse>, Status> {
        let mut received = self.0.lock();
        if let Some(value) = request.metadata().get("authorization") {
            received.authorizations.push(value.to_str().unwrap().to_owned());
        }
        received.metrics.push(request.into_inner());
        Ok(Response::new(ExportMetricsServiceResponse::default()))
    }
}

#[tonic::async_trait]
impl TraceService for Keeper {
    async fn export(
        &self,
        request: Request<ExportTraceServiceRequest>,
    ) -> Result<Response<ExportTraceServiceResponse>, Status> {
        self.0.lock().traces.push(request.into_inner());
        Ok(Response::new(ExportTraceServiceResponse::default()))
    }
}

async fn answer(
    keeper: Keeper,
    request: hyper::Request<Incoming>,
) -> Result<hyper::Response<Full<Bytes>>, Infallible> {
    let (parts, body) = request.into_parts();
    let body = body.collect().await.unwrap().to_bytes();
    assert_eq!(parts.headers["content-type"], "application/x-protobuf");
    let mut received = keeper.0.lock();
    if let Some(value) = parts.headers.get("authorization") {
        received.authorizations.push(value.to_str().unwrap().to_owned());
    }
    match parts.uri.path() {
        "/v1/metrics" => received.metrics.push(ExportMetricsServiceRequest::decode(body).unwrap()),
        "/v1/traces" => received.traces.push(ExportTraceServiceRequest::decode(body).unwrap()),
        other => panic!("nothing is exported to {other}"),
    }
    Ok(hyper::Response::new(Full::default()))
}

async fn serve_http(listener: TcpListener, tls: Option<TlsAcceptor>, keeper: Keeper) {
    while let Ok((stream, _)) = listener.accept().await {
        let (keeper, tls) = (keeper.clone(), tls.clone());
        tokio::runtime::Handle::current().spawn(async move {
            let service = service_fn(move |request| answer(keeper.clone(), request));
            let http = hyper::server::conn::http1::Builder::new();
            // A client that goes away, or does not trust us, ends its connection and nothing else.
            match tls {
                None => drop(http.serve_connection(TokioIo::new(stream), service).await),
                Some(tls) => {
                    if let Ok(stream) = tls.accept(stream).await {
                        drop(http.serve_connection(TokioIo::new(stream), service).await);
                    }
                }
            }
        });
    }
}

/// Certificate and key, PEM.
type Pem = (String, String);

fn acceptor((certificate, key): &Pem) -> TlsAcceptor {
    let chain = CertificateDer::pem_slice_iter(certificate.as_bytes()).collect::<Result<_, _>>().unwrap();
    let key = PrivateKeyDer::from_pem_slice(key.as_bytes()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config =
        rustls::ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    TlsAcceptor::from(Arc::new(config.with_no_client_auth().with_single_cert(chain, key).unwrap()))
}

impl Sink {
    pub(crate) fn start(protocol: Protocol) -> Self {
        Self::start_with(protocol, None)
    }

    /// With a certificate for `localhost`.
    pub(crate) fn start_tls(protocol: Protocol, certificate: String, key: String) -> Self {
        Self::start_with(protocol, Some((certificate, key)))
    }

    fn start_with(protocol: Protocol, tls: Option<Pem>) -> Self {
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let received = Arc::<Mutex<Received>>::default();
        let keeper = Keeper(Arc::clone(&received));
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
        let port = listener.local_addr().unwrap().port();
        let base = if tls.is_some() {
            format!("https://localhost:{port}")
        } else {
            format!("http://127.0.0.1:{port}")
        };
        match protocol {
            Protocol::HttpProtobuf => {
                drop(runtime.spawn(serve_http(listener, tls.as_ref().map(acceptor), keeper)))
            }
            Protocol::Grpc => {
                let mut server = tonic::transport::Server::builder();
                if let Some((certificate, key)) = tls {
                    let identity = tonic::transport::Identity::from_pem(certificate, key);
                    server = server
                        .tls_config(tonic::transport::ServerTlsConfig::new().identity(identity))
                        .unwrap();
                }
                drop(
                    runtime.spawn(
                        server
                            .add_service(MetricsServiceServer::new(keeper.clone()))
                            .add_service(TraceServiceServer::new(keeper))
                            .serve_with_incoming(tokio_stream::wrappers::TcpListenerStream::new(listener)),
                    ),
                );
            }
        }
        Self { received, base, protocol, _runtime: runtime }
    }

    /// Exports here, and only when asked to.
    pub(crate) fn config(&self) -> ExportConfig {
        let mut config = ExportConfig::new(&self.base, self.protocol);
        config.interval = std::time::Duration::from_secs(3_600);
        config.instance_id = "sg-1".to_owned();
        config
    }

    /// Every span so far.
    pub(crate) fn spans(&self) -> Vec<Span> {
        let received = self.received.lock();
        let scopes =
            received.traces.iter().flat_map(|request| &request.resource_spans).flat_map(|r| &r.scope_spans);
        scopes.flat_map(|scope| scope.spans.clone()).collect()
    }

    /// The metrics of the latest export.
    pub(crate) fn metrics(&self) -> Vec<Metric> {
        let received = self.received.lock();
        let latest = received.metrics.last().expect("an export of metrics");
        let scopes = latest.resource_metrics.iter().flat_map(|resource| &resource.scope_metrics);
        scopes.flat_map(|scope| scope.metrics.clone()).collect()
    }

    /// The resource of the latest export of metrics and of traces.
    pub(crate) fn resources(&self) -> [Resource; 2] {
        let received = self.received.lock();
        [
            received.metrics.last().unwrap().resource_metrics[0].resource.clone().unwrap(),
            received.traces.last().unwrap().resource_spans[0].resource.clone().unwrap(),
        ]
    }

    /// Everything that arrived, as bytes.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        let received = self.received.lock();
        let metrics = received.metrics.iter().flat_map(Message::encode_to_vec);
        metrics.chain(received.traces.iter().flat_map(Message::encode_to_vec)).collect()
    }
}

/// One point of any kind of metric: its attributes and its value, or its sum and count.
#[derive(Clone, Debug)]
pub(crate) struct Point {
    pub(crate) attributes: Vec<KeyValue>,
    pub(crate) value: f64,
    pub(crate) count: u64,
    pub(crate) bounds: Vec<f64>,
    pub(crate) start: u64,
}

pub(crate) fn points(metric: &Metric) -> Vec<Point> {
    use opentelemetry_proto::tonic::metrics::v1::NumberDataPoint;
    use opentelemetry_proto::tonic::metrics::v1::number_data_point::Value;
    let number = |point: &NumberDataPoint| Point {
        attributes: point.attributes.clone(),
        value: match point.value.unwrap() {
            Value::AsDouble(value) => value,
            Value::AsInt(value) => value as f64,
        },
        count: 1,
        bounds: Vec::new(),
        start: point.start_time_unix_nano,
    };
    match metric.data.as_ref().unwrap() {
        Data::Gauge(gauge) => gauge.data_points.iter().map(number).collect(),
        Data::Sum(sum) => sum.data_points.iter().map(number).collect(),
        Data::Histogram(histogram) => histogram
            .data_points
            .iter()
            .map(|point| Point {
                attributes: point.attributes.clone(),
                value: point.sum.unwrap(),
                count: point.count,
                bounds: point.explicit_bounds.clone(),
                start: point.start_time_unix_nano,
            })
            .collect(),
        other => panic!("{} is exported as {other:?}", metric.name),
    }
}

/// The one point of `metric` with these attributes among others.
pub(crate) fn point(metrics: &[Metric], name: &str, wanted: &[(&str, &str)]) -> Point {
    let metric =
        metrics.iter().find(|metric| metric.name == name).unwrap_or_else(|| panic!("{name} did not arrive"));
    let matches = |point: &Point| {
        wanted.iter().all(|(key, value)| text(&point.attributes, key).as_deref() == Some(value))
    };
    let found: Vec<_> = points(metric).into_iter().filter(matches).collect();
    assert_eq!(found.len(), 1, "{name} {wanted:?}: {found:?}");
    found.into_iter().next().unwrap()
}

/// An attribute's value as text.
pub(crate) fn text(attributes: &[KeyValue], key: &str) -> Option<String> {
    let found = attributes.iter().find(|attribute| attribute.key == key)?;
    Some(plain(found.value.as_ref()?))
}

fn plain(value: &AnyValue) -> String {
    match value.value.as_ref().unwrap() {
        Value::StringValue(text) => text.clone(),
        Value::IntValue(number) => number.to_string(),
        Value::DoubleValue(number) => number.to_string(),
        Value::BoolValue(truth) => truth.to_string(),
        Value::ArrayValue(array) => array.values.iter().map(plain).collect::<Vec<_>>().join(","),
        other => panic!("no attribute is {other:?}"),
    }
}
