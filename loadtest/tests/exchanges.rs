//! What a caller would suffer is what is counted: each way a server can fail has its own outcome, and
//! latencies count from the moment a request was due.
#![expect(
    clippy::unwrap_used,
    clippy::print_stderr,
    reason = "helpers of a test fail it by panicking, and say why they skip"
)]

mod support;

use std::net::{SocketAddr, TcpListener, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use loadtest::{Arrivals, Lengths, Outcome, Plan, Poisson, Report, Run, replay};
use support::{CONTENT, DONE, USAGE, serve, whole_stream, write};
use trace::Entry;
use vocabulary::Usage;

/// The head of a stream that ends with its connection.
const STREAM_HEAD: &str = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\
    x-sluicegate-backend: raw/m\r\nx-request-id: r-7\r\n\r\n";

/// A whole answer of the given status and JSON body, on a connection that stays open.
fn answer(status: &str, body: &str) -> String {
    let length = body.len();
    format!("HTTP/1.1 {status}\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\r\n{body}")
}

fn entries(count: u64, gap: Duration) -> Vec<Entry> {
    let entry = |i: u64| Entry { at: gap * i as u32, prompt_tokens: 9, output_tokens: 4, ..Entry::default() };
    (0..count).map(entry).collect()
}

fn plan(address: SocketAddr, entries: Vec<Entry>) -> Plan {
    let mut plan = Plan::of_entries(format!("http://{address}").parse().unwrap(), "m", entries);
    plan.timeout = Duration::from_secs(10);
    plan
}

async fn one(behaviour: impl Fn(&mut TcpStream) -> bool + Send + Sync + 'static) -> Report {
    let address = serve(move |_, stream| behaviour(stream));
    let mut plan = plan(address, entries(1, Duration::ZERO));
    plan.timeout = Duration::from_millis(600);
    replay(plan).await.unwrap()
}

async fn stream_of(parts: &[&str]) -> Report {
    let text = format!("{STREAM_HEAD}{}", parts.concat());
    one(move |stream| {
        write(stream, &text);
        false
    })
    .await
}

async fn plain(status: &str, body: &str) -> Report {
    let text = answer(status, body);
    one(move |stream| {
        write(stream, &text);
        true
    })
    .await
}

fn only(report: &Report, outcome: Outcome) {
    assert_eq!(report.count(outcome), 1, "{outcome:?}: {:?}", report.outcomes);
    assert_eq!(report.outcomes.len(), 1);
}

#[tokio::test]
async fn a_whole_stream_is_ok_and_its_usage_and_backend_are_read() {
    let report = stream_of(&[CONTENT, USAGE, DONE]).await;
    only(&report, Outcome::Ok);
    assert_eq!(report.usage, Usage { input: 9, output: 4, ..Usage::default() });
    assert_eq!(report.backends["raw/m"].requests, 1);
    assert_eq!(report.slowest[0].request_id, "r-7");
    assert_eq!((report.ttft.count, report.lost()), (1, 0));
}

#[tokio::test]
async fn a_stream_without_done_is_truncated() {
    let report = stream_of(&[CONTENT, USAGE]).await;
    only(&report, Outcome::Truncated);
    assert_eq!((report.ttft.count, report.lost()), (0, 1));
}

#[tokio::test]
async fn a_stream_cut_inside_an_event_is_truncated() {
    only(&stream_of(&[CONTENT, "data: {\"choi"]).await, Outcome::Truncated);
}

#[tokio::test]
async fn an_event_that_is_no_json_is_bad_sse_even_when_the_stream_ends_well() {
    only(&stream_of(&[CONTENT, "data: {oops\n\n", DONE]).await, Outcome::BadSse);
}

#[tokio::test]
async fn an_event_after_done_is_bad_sse() {
    only(&stream_of(&[CONTENT, DONE, CONTENT]).await, Outcome::BadSse);
}

#[tokio::test]
async fn an_error_inside_a_stream_is_an_error_event() {
    let report =
        stream_of(&[CONTENT, "data: {\"error\":{\"code\":\"stream_broken\",\"message\":\"x\"}}\n\n"]).await;
    only(&report, Outcome::ErrorEvent);
    assert_eq!(report.details["event stream_broken"], 1);
}

#[tokio::test]
async fn a_connection_that_breaks_inside_a_chunk_is_a_drop() {
    let head = STREAM_HEAD.replace("connection: close", "transfer-encoding: chunked");
    let report = one(move |stream| {
        write(stream, &format!("{head}{:x}\r\n{CONTENT}\r\nff\r\ndata: ", CONTENT.len()));
        false
    })
    .await;
    only(&report, Outcome::MidStreamDrop);
}

#[tokio::test]
async fn a_connection_closed_before_headers_is_a_reset() {
    only(&one(|_| false).await, Outcome::Reset);
}

#[tokio::test]
async fn silence_is_a_timeout_before_headers_and_after() {
    let hang = |head: &'static str| {
        one(move |stream| {
            write(stream, head);
            thread::sleep(Duration::from_secs(3));
            false
        })
    };
    only(&hang("").await, Outcome::Timeout);
    let report = hang(STREAM_HEAD).await;
    only(&report, Outcome::Timeout);
    assert_eq!(report.backends["raw/m"].failed, 1);
}

