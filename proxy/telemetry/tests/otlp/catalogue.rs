//! The catalogue and what is exported are the same thing.

use std::collections::BTreeSet;
use std::time::Duration;

use opentelemetry_proto::tonic::metrics::v1::metric::Data;
use telemetry::catalogue::{Kind, METRICS, attributes};
use telemetry::settled::{
    BackendReading, LambdaReading, MemberReading, Method, Readings, Reload, Scheme, StoreReading,
    StoriesDropped,
};
use telemetry::{Drops, Export, Protocol};

use crate::scene;
use crate::sink::{Sink, point, points};

const SOON: Duration = Duration::from_secs(20);
/// `AGGREGATION_TEMPORALITY_CUMULATIVE`
const CUMULATIVE: i32 = 2;

fn readings(backends: &[&str]) -> Readings {
    let member =
        |name: &&str| MemberReading { pool: "chat".to_owned(), backend: (*name).to_owned(), share: 0.5 };
    let backend = |name: &&str| BackendReading { backend: (*name).to_owned(), ready: true };
    Readings {
        members: backends.iter().map(member).collect(),
        lambdas: vec![LambdaReading { pool: "chat".to_owned(), lambda_usd: 0.002 }],
        backends: backends.iter().map(backend).collect(),
        stores: vec![StoreReading { store: "journal", available: true }],
        stories_dropped: Some(StoriesDropped { queue_full: 1, not_written: 2 }),
    }
}

#[test]
fn every_metric_is_exported_as_the_catalogue_describes_it() {
    let sink = Sink::start(Protocol::Grpc);
    let telemetry = Export::start(&sink.config(), &Drops::default()).unwrap();
    let instruments = telemetry.instruments();
    let _active = instruments.begin(Method::Post, Scheme::Https);
    scene::record(&instruments);
    instruments.publish(readings(&["east/gpt-4o", "west/gpt-4o"]));
    instruments.generation(3);
    instruments.reload(Reload::Accepted);
    assert!(telemetry.flush(SOON));

    let exported = sink.metrics();
    let names: BTreeSet<_> = exported.iter().map(|metric| metric.name.as_str()).collect();
    assert_eq!(names, METRICS.iter().map(|metric| metric.name).collect());
    for metric in METRICS {
        let found = exported.iter().find(|found| found.name == metric.name).unwrap();
        assert_eq!(found.unit, metric.unit, "{}", metric.name);
        assert_eq!(found.description, metric.description, "{}", metric.name);
        let kind = match found.data.as_ref().unwrap() {
            Data::Gauge(_) => Kind::Gauge,
            Data::Sum(sum) if sum.is_monotonic => Kind::Counter,
            Data::Sum(_) => Kind::UpDownCounter,
            Data::Histogram(_) => Kind::Histogram,
            other => panic!("{} is exported as {other:?}", metric.name),
        };
        assert_eq!(kind, metric.kind, "{}", metric.name);
        match found.data.as_ref().unwrap() {
            Data::Sum(sum) => assert_eq!(sum.aggregation_temporality, CUMULATIVE, "{}", metric.name),
            Data::Histogram(histogram) => {
                assert_eq!(histogram.aggregation_temporality, CUMULATIVE, "{}", metric.name)
            }
            _ => {}
        }
        let allowed: BTreeSet<_> = metric.attributes.iter().map(|attribute| attribute.key).collect();
        for point in points(found) {
            if metric.kind == Kind::Histogram {
                assert_eq!(point.bounds, metric.buckets, "{}", metric.name);
                assert!(point.count > 0, "{} has an empty series {:?}", metric.name, point.attributes);
            }
            for attribute in &point.attributes {
                assert!(
                    allowed.contains(attribute.key.as_str()),
                    "{} carries {}",
                    metric.name,
                    attribute.key
                );
            }
        }
    }
}

