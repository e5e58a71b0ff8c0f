//! The server seen from a raw socket, so that nothing between us and the bytes can be lenient.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "the exemption for tests does not reach the functions that serve them"
)]

mod socket;

use std::net::TcpListener;
use std::time::{Duration, Instant};

use model_sim::{
    ApiKey, FaultScript, Outcome, Profile, QuotaConfig, SimConfig, SimHandle, serve, spawn_thread, tokens,
};
use serde_json::{Value, json};
use socket::{Ending, Reply, chat, exchange, exchange_announcing, get, post};

fn fast() -> SimConfig {
    SimConfig::new("sim", "m", Profile::hosted(Duration::from_millis(5), 1e6, Duration::from_millis(1)))
}

fn start(config: SimConfig) -> SimHandle {
    spawn_thread(TcpListener::bind("127.0.0.1:0").unwrap(), config).unwrap()
}

fn body(stream: bool, prompt: u64, output: u64) -> Value {
    let mut body = json!({
        "model": "m",
        "messages": [{"role": "user", "content": tokens::text_of(prompt, 3)}],
        "max_tokens": output,
        "stream": stream,
    });
    if stream {
        body["stream_options"] = json!({"include_usage": true});
    }
    body
}

/// Waits for a condition that another thread brings about.
fn until(what: &str, mut condition: impl FnMut() -> bool) {
    let start = Instant::now();
    while !condition() {
        assert!(start.elapsed() < Duration::from_secs(10), "{what} did not come about");
        std::thread::yield_now();
    }
}

#[test]
fn a_stream_has_role_tokens_finish_usage_and_done_and_its_counts_are_exact() {
    let sim = start(fast());
    let reply =
        chat(sim.addr(), &[("x-sim-output-tokens", "37"), ("x-request-id", "r-1")], &body(true, 123, 500));
    assert_eq!((reply.status, reply.ending), (200, Ending::Whole));
    assert_eq!(reply.header("content-type"), Some("text/event-stream"));
    assert_eq!(reply.header("x-request-id"), Some("r-1"));

    let events = reply.events();
    assert_eq!(events.len(), 1 + 37 + 1 + 1 + 1);
    assert_eq!(events.last().unwrap(), "[DONE]");
    let parsed: Vec<Value> = events[..40].iter().map(|event| serde_json::from_str(event).unwrap()).collect();
    assert_eq!(
        parsed[0]["choices"][0]["delta"],
        json!({"role": "assistant", "content": "", "refusal": null})
    );
    let text: String =
        parsed[1..38].iter().map(|e| e["choices"][0]["delta"]["content"].as_str().unwrap()).collect();
    assert_eq!(tokens::count(&text), 37);
    assert_eq!(parsed[38]["choices"][0]["finish_reason"], "stop");
    assert!(
        parsed[..39]
            .iter()
            .all(|event| event["usage"].is_null() && event["object"] == "chat.completion.chunk")
    );
    assert_eq!(parsed[39]["choices"], json!([]));
    assert_eq!(parsed[39]["usage"]["prompt_tokens"], 123);
    assert_eq!(parsed[39]["usage"]["completion_tokens"], 37);

    let log = sim.log();
    assert_eq!((log[0].request_id.as_str(), log[0].prompt_tokens, log[0].output_tokens), ("r-1", 123, 37));
    assert_eq!((log[0].events, log[0].outcome, log[0].status), (41, Outcome::Completed, 200));
    assert!(log[0].first_token >= log[0].first_token_due && log[0].end >= log[0].first_token);
}

#[test]
fn an_answer_in_one_piece_has_the_same_counts() {
    let sim = start(fast());
    let reply = chat(sim.addr(), &[], &body(false, 20, 9));
    let answer: Value = serde_json::from_slice(&reply.body).unwrap();
    assert_eq!(answer["usage"]["total_tokens"], 29);
    assert_eq!(tokens::count(answer["choices"][0]["message"]["content"].as_str().unwrap()), 9);
    assert_eq!(answer["choices"][0]["finish_reason"], "length");
    assert_eq!(sim.totals().completed_output_tokens, 9);
}

