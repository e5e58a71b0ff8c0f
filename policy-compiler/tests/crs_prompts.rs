//! What a rule set says of requests to models once their fields are told apart: prompts that must pass, and attacks in
//! every place that is no prompt. Where the rules or the prompts are absent this says so and ends.

#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a broken test environment is best shown by a panic, and the figures are worth seeing"
)]

#[path = "crs/mod.rs"]
mod crs;

use std::collections::BTreeMap;
use std::sync::Arc;

use policy_compiler::seclang::Settings;
use serde_json::{Value, json};
use waf::fields::{Bounds, Classes, Schema, read};
use waf::program::EngineMode;
use waf::request::{Line, Pair, arguments_elsewhere};
use waf::run::{Engine, Inspection, Shortcuts};

const TARGET: &str = "/v1/chat/completions";

fn blocking() -> Settings {
    Settings { mode: Some(EngineMode::On), paranoia: Some(1), ..Settings::default() }
}

/// Whether a chat is refused, its fields told apart, with more headers and a query of its own.
fn refused(engine: &Arc<Engine>, target: &str, more: &[(&str, &[u8])], body: &Value) -> bool {
    let mut inspection = Inspection::new(Arc::clone(engine), crs::circumstances("prompt"));
    let body = body.to_string();
    let length = body.len().to_string();
    let mut headers = vec![
        ("Host", b"gateway.example.com".as_slice()),
        ("User-Agent", b"OpenAI/Python 1.60.0"),
        ("Accept", b"application/json"),
        ("Content-Type", b"application/json"),
        ("Content-Length", length.as_bytes()),
    ];
    headers.extend_from_slice(more);
    let pairs =
        headers.iter().map(|(name, value)| Pair { name: name.as_bytes().to_vec(), value: value.to_vec() });
    let line = Line { method: b"POST", target: target.as_bytes(), protocol: b"HTTP/1.1" };
    inspection.more_arguments(arguments_elsewhere(&headers));
    if inspection.request_head(&line, pairs.collect()).is_some() {
        return true;
    }
    let schema = Schema::named("openai-chat").unwrap();
    match read(&schema, body.as_bytes(), &Bounds::default(), Classes::default()) {
        Ok(fields) => inspection.request_fields(&fields, Classes::default()).is_some(),
        Err(_) => true,
    }
}

fn chat(messages: Value) -> Value {
    json!({"model": "gpt-4o", "temperature": 0.2, "messages": messages})
}

fn said(role: &str, content: &str) -> Value {
    json!({"role": role, "content": content})
}

#[test]
fn hardly_any_prompt_is_refused_alone_or_with_a_history() {
    let Some((rules, shared)) = crs::both() else { return };
    let engine = crs::engine(&rules, Shortcuts::default(), &blocking());
    let text = std::fs::read_to_string(shared.join("waf/prompts-benign.jsonl")).unwrap();
    let prompts: Vec<String> = text
        .lines()
        .map(|line| {
            let row: Value = serde_json::from_str(line).unwrap();
            ["prompt", "text", "content"]
                .iter()
                .find_map(|key| row[*key].as_str())
                .expect("a prompt")
                .to_owned()
        })
        .collect();
    assert!(prompts.len() > 1000);
    let (mut alone, mut later) = (0usize, 0usize);
    for (place, prompt) in prompts.iter().enumerate() {
        let system = said("system", "You are a helpful assistant.");
        alone += usize::from(refused(&engine, TARGET, &[], &chat(json!([system, said("user", prompt)]))));
        let mut messages = vec![system];
        for earlier in prompts.iter().skip(place.saturating_sub(4)).take(4.min(place)) {
            messages.extend([said("user", earlier), said("assistant", earlier)]);
        }
        messages.push(said("user", prompt));
        later += usize::from(refused(&engine, TARGET, &[], &chat(json!(messages))));
    }
    println!("refused of {} prompts: {alone} alone, {later} with a history", prompts.len());
    assert!(alone * 1000 <= prompts.len() && later * 1000 <= prompts.len());
}

/// A request with the payload in one place: the target, more headers, and the body.
type Placed = (String, Vec<(&'static str, Vec<u8>)>, Value);

fn places(payload: &str) -> BTreeMap<&'static str, Placed> {
    let plain = || chat(json!([said("user", "hello")]));
    let with = |change: &dyn Fn(&mut Value)| {
        let mut body = plain();
        change(&mut body);
        (TARGET.to_owned(), Vec::new(), body)
    };
    let call = json!({"q": payload}).to_string();
    let encoded: String = payload.bytes().map(|byte| format!("%{byte:02x}")).collect();
    BTreeMap::from([
        ("query", (format!("{TARGET}?q={encoded}"), Vec::new(), plain())),
        ("cookie", (TARGET.to_owned(), vec![("Cookie", format!("q={encoded}").into_bytes())], plain())),
        ("header", (TARGET.to_owned(), vec![("X-Note", payload.as_bytes().to_vec())], plain())),
        ("model", with(&|body| body["model"] = json!(payload))),
        ("user", with(&|body| body["user"] = json!(payload))),
        ("metadata", with(&|body| body["metadata"] = json!({"team": payload}))),
        (
            "tool name",
            with(&|body| body["tools"] = json!([{"type": "function", "function": {"name": payload}}])),
        ),
        (
            "tool arguments",
            with(&|body| {
                body["messages"][0] = json!({"role": "assistant", "content": null, "tool_calls": [
                    {"id": "1", "type": "function", "function": {"name": "f", "arguments": call}}]});
            }),
        ),
        (
            "nested part",
            with(&|body| body["messages"][0]["content"] = json!([{"type": "text", "payload": payload}])),
        ),
        ("content as an object", with(&|body| body["messages"][0]["content"] = json!({"text": payload}))),
        ("another letter case", with(&|body| body["messages"][0]["Contents"] = json!(payload))),
        ("stop", with(&|body| body["stop"] = json!([payload]))),
        ("a field nobody knows", with(&|body| body["x"] = json!([[{"y": payload}]]))),
    ])
}

#[test]
fn attacks_are_found_in_every_field_that_is_no_prompt() {
    let Some((rules, shared)) = crs::both() else { return };
    let engine = crs::engine(&rules, Shortcuts::default(), &blocking());
    let payloads: Vec<String> = crs::payloads(&shared)
        .into_iter()
        .filter(|payload| {
            let encoded: String = payload.bytes().map(|byte| format!("%{byte:02x}")).collect();
            let plain = chat(json!([said("user", "hello")]));
            refused(&engine, &format!("{TARGET}?q={encoded}"), &[], &plain)
        })
        .collect();
    assert!(payloads.len() > 300, "{} payloads are found as arguments", payloads.len());
    let mut found: BTreeMap<&str, usize> = BTreeMap::new();
    for payload in &payloads {
        for (place, (target, headers, body)) in places(payload) {
            let headers: Vec<(&str, &[u8])> =
                headers.iter().map(|(name, value)| (*name, value.as_slice())).collect();
            *found.entry(place).or_default() += usize::from(refused(&engine, &target, &headers, &body));
        }
    }
    for (place, found) in &found {
        println!(
            "{place:<24} {found} of {} ({:.2} %)",
            payloads.len(),
            100.0 * *found as f64 / payloads.len() as f64
        );
    }
    for (place, found) in found {
        assert!(found * 100 >= payloads.len() * 99, "{place}");
    }
}
