//! Anthropic's API: messages, counts, models, limits, errors and faults.

use model_sim::{ApiKey, Flavour, Keys, Outcome, QuotaConfig, SimConfig, SimHandle, tokens};
use serde_json::{Value, json};

use super::socket::{Ending, Reply, get_with, post};
use super::{fast, start, until};

const HEAD: [(&str, &str); 2] = [("x-api-key", "sk-ant"), ("anthropic-version", "2023-06-01")];

fn anthropic() -> SimConfig {
    SimConfig { flavour: Flavour::Anthropic, ..fast() }
}

fn asked(stream: bool, words: u64, ceiling: u64) -> Value {
    json!({
        "model": "m",
        "max_tokens": ceiling,
        "stream": stream,
        "messages": [{"role": "user", "content": tokens::text_of(words, 3)}],
    })
}

fn message(sim: &SimHandle, headers: &[(&str, &str)], body: &Value) -> Reply {
    let headers = [&HEAD, headers].concat();
    post(sim.addr(), "/v1/messages", &headers, body.to_string().as_bytes())
}

#[test]
fn a_streamed_message_has_its_events_in_order_and_its_usage_is_cumulative() {
    let sim = start(anthropic());
    let headers = [("x-sim-output-tokens", "12"), ("x-request-id", "req_1")];
    let reply = message(&sim, &headers, &asked(true, 30, 100));
    assert_eq!((reply.status, reply.ending), (200, Ending::Whole));
    assert_eq!(reply.header("request-id"), Some("req_1"));
    let events = reply.named_events();
    let names: Vec<&str> = events.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names[..3], ["message_start", "ping", "content_block_start"]);
    assert!(names[3..15].iter().all(|name| *name == "content_block_delta"));
    assert_eq!(names[15..], ["content_block_stop", "message_delta", "message_stop"]);
    assert!(events.iter().all(|(name, data)| data["type"] == name.as_str()));

    let start = &events[0].1["message"];
    assert_eq!(
        (start["usage"]["input_tokens"].as_u64(), start["usage"]["output_tokens"].as_u64()),
        (Some(30), Some(1))
    );
    assert!(start["id"].as_str().unwrap().starts_with("msg_") && start["content"] == json!([]));
    let text: String =
        events[3..15].iter().map(|(_, data)| data["delta"]["text"].as_str().unwrap()).collect();
    assert_eq!(tokens::count(&text), 12);
    assert_eq!(events[16].1["delta"], json!({"stop_reason": "end_turn", "stop_sequence": null}));
    assert_eq!(
        (events[16].1["usage"]["output_tokens"].as_u64(), events[16].1["usage"]["input_tokens"].as_u64()),
        (Some(12), Some(30))
    );

    let exchange = &sim.exchanges()[0];
    assert_eq!(
        (exchange.path.as_str(), exchange.credentials.as_slice()),
        ("/v1/messages", ["x-api-key".to_owned()].as_slice())
    );
    assert!(!format!("{exchange:?}").contains("sk-ant"));
    assert_eq!(exchange.fields, ["max_tokens", "messages", "model", "stream"]);
    let record = exchange.record.as_ref().unwrap();
    assert_eq!((record.prompt_tokens, record.output_tokens, record.outcome), (30, 12, Outcome::Completed));
}

#[test]
fn a_message_in_one_piece_has_the_same_counts() {
    let sim = start(anthropic());
    let reply = message(&sim, &[], &asked(false, 20, 9));
    let answer = reply.json();
    assert_eq!(answer["usage"]["output_tokens"], 9);
    assert_eq!(answer["stop_reason"], "max_tokens");
    assert_eq!(tokens::count(answer["content"][0]["text"].as_str().unwrap()), 9);
}

