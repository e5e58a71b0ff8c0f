//! The program as people and scripts meet it: exit codes, the JSON form, Ctrl-C, errors.
#![expect(clippy::unwrap_used, reason = "a helper of a test fails it by panicking")]

mod support;

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::thread;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process, test_kill_process};
use serde_json::Value;
use support::{serve, whole_stream, write};

fn program(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_sluicegate-loadtest"));
    command.args(arguments).env_remove("SLUICEGATE_BIN").stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

fn done(arguments: &[&str]) -> Output {
    program(arguments).output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

/// A server that answers after `delay`.
fn server(delay: Duration) -> String {
    let address = serve(move |_, stream| {
        thread::sleep(delay);
        write(stream, &whole_stream());
        true
    });
    format!("http://{address}")
}

#[test]
fn a_run_ends_with_its_verdict_and_one_json_document() {
    let url = server(Duration::from_millis(5));
    let output =
        done(&["run", "--url", &url, "--model", "m", "--rate", "40", "--for", "1s", "--output", "json"]);
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    // A busy machine may send late; then the run says so itself.
    let code = if report["validity"]["valid"] == true { 0 } else { 4 };
    assert_eq!(output.status.code(), Some(code), "{}", text(&output.stderr));
    assert_eq!(report["schema_version"], 1);
    assert_eq!(report["outcomes"]["ok"], report["validity"]["offered"]);
}

#[test]
fn a_table_without_a_terminal_has_no_escape_codes() {
    let url = server(Duration::from_millis(5));
    let output =
        done(&["run", "--url", &url, "--model", "m", "--rate", "40", "--for", "1s", "--objective", "1s"]);
    let (table, progress) = (text(&output.stdout), text(&output.stderr));
    assert!(!table.contains('\u{1b}') && !progress.contains('\u{1b}'), "{table}{progress}");
    for expected in ["requests in", "first token, from intended arrival", "raw/m", "objective"] {
        assert!(table.contains(expected), "{expected} in {table}");
    }
}

#[test]
fn a_trace_is_replayed_in_its_window() {
    let url = server(Duration::from_millis(2));
    let directory = tempfile::tempdir().unwrap();
    let trace = directory.path().join("trace.csv");
    let rows: String = (0..100).map(|i| format!("{},10,4\n", f64::from(i) * 0.05)).collect();
    fs::write(&trace, format!("t_s,prompt_tokens,output_tokens\n{rows}")).unwrap();
    let trace = trace.to_str().unwrap();
    let replay = [
        "replay", trace, "--window", "2s", "--speed", "2", "--url", &url, "--model", "m", "--output", "json",
    ];
    let output = done(&replay);
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(report["outcomes"]["ok"], 40);
    assert!((report["window_s"].as_f64().unwrap() - 0.975).abs() < 1e-6, "{}", report["window_s"]);
}

#[test]
fn what_cannot_be_done_ends_with_its_own_code_and_one_line() {
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let nobody = format!("http://{free}");
    let run = |further: &[&'static str]| [&["run", "--model", "m", "--rate", "1"], further].concat();
    let trace = vec!["replay", "/no/such/trace.csv", "--model", "m"];
    for (mut arguments, url, code, expected) in [
        (run(&[]), nobody.as_str(), 3, "cannot reach"),
        (run(&[]), "https://x", 2, "plain http"),
        (run(&["--key-env", "NO_SUCH_KEY"]), &nobody, 2, "NO_SUCH_KEY"),
        (run(&["--prompt-tokens", "many"]), &nobody, 2, "lognormal(600, 1.1)"),
        (run(&["--header", "x-tier gold"]), &nobody, 2, "name: value"),
        (trace, &nobody, 2, "/no/such/trace.csv"),
    ] {
        arguments.extend(["--url", url]);
        let output = done(&arguments);
        let error = text(&output.stderr);
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {error}");
        assert!(error.contains(expected), "{error}");
    }
}

#[test]
fn a_quickstart_without_a_gateway_says_how_to_get_one() {
    let output = program(&["quickstart", "--base-port", "21080"])
        .env("SLUICEGATE_BIN", "/no/such/gateway")
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(2));
    let error = text(&output.stderr);
    assert!(error.contains("/no/such/gateway") && error.contains("cargo build"), "{error}");
}

/// A stand-in for the gateway that does what `script` says.
fn stand_in(directory: &Path, script: &str) -> PathBuf {
    let path = directory.join("sluicegate");
    fs::write(&path, format!("#!/bin/sh\n{script}\n")).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    path
}

#[test]
fn a_gateway_that_does_not_start_is_reported_with_its_last_words() {
    let directory = tempfile::tempdir().unwrap();
    let gateway = stand_in(directory.path(), "echo 'SG9999: the weir is dry' >&2; exit 2");
    let output =
        program(&["quickstart", "--base-port", "21180"]).env("SLUICEGATE_BIN", gateway).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stderr).contains("| SG9999: the weir is dry"), "{}", text(&output.stderr));
}