#[test]
fn two_servers_of_one_seed_answer_alike_to_the_byte() {
    let answers = [start(fast()), start(fast())].map(|sim| chat(sim.addr(), &[], &body(true, 10, 40)).body);
    assert_eq!(answers[0], answers[1]);
}

#[test]
fn several_choices_come_interleaved_and_each_is_whole() {
    let sim = start(fast());
    let mut asked = body(true, 5, 6);
    asked["n"] = json!(3);
    let reply = chat(sim.addr(), &[], &asked);
    let mut counts = [0; 3];
    for event in reply.events().iter().filter(|event| *event != "[DONE]") {
        let event: Value = serde_json::from_str(event).unwrap();
        let Some(choice) = event["choices"].get(0) else {
            assert_eq!(event["usage"]["completion_tokens"], 18);
            continue;
        };
        counts[choice["index"].as_u64().unwrap() as usize] +=
            tokens::count(choice["delta"]["content"].as_str().unwrap_or_default());
    }
    assert_eq!(counts, [6, 6, 6]);
}

#[test]
fn completions_and_embeddings_speak_their_own_forms() {
    let sim = start(fast());
    let asked = json!({"model": "m", "prompt": "a b c", "max_tokens": 4, "stream": true});
    let reply = post(sim.addr(), "/v1/completions", &[], asked.to_string().as_bytes());
    let events = reply.events();
    assert_eq!(events.len(), 4 + 1 + 1);
    let first: Value = serde_json::from_str(&events[0]).unwrap();
    assert_eq!(
        (first["object"].as_str(), first["choices"][0]["text"].is_string()),
        (Some("text_completion"), true)
    );

    for (format, dimensions) in [("float", 8), ("base64", 8)] {
        let asked =
            json!({"model": "m", "input": ["a b", "c"], "encoding_format": format, "dimensions": dimensions});
        let reply = post(sim.addr(), "/v1/embeddings", &[], asked.to_string().as_bytes());
        let answer: Value = serde_json::from_slice(&reply.body).unwrap();
        assert_eq!(answer["data"].as_array().unwrap().len(), 2);
        assert_eq!(answer["usage"], json!({"prompt_tokens": 3, "total_tokens": 3}));
        let length = match &answer["data"][0]["embedding"] {
            Value::Array(numbers) => numbers.len(),
            Value::String(text) => text.trim_end_matches('=').len() * 3 / 4 / 4,
            other => panic!("{other}"),
        };
        assert_eq!(length, dimensions);
    }
}

#[test]
fn azure_paths_name_the_model_and_need_a_version() {
    let sim = start(fast());
    let asked = json!({"messages": [{"role": "user", "content": "hi"}], "max_tokens": 1}).to_string();
    let path = "/openai/deployments/m/chat/completions";
    assert_eq!(
        post(sim.addr(), &format!("{path}?api-version=2024-10-21"), &[], asked.as_bytes()).status,
        200
    );
    assert_eq!(post(sim.addr(), path, &[], asked.as_bytes()).status, 404);
    let other = "/openai/deployments/other/chat/completions?api-version=2024-10-21";
    assert_eq!(post(sim.addr(), other, &[], asked.as_bytes()).error_code(), "model_not_found");
}

#[test]
fn a_key_is_asked_for_in_either_header_and_never_printed() {
    let config = SimConfig { api_key: Some(ApiKey::from("sk-secret")), ..fast() };
    assert!(!format!("{config:?}").contains("sk-secret"));
    let sim = start(config);
    assert_eq!(chat(sim.addr(), &[], &body(false, 1, 1)).error_code(), "invalid_api_key");
    assert_eq!(chat(sim.addr(), &[("authorization", "Bearer sk-other")], &body(false, 1, 1)).status, 401);
    assert_eq!(chat(sim.addr(), &[("authorization", "Bearer sk-secret")], &body(false, 1, 1)).status, 200);
    assert_eq!(chat(sim.addr(), &[("api-key", "sk-secret")], &body(false, 1, 1)).status, 200);
    assert_eq!(get(sim.addr(), "/health").status, 200);
}

