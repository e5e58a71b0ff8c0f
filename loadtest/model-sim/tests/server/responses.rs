//! OpenAI's Responses API.

use model_sim::{SimHandle, tokens};
use serde_json::{Value, json};

use super::socket::{Ending, Reply, delete, get, post};
use super::{fast, start};

fn asked(stream: bool, input: &str) -> Value {
    json!({"model": "m", "input": input, "max_output_tokens": 20, "stream": stream})
}

fn ask(sim: &SimHandle, headers: &[(&str, &str)], body: &Value) -> Reply {
    post(sim.addr(), "/v1/responses", headers, body.to_string().as_bytes())
}

#[test]
fn a_stream_is_numbered_typed_and_ends_with_its_response() {
    let sim = start(fast());
    let reply = ask(&sim, &[("x-sim-output-tokens", "6")], &asked(true, "one two three"));
    assert_eq!((reply.status, reply.ending), (200, Ending::Whole));
    let events = reply.named_events();
    let names: Vec<&str> = events.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(
        names[..4],
        [
            "response.created",
            "response.in_progress",
            "response.output_item.added",
            "response.content_part.added"
        ]
    );
    assert!(names[4..10].iter().all(|name| *name == "response.output_text.delta"));
    assert_eq!(
        names[10..],
        [
            "response.output_text.done",
            "response.content_part.done",
            "response.output_item.done",
            "response.completed"
        ]
    );
    for (index, (name, data)) in events.iter().enumerate() {
        assert_eq!((&data["sequence_number"], &data["type"]), (&json!(index), &json!(name)));
    }
    let text: String = events
        .iter()
        .filter(|(name, _)| name.ends_with("text.delta"))
        .map(|(_, data)| data["delta"].as_str().unwrap())
        .collect();
    let response = &events.last().unwrap().1["response"];
    assert_eq!(response["output"][0]["content"][0]["text"], text);
    assert_eq!(
        (&response["usage"]["input_tokens"], &response["usage"]["output_tokens"]),
        (&json!(3), &json!(6))
    );
    assert_eq!(tokens::count(&text), 6);
    assert!(!String::from_utf8_lossy(&reply.body).contains("[DONE]"));
}

#[test]
fn an_answer_at_its_ceiling_is_incomplete() {
    let sim = start(fast());
    let whole = ask(&sim, &[("x-sim-output-tokens", "20")], &asked(false, "x")).json();
    assert_eq!(
        (&whole["status"], &whole["incomplete_details"]["reason"]),
        (&json!("incomplete"), &json!("max_output_tokens"))
    );
    let events = ask(&sim, &[("x-sim-output-tokens", "20")], &asked(true, "x")).named_events();
    assert_eq!(events.last().unwrap().0, "response.incomplete");
}

#[test]
fn functions_are_called_and_reasoning_is_an_item_of_its_own() {
    let sim = start(fast());
    let mut body = asked(true, "use the tool");
    body["max_output_tokens"] = json!(500);
    body["reasoning"] = json!({"effort": "low"});
    body["tools"] = json!([{"type": "function", "name": "tide", "parameters": {"type": "object", "required": ["at"], "properties": {"at": {"type": "string"}}}}]);
    let events = ask(&sim, &[], &body).named_events();
    let response = &events.last().unwrap().1["response"];
    let kinds: Vec<&str> =
        response["output"].as_array().unwrap().iter().map(|item| item["type"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["reasoning", "function_call"]);
    assert_eq!(response["output"][1]["arguments"], r#"{"at":"weir"}"#);
    assert_eq!(response["usage"]["output_tokens_details"]["reasoning_tokens"], 16);
    let fragments: String = events
        .iter()
        .filter(|(name, _)| name.ends_with("arguments.delta"))
        .map(|(_, data)| data["delta"].as_str().unwrap())
        .collect();
    assert_eq!(fragments, r#"{"at":"weir"}"#);
    assert_eq!(sim.log()[0].output_tokens, response["usage"]["output_tokens"].as_u64().unwrap());
}

#[test]
fn a_response_can_be_gone_on_from_asked_for_and_forgotten() {
    let sim = start(fast());
    let first = ask(&sim, &[("x-sim-output-tokens", "5")], &asked(false, "one two three")).json();
    let id = first["id"].as_str().unwrap();
    assert_eq!(get(sim.addr(), &format!("/v1/responses/{id}")).json(), first);
    let mut next = asked(false, "four");
    next["previous_response_id"] = json!(id);
    let second = ask(&sim, &[], &next).json();
    assert_eq!(
        (&second["usage"]["input_tokens"], &second["previous_response_id"]),
        (&json!(3 + 5 + 1), &json!(id))
    );
    assert_eq!(delete(sim.addr(), &format!("/v1/responses/{id}")).json()["deleted"], true);
    assert_eq!(get(sim.addr(), &format!("/v1/responses/{id}")).status, 404);
    let unknown = ask(&sim, &[], &next);
    assert_eq!((unknown.status, unknown.error_code().as_str()), (400, "previous_response_not_found"));
    assert_eq!(unknown.json()["error"]["param"], "previous_response_id");
    let mut unstored = asked(false, "x");
    unstored["store"] = json!(false);
    let id = ask(&sim, &[], &unstored).json()["id"].as_str().unwrap().to_owned();
    assert_eq!(get(sim.addr(), &format!("/v1/responses/{id}")).status, 404);
}

#[test]
fn faults_strike_responses_in_their_own_words() {
    let sim = start(fast());
    let last = |fault: &str| {
        ask(&sim, &[("x-sim-fault", fault), ("x-sim-output-tokens", "9")], &asked(true, "x"))
            .named_events()
            .pop()
            .unwrap()
    };
    let (name, data) = last("error_event:4");
    assert_eq!(
        (name.as_str(), &data["response"]["status"], &data["sequence_number"]),
        ("response.failed", &json!("failed"), &json!(4))
    );
    assert_eq!(last("error_event:0").0, "error");
    assert_eq!(last("overloaded:1").1["code"], "server_is_overloaded");
    assert_eq!(last("missing_done").0, "response.output_item.done");
    assert_eq!(last("content_filter:3").1["response"]["incomplete_details"]["reason"], "content_filter");
}