#[test]
fn ctrl_c_stops_the_quickstart_with_its_gateway_and_removes_its_files() {
    let directory = tempfile::tempdir().unwrap();
    let note = directory.path().join("gateway.pid");
    let script = format!("echo $$ > {0}.new; mv {0}.new {0}; exec sleep 600", note.display());
    let quickstart = program(&["quickstart", "--base-port", "21280"])
        .env("SLUICEGATE_BIN", stand_in(directory.path(), &script))
        .env("TMPDIR", directory.path())
        .spawn()
        .unwrap();
    let id = loop {
        match fs::read_to_string(&note) {
            Ok(id) => break Pid::from_raw(id.trim().parse().unwrap()).unwrap(),
            Err(_) => thread::sleep(Duration::from_millis(10)),
        }
    };
    interrupt(&quickstart);
    assert_eq!(quickstart.wait_with_output().unwrap().status.code(), Some(130));
    assert!(test_kill_process(id).is_err(), "the gateway is still there");
    let left =
        fs::read_dir(directory.path()).unwrap().filter(|entry| entry.as_ref().unwrap().path().is_dir());
    assert_eq!(left.count(), 0);
}

fn interrupt(child: &Child) {
    let id = Pid::from_raw(i32::try_from(child.id()).unwrap()).unwrap();
    kill_process(id, Signal::INT).unwrap();
}

/// Starts a long run and waits until it shows that it is under way.
fn long_run(url: &str) -> (Child, BufReader<std::process::ChildStderr>) {
    let mut child =
        program(&["run", "--url", url, "--model", "m", "--rate", "20", "--for", "10m", "--output", "json"])
            .spawn()
            .unwrap();
    let mut progress = BufReader::new(child.stderr.take().unwrap());
    let mut line = String::new();
    progress.read_line(&mut line).unwrap();
    assert!(line.contains("in flight"), "{line}");
    (child, progress)
}

fn end(mut child: Child) -> (Option<i32>, Value) {
    let mut output = String::new();
    child.stdout.take().unwrap().read_to_string(&mut output).unwrap();
    (child.wait().unwrap().code(), serde_json::from_str(&output).unwrap())
}

#[test]
fn ctrl_c_once_drains_and_still_reports() {
    let (child, mut progress) = long_run(&server(Duration::from_millis(300)));
    interrupt(&child);
    let mut said = String::new();
    progress.read_to_string(&mut said).unwrap();
    let (code, report) = end(child);
    assert_eq!(code, Some(130));
    assert!(said.contains("waiting for what is in flight"), "{said}");
    assert_eq!(report["validity"]["stopped_early"], true);
    assert_eq!(report["outcomes"]["ok"], report["validity"]["offered"]);
}

#[test]
fn ctrl_c_twice_cuts_off_what_is_in_flight() {
    let (child, mut progress) = long_run(&server(Duration::from_secs(30)));
    interrupt(&child);
    let mut line = String::new();
    while !line.contains("Ctrl-C again") {
        line.clear();
        assert_ne!(progress.read_line(&mut line).unwrap(), 0);
    }
    interrupt(&child);
    let (code, report) = end(child);
    assert_eq!(code, Some(130));
    assert_eq!(report["outcomes"]["aborted"], report["validity"]["offered"]);
}
