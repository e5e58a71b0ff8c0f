//! What a chat can ask for besides text, and what each server of OpenAI's form does differently.

use model_sim::{Flavour, SimConfig, SimHandle, tokens};
use serde_json::{Value, json};

use super::socket::{Ending, Reply, chat, get, post};
use super::{body, fast, start};

fn flavoured(flavour: Flavour) -> SimHandle {
    start(SimConfig { flavour, ..fast() })
}

fn ask(sim: &SimHandle, body: &Value) -> Value {
    chat(sim.addr(), &[], body).json()
}

/// The events of a stream that are JSON.
fn events(reply: &Reply) -> Vec<Value> {
    let events = reply.events();
    events
        .iter()
        .filter(|event| *event != "[DONE]")
        .map(|event| serde_json::from_str(event).unwrap())
        .collect()
}

fn with_tools(stream: bool, asked: &str) -> Value {
    let tool = |name: &str| {
        let parameters =
            json!({"type": "object", "required": ["city"], "properties": {"city": {"type": "string"}}});
        json!({"type": "function", "function": {"name": name, "parameters": parameters}})
    };
    let mut body = body(stream, 1, 500);
    body["messages"][0]["content"] = json!(asked);
    body["tools"] = json!([tool("weather"), tool("tide")]);
    body
}