#[test]
fn wrong_requests_get_their_status_and_an_error_object() {
    let sim = start(fast());
    assert_eq!(post(sim.addr(), "/v1/chat/completions", &[], b"{").status, 400);
    assert_eq!(post(sim.addr(), "/v1/nothing", &[], b"{}").status, 404);
    assert_eq!(get(sim.addr(), "/v1/chat/completions").status, 405);
    assert_eq!(chat(sim.addr(), &[("x-sim-output-tokens", "many")], &body(false, 1, 1)).status, 400);
    assert_eq!(chat(sim.addr(), &[("x-sim-fault", "storm")], &body(false, 1, 1)).status, 400);
    let mut unknown = body(false, 1, 1);
    unknown["model"] = json!("other");
    assert_eq!(chat(sim.addr(), &[], &unknown).error_code(), "model_not_found");
    let listed: Value = serde_json::from_slice(&get(sim.addr(), "/v1/models").body).unwrap();
    assert_eq!(listed["data"][0]["id"], "m");
    assert_eq!(get(sim.addr(), "/v1/models/m").status, 200);
    assert_eq!(get(sim.addr(), "/v1/models/other").status, 404);
}

#[test]
fn a_body_beyond_the_cap_is_refused_on_its_announcement() {
    let sim = start(fast());
    let reply = exchange_announcing(sim.addr(), 64 * 1024 * 1024 + 1);
    assert_eq!(reply.status, 413);
}

#[test]
fn a_server_runs_on_the_callers_runtime_too() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let sim = runtime.block_on(async { serve(TcpListener::bind("127.0.0.1:0").unwrap(), fast()).unwrap() });
    let addr = sim.addr();
    assert_eq!(chat(addr, &[], &body(true, 3, 4)).ending, Ending::Whole);
    drop(sim);
    until("the listener's end", || std::net::TcpStream::connect(addr).is_err());
}

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
    let before = faulty(&sim, "hang_before_headers", true);
    assert_eq!((before.status, before.ending), (0, Ending::Silent));
    let midway = faulty(&sim, "hang_mid_stream:4", true);
    assert_eq!((midway.events().len(), midway.ending), (4, Ending::Silent));
    until("the callers' leaving in the log", || sim.totals().cancelled == 2);
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
    assert_eq!(faulty(&sim, "hang_mid_stream", false).ending, Ending::Silent);
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

#[test]
fn after_the_caller_leaves_at_most_two_more_events_are_sent() {
    let profile = Profile::hosted(Duration::from_millis(1), 1e6, Duration::from_millis(20));
    let sim = start(SimConfig::new("sim", "m", profile));
    let left_after = socket::leave_after(sim.addr(), 5, &body(true, 1, 5_000));
    until("the caller's leaving in the log", || sim.totals().cancelled == 1);
    let record = &sim.log()[0];
    assert!(record.events <= left_after + 2, "{} events after {left_after}", record.events);
    assert_eq!((record.outcome, record.output_tokens), (Outcome::Cancelled, record.events - 1));
    assert!(record.cost_nanos == 0 && record.billed);
}

#[test]
fn a_caller_who_leaves_before_the_first_token_is_noticed_at_once() {
    let profile = Profile::hosted(Duration::from_secs(600), 1e6, Duration::from_millis(20));
    let sim = start(SimConfig::new("sim", "m", profile));
    let reply =
        exchange(sim.addr(), "POST", "/v1/chat/completions", &[], body(true, 1, 5).to_string().as_bytes());
    assert_eq!(reply.ending, Ending::Silent);
    until("the caller's leaving in the log", || sim.totals().cancelled == 1);
    assert_eq!(sim.log()[0].events, 0);
}