#[test]
fn tools_are_called_and_their_arguments_fit_the_schema() {
    let sim = start(anthropic());
    let tool = |name: &str| {
        json!({"name": name, "input_schema": {"type": "object", "required": ["city"],
            "properties": {"city": {"type": "string"}, "days": {"type": "integer"}}}})
    };
    let mut body = asked(false, 1, 500);
    body["tools"] = json!([tool("weather"), tool("tide")]);
    body["messages"][0]["content"] = json!("use the tools");
    let answer = message(&sim, &[], &body).json();
    assert_eq!(answer["stop_reason"], "tool_use");
    let names: Vec<&str> =
        answer["content"].as_array().unwrap().iter().map(|block| block["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["weather", "tide"]);
    assert_eq!(answer["content"][0]["input"], json!({"city": "weir"}));

    body["tool_choice"] = json!({"type": "tool", "name": "tide"});
    body["stream"] = json!(true);
    let events = message(&sim, &[], &body).named_events();
    let begun = events.iter().find(|(name, _)| name == "content_block_start").unwrap();
    assert_eq!(
        (&begun.1["content_block"]["name"], &begun.1["content_block"]["input"]),
        (&json!("tide"), &json!({}))
    );
    let arguments: String =
        events.iter().filter_map(|(_, data)| data["delta"]["partial_json"].as_str()).collect();
    assert_eq!(serde_json::from_str::<Value>(&arguments).unwrap(), json!({"city": "weir"}));

    body["stream"] = json!(false);
    body["tool_choice"] = json!({"type": "auto"});
    let id = answer["content"][0]["id"].clone();
    let other = answer["content"][1]["id"].clone();
    body["messages"] = json!([
        body["messages"][0],
        {"role": "assistant", "content": answer["content"]},
        {"role": "user", "content": [
            {"type": "tool_result", "tool_use_id": id, "content": "wet"},
            {"type": "tool_result", "tool_use_id": other, "content": [{"type": "text", "text": "high tide"}]},
        ]},
    ]);
    assert_eq!(message(&sim, &[], &body).json()["content"][0]["type"], "text");
    body["messages"][2]["content"].as_array_mut().unwrap().pop();
    assert_eq!(message(&sim, &[], &body).json()["error"]["type"], "invalid_request_error");
}

#[test]
fn thinking_comes_first_and_is_part_of_the_output() {
    let sim = start(anthropic());
    let mut body = asked(true, 5, 4_000);
    body["thinking"] = json!({"type": "enabled", "budget_tokens": 1_024});
    let events = message(&sim, &[("x-sim-output-tokens", "70")], &body).named_events();
    let of = |kind: &str| events.iter().filter(|(_, data)| data["delta"]["type"] == kind).count();
    assert_eq!((of("thinking_delta"), of("signature_delta"), of("text_delta")), (64, 1, 6));
    assert_eq!(sim.log()[0].usage().reasoning_output, 64);
    let whole = {
        body["stream"] = json!(false);
        message(&sim, &[], &body).json()
    };
    assert_eq!(
        (&whole["content"][0]["type"], &whole["content"][1]["type"]),
        (&json!("thinking"), &json!("text"))
    );
}

#[test]
fn what_is_marked_is_written_to_the_cache_once_and_then_read() {
    let sim = start(anthropic());
    let mut body = asked(false, 10, 5);
    body["system"] = json!([
        {"type": "text", "text": tokens::text_of(200, 1), "cache_control": {"type": "ephemeral", "ttl": "1h"}},
        {"type": "text", "text": tokens::text_of(50, 2), "cache_control": {"type": "ephemeral"}},
    ]);
    let usage = message(&sim, &[], &body).json()["usage"].clone();
    assert_eq!(
        usage["cache_creation"],
        json!({"ephemeral_5m_input_tokens": 50, "ephemeral_1h_input_tokens": 200})
    );
    assert_eq!(
        (&usage["cache_creation_input_tokens"], &usage["cache_read_input_tokens"], &usage["input_tokens"]),
        (&json!(250), &json!(0), &json!(10))
    );
    let usage = message(&sim, &[], &body).json()["usage"].clone();
    assert_eq!(
        (&usage["cache_creation_input_tokens"], &usage["cache_read_input_tokens"], &usage["input_tokens"]),
        (&json!(0), &json!(250), &json!(10))
    );
    let written = sim.log()[0].usage();
    assert_eq!((written.cache_write_input, written.cache_write_1h_input), (50, 200));
    let billed = sim.log()[1].usage();
    assert_eq!((billed.input, billed.cached_input), (260, 250));
}

#[test]
fn stop_sequences_end_the_answer_and_are_named() {
    let sim = start(anthropic());
    let whole =
        message(&sim, &[("x-sim-key", "9"), ("x-sim-output-tokens", "60")], &asked(false, 1, 100)).json();
    let text = whole["content"][0]["text"].as_str().unwrap().to_owned();
    let stop = text.split(' ').nth(10).unwrap().to_owned();
    let mut body = asked(false, 1, 100);
    body["stop_sequences"] = json!([stop]);
    let cut = message(&sim, &[("x-sim-key", "9"), ("x-sim-output-tokens", "60")], &body).json();
    assert_eq!((&cut["stop_reason"], &cut["stop_sequence"]), (&json!("stop_sequence"), &json!(stop)));
    let kept = cut["content"][0]["text"].as_str().unwrap();
    assert!(text.starts_with(kept) && !kept.contains(&stop), "{kept}");
    assert_eq!(cut["usage"]["output_tokens"], tokens::count(kept));
}

#[test]
fn counts_and_models_have_their_own_shapes() {
    let sim = start(anthropic());
    let count =
        |body: Value| post(sim.addr(), "/v1/messages/count_tokens", &HEAD, body.to_string().as_bytes());
    let mut body = asked(false, 17, 5);
    assert_eq!(count(body.clone()).json()["error"]["message"], "max_tokens: Extra inputs are not permitted");
    body.as_object_mut().unwrap().retain(|name, _| ["model", "messages"].contains(&name.as_str()));
    assert_eq!(count(body).json(), json!({"input_tokens": 17}));
    let models = get_with(sim.addr(), "/v1/models", &HEAD).json();
    assert_eq!((&models["data"][0]["id"], &models["has_more"]), (&json!("m"), &json!(false)));
    assert_eq!(get_with(sim.addr(), "/v1/models/m", &HEAD).json()["type"], "model");
    assert_eq!(get_with(sim.addr(), "/v1/chat/completions", &HEAD).status, 404);
}

#[test]
fn a_key_and_a_version_are_required_and_keys_change_at_run_time() {
    let sim = start(anthropic());
    let body = asked(false, 1, 1).to_string();
    let ask = |headers: &[(&str, &str)]| post(sim.addr(), "/v1/messages", headers, body.as_bytes());
    let nameless = ask(&[]);
    assert_eq!((nameless.status, &nameless.json()["error"]["type"]), (401, &json!("authentication_error")));
    assert!(nameless.header("request-id").is_some() && nameless.json()["request_id"].is_string());
    let versionless = ask(&HEAD[..1]);
    assert_eq!(
        (versionless.status, &versionless.json()["error"]["message"]),
        (400, &json!("anthropic-version: header is required"))
    );
    assert_eq!(ask(&HEAD).status, 200);
    sim.set_keys(Keys { x_api_key: vec![ApiKey::from("sk-new")], ..Keys::default() });
    assert_eq!(ask(&HEAD).status, 401);
    assert_eq!(ask(&[("x-api-key", "sk-new"), HEAD[1]]).status, 200);
    assert_eq!(post(sim.addr(), "/sim/keys", &[], br#"{"x_api_key": ["sk-ant"]}"#).status, 204);
    assert_eq!(ask(&HEAD).status, 200);
    let refused = post(sim.addr(), "/sim/keys", &[], br#"{"x_api_key": "sk-secret"}"#);
    assert!(refused.status == 400 && !String::from_utf8_lossy(&refused.body).contains("sk-secret"));
}

#[test]
fn limits_are_told_as_times_of_day() {
    let quota = QuotaConfig::PerMinute { requests: Some(10), tokens: Some(100) };
    let sim = start(SimConfig { quota, ..anthropic() });
    let first = message(&sim, &[], &asked(false, 50, 10));
    assert_eq!(first.header("anthropic-ratelimit-tokens-remaining"), Some("40"));
    let second = message(&sim, &[], &asked(false, 50, 10));
    assert_eq!((second.status, &second.json()["error"]["type"]), (429, &json!("rate_limit_error")));
    for name in ["requests-limit", "requests-remaining", "requests-reset", "tokens-limit", "tokens-reset"] {
        let value = second.header(&format!("anthropic-ratelimit-{name}")).unwrap();
        assert_eq!(value.ends_with('Z') && value.contains('T'), name.ends_with("reset"), "{name}: {value}");
    }
    assert!(second.header("retry-after").is_some() && second.header("x-ratelimit-limit-tokens").is_none());
}

fn faulty(sim: &SimHandle, fault: &str) -> Reply {
    message(sim, &[("x-sim-fault", fault), ("x-sim-output-tokens", "8")], &asked(true, 5, 20))
}

#[test]
fn faults_of_the_status_have_anthropics_types() {
    let sim = start(anthropic());
    for (fault, status, kind) in [
        ("overloaded", 529, "overloaded_error"),
        ("insufficient_quota", 402, "billing_error"),
        ("context_length_exceeded", 400, "invalid_request_error"),
        ("content_filter", 400, "invalid_request_error"),
        ("unauthorized", 401, "authentication_error"),
        ("rate_limited:2", 429, "rate_limit_error"),
        ("server_error:500", 500, "api_error"),
    ] {
        let reply = faulty(&sim, fault);
        assert_eq!((reply.status, &reply.json()["error"]["type"]), (status, &json!(kind)), "{fault}");
    }
    assert!(
        faulty(&sim, "context_length_exceeded").json()["error"]["message"]
            .as_str()
            .unwrap()
            .starts_with("prompt is too long")
    );
}

#[test]
fn faults_of_the_stream_show_in_its_events() {
    let sim = start(anthropic());
    let names = |reply: &Reply| reply.named_events().into_iter().map(|(name, _)| name).collect::<Vec<_>>();

    let overloaded = faulty(&sim, "overloaded:1");
    assert_eq!((overloaded.status, names(&overloaded)), (200, vec!["error".to_owned()]));
    assert_eq!(overloaded.named_events()[0].1["error"]["type"], "overloaded_error");
    assert_eq!(names(&faulty(&sim, "error_event:0")), ["error"]);
    assert_eq!(names(&faulty(&sim, "error_event:3")).last().unwrap(), "error");

    let endless = faulty(&sim, "missing_done");
    assert_eq!((endless.ending, names(&endless).last().unwrap().as_str()), (Ending::Whole, "message_delta"));
    assert!(!String::from_utf8(faulty(&sim, "missing_usage").body).unwrap().contains("usage"));

    let huge = faulty(&sim, "huge_event:100000").named_events();
    assert!(
        huge.iter().any(|(_, data)| data["delta"]["text"].as_str().is_some_and(|text| text.len() == 100_000))
    );

    let wrong = faulty(&sim, "wrong_usage:3").named_events();
    let told = wrong.iter().find(|(name, _)| name == "message_delta").unwrap().1["usage"].clone();
    assert_eq!((&told["output_tokens"], &told["input_tokens"]), (&json!(24), &json!(15)));
    assert_eq!(sim.log().last().unwrap().output_tokens, 8, "the log keeps the truth");

    let filtered = faulty(&sim, "content_filter:2").named_events();
    let told = filtered.iter().find(|(name, _)| name == "message_delta").unwrap().1.clone();
    assert_eq!(
        (&told["delta"]["stop_reason"], &told["usage"]["output_tokens"]),
        (&json!("refusal"), &json!(2))
    );

    assert_eq!(faulty(&sim, "drop_mid_stream:3").ending, Ending::BetweenChunks);
    assert_eq!(faulty(&sim, "reset_mid_stream:3").ending, Ending::Reset);
    let split = faulty(&sim, "split_events");
    assert_eq!((names(&split).len(), split.chunks), (14, 28));
    let half = faulty(&sim, "half_close:4");
    assert_eq!((half.named_events().len(), half.ending), (4, Ending::BetweenChunks));
    until("every fault in the log", || sim.totals().in_flight == 0);
}
