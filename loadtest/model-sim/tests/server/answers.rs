//! What an answer holds, on every path.

use model_sim::{ApiKey, Flavour, Outcome, SimConfig, tokens};
use serde_json::{Value, json};

use super::socket::{Ending, chat, exchange_announcing, get, get_with, post};
use super::{body, fast, start};

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
    let sim = start(SimConfig { flavour: Flavour::AzureOpenAi, ..fast() });
    let asked = json!({"messages": [{"role": "user", "content": "hi"}], "max_tokens": 1}).to_string();
    let path = "/openai/deployments/m/chat/completions";
    assert_eq!(
        post(sim.addr(), &format!("{path}?api-version=2024-10-21"), &[], asked.as_bytes()).status,
        200
    );
    assert_eq!(post(sim.addr(), path, &[], asked.as_bytes()).status, 404);
    let other = "/openai/deployments/other/chat/completions?api-version=2024-10-21";
    assert_eq!(post(sim.addr(), other, &[], asked.as_bytes()).error_code(), "DeploymentNotFound");
    let v1 =
        json!({"model": "m", "messages": [{"role": "user", "content": "hi"}], "max_tokens": 1}).to_string();
    assert_eq!(post(sim.addr(), "/openai/v1/chat/completions", &[], v1.as_bytes()).status, 200);
    assert_eq!(post(sim.addr(), "/v1/chat/completions", &[], v1.as_bytes()).status, 404);
}

#[test]
fn a_key_is_asked_for_in_the_headers_of_the_flavour_and_never_printed() {
    let config = SimConfig { api_key: Some(ApiKey::from("sk-secret")), ..fast() };
    let azure = start(SimConfig { flavour: Flavour::AzureOpenAi, ..config.clone() });
    let path = "/openai/v1/models";
    assert_eq!(get_with(azure.addr(), path, &[]).status, 401);
    assert_eq!(get_with(azure.addr(), path, &[("api-key", "sk-secret")]).status, 200);
    assert_eq!(get_with(azure.addr(), path, &[("authorization", "Bearer sk-secret")]).status, 200);
    assert!(!format!("{config:?}").contains("sk-secret"));
    let sim = start(config);
    assert_eq!(chat(sim.addr(), &[], &body(false, 1, 1)).error_code(), "invalid_api_key");
    assert_eq!(chat(sim.addr(), &[("authorization", "Bearer sk-other")], &body(false, 1, 1)).status, 401);
    assert_eq!(chat(sim.addr(), &[("authorization", "Bearer sk-secret")], &body(false, 1, 1)).status, 200);
    assert_eq!(chat(sim.addr(), &[("api-key", "sk-secret")], &body(false, 1, 1)).status, 401);
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
