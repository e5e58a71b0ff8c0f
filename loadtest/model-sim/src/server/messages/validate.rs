//! What a request for a message may be. It owns the fields, ranges and order of roles that Anthropic's API
//! insists on; it refuses to count or to answer.
//!
//! Fields after the public reference of the Messages API, version 2023-06-01.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use crate::server::errors::Complaint;

type Checked = Result<(), Complaint>;

const FIELDS: [&str; 22] = [
    "model",
    "messages",
    "max_tokens",
    "system",
    "metadata",
    "stop_sequences",
    "stream",
    "temperature",
    "tools",
    "tool_choice",
    "top_k",
    "top_p",
    "thinking",
    "service_tier",
    "container",
    "mcp_servers",
    "context_management",
    "output_config",
    "output_format",
    "cache_control",
    "inference_geo",
    "speed",
];

/// Fields of a message that are no use to a count.
const ONLY_GENERATING: [&str; 7] =
    ["max_tokens", "stream", "temperature", "top_k", "top_p", "stop_sequences", "metadata"];

/// Kinds of content block, with the fields each takes besides `type` and `cache_control`.
const BLOCKS: [(&str, &[&str]); 9] = [
    ("text", &["text", "citations"]),
    ("image", &["source"]),
    ("document", &["source", "title", "context", "citations"]),
    ("search_result", &["content", "source", "title", "citations"]),
    ("tool_use", &["id", "name", "input", "caller"]),
    ("tool_result", &["tool_use_id", "content", "is_error"]),
    ("thinking", &["thinking", "signature"]),
    ("redacted_thinking", &["data"]),
    ("container_upload", &["file_id"]),
];

/// Reads and checks the body of a request for a message.
pub(super) fn message(body: &[u8]) -> Result<Map<String, Value>, Complaint> {
    let body = object(body)?;
    check(&body, &FIELDS)?;
    let ceiling = body.get("max_tokens").ok_or_else(|| bad("max_tokens", "Field required"))?;
    if ceiling.as_u64().is_none_or(|ceiling| ceiling == 0) {
        return Err(bad("max_tokens", "Input should be a valid integer greater than or equal to 1"));
    }
    for name in ["temperature", "top_p"] {
        if let Some(value) = body.get(name).filter(|value| !value.is_null()) {
            let value = value.as_f64().ok_or_else(|| bad(name, "Input should be a valid number"))?;
            if value > 1.0 {
                return Err(bad(name, "Input should be less than or equal to 1"));
            }
            if value < 0.0 {
                return Err(bad(name, "Input should be greater than or equal to 0"));
            }
        }
    }
    if body.get("stream").is_some_and(|value| !value.is_boolean()) {
        return Err(bad("stream", "Input should be a valid boolean"));
    }
    let stops = body.get("stop_sequences").filter(|value| !value.is_null());
    if let Some(stops) = stops {
        let stops = stops.as_array().ok_or_else(|| bad("stop_sequences", "Input should be a valid list"))?;
        if stops.iter().any(|stop| stop.as_str().is_none_or(|stop| stop.trim().is_empty())) {
            return Err(bad("stop_sequences", "each stop sequence must contain non-whitespace"));
        }
    }
    thinking(&body, ceiling.as_u64().unwrap_or(0))?;
    Ok(body)
}

/// Reads and checks the body of a request for a count.
pub(super) fn count(body: &[u8]) -> Result<Map<String, Value>, Complaint> {
    let body = object(body)?;
    let fields: Vec<&str> = FIELDS.into_iter().filter(|name| !ONLY_GENERATING.contains(name)).collect();
    check(&body, &fields)?;
    Ok(body)
}

fn bad(param: impl Into<String>, message: impl Into<String>) -> Complaint {
    Complaint::bad_request(message).about(param)
}

fn object(body: &[u8]) -> Result<Map<String, Value>, Complaint> {
    serde_json::from_slice(body)
        .map_err(|error| Complaint::bad_request(format!("The request body is not valid JSON: {error}")))
}

