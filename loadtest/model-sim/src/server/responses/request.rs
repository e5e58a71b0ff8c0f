//! Requests for responses, read into arrivals. It owns the fields it understands, how input items are
//! counted and how a conversation goes on from a response that is remembered; it refuses to remember.
//!
//! Counting: the words of `instructions` and of all text, arguments and outputs of calls in `input`, a fixed
//! number per image, and everything the previous response read and wrote.

use serde::Deserialize;
use serde_json::{Map, Value, json};
use vocabulary::Operation;

use super::{Memory, Response};
use crate::backend::Arrival;
use crate::server::asked::{Asked, Context, Form, Prefixes, read_headers, reasoning_tokens};
use crate::server::content::Shape;
use crate::server::errors::Complaint;
use crate::server::tools::{self, Demand, Offer, Tool};
use crate::tokens;

/// What an image counts, in tokens.
const IMAGE_TOKENS: u64 = 765;

/// Fewest output tokens a caller may allow.
const LOWEST_CEILING: u64 = 16;

/// What a response says back as it was asked, with what it is when it was not.
const ECHOED: [(&str, &str); 16] = [
    ("instructions", "null"),
    ("max_output_tokens", "null"),
    ("max_tool_calls", "null"),
    ("metadata", "{}"),
    ("parallel_tool_calls", "true"),
    ("prompt_cache_key", "null"),
    ("reasoning", r#"{"effort":null,"summary":null}"#),
    ("safety_identifier", "null"),
    ("service_tier", r#""default""#),
    ("temperature", "1.0"),
    ("text", r#"{"format":{"type":"text"}}"#),
    ("tool_choice", r#""auto""#),
    ("tools", "[]"),
    ("top_p", "1.0"),
    ("truncation", r#""disabled""#),
    ("user", "null"),
];

#[derive(Deserialize)]
struct Body {
    model: Option<String>,
    #[serde(default)]
    input: Value,
    #[serde(default)]
    instructions: Option<String>,
    #[serde(default)]
    max_output_tokens: Option<u64>,
    #[serde(default)]
    stream: Option<bool>,
    #[serde(default)]
    store: Option<bool>,
    #[serde(default)]
    previous_response_id: Option<String>,
    #[serde(default)]
    tools: Vec<Value>,
    #[serde(default)]
    tool_choice: Value,
    #[serde(default)]
    parallel_tool_calls: Option<bool>,
    #[serde(default)]
    reasoning: Value,
    #[serde(default)]
    text: Value,
}

/// Reads a request.
pub(in crate::server) fn parse(
    context: &Context<'_>,
    memory: &Memory,
    body: &[u8],
) -> Result<Asked, Complaint> {
    let wrong = |error: serde_json::Error| {
        Complaint::bad_request(format!("We could not parse the JSON body of your request: {error}"))
    };
    let fields: Map<String, Value> = serde_json::from_slice(body).map_err(wrong)?;
    let body: Body = serde_json::from_slice(body).map_err(wrong)?;
    if body.input.is_null() {
        return Err(bad("input", "Missing required parameter: 'input'."));
    }
    if let Some(ceiling) = body.max_output_tokens.filter(|ceiling| *ceiling < LOWEST_CEILING) {
        let message =
            format!("Invalid 'max_output_tokens': {ceiling} is below the minimum of {LOWEST_CEILING}.");
        return Err(bad("max_output_tokens", message).coded("integer_below_min_value"));
    }
    let before = match &body.previous_response_id {
        None => 0,
        Some(id) => {
            let unknown = || {
                let message = format!("Previous response with id '{id}' not found.");
                bad("previous_response_id", message).coded("previous_response_not_found")
            };
            memory.get(id).ok_or_else(unknown)?.tokens
        }
    };
    let items = items(&body.input)?;
    let model = context.deployment.map(str::to_owned).or_else(|| body.model.clone());
    let model = model.ok_or_else(|| bad("model", "Missing required parameter: 'model'."))?;
    let shape = shape(&body, &items)?;
    let mut prefixes = Prefixes::new(&model);
    let own = body.instructions.iter().map(|text| tokens::count(text)).sum::<u64>();
    if context.caches {
        body.instructions.iter().for_each(|text| prefixes.push(text));
        items.iter().for_each(|item| prefixes.push(&item.text));
    }
    let mut arrival = Arrival {
        operation: Some(Operation::Responses),
        model,
        stream: body.stream.unwrap_or(false),
        prompt_tokens: before + own + items.iter().map(|item| item.tokens).sum::<u64>(),
        choices: 1,
        max_output_tokens: body.max_output_tokens,
        reasoning_tokens: reasoning_tokens(body.reasoning.get("effort").and_then(Value::as_str))?,
        cache_points: prefixes.points(),
        ..Arrival::default()
    };
    arrival.natural_output_tokens = shape.natural_tokens().map(|tokens| tokens + arrival.reasoning_tokens);
    read_headers(context.headers, &mut arrival)?;
    let response = Response {
        store: body.store.unwrap_or(true),
        previous: body.previous_response_id,
        echo: echo(&fields),
    };
    Ok(Asked { arrival, shape, form: Form::Response(Box::new(response)) })
}

fn bad(param: &str, message: impl Into<String>) -> Complaint {
    Complaint::bad_request(message).about(param)
}

fn echo(fields: &Map<String, Value>) -> Value {
    let said = |(name, default): (&str, &str)| {
        let default = || serde_json::from_str(default).unwrap_or(Value::Null);
        let value = fields.get(name).filter(|value| !value.is_null()).cloned().unwrap_or_else(default);
        (name.to_owned(), value)
    };
    Value::Object(ECHOED.into_iter().map(said).collect())
}

/// An item of the input.
struct Item {
    is_user: bool,
    is_result: bool,
    tokens: u64,
    text: String,
}

fn items(input: &Value) -> Result<Vec<Item>, Complaint> {
    match input {
        Value::String(text) => Ok(vec![Item {
            is_user: true,
            is_result: false,
            tokens: tokens::count(text),
            text: text.clone(),
        }]),
        Value::Array(items) => Ok(items.iter().map(item).collect()),
        _ => Err(bad("input", "Invalid type for 'input': expected a string or a list of input items.")),
    }
}

fn item(item: &Value) -> Item {
    let text = |name: &str| item.get(name).and_then(Value::as_str).unwrap_or_default();
    let (mut said, mut images) = (String::new(), 0);
    for name in ["content", "output", "arguments"] {
        match item.get(name) {
            Some(Value::String(text)) => said.push_str(text),
            Some(Value::Array(parts)) => {
                for part in parts {
                    said.push_str(part.get("text").and_then(Value::as_str).unwrap_or_default());
                    said.push(' ');
                    images += u64::from(part.get("type").is_some_and(|kind| kind == "input_image"));
                }
            }
            _ => {}
        }
    }
    Item {
        is_user: text("role") == "user",
        is_result: text("type") == "function_call_output",
        tokens: tokens::count(&said) + images * IMAGE_TOKENS,
        text: said,
    }
}

fn shape(body: &Body, items: &[Item]) -> Result<Shape, Complaint> {
    let is_function = |tool: &&Value| tool.get("type").is_some_and(|kind| kind == "function");
    let named = |value: &Value| value.get("name").and_then(Value::as_str).map(str::to_owned);
    let offer = Offer {
        tools: body
            .tools
            .iter()
            .filter(is_function)
            .filter_map(|tool| {
                Some(Tool {
                    name: named(tool)?,
                    schema: tool.get("parameters").cloned().unwrap_or(json!({})),
                })
            })
            .collect(),
        demand: match &body.tool_choice {
            Value::String(word) if word == "none" => Demand::Never,
            Value::String(word) if word == "required" => Demand::Any,
            choice => named(choice).map_or(Demand::Free, Demand::Named),
        },
        single: body.parallel_tool_calls == Some(false),
        asked: items.iter().rev().find(|item| item.is_user).map_or("", |item| item.text.as_str()),
        after_result: items.last().is_some_and(|item| item.is_result),
    };
    let unknown = |name| bad("tool_choice", format!("Tool choice '{name}' not found in 'tools' parameter."));
    if let Some(calls) = tools::calls(&offer).map_err(unknown)? {
        return Ok(calls);
    }
    let format = body.text.get("format");
    match format.and_then(|format| format.get("type")).and_then(Value::as_str) {
        Some("json_object") => Ok(tools::json_answer(None)),
        Some("json_schema") => Ok(tools::json_answer(format.and_then(|format| format.get("schema")))),
        _ => Ok(Shape::Text),
    }
}