#[tokio::test]
async fn refusals_are_told_apart_by_status_and_code() {
    let error = r#"{"error":{"message":"no","code":"unknown_model"}}"#;
    for (status, outcome) in [
        ("404 Not Found", Outcome::Refused),
        ("429 Too Many Requests", Outcome::RateLimited),
        ("503 Service Unavailable", Outcome::ServerError),
        ("302 Found", Outcome::OddStatus),
    ] {
        let report = plain(status, error).await;
        only(&report, outcome);
        assert_eq!(report.details[&format!("{} unknown_model", &status[..3])], 1);
    }
}

#[tokio::test]
async fn a_plain_answer_to_a_streaming_request_is_a_bad_body() {
    only(&plain("200 OK", "{}").await, Outcome::BadBody);
}

#[tokio::test]
async fn plain_answers_have_usage_and_no_first_token() {
    let text = answer("200 OK", r#"{"choices":[],"usage":{"prompt_tokens":9,"completion_tokens":4}}"#);
    let address = serve(move |_, stream| {
        write(stream, &text);
        true
    });
    let mut plan = plan(address, entries(3, Duration::from_millis(20)));
    plan.stream = false;
    let report = replay(plan).await.unwrap();
    assert_eq!((report.count(Outcome::Ok), report.ttft.count, report.response.count), (3, 0, 3));
    assert_eq!(report.usage, Usage { input: 27, output: 12, ..Usage::default() });
}

#[tokio::test]
async fn nobody_listening_is_an_error_before_the_run() {
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let error = replay(plan(free, entries(1, Duration::ZERO))).await.unwrap_err();
    assert_eq!(error.exit(), loadtest::Exit::Unreachable);
}

#[tokio::test]
async fn a_server_that_goes_away_during_the_run_is_a_connect_failure() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        // One connection for the pre-flight, then nobody.
        drop(listener.accept());
    });
    let mut arrivals = entries(1, Duration::ZERO);
    arrivals[0].at = Duration::from_millis(300);
    only(&replay(plan(address, arrivals)).await.unwrap(), Outcome::Connect);
}

#[tokio::test]
async fn an_idle_connection_the_server_closed_is_no_failure() {
    let text = whole_stream();
    let address = serve(move |_, stream| {
        write(stream, &text);
        false
    });
    let report = replay(plan(address, entries(20, Duration::from_millis(25)))).await.unwrap();
    assert_eq!((report.count(Outcome::Ok), report.lost()), (20, 0), "{:?}", report.outcomes);
    assert_eq!(report.usage, Usage { input: 180, output: 80, ..Usage::default() });
}

#[tokio::test]
async fn requests_over_the_ceiling_are_counted_and_never_delayed() {
    let address = serve(|_, stream| {
        thread::sleep(Duration::from_millis(400));
        write(stream, &whole_stream());
        true
    });
    let mut plan = plan(address, entries(10, Duration::from_millis(5)));
    plan.max_in_flight = 3;
    let report = replay(plan).await.unwrap();
    assert_eq!((report.count(Outcome::Ok), report.count(Outcome::NotSent)), (3, 7));
    assert!(!report.validity.valid && report.ttft_with_failures.p50_s.is_none());
}

/// A server that answers at once, except in the first `stall` of every `period` since its first request.
fn stalling(period: Duration, stall: Duration) -> SocketAddr {
    let began = std::sync::OnceLock::new();
    serve(move |_, stream| {
        let into = began.get_or_init(Instant::now).elapsed().as_secs_f64() % period.as_secs_f64();
        thread::sleep(Duration::from_secs_f64((stall.as_secs_f64() - into).max(0.0)));
        write(stream, &whole_stream());
        true
    })
}