/// What holds for messages and counts alike.
fn check(body: &Map<String, Value>, fields: &[&str]) -> Checked {
    if let Some(name) = body.keys().find(|name| !fields.contains(&name.as_str())) {
        return Err(bad(name, "Extra inputs are not permitted"));
    }
    match body.get("model") {
        None => return Err(bad("model", "Field required")),
        Some(Value::String(_)) => {}
        Some(_) => return Err(bad("model", "Input should be a valid string")),
    }
    match body.get("system") {
        None | Some(Value::String(_)) => {}
        Some(Value::Array(blocks)) => {
            for (index, block) in blocks.iter().enumerate() {
                block_fields(&format!("system.{index}"), block)?;
            }
        }
        Some(_) => return Err(bad("system", "Input should be a valid string or a list of text blocks")),
    }
    let names = tool_names(body)?;
    tool_choice(body, &names)?;
    messages(body.get("messages").ok_or_else(|| bad("messages", "Field required"))?)
}

fn tool_names(body: &Map<String, Value>) -> Result<BTreeSet<&str>, Complaint> {
    let mut names = BTreeSet::new();
    let tools = body.get("tools").and_then(Value::as_array).into_iter().flatten();
    for (index, tool) in tools.enumerate() {
        let at = |field: &str| format!("tools.{index}.{field}");
        let name =
            tool.get("name").and_then(Value::as_str).ok_or_else(|| bad(at("name"), "Field required"))?;
        // Tools of Anthropic's own have a type and no schema.
        let is_custom = tool.get("type").is_none_or(|kind| kind.is_null() || kind == "custom");
        if is_custom && tool.get("input_schema").is_none_or(|schema| schema.get("type").is_none()) {
            return Err(bad(at("custom.input_schema.type"), "Field required"));
        }
        if !names.insert(name) {
            return Err(bad("tools", "Tool names must be unique."));
        }
    }
    Ok(names)
}

fn tool_choice(body: &Map<String, Value>, names: &BTreeSet<&str>) -> Checked {
    let Some(choice) = body.get("tool_choice").filter(|choice| !choice.is_null()) else { return Ok(()) };
    match choice.get("type").and_then(Value::as_str) {
        Some("auto" | "any" | "none") if !names.is_empty() => Ok(()),
        Some("tool") if choice.get("name").is_none() => Err(bad("tool_choice.tool.name", "Field required")),
        Some("tool") if !names.is_empty() => Ok(()),
        Some("auto" | "any" | "none" | "tool") => {
            Err(bad("tool_choice", "tool_choice may only be specified while providing tools"))
        }
        _ => Err(bad("tool_choice", "Input tag should be one of: 'auto', 'any', 'tool', 'none'")),
    }
}

fn thinking(body: &Map<String, Value>, ceiling: u64) -> Checked {
    let Some(thinking) = body.get("thinking").filter(|thinking| !thinking.is_null()) else { return Ok(()) };
    match thinking.get("type").and_then(Value::as_str) {
        Some("disabled" | "adaptive") => Ok(()),
        Some("enabled") => {
            let at = "thinking.enabled.budget_tokens";
            let budget = thinking.get("budget_tokens").and_then(Value::as_u64);
            let budget = budget.ok_or_else(|| bad(at, "Field required"))?;
            if budget < 1_024 {
                return Err(bad(at, "Input should be greater than or equal to 1024"));
            }
            if budget >= ceiling {
                return Err(Complaint::bad_request(
                    "`max_tokens` must be greater than `thinking.budget_tokens`.",
                ));
            }
            Ok(())
        }
        _ => Err(bad("thinking", "Input tag should be one of: 'adaptive', 'disabled', 'enabled'")),
    }
}