#[test]
fn tools_are_called_when_the_user_speaks_of_them_or_the_caller_demands_it() {
    let sim = start(fast());
    let answer = ask(&sim, &with_tools(false, "which tools are there"));
    assert_eq!(answer["choices"][0]["finish_reason"], "tool_calls");
    assert!(answer["choices"][0]["message"]["content"].is_null());
    let calls = answer["choices"][0]["message"]["tool_calls"].as_array().unwrap().clone();
    assert_eq!((calls.len(), &calls[1]["function"]["name"]), (2, &json!("tide")));
    assert_eq!(calls[0]["function"]["arguments"], r#"{"city":"weir"}"#);
    assert_ne!(calls[0]["id"], calls[1]["id"]);

    let mut demanded = with_tools(false, "hello");
    assert!(ask(&sim, &demanded)["choices"][0]["message"]["content"].is_string());
    demanded["tool_choice"] = json!({"type": "function", "function": {"name": "tide"}});
    assert_eq!(ask(&sim, &demanded)["choices"][0]["message"]["tool_calls"][0]["function"]["name"], "tide");
    demanded["tool_choice"] = json!({"type": "function", "function": {"name": "rain"}});
    assert_eq!(ask(&sim, &demanded)["error"]["param"], "tool_choice");

    let mut after = with_tools(false, "use a tool");
    after["messages"].as_array_mut().unwrap().extend([
        json!({"role": "assistant", "content": null, "tool_calls": [calls[0]]}),
        json!({"role": "tool", "tool_call_id": calls[0]["id"], "content": "wet"}),
    ]);
    assert!(ask(&sim, &after)["choices"][0]["message"]["content"].is_string());
}

#[test]
fn streamed_calls_are_keyed_by_their_index_and_their_fragments_make_json() {
    let sim = start(fast());
    let reply = chat(sim.addr(), &[], &with_tools(true, "both tools, please"));
    let mut arguments = [String::new(), String::new()];
    let mut names = Vec::new();
    for event in events(&reply) {
        for call in event["choices"][0]["delta"]["tool_calls"].as_array().into_iter().flatten() {
            let index = call["index"].as_u64().unwrap() as usize;
            arguments[index] += call["function"]["arguments"].as_str().unwrap();
            names.extend(call["function"]["name"].as_str().map(str::to_owned));
        }
    }
    assert_eq!(names, ["weather", "tide"]);
    for arguments in &arguments {
        assert_eq!(serde_json::from_str::<Value>(arguments).unwrap(), json!({"city": "weir"}));
    }
    let output = sim.log()[0].output_tokens;
    let usage = &events(&reply).pop().unwrap()["usage"];
    assert_eq!(usage["completion_tokens"], output);
    assert!(output > 2, "fragments are counted");
}

#[test]
fn a_call_cut_off_by_the_ceiling_ends_with_length() {
    let sim = start(fast());
    let mut cut = with_tools(false, "a tool");
    cut["max_tokens"] = json!(2);
    let answer = ask(&sim, &cut);
    assert_eq!(
        (&answer["choices"][0]["finish_reason"], &answer["usage"]["completion_tokens"]),
        (&json!("length"), &json!(2))
    );
    let arguments =
        answer["choices"][0]["message"]["tool_calls"][0]["function"]["arguments"].as_str().unwrap();
    assert!(serde_json::from_str::<Value>(arguments).is_err());
}

#[test]
fn json_comes_when_it_is_asked_for_and_fits_its_schema() {
    let sim = start(fast());
    let mut asked = body(false, 3, 400);
    asked["response_format"] = json!({"type": "json_object"});
    let content = ask(&sim, &asked)["choices"][0]["message"]["content"].clone();
    assert!(serde_json::from_str::<Value>(content.as_str().unwrap()).unwrap().is_object());
    let schema = json!({"type": "object", "required": ["depth"], "properties": {"depth": {"type": "integer", "minimum": 7}}});
    asked["response_format"] = json!({"type": "json_schema", "json_schema": {"name": "d", "schema": schema}});
    let answer = ask(&sim, &asked);
    assert_eq!(answer["choices"][0]["message"]["content"], r#"{"depth":7}"#);
    assert_eq!(answer["choices"][0]["finish_reason"], "stop");
}

#[test]
fn reasoning_is_counted_everywhere_and_shown_by_vllm() {
    let mut asked = body(true, 3, 400);
    asked["reasoning_effort"] = json!("low");
    for (flavour, shown) in [(Flavour::OpenAi, 0), (Flavour::Vllm, 16)] {
        let sim = flavoured(flavour);
        let reply = chat(sim.addr(), &[("x-sim-output-tokens", "20")], &asked);
        let events = events(&reply);
        let thought =
            events.iter().filter(|event| event["choices"][0]["delta"]["reasoning_content"].is_string());
        assert_eq!(thought.count(), shown);
        let usage = &events.last().unwrap()["usage"];
        assert_eq!(
            (&usage["completion_tokens"], &usage["completion_tokens_details"]["reasoning_tokens"]),
            (&json!(20), &json!(16))
        );
        let record = &sim.log()[0];
        assert_eq!((record.output_tokens, record.usage().reasoning_output), (20, 16));
    }
}

#[test]
fn a_stop_text_ends_the_answer_before_itself() {
    let sim = start(fast());
    let headers = [("x-sim-key", "5"), ("x-sim-output-tokens", "50")];
    let whole = chat(sim.addr(), &headers, &body(false, 3, 400)).json();
    let text = whole["choices"][0]["message"]["content"].as_str().unwrap().to_owned();
    let stop = text.split(' ').nth(8).unwrap();
    let mut asked = body(false, 3, 400);
    asked["stop"] = json!([stop]);
    let cut = chat(sim.addr(), &headers, &asked).json();
    let kept = cut["choices"][0]["message"]["content"].as_str().unwrap();
    assert!(text.starts_with(kept) && !kept.contains(stop), "{kept}");
    assert_eq!(
        (&cut["choices"][0]["finish_reason"], &cut["usage"]["completion_tokens"]),
        (&json!("stop"), &json!(tokens::count(kept)))
    );
}

#[test]
fn images_are_counted_and_long_prompts_are_cached_where_that_is_set() {
    let sim = start(SimConfig { prompt_cache: true, ..fast() });
    let mut asked = body(false, 1_100, 3);
    assert_eq!(ask(&sim, &asked)["usage"]["prompt_tokens_details"]["cached_tokens"], 0);
    assert_eq!(ask(&sim, &asked)["usage"]["prompt_tokens_details"]["cached_tokens"], 1_024);
    assert_eq!(sim.log()[1].usage().cached_input, 1_024);
    assert_eq!(sim.log()[0].usage().cache_write_input, 0, "writes are free and not told of");
    asked["messages"][0]["content"] = json!([
        {"type": "text", "text": "what is this"},
        {"type": "image_url", "image_url": {"url": "https://example.org/a.png", "detail": "low"}},
    ]);
    assert_eq!(ask(&sim, &asked)["usage"]["prompt_tokens"], 3 + 85);
}

#[test]
fn azure_speaks_of_the_prompt_first_and_of_its_filter_throughout() {
    let sim = flavoured(Flavour::AzureOpenAi);
    let path = "/openai/deployments/m/chat/completions?api-version=2024-10-21";
    let reply = post(sim.addr(), path, &[("api-key", "x")], body(true, 3, 4).to_string().as_bytes());
    let events = events(&reply);
    assert_eq!((&events[0]["choices"], events[0]["prompt_filter_results"].is_array()), (&json!([]), true));
    let with_text = events
        .iter()
        .find(|event| event["choices"][0]["delta"]["content"].as_str().is_some_and(|text| !text.is_empty()));
    assert_eq!(with_text.unwrap()["choices"][0]["content_filter_results"]["violence"]["severity"], "safe");
    let refused =
        post(sim.addr(), path, &[("x-sim-fault", "content_filter")], body(true, 3, 4).to_string().as_bytes());
    assert_eq!((refused.status, refused.error_code().as_str()), (400, "content_filter"));
    assert_eq!(refused.json()["error"]["innererror"]["code"], "ResponsibleAIPolicyViolation");
    let limited = post(
        sim.addr(),
        path,
        &[("x-sim-fault", "rate_limited:1.5")],
        body(true, 3, 4).to_string().as_bytes(),
    );
    assert_eq!(limited.header("retry-after-ms"), Some("1500"));
}

#[test]
fn mistral_tells_usage_unasked_and_refuses_what_it_does_not_know() {
    let sim = flavoured(Flavour::Mistral);
    let refused = chat(sim.addr(), &[], &body(true, 3, 4));
    assert_eq!(refused.status, 422);
    assert_eq!(refused.json()["message"]["detail"][0]["loc"], json!(["body", "stream_options"]));
    let mut asked = body(true, 3, 4);
    asked.as_object_mut().unwrap().remove("stream_options");
    let events = events(&chat(sim.addr(), &[], &asked));
    let last = events.last().unwrap();
    assert_eq!(
        (&last["choices"][0]["finish_reason"], &last["usage"]["completion_tokens"]),
        (&json!("length"), &json!(4))
    );
    assert!(events[..events.len() - 1].iter().all(|event| event.get("usage").is_none()));
}

#[test]
fn llama_cpp_tells_its_timings_and_settings() {
    let sim = flavoured(Flavour::LlamaCpp);
    let answer = chat(sim.addr(), &[], &body(false, 3, 4)).json();
    assert_eq!((&answer["timings"]["prompt_n"], &answer["timings"]["predicted_n"]), (&json!(3), &json!(4)));
    let streamed = events(&chat(sim.addr(), &[], &body(true, 3, 4)));
    assert!(streamed.iter().any(|event| event["timings"]["predicted_n"] == 4));
    assert_eq!(get(sim.addr(), "/props").json()["default_generation_settings"]["n_ctx"], 131_072);
    assert_eq!(get(sim.addr(), "/health").json()["status"], "ok");
    assert_eq!(get(sim.addr(), "/v1/responses").status, 404);
}

#[test]
fn vllm_tells_usage_in_every_event_when_asked() {
    let sim = flavoured(Flavour::Vllm);
    let mut asked = body(true, 3, 4);
    asked["stream_options"]["continuous_usage_stats"] = json!(true);
    let events = events(&chat(sim.addr(), &[], &asked));
    let counts: Vec<u64> =
        events.iter().filter_map(|event| event["usage"]["completion_tokens"].as_u64()).collect();
    assert_eq!(counts, [0, 1, 2, 3, 4, 4, 4]);
    let refused = chat(sim.addr(), &[("x-sim-fault", "context_length_exceeded")], &body(false, 3, 4)).json();
    assert_eq!(
        (&refused["error"]["type"], &refused["error"]["code"]),
        (&json!("BadRequestError"), &json!(400))
    );
}

#[test]
fn faults_of_the_status_have_openais_codes() {
    let sim = start(fast());
    for (fault, status, code) in [
        ("insufficient_quota", 429, "insufficient_quota"),
        ("overloaded", 503, "overloaded"),
        ("context_length_exceeded", 400, "context_length_exceeded"),
        ("content_filter", 400, "content_filter"),
        ("unauthorized", 401, "invalid_api_key"),
    ] {
        let reply = chat(sim.addr(), &[("x-sim-fault", fault)], &body(true, 3, 4));
        assert_eq!((reply.status, reply.error_code().as_str()), (status, code), "{fault}");
    }
}

#[test]
fn faults_of_the_stream_strike_chats() {
    let sim = start(fast());
    let faulty = |fault: &str| chat(sim.addr(), &[("x-sim-fault", fault)], &body(true, 5, 6));
    for fault in ["error_event:0", "overloaded:1"] {
        let reply = faulty(fault);
        assert_eq!((reply.status, reply.events().len()), (200, 1), "{fault}");
        assert!(events(&reply)[0]["error"]["message"].is_string());
    }
    let longest = faulty("huge_event:300000").events().iter().map(String::len).max().unwrap();
    assert!(longest > 300_000, "{longest}");
    let told = events(&faulty("wrong_usage:0.5")).pop().unwrap()["usage"]["completion_tokens"].clone();
    assert_eq!((told, sim.log().last().unwrap().output_tokens), (json!(3), 6));
    let filtered = events(&faulty("content_filter:2"));
    assert!(filtered.iter().any(|event| event["choices"][0]["finish_reason"] == "content_filter"));
    let half = faulty("half_close:3");
    assert_eq!((half.events().len(), half.ending), (3, Ending::BetweenChunks));
    let closed = faulty("close_after_request");
    assert_eq!((closed.status, closed.ending), (0, Ending::BetweenChunks));
    let began = std::time::Instant::now();
    assert_eq!(faulty("slow_first_token:0.3").ending, Ending::Whole);
    assert!(began.elapsed() >= std::time::Duration::from_millis(300));
    let record = sim.log().pop().unwrap();
    assert!(record.first_token_due.unwrap().since(record.arrival).as_millis() >= 300);
}
