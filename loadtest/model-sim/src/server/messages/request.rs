//! Messages in Anthropic's form, read into arrivals. It owns what is counted, where the prompt may be
//! cached and what calls a tool; what is allowed at all is `validate`'s.
//!
//! Counting: the words of `system` and of all text, thinking, tool arguments and tool results, and a fixed
//! number per image. Definitions of tools are not counted.

use serde_json::{Map, Value};
use vocabulary::Operation;

use super::validate;
use crate::backend::Arrival;
use crate::cache::{CachePoint, Lifetime};
use crate::server::asked::{Asked, Context, Form, hash, read_headers};
use crate::server::content::Shape;
use crate::server::errors::Complaint;
use crate::server::tools::{self, Demand, Offer, Tool};
use crate::tokens;

/// What an image counts, in tokens.
const IMAGE_TOKENS: u64 = 1_600;

/// Most tokens spent on thinking, whatever the budget.
const MOST_THINKING: u64 = 64;

/// Reads a request for a message.
pub(in crate::server) fn parse(context: &Context<'_>, body: &[u8]) -> Result<Asked, Complaint> {
    let body = validate::message(body)?;
    let prompt = Prompt::read(&body);
    let shape = shape(&body)?;
    let number = |name: &str| body.get(name).and_then(Value::as_u64);
    let mut arrival = Arrival {
        operation: Some(Operation::Messages),
        model: text_of(body.get("model")).to_owned(),
        stream: body.get("stream").and_then(Value::as_bool).unwrap_or(false),
        prompt_tokens: prompt.tokens,
        choices: 1,
        max_output_tokens: number("max_tokens"),
        reasoning_tokens: thinking(&body),
        stop: list(&body, "stop_sequences").filter_map(Value::as_str).map(str::to_owned).collect(),
        cache_points: prompt.points,
        ..Arrival::default()
    };
    arrival.natural_output_tokens = shape.natural_tokens().map(|tokens| tokens + arrival.reasoning_tokens);
    read_headers(context.headers, &mut arrival)?;
    Ok(Asked { arrival, shape, form: Form::Messages })
}

/// Counts the tokens of a message that is not asked for.
pub(in crate::server) fn count_tokens(body: &[u8]) -> Result<(String, u64), Complaint> {
    let body = validate::count(body)?;
    Ok((text_of(body.get("model")).to_owned(), Prompt::read(&body).tokens))
}

fn thinking(body: &Map<String, Value>) -> u64 {
    let Some(thinking) = body.get("thinking") else { return 0 };
    match thinking.get("type").and_then(Value::as_str) {
        Some("enabled") => {
            thinking.get("budget_tokens").and_then(Value::as_u64).unwrap_or(0).min(MOST_THINKING)
        }
        Some("adaptive") => MOST_THINKING / 2,
        _ => 0,
    }
}

fn shape(body: &Map<String, Value>) -> Result<Shape, Complaint> {
    let messages: Vec<&Value> = list(body, "messages").collect();
    let last = messages.last().and_then(|message| message.get("content"));
    let after_result = blocks(last).any(|block| kind_of(block) == "tool_result");
    let asked: String = match last {
        Some(Value::String(text)) => text.clone(),
        content => blocks(content).filter_map(|block| block.get("text")?.as_str()).collect(),
    };
    let choice = body.get("tool_choice");
    let choice_kind = choice.map_or("auto", kind_of);
    let offer = Offer {
        tools: list(body, "tools")
            .filter_map(|tool| {
                let schema = tool.get("input_schema")?.clone();
                Some(Tool { name: text_of(tool.get("name")).to_owned(), schema })
            })
            .collect(),
        demand: match choice_kind {
            "any" => Demand::Any,
            "none" => Demand::Never,
            "tool" => Demand::Named(text_of(choice.and_then(|choice| choice.get("name"))).to_owned()),
            _ => Demand::Free,
        },
        single: choice.and_then(|choice| choice.get("disable_parallel_tool_use")) == Some(&Value::Bool(true)),
        asked: &asked,
        after_result,
    };
    let unknown = |name| {
        Complaint::bad_request(format!("Tool '{name}' not found in provided tools")).about("tool_choice")
    };
    if let Some(calls) = tools::calls(&offer).map_err(unknown)? {
        return Ok(calls);
    }
    let format = body.get("output_format").or_else(|| body.get("output_config")?.get("format"));
    match format.filter(|format| kind_of(format) == "json_schema") {
        Some(format) => Ok(tools::json_answer(format.get("schema"))),
        None => Ok(Shape::Text),
    }
}

/// The prompt as the model reads it: its tools, then its system text, then its messages.
struct Prompt {
    tokens: u64,
    so_far: u64,
    points: Vec<CachePoint>,
}

impl Prompt {
    fn read(body: &Map<String, Value>) -> Self {
        let so_far = hash(0, text_of(body.get("model")).as_bytes());
        let mut prompt = Self { tokens: 0, so_far, points: Vec::new() };
        for tool in list(body, "tools") {
            prompt.take(tool, 0);
        }
        match body.get("system") {
            Some(Value::String(text)) => prompt.text(text),
            system => blocks(system).for_each(|block| prompt.block(block)),
        }
        for message in list(body, "messages") {
            match message.get("content") {
                Some(Value::String(text)) => prompt.text(text),
                content => blocks(content).for_each(|block| prompt.block(block)),
            }
        }
        if let Some(control) = body.get("cache_control") {
            prompt.mark(control);
        }
        prompt
    }

    fn text(&mut self, text: &str) {
        self.so_far = hash(self.so_far, text.as_bytes());
        self.tokens += tokens::count(text);
    }

    fn block(&mut self, block: &Value) {
        self.take(block, block_tokens(block));
    }

    fn take(&mut self, part: &Value, tokens: u64) {
        let mut bare = part.clone();
        let control = bare.as_object_mut().and_then(|fields| fields.remove("cache_control"));
        self.so_far = hash(self.so_far, bare.to_string().as_bytes());
        self.tokens += tokens;
        if let Some(control) = control.filter(|control| !control.is_null()) {
            self.mark(&control);
        }
    }

    /// Everything so far may be cached.
    fn mark(&mut self, control: &Value) {
        let is_long = control.get("ttl").and_then(Value::as_str) == Some("1h");
        let lifetime = if is_long { Lifetime::OneHour } else { Lifetime::FiveMinutes };
        self.points.push(CachePoint { prefix: self.so_far, tokens: self.tokens, lifetime });
    }
}

fn block_tokens(block: &Value) -> u64 {
    let text = |name: &str| block.get(name).and_then(Value::as_str).map_or(0, tokens::count);
    match kind_of(block) {
        "image" => IMAGE_TOKENS,
        "thinking" => text("thinking"),
        "tool_use" => block.get("input").map_or(0, |input| tokens::count(&input.to_string())),
        "tool_result" => match block.get("content") {
            Some(Value::String(text)) => tokens::count(text),
            content => blocks(content).map(block_tokens).sum(),
        },
        _ => text("text"),
    }
}

fn kind_of(value: &Value) -> &str {
    text_of(value.get("type"))
}

fn text_of(value: Option<&Value>) -> &str {
    value.and_then(Value::as_str).unwrap_or_default()
}

fn list<'a>(body: &'a Map<String, Value>, name: &str) -> impl Iterator<Item = &'a Value> {
    blocks(body.get(name))
}

fn blocks(value: Option<&Value>) -> impl Iterator<Item = &Value> {
    value.and_then(Value::as_array).into_iter().flatten()
}