fn messages(messages: &Value) -> Checked {
    let list = messages.as_array().ok_or_else(|| bad("messages", "Input should be a valid list"))?;
    if list.is_empty() {
        return Err(bad("messages", "at least one message is required"));
    }
    let mut expected = "user";
    // Calls of the message before, which this one must answer.
    let mut called: BTreeSet<&str> = BTreeSet::new();
    for (index, message) in list.iter().enumerate() {
        let at = format!("messages.{index}");
        let fields = message.as_object().ok_or_else(|| bad(&at, "Input should be an object"))?;
        if let Some(name) = fields.keys().find(|name| !["role", "content"].contains(&name.as_str())) {
            return Err(bad(format!("{at}.{name}"), "Extra inputs are not permitted"));
        }
        let role = fields.get("role").and_then(Value::as_str).unwrap_or_default();
        if !["user", "assistant"].contains(&role) {
            return Err(bad(format!("{at}.role"), "Input should be 'user' or 'assistant'"));
        }
        if role != expected {
            let message = if index == 0 {
                "first message must use the \"user\" role".to_owned()
            } else {
                format!(
                    "roles must alternate between \"user\" and \"assistant\", but {at} is another \"{role}\""
                )
            };
            return Err(bad("messages", message));
        }
        expected = if role == "user" { "assistant" } else { "user" };
        called = content(&at, fields.get("content"), &called)?;
    }
    Ok(())
}

/// Checks a message's content; returns the calls it makes.
fn content<'a>(
    at: &str,
    content: Option<&'a Value>,
    called: &BTreeSet<&str>,
) -> Result<BTreeSet<&'a str>, Complaint> {
    let blocks = match content {
        None => return Err(bad(format!("{at}.content"), "Field required")),
        Some(Value::String(_)) => [].as_slice(),
        Some(Value::Array(blocks)) => blocks,
        Some(_) => return Err(bad(format!("{at}.content"), "Input should be a valid string or a list")),
    };
    let (mut calls, mut answered) = (BTreeSet::new(), BTreeSet::new());
    for (index, block) in blocks.iter().enumerate() {
        let at = format!("{at}.content.{index}");
        let id = |field: &str| block.get(field).and_then(Value::as_str);
        match block_fields(&at, block)? {
            "tool_use" => {
                calls.insert(id("id").ok_or_else(|| bad(format!("{at}.tool_use.id"), "Field required"))?);
            }
            "tool_result" => {
                let id = id("tool_use_id");
                let id = id.ok_or_else(|| bad(format!("{at}.tool_result.tool_use_id"), "Field required"))?;
                if !called.contains(id) {
                    let message = format!(
                        "unexpected `tool_use_id` found in `tool_result` blocks: {id}. Each `tool_result` must answer a `tool_use` of the previous message."
                    );
                    return Err(bad(at, message));
                }
                answered.insert(id);
            }
            _ => {}
        }
    }
    match called.iter().find(|id| !answered.contains(*id)) {
        None => Ok(calls),
        Some(id) => {
            let message =
                format!("`tool_use` ids were found without `tool_result` blocks in the next message: {id}.");
            Err(bad(at, message))
        }
    }
}

/// Checks the fields of a content block; returns its kind.
fn block_fields<'a>(at: &str, block: &'a Value) -> Result<&'a str, Complaint> {
    let fields = block.as_object().ok_or_else(|| bad(at, "Input should be an object"))?;
    let kind = fields
        .get("type")
        .and_then(Value::as_str)
        .ok_or_else(|| bad(format!("{at}.type"), "Field required"))?;
    let Some((_, known)) = BLOCKS.into_iter().find(|(name, _)| *name == kind) else {
        // Blocks of Anthropic's own tools come back as they were given.
        if kind.ends_with("_tool_result") || kind == "server_tool_use" || kind.starts_with("mcp_tool") {
            return Ok(kind);
        }
        return Err(bad(at, format!("Input tag '{kind}' is not a kind of content block")));
    };
    let is_known = |name: &str| ["type", "cache_control"].contains(&name) || known.contains(&name);
    if let Some(name) = fields.keys().find(|name| !is_known(name)) {
        return Err(bad(format!("{at}.{kind}.{name}"), "Extra inputs are not permitted"));
    }
    if kind == "text" && !fields.get("text").is_some_and(Value::is_string) {
        return Err(bad(format!("{at}.text.text"), "Field required"));
    }
    if let Some(control) = fields.get("cache_control").filter(|control| !control.is_null()) {
        cache_control(at, control)?;
    }
    Ok(kind)
}

