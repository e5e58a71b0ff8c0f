//! What concerns a whole process: its environment, its stderr, its one subscriber. Each test runs itself
//! again as a child and reads what the child said.

use std::process::{Command, Output};
use std::time::Duration;

use telemetry::operational::{Format, init};
use telemetry::{Drops, Export, ExportConfig, Protocol};

use crate::scene;
use crate::sink::Sink;

const ROLE: &str = "TELEMETRY_TEST_CHILD";

fn is_child() -> bool {
    std::env::var_os(ROLE).is_some()
}

fn run_again(test: &str, environment: &[(&str, &str)]) -> Output {
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", test, "--nocapture"])
        .env(ROLE, "1")
        .envs(environment.iter().copied())
        .output()
        .unwrap()
}

#[test]
fn a_wish_for_delta_in_the_environment_is_refused() {
    if is_child() {
        let config = ExportConfig::new("http://127.0.0.1:4317", Protocol::Grpc);
        let error = Export::start(&config, &Drops::default()).unwrap_err();
        println!("refused: {error}");
        return;
    }
    let variable = "OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE";
    let child = run_again("process::a_wish_for_delta_in_the_environment_is_refused", &[(variable, "delta")]);
    let said = String::from_utf8(child.stdout).unwrap();
    assert!(child.status.success(), "{said}");
    assert!(said.contains("refused") && said.contains(variable) && said.contains("`delta`"), "{said}");
}

#[test]
fn the_operational_log_speaks_for_us_and_keeps_others_short() {
    if is_child() {
        init(Format::Json, "trace").unwrap();
        tracing::info!(target: "sluicegate::policy", generation = 4, "policy accepted");
        tracing::debug!(target: "hyper::proto", header = "canary-in-a-header", "parsed");
        tracing::error!(target: "opentelemetry_sdk", "export failed for the hundredth time");
        tracing::warn!(target: "rustls", "a warning from elsewhere");
        assert!(init(Format::Text, "info").is_err(), "a second set-up must be refused");
        return;
    }
    let child = run_again("process::the_operational_log_speaks_for_us_and_keeps_others_short", &[]);
    let said = String::from_utf8(child.stderr).unwrap();
    assert!(child.status.success(), "{said}");
    let lines: Vec<serde_json::Value> = said
        .lines()
        .filter(|line| line.starts_with('{'))
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let accepted = lines.iter().find(|line| line["message"] == "policy accepted").unwrap();
    assert_eq!((&accepted["generation"], &accepted["level"]), (&4.into(), &"INFO".into()));
    assert!(lines.iter().any(|line| line["target"] == "rustls"));
    assert!(!said.contains("canary") && !said.contains("hundredth"), "{said}");
}

#[test]
fn the_gateways_own_spans_are_exported_once_export_is_on() {
    if is_child() {
        let sink = Sink::start(Protocol::Grpc);
        let operational = init(Format::Text, "off").unwrap();
        tracing::info_span!(target: "sluicegate::policy", "too early").in_scope(|| ());
        let telemetry = Export::start(&sink.config(), &Drops::default()).unwrap();
        operational.export(&telemetry);
        tracing::info_span!(target: "sluicegate::policy", "reload", generation = 4).in_scope(|| ());
        tracing::debug_span!(target: "sluicegate::live", "tick").in_scope(|| ());
        tracing::info_span!(target: "h2::client", "Connection").in_scope(|| ());
        operational.detach();
        tracing::info_span!(target: "sluicegate::policy", "too late").in_scope(|| ());
        assert!(telemetry.shutdown(Duration::from_secs(20)));
        let names: Vec<_> = sink.spans().into_iter().map(|span| span.name).collect();
        println!("spans: {names:?}");
        return;
    }
    let child = run_again("process::the_gateways_own_spans_are_exported_once_export_is_on", &[]);
    let said = String::from_utf8(child.stdout).unwrap();
    assert!(child.status.success(), "{said} {}", String::from_utf8_lossy(&child.stderr));
    assert!(said.contains("spans: [\"reload\"]"), "{said}");
}

#[test]
fn ending_in_the_middle_of_an_export_is_quiet() {
    if is_child() {
        let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let endpoint = format!("http://{}", silent.local_addr().unwrap());
        for round in 0..20 {
            let protocol = if round % 2 == 0 { Protocol::Grpc } else { Protocol::HttpProtobuf };
            let telemetry =
                Export::start(&ExportConfig::new(&endpoint, protocol), &Drops::default()).unwrap();
            scene::record(&telemetry.instruments());
            scene::keep(&telemetry.traces(), &scene::refused_trace());
            assert!(!telemetry.flush(Duration::from_millis(round)));
            if round % 3 > 0 {
                telemetry.shutdown(Duration::from_millis(round));
            }
        }
        return;
    }
    let child = run_again("process::ending_in_the_middle_of_an_export_is_quiet", &[]);
    let said = String::from_utf8(child.stderr).unwrap();
    assert!(child.status.success() && !said.contains("panicked"), "{said}");
}

#[test]
fn export_over_tls_trusts_the_systems_roots() {
    if is_child() {
        for protocol in [Protocol::Grpc, Protocol::HttpProtobuf] {
            let sink = Sink::start_tls(
                protocol,
                std::env::var("SINK_CERT").unwrap(),
                std::env::var("SINK_KEY").unwrap(),
            );
            let telemetry = Export::start(&sink.config(), &Drops::default()).unwrap();
            scene::record(&telemetry.instruments());
            scene::keep(&telemetry.traces(), &scene::refused_trace());
            let arrived = telemetry.shutdown(Duration::from_secs(10));
            println!("{protocol:?} arrived: {arrived}, spans: {}", sink.received.lock().traces.len());
        }
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let signed = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let roots = directory.path().join("roots.pem");
    std::fs::write(&roots, signed.cert.pem()).unwrap();
    let run = |roots: &str| {
        let environment = [
            ("SSL_CERT_FILE", roots),
            ("SINK_CERT", &signed.cert.pem()),
            ("SINK_KEY", &signed.signing_key.serialize_pem()),
        ];
        let child = run_again("process::export_over_tls_trusts_the_systems_roots", &environment);
        assert!(child.status.success(), "{}", String::from_utf8_lossy(&child.stderr));
        String::from_utf8(child.stdout).unwrap()
    };
    let trusted = run(roots.to_str().unwrap());
    assert!(trusted.contains("Grpc arrived: true, spans: 1"), "{trusted}");
    assert!(trusted.contains("HttpProtobuf arrived: true, spans: 1"), "{trusted}");

    let other = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    std::fs::write(&roots, other.cert.pem()).unwrap();
    let distrusted = run(roots.to_str().unwrap());
    assert!(distrusted.contains("Grpc arrived: false, spans: 0"), "{distrusted}");
    assert!(distrusted.contains("HttpProtobuf arrived: false, spans: 0"), "{distrusted}");
}
