//! Everything that goes wrong on purpose, as it shows on the socket.

use model_sim::{FaultScript, QuotaConfig, SimConfig, SimHandle};
use serde_json::Value;

use super::socket::{Ending, Reply, chat, chat_until_silent, get, post};
use super::{body, fast, start, until};

#[test]
fn a_quota_answers_429_with_every_header_and_counts_down() {
    let quota = QuotaConfig::PerMinute { requests: Some(10), tokens: Some(100) };
    let sim = start(SimConfig { quota, ..fast() });
    let first = chat(sim.addr(), &[], &body(false, 50, 10));
    assert_eq!((first.status, first.header("x-ratelimit-remaining-tokens")), (200, Some("40")));
    let second = chat(sim.addr(), &[], &body(false, 50, 10));
    assert_eq!((second.status, second.error_code().as_str()), (429, "rate_limit_exceeded"));
    for name in [
        "retry-after",
        "retry-after-ms",
        "x-ratelimit-limit-requests",
        "x-ratelimit-remaining-requests",
        "x-ratelimit-reset-requests",
        "x-ratelimit-limit-tokens",
        "x-ratelimit-remaining-tokens",
        "x-ratelimit-reset-tokens",
        "x-request-id",
    ] {
        assert!(second.header(name).is_some(), "{name} is missing");
    }
    let seconds: u64 = second.header("retry-after").unwrap().parse().unwrap();
    assert!((1..=60).contains(&seconds), "{seconds}");
}

fn faulty(sim: &SimHandle, fault: &str, stream: bool) -> Reply {
    chat(sim.addr(), &[("x-sim-fault", fault)], &body(stream, 5, 20))
}

#[test]
fn faults_of_the_status_show_before_any_event() {
    let sim = start(fast());
    let limited = faulty(&sim, "rate_limited:2", true);
    assert_eq!((limited.status, limited.header("retry-after")), (429, Some("2")));
    assert_eq!(faulty(&sim, "rate_limited", true).header("retry-after"), None);
    assert_eq!(faulty(&sim, "server_error:529", true).status, 529);
    assert_eq!(sim.log()[2].fault.as_deref(), Some("server_error"));
}

#[test]
fn faults_of_the_connection_show_on_the_socket() {
    let sim = start(fast());
    let reset = faulty(&sim, "reset_before_headers", true);
    assert_eq!((reset.status, reset.ending), (0, Ending::Reset));

    let dropped = faulty(&sim, "drop_mid_stream:3", true);
    assert_eq!((dropped.events().len(), dropped.ending), (3, Ending::BetweenChunks));

    let reset = faulty(&sim, "reset_mid_stream:3", true);
    assert_eq!((reset.status, reset.ending), (200, Ending::Reset));

    let truncated = faulty(&sim, "truncated_chunk:2", true);
    assert_eq!((truncated.events().len(), truncated.ending), (2, Ending::InsideChunk));

    until("every fault in the log", || sim.totals().failed == 4);
    let events: Vec<u64> = sim.log().iter().map(|record| record.events).collect();
    assert_eq!((events[0], events[1], events[3]), (0, 3, 2));
}

#[test]
fn faults_of_the_stream_show_in_its_events() {
    let sim = start(fast());
    let missing = faulty(&sim, "missing_done", true);
    assert_eq!(missing.ending, Ending::Whole);
    assert!(!missing.events().iter().any(|event| event == "[DONE]"));

    let broken = faulty(&sim, "malformed_sse:2", true).events();
    assert!(serde_json::from_str::<Value>(&broken[2]).is_err(), "{}", broken[2]);
    assert!(serde_json::from_str::<Value>(&broken[3]).is_ok());
    assert_eq!(broken.last().unwrap(), "[DONE]");

    let failed = faulty(&sim, "error_event:2", true).events();
    let error: Value = serde_json::from_str(&failed[2]).unwrap();
    assert_eq!((failed.len(), error["error"]["type"].as_str()), (3, Some("server_error")));

    let unused = faulty(&sim, "missing_usage", true).events();
    assert!(!unused.iter().any(|event| event.contains("usage")));

    let split = faulty(&sim, "split_events", true);
    assert_eq!((split.events().len(), split.chunks), (24, 48));
}

#[test]
fn hanging_answers_send_what_they_promise_and_then_nothing() {
    let sim = start(fast());
    let hanging =
        |fault, stream| chat_until_silent(sim.addr(), &[("x-sim-fault", fault)], &body(stream, 5, 20));
    let before = hanging("hang_before_headers", true);
    assert_eq!((before.status, before.ending), (0, Ending::Silent));
    let midway = hanging("hang_mid_stream:4", true);
    assert_eq!((midway.events().len(), midway.ending), (4, Ending::Silent));
    let whole = hanging("hang_mid_stream", false);
    assert_eq!((whole.status, whole.ending), (200, Ending::Silent));
    until("the callers' leaving in the log", || sim.totals().cancelled == 3);
    assert_eq!(sim.log()[0].status, 0);
}

#[test]
fn faults_break_answers_in_one_piece_too() {
    let sim = start(fast());
    let dropped = faulty(&sim, "drop_mid_stream", false);
    let promised: usize = dropped.header("content-length").unwrap().parse().unwrap();
    assert!(
        dropped.body.len() < promised && !dropped.body.is_empty(),
        "{} of {promised}",
        dropped.body.len()
    );
    assert_eq!(faulty(&sim, "reset_mid_stream", false).ending, Ending::Reset);
    assert!(serde_json::from_slice::<Value>(&faulty(&sim, "malformed_sse", false).body).is_err());
}

#[test]
fn a_script_reddens_the_probe_and_can_be_set_over_http() {
    let sim = start(fast());
    let script =
        br#"[{"at": 0, "kind": "unhealthy_probe"}, {"at": 0, "kind": "server_error", "status": 502}]"#;
    assert_eq!(post(sim.addr(), "/sim/faults", &[], script).status, 204);
    assert_eq!(get(sim.addr(), "/health").status, 503);
    assert_eq!(chat(sim.addr(), &[], &body(false, 1, 1)).status, 502);
    let wrong = post(sim.addr(), "/sim/faults", &[], br#"[{"at": 0, "kind": "storm"}]"#);
    assert!(wrong.status == 400 && String::from_utf8_lossy(&wrong.body).contains("storm"));
    sim.set_faults(FaultScript::default());
    assert_eq!(get(sim.addr(), "/health").status, 200);
}