#[test]
fn every_attribute_of_a_metric_is_recorded_by_something() {
    let sink = Sink::start(Protocol::Grpc);
    let telemetry = Export::start(&sink.config(), &Drops::default()).unwrap();
    let instruments = telemetry.instruments();
    let _active = instruments.begin(Method::Post, Scheme::Https);
    scene::record(&instruments);
    instruments.record_request(&telemetry::settled::RequestSettled {
        reason: Some(vocabulary::Reason::StreamBroken),
        ..scene::request()
    });
    instruments.publish(readings(&["east/gpt-4o"]));
    assert!(telemetry.flush(SOON));
    let exported = sink.metrics();
    for metric in METRICS {
        let Some(found) = exported.iter().find(|found| found.name == metric.name) else { continue };
        let seen: BTreeSet<_> = points(found)
            .into_iter()
            .flat_map(|point| point.attributes)
            .map(|attribute| attribute.key)
            .collect();
        for attribute in metric.attributes {
            assert!(seen.contains(attribute.key), "{} never carries {}", metric.name, attribute.key);
        }
    }
}

#[test]
fn every_attribute_of_a_span_is_in_the_catalogue() {
    let sink = Sink::start(Protocol::Grpc);
    let telemetry = Export::start(&sink.config(), &Drops::default()).unwrap();
    let traces = telemetry.traces();
    for trace in [
        scene::plain_trace(scene::continued()),
        scene::streamed_trace(),
        scene::failed_over_trace(),
        scene::refused_trace(),
    ] {
        scene::keep(&traces, &trace);
    }
    assert!(telemetry.shutdown(SOON));
    let known: BTreeSet<_> = attributes::ALL.iter().map(|attribute| attribute.key).collect();
    let spans = sink.spans();
    assert!(spans.len() > 20, "{} spans", spans.len());
    for attribute in spans.iter().flat_map(|span| &span.attributes) {
        assert!(known.contains(attribute.key.as_str()), "{} is not in the catalogue", attribute.key);
    }
}

#[test]
fn a_backend_that_a_reload_removed_is_no_longer_reported() {
    let sink = Sink::start(Protocol::Grpc);
    let telemetry = Export::start(&sink.config(), &Drops::default()).unwrap();
    let instruments = telemetry.instruments();
    let reported = |name: &str| {
        assert!(telemetry.flush(SOON));
        let metrics = sink.metrics();
        points(metrics.iter().find(|metric| metric.name == name).unwrap()).len()
    };
    instruments.publish(readings(&["east/gpt-4o", "west/gpt-4o"]));
    assert_eq!(reported("sluicegate.pool.share"), 2);
    instruments.publish(readings(&["west/gpt-4o"]));
    assert_eq!(reported("sluicegate.pool.share"), 1);
    assert_eq!(reported("sluicegate.backend.ready"), 1);
}

#[test]
fn a_request_is_active_until_its_guard_is_dropped() {
    let sink = Sink::start(Protocol::Grpc);
    let telemetry = Export::start(&sink.config(), &Drops::default()).unwrap();
    let active = || {
        assert!(telemetry.flush(SOON));
        point(&sink.metrics(), "http.server.active_requests", &[("http.request.method", "POST")]).value
    };
    let first = telemetry.instruments().begin(Method::Post, Scheme::Https);
    let second = telemetry.instruments().begin(Method::Post, Scheme::Https);
    assert_eq!(active(), 2.0);
    drop(first);
    assert_eq!(active(), 1.0);
    drop(second);
    assert_eq!(active(), 0.0);
}

#[test]
fn series_past_their_bound_are_folded_into_one() {
    let sink = Sink::start(Protocol::Grpc);
    let telemetry = Export::start(&sink.config(), &Drops::default()).unwrap();
    let routes: Vec<_> = (0..700).map(|n| format!("/route/{n}")).collect();
    for route in &routes {
        telemetry
            .instruments()
            .record_request(&telemetry::settled::RequestSettled { route: Some(route), ..scene::request() });
    }
    assert!(telemetry.flush(SOON));
    let metrics = sink.metrics();
    let overhead = metrics.iter().find(|metric| metric.name == "sluicegate.overhead.duration").unwrap();
    let all = points(overhead);
    assert!(all.len() <= 501, "{} series", all.len());
    assert_eq!(all.iter().map(|point| point.count).sum::<u64>(), 700);
    assert!(
        point(&metrics, "sluicegate.overhead.duration", &[("otel.metric.overflow", "true")]).count >= 199
    );
}