fn cache_control(at: &str, control: &Value) -> Checked {
    let lifetime = control.get("ttl").map_or(Some("5m"), Value::as_str);
    if control.get("type").and_then(Value::as_str) == Some("ephemeral")
        && matches!(lifetime, Some("5m" | "1h"))
    {
        Ok(())
    } else {
        Err(bad(
            format!("{at}.cache_control"),
            "Input should be {\"type\": \"ephemeral\"}, with a `ttl` of '5m' or '1h'",
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    fn refused(change: impl FnOnce(&mut Value)) -> (Option<String>, String) {
        let mut body = json!({"model": "m", "max_tokens": 8, "messages": [{"role": "user", "content": "x"}]});
        assert!(message(body.to_string().as_bytes()).is_ok());
        change(&mut body);
        let complaint = message(body.to_string().as_bytes()).unwrap_err();
        (complaint.param, complaint.message)
    }

    #[test]
    fn a_wrong_request_names_its_field() {
        type Change = fn(&mut Value);
        let changes: [(Change, &str); 12] = [
            (|body| body["max_tokens"] = json!(0), "max_tokens"),
            (|body| body["temperature"] = json!(1.5), "temperature"),
            (|body| body["n"] = json!(2), "n"),
            (|body| body["stop_sequences"] = json!([" "]), "stop_sequences"),
            (|body| body["messages"] = json!([]), "messages"),
            (|body| body["messages"][0]["role"] = json!("system"), "messages.0.role"),
            (|body| body["messages"][0]["role"] = json!("assistant"), "messages"),
            (|body| body["messages"][0]["name"] = json!("x"), "messages.0.name"),
            (
                |body| body["messages"][0]["content"] = json!([{"type": "text", "text": "x", "id": 1}]),
                "messages.0.content.0.text.id",
            ),
            (|body| body["messages"][0]["content"] = json!([{"type": "image_url"}]), "messages.0.content.0"),
            (
                |body| body["thinking"] = json!({"type": "enabled", "budget_tokens": 5}),
                "thinking.enabled.budget_tokens",
            ),
            (|body| body["tool_choice"] = json!({"type": "any"}), "tool_choice"),
        ];
        for (change, param) in changes {
            assert_eq!(refused(change).0.as_deref(), Some(param));
        }
    }

    #[test]
    fn calls_and_results_of_tools_must_meet() {
        let asked = json!({"role": "user", "content": "x"});
        let call = json!({"role": "assistant", "content": [{"type": "tool_use", "id": "a", "name": "t", "input": {}}]});
        let result =
            |id: &str| json!({"role": "user", "content": [{"type": "tool_result", "tool_use_id": id}]});
        let with = |messages: Value| refused(move |body| body["messages"] = messages).1;
        assert!(with(json!([asked, call, result("b")])).contains("unexpected"));
        assert!(with(json!([asked, call, asked])).contains("without `tool_result`"));
        assert!(with(json!([result("a")])).contains("unexpected"));
        let good = json!({"model": "m", "max_tokens": 8, "messages": [asked, call, result("a")]});
        assert!(message(good.to_string().as_bytes()).is_ok());
    }

    proptest! {
        #[test]
        fn no_body_makes_the_reader_panic(body in "[\\[\\]{}\":,a-z0-9]{0,120}") {
            let _ = message(body.as_bytes());
            let _ = count(body.as_bytes());
        }
    }
}