#[test]
fn a_time_scale_compresses_the_wall_clock_and_not_the_log() {
    let profile = Profile::hosted(Duration::from_secs(2), 1e6, Duration::from_millis(100));
    let sim = start(SimConfig { time_scale: 50.0, ..SimConfig::new("sim", "m", profile) });
    let began = Instant::now();
    chat(sim.addr(), &[], &body(true, 1, 30));
    // 2 s and 29 x 0.1 s at 50 policy seconds per second are 98 ms.
    let wall = began.elapsed();
    assert!((Duration::from_millis(98)..Duration::from_secs(2)).contains(&wall), "{wall:?}");
    let record = &sim.log()[0];
    let due = record.first_token_due.unwrap().since(record.arrival);
    assert!(due.abs_diff(Duration::from_secs(2)) < Duration::from_millis(1), "{due:?}");
    assert!(record.end.unwrap().since(record.arrival) >= Duration::from_millis(4_900));
}

#[test]
fn the_log_over_http_is_the_log_in_process_and_totals_are_its_sums() {
    let sim = start(fast());
    for i in 0..20 {
        chat(sim.addr(), &[], &body(i % 2 == 0, i, i % 7));
    }
    let lines = String::from_utf8(get(sim.addr(), "/sim/log").body).unwrap();
    let over_http: Vec<model_sim::Record> =
        lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(over_http, sim.log());
    let mut sums = model_sim::Totals::default();
    over_http.iter().for_each(|record| sums.add(record));
    assert_eq!(sums, sim.totals());
    assert_eq!(
        serde_json::from_slice::<model_sim::Totals>(&get(sim.addr(), "/sim/totals").body).unwrap(),
        sums
    );
    assert_eq!((sums.completed, sums.completed_prompt_tokens), (20, 190));
}

#[test]
fn a_reset_empties_the_log_and_cuts_off_what_is_under_way() {
    let profile = Profile::self_hosted(1, 1e6, Duration::from_millis(20), Duration::ZERO);
    let sim = start(SimConfig::new("sim", "m", profile));
    let addr = sim.addr();
    let caller = std::thread::spawn(move || chat(addr, &[], &body(true, 1, 100_000)));
    until("a request in flight", || sim.totals().in_flight == 1);
    assert_eq!(post(addr, "/sim/reset", &[], b"").status, 204);
    assert_ne!(caller.join().unwrap().ending, Ending::Whole);
    assert_eq!(sim.totals(), model_sim::Totals::default());
    assert_eq!(chat(addr, &[], &body(true, 1, 2)).ending, Ending::Whole);
    assert_eq!(sim.log()[0].seq, 0);
}

#[test]
fn a_stopped_server_refuses_connections() {
    let sim = start(fast());
    let addr = sim.addr();
    assert_eq!(get(addr, "/health").status, 200);
    sim.shutdown();
    assert!(std::net::TcpStream::connect(addr).is_err());
}

#[test]
fn many_streams_at_once_are_all_whole() {
    let (base, each) = (Duration::from_millis(20), Duration::from_micros(1_200));
    let profile = Profile::self_hosted(16, 5_000.0, base, each);
    let sim = start(SimConfig { time_scale: 20.0, ..SimConfig::new("sim", "m", profile) });
    let addr = sim.addr();
    let ask = move |i: u64| {
        let length = (20 + i).to_string();
        chat(addr, &[("x-sim-output-tokens", &length)], &body(true, 50 + i, 1))
    };
    let callers: Vec<_> = (0..40).map(|i| std::thread::spawn(move || ask(i))).collect();
    for (i, caller) in callers.into_iter().enumerate() {
        let reply = caller.join().unwrap();
        assert_eq!((reply.ending, reply.events().len()), (Ending::Whole, 20 + i + 4));
    }
    let totals = sim.totals();
    assert_eq!((totals.completed, totals.completed_output_tokens), (40, (0..40).map(|i| 20 + i).sum()));
}
