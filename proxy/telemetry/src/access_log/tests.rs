use std::io::{self, Write};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use vocabulary::access_log::{ACCESS_LOG_VERSION, AttemptRecord};
use vocabulary::{Operation, Reason, Usage};

use super::*;

const SOON: Duration = Duration::from_secs(10);

fn record(id: &str) -> AccessLogRecord {
    AccessLogRecord {
        v: ACCESS_LOG_VERSION,
        arrival_ms: 1_795_000_000_000,
        request_id: id.to_owned(),
        trace_id: Some("4bf92f3577b34da6a3ce929d0e0e4736".to_owned()),
        route: Some("chat".to_owned()),
        method: "POST".to_owned(),
        path_template: Some("/v1/chat/completions".to_owned()),
        matched_headers: vec!["x-team".to_owned()],
        consumer: Some("demo".to_owned()),
        operation: Some(Operation::Chat),
        model: Some("gpt-4o".to_owned()),
        stream: true,
        usage: Some(Usage { input: 900, cached_input: 128, output: 40, ..Usage::default() }),
        usage_source: None,
        charged_tokens: None,
        max_output_tokens: Some(256),
        prefix_ids: vec![1, u64::MAX],
        pool: Some("chat".to_owned()),
        backend: Some("east/gpt-4o".to_owned()),
        attempts: vec![AttemptRecord {
            backend: "east/gpt-4o".to_owned(),
            processing: Some("eu".to_owned()),
            status: Some(429),
            reason: Some(Reason::BackendRateLimited),
            ttft_ms: None,
            duration_ms: 12.5,
        }],
        status: 200,
        reason: None,
        would_refuse: vec![Reason::TokenLimit],
        acl: Vec::new(),
        waf: None,
        ttft_ms: Some(310.25),
        duration_ms: 1_850.0,
        overhead_us: 140,
        cost_nanos: 2_650_000,
        bundle: "blake3:00".to_owned(),
    }
}

fn read(path: &std::path::Path) -> Vec<AccessLogRecord> {
    let text = std::fs::read_to_string(path).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// Takes lines only after a permit, and reports each write.
struct Gated {
    permits: Receiver<io::Result<()>>,
}

impl Write for Gated {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.permits.recv().unwrap_or(Ok(())).map(|()| bytes.len())
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn what_is_written_is_read_back() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("access.jsonl");
    let drops = Drops::default();
    let log = AccessLog::start(&AccessLogTarget::File(path.clone()), &drops).unwrap();
    for id in ["a", "b", "c"] {
        log.write(record(id));
    }
    assert!(log.shutdown(SOON));
    assert_eq!(read(&path), ["a", "b", "c"].map(record));
    assert_eq!(drops.count(Signal::AccessLog), 0);
}

#[test]
fn a_restarted_log_appends() {
    let directory = tempfile::tempdir().unwrap();
    let target = AccessLogTarget::File(directory.path().join("access.jsonl"));
    for id in ["first", "second"] {
        let log = AccessLog::start(&target, &Drops::default()).unwrap();
        log.write(record(id));
        assert!(log.shutdown(SOON));
    }
    let AccessLogTarget::File(path) = target else { unreachable!() };
    assert_eq!(read(&path), ["first", "second"].map(record));
}

#[test]
fn a_renamed_log_is_opened_anew_and_nothing_is_lost() {
    let directory = tempfile::tempdir().unwrap();
    let (path, rotated) = (directory.path().join("access.jsonl"), directory.path().join("access.jsonl.1"));
    let log = AccessLog::start(&AccessLogTarget::File(path.clone()), &Drops::default()).unwrap();
    log.write(record("before"));
    assert!(log.flush(SOON));
    std::fs::rename(&path, &rotated).unwrap();
    log.write(record("after"));
    assert!(log.flush(SOON));
    assert_eq!(read(&rotated), [record("before")]);
    assert_eq!(read(&path), [record("after")]);
}

#[test]
fn a_removed_log_comes_back() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("access.jsonl");
    let log = AccessLog::start(&AccessLogTarget::File(path.clone()), &Drops::default()).unwrap();
    std::fs::remove_file(&path).unwrap();
    log.write(record("a"));
    assert!(log.flush(SOON));
    assert_eq!(read(&path), [record("a")]);
}

/// Counts its writes.
struct Counted(Arc<AtomicUsize>);

impl Write for Counted {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.fetch_add(1, Ordering::Relaxed);
        Ok(bytes.len())
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn lines_that_come_together_are_written_together() {
    let writes = Arc::new(AtomicUsize::new(0));
    let output = Output::Stream(Box::new(Counted(Arc::clone(&writes))));
    let log = AccessLog::start_with(output, &Drops::default(), QUEUE).unwrap();
    for _ in 0..100 {
        log.write(record("a"));
    }
    assert!(log.flush(SOON));
    let writes = writes.load(Ordering::Relaxed);
    assert!((1..50).contains(&writes), "{writes} writes");
}

#[test]
fn a_line_is_written_though_none_follows() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("access.jsonl");
    let log = AccessLog::start(&AccessLogTarget::File(path.clone()), &Drops::default()).unwrap();
    log.write(record("a"));
    let started = std::time::Instant::now();
    while read(&path).is_empty() {
        assert!(started.elapsed() < SOON, "nothing was written");
        std::thread::yield_now();
    }
}

#[test]
fn a_stuck_disk_blocks_nobody_and_its_losses_are_counted() {
    let (permit, permits) = channel();
    let drops = Drops::default();
    let log = AccessLog::start_with(Output::Stream(Box::new(Gated { permits })), &drops, 4).unwrap();
    for _ in 0..1_000 {
        log.write(record("a"));
    }
    let lost = drops.count(Signal::AccessLog);
    assert!((1..1_000).contains(&lost), "{lost} of 1000 lost");
    assert!(!log.shutdown(Duration::from_millis(20)), "a stuck writer cannot have ended");
    drop(permit);
}

#[test]
fn a_failing_disk_costs_its_lines_and_no_more() {
    let (permit, permits) = channel();
    let drops = Drops::default();
    let log = AccessLog::start_with(Output::Stream(Box::new(Gated { permits })), &drops, 16).unwrap();
    log.write(record("lost"));
    permit.send(Err(io::ErrorKind::StorageFull.into())).unwrap();
    assert!(log.flush(SOON));
    assert_eq!(drops.count(Signal::AccessLog), 1);
    drop(permit);
    log.write(record("kept"));
    assert!(log.flush(SOON));
    assert_eq!(drops.count(Signal::AccessLog), 1);
}

#[test]
fn records_after_the_end_are_counted_as_lost() {
    let directory = tempfile::tempdir().unwrap();
    let drops = Drops::default();
    let log = AccessLog::start(&AccessLogTarget::File(directory.path().join("log")), &drops).unwrap();
    assert!(log.shutdown(SOON));
    assert!(log.shutdown(SOON), "ending twice is harmless");
    log.write(record("late"));
    assert_eq!(drops.count(Signal::AccessLog), 1);
}

#[test]
fn a_file_that_cannot_be_opened_is_named() {
    let target = AccessLogTarget::File("/nonexistent/access.jsonl".into());
    let error = AccessLog::start(&target, &Drops::default()).unwrap_err().to_string();
    assert!(error.contains("/nonexistent/access.jsonl") && error.contains("directory"), "{error}");
}

#[test]
fn off_writes_nothing_and_says_so() {
    let log = AccessLog::start(&AccessLogTarget::Off, &Drops::default()).unwrap();
    assert!(!log.enabled());
    log.write(record("a"));
    assert!(log.flush(SOON) && log.shutdown(SOON));
}