/// Measures up to three times, until a run holds itself to be valid: on a busy machine the client is late,
/// says so, and its figures prove nothing. None when no run was valid.
async fn valid(plan: impl Fn() -> Plan) -> Option<Report> {
    for _ in 0..3 {
        let report = replay(plan()).await.unwrap();
        if report.validity.valid {
            return Some(report);
        }
        eprintln!("not a valid run: {:?}", report.validity.problems);
    }
    eprintln!("SKIPPED: this machine is too busy to measure on");
    None
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stall_shows_in_full_to_every_request_that_was_due_in_it() {
    let (period, stall) = (Duration::from_secs(4), Duration::from_secs(1));
    // Twice the period at 100 per second: a quarter of all requests is due during a stall, evenly spread
    // over it, so a share x of them waits longer than stall x (1 - 4x).
    let measured = valid(|| plan(stalling(period, stall), entries(800, Duration::from_millis(10)))).await;
    let Some(report) = measured else { return };
    assert_eq!(report.count(Outcome::Ok), 800, "{:?}", report.outcomes);
    for (got, expected) in [(report.ttft.p90_s, 0.6), (report.ttft.p95_s, 0.8), (report.ttft.p99_s, 0.96)] {
        let got = got.unwrap();
        assert!((got / expected - 1.0).abs() < 0.05, "got {got}, expected {expected}");
    }
}

/// A server of which every tenth answer takes 600 ms, all others 150 ms.
fn known_latencies() -> SocketAddr {
    serve(|index, stream| {
        write(stream, STREAM_HEAD);
        thread::sleep(Duration::from_millis(if index % 10 == 9 { 600 } else { 150 }));
        write(stream, &format!("{CONTENT}{USAGE}{DONE}"));
        false
    })
}

#[tokio::test]
async fn known_latencies_are_measured_and_scaled_to_policy_time() {
    let plan = || {
        let mut plan = plan(known_latencies(), entries(200, Duration::from_millis(40)));
        plan.time_scale = 4.0;
        plan.objective = Some(Duration::from_millis(1800));
        plan
    };
    let Some(report) = valid(plan).await else { return };
    assert_eq!(report.count(Outcome::Ok), 200);
    let near = |got: Option<f64>, expected: f64| {
        let got = got.unwrap();
        assert!(got >= expected && got < expected * 1.15, "got {got}, expected {expected}");
    };
    near(report.ttft.p50_s, 0.6);
    near(report.ttft.p95_s, 2.4);
    assert_eq!(report.objective.unwrap().good, 180);
    assert!((report.window_s - 7.96).abs() < 1e-6);
}

#[tokio::test]
async fn sends_follow_the_poisson_process_of_the_plan() {
    let address = serve(|_, stream| {
        write(stream, &whole_stream());
        true
    });
    let arrivals = Poisson::new(200.0, Duration::from_secs(2), Lengths::Constant(5), Lengths::Constant(4), 3);
    let expected = arrivals.clone().count() as u64;
    let arrivals: Arrivals = Box::new(arrivals.map(Ok));
    let report =
        replay(Plan::new(format!("http://{address}").parse().unwrap(), "m", arrivals)).await.unwrap();
    assert_eq!((report.validity.offered, report.count(Outcome::Ok)), (expected, expected));
    assert!(report.ttft.p50_s.unwrap() < 0.05);
}

#[tokio::test]
async fn stopping_drains_and_aborting_cuts_off() {
    let address = serve(|_, stream| {
        thread::sleep(Duration::from_millis(300));
        write(stream, &whole_stream());
        true
    });
    for abort in [false, true] {
        let mut run = Run::start(plan(address, entries(1000, Duration::from_millis(10)))).await.unwrap();
        tokio::time::sleep(Duration::from_millis(200)).await;
        if abort {
            run.stopper().abort()
        } else {
            run.stopper().stop_arrivals()
        }
        let report = run.ended().await.unwrap();
        let (ok, aborted) = (report.count(Outcome::Ok), report.count(Outcome::Aborted));
        assert!(report.validity.stopped_early && ok + aborted == report.validity.offered);
        assert!((5..100).contains(&report.validity.offered), "{}", report.validity.offered);
        assert_eq!(abort, aborted > 0, "ok {ok}, aborted {aborted}");
    }
}

#[tokio::test]
async fn a_trace_that_breaks_off_is_an_error_with_its_line() {
    let address = serve(|_, stream| {
        write(stream, &whole_stream());
        true
    });
    let text = "t_s,prompt_tokens,output_tokens\n0,5,4\n0.1,five,4\n";
    let reader = trace::read(std::path::Path::new("t.csv"), text.as_bytes(), None).unwrap();
    let plan = Plan::new(format!("http://{address}").parse().unwrap(), "m", Box::new(reader));
    let error = replay(plan).await.unwrap_err();
    assert_eq!(error.exit(), loadtest::Exit::Usage);
    assert!(error.to_string().contains('3'), "{error}");
}
