//! A collector that is gone or does not answer: requests go on, and what is lost is counted.

use std::net::TcpListener;
use std::time::{Duration, Instant};

use telemetry::{Drops, Export, ExportConfig, Protocol, Signal};

use crate::scene;
use crate::sink::{Sink, point};

const BOTH: [Protocol; 2] = [Protocol::Grpc, Protocol::HttpProtobuf];

/// An address nobody listens on: bound a moment ago, and free again.
fn nobody(protocol: Protocol) -> ExportConfig {
    let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    ExportConfig {
        timeout: Duration::from_secs(2),
        ..ExportConfig::new(format!("http://{address}"), protocol)
    }
}

/// Accepts connections by way of the backlog and never says a word.
fn silence(protocol: Protocol) -> (TcpListener, ExportConfig) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let config = ExportConfig::new(format!("http://{address}"), protocol);
    (listener, ExportConfig { timeout: Duration::from_secs(60), ..config })
}

#[test]
fn a_collector_that_is_gone_costs_counted_spans_and_points() {
    for protocol in BOTH {
        let drops = Drops::default();
        let telemetry = Export::start(&nobody(protocol), &drops).unwrap();
        scene::record(&telemetry.instruments());
        scene::keep(&telemetry.traces(), &scene::refused_trace());
        assert!(!telemetry.flush(Duration::from_secs(20)), "nobody can have taken it");
        assert_eq!(drops.count(Signal::Traces), 5, "a root and four stages");
        assert!(drops.count(Signal::Metrics) > 50, "{} points", drops.count(Signal::Metrics));
    }
}

#[test]
fn a_silent_collector_never_blocks_recording() {
    for protocol in BOTH {
        let drops = Drops::default();
        let (_listener, mut config) = silence(protocol);
        config.span_queue = 600;
        let telemetry = Export::start(&config, &drops).unwrap();
        let (instruments, traces) = (telemetry.instruments(), telemetry.traces());
        let trace = scene::refused_trace();
        let begun = Instant::now();
        for _ in 0..2_000 {
            instruments.record_request(&scene::request());
            scene::keep(&traces, &trace);
        }
        // Two exports of 60 s each would be due by now if any call waited for the collector.
        assert!(begun.elapsed() < Duration::from_secs(20), "2000 requests took {:?}", begun.elapsed());
        let lost = drops.count(Signal::Traces);
        assert!(lost >= 5 * (2_000 - 240), "{lost} of 10000 spans lost with room for 600 and 600 under way");
        assert_eq!(lost % 5, 0, "a trace was torn apart");
    }
}

#[test]
fn shutdown_is_bounded_when_the_collector_is_silent() {
    for protocol in BOTH {
        let (_listener, config) = silence(protocol);
        let telemetry = Export::start(&config, &Drops::default()).unwrap();
        scene::record(&telemetry.instruments());
        scene::keep(&telemetry.traces(), &scene::refused_trace());
        let begun = Instant::now();
        assert!(!telemetry.shutdown(Duration::from_millis(100)));
        assert!(begun.elapsed() < Duration::from_secs(3), "took {:?}", begun.elapsed());
    }
}

#[test]
fn spans_after_the_end_are_counted_as_lost() {
    let sink = Sink::start(Protocol::Grpc);
    let drops = Drops::default();
    let telemetry = Export::start(&sink.config(), &drops).unwrap();
    let traces = telemetry.traces();
    assert!(telemetry.shutdown(Duration::from_secs(20)));
    scene::keep(&traces, &scene::refused_trace());
    assert_eq!(drops.count(Signal::Traces), 5);
}

#[test]
fn losses_are_exported_themselves() {
    let sink = Sink::start(Protocol::HttpProtobuf);
    let drops = Drops::default();
    let telemetry = Export::start(&sink.config(), &drops).unwrap();
    drops.add(Signal::AccessLog, 7);
    assert!(telemetry.flush(Duration::from_secs(20)));
    let lost = point(&sink.metrics(), "sluicegate.telemetry.dropped", &[("sluicegate.signal", "access_log")]);
    assert_eq!(lost.value, 7.0);
}
