//! A messages request, written. It owns the order Anthropic demands (the system prompt apart, turns that
//! alternate, results first); it refuses what Anthropic would answer differently.

use crate::translate::document::{Fault, Read, Str};
use crate::translate::neutral::{
    Author, Call, Choice, Effort, Lost, OutputFormat, Part, Source, Thinking, Tool, Turn, fit_id,
};
use crate::translate::writer::Writer;
use crate::translate::{Format, Request, RequestOptions, ThinkingStyle};

/// Longest id of a tool call.
const MAX_ID: usize = 128;
/// The smallest budget for reasoning that Anthropic takes.
const MIN_BUDGET: u64 = 1024;

/// Writes a request. `size` is about how large it will be, in bytes.
pub(in crate::translate) fn write_request(
    mut call: Call<'_>,
    options: &RequestOptions<'_>,
    size: usize,
) -> Read<Request> {
    let mut lost = std::mem::take(&mut call.lost);
    check(&call)?;
    let max_tokens = call.max_tokens.unwrap_or(options.default_max_tokens);
    let system = system(&call, &mut lost);
    let turns = turns(&call, &mut lost);
    if turns.is_empty() {
        let field = if call.from == Format::Responses { "input" } else { "messages" };
        return Err(Fault::at(field, "must hold a message that says something, besides the system's"));
    }
    let mut writer = Writer::with_capacity(size + size / 8 + 256);
    let mut result = Ok(());
    writer.object(|w| {
        w.key("model").text(options.model);
        w.key("max_tokens").number(max_tokens);
        if !system.is_empty() {
            w.key("system").array(|w| system.iter().for_each(|text| write_text(text, w)));
        }
        w.key("messages").array(|w| turns.iter().for_each(|turn| write_turn(turn, w)));
        write_tools(&call, w);
        write_sampling(&call, w);
        write_thinking(&call, max_tokens, options.thinking, &mut lost, w);
        if call.stream {
            w.key("stream").boolean(true);
        }
        if let Some(user) = &call.user {
            w.key("metadata").object(|w| w.key("user_id").string(user));
        }
        result = call.extras.iter().try_for_each(|extra| extra.settle(false, &mut lost, w));
    });
    result?;
    Ok(Request { body: writer.into_bytes().into(), lost: lost.into_fields() })
}

/// Refuses what would come out differently.
fn check(call: &Call<'_>) -> Read<()> {
    let temperature = call.temperature.and_then(|number| number.parse::<f64>().ok());
    if temperature.is_some_and(|temperature| temperature > 1.0) {
        return Err(Fault::at("temperature", "must be at most 1: the backend's range ends there"));
    }
    if let Some(OutputFormat::Json) = call.output {
        let field = if call.from == Format::Responses { "text.format" } else { "response_format" };
        return Err(Fault::at(field, "must be json_schema: the backend has no JSON mode without a schema"));
    }
    let pdf = |source: &Source<'_>| match source {
        Source::Inline { media_type, .. } => media_type == "application/pdf",
        Source::Link(_) => true,
    };
    let readable = |part: &Part<'_>| !matches!(part, Part::Document { source, .. } if !pdf(source));
    let parts = || call.turns.iter().flat_map(|turn| &turn.parts);
    if parts().all(|part| match part {
        Part::ToolResult { parts, .. } => parts.iter().all(readable),
        part => readable(part),
    }) {
        return Ok(());
    }
    let field = if call.from == Format::Responses { "input" } else { "messages" };
    Err(Fault::at(field, "holds a file that is no PDF: the backend reads no other"))
}

/// What the system says. Anthropic hears it before the conversation, so what was said amid that moves.
fn system<'c>(call: &'c Call<'_>, lost: &mut Lost) -> Vec<&'c Str<'c>> {
    let said = |part: &'c Part<'_>| match part {
        Part::Text(text) if !text.is_empty() => Some(text),
        _ => None,
    };
    let lead = call.turns.iter().take_while(|turn| turn.author == Author::System).count();
    if call.turns.iter().skip(lead).any(|turn| turn.author == Author::System) {
        lost.add("the place of later system messages");
    }
    let system = call.turns.iter().filter(|turn| turn.author == Author::System);
    system.flat_map(|turn| &turn.parts).filter_map(said).collect()
}

struct Merged<'c> {
    author: Author,
    parts: Vec<&'c Part<'c>>,
}

/// The turns as Anthropic takes them: neighbours of one author merged, results first, nothing empty.
fn turns<'c>(call: &'c Call<'_>, lost: &mut Lost) -> Vec<Merged<'c>> {
    let mut merged: Vec<Merged<'c>> = Vec::new();
    for turn in call.turns.iter().filter(|turn| turn.author != Author::System) {
        let parts: Vec<_> = turn.parts.iter().filter(|part| is_said(part, call.from, lost)).collect();
        match merged.last_mut() {
            _ if parts.is_empty() => {}
            Some(last) if last.author == turn.author => last.parts.extend(parts),
            _ => merged.push(Merged { author: turn.author, parts }),
        }
    }
    for turn in &mut merged {
        turn.parts.sort_by_key(|part| !matches!(part, Part::ToolResult { .. }));
    }
    merged
}

/// Whether a part is sent: Anthropic refuses empty text, and reasoning it has not signed.
fn is_said(part: &Part<'_>, from: Format, lost: &mut Lost) -> bool {
    match part {
        Part::Text(text) | Part::Refusal(text) => !text.is_empty(),
        Part::Thinking { signature: None, .. } => {
            lost.add(match from {
                Format::Chat => "messages[].reasoning_content",
                Format::Messages => "messages[].content[].thinking",
                Format::Responses => "input[].summary",
            });
            false
        }
        _ => true,
    }
}

fn write_turn(turn: &Merged<'_>, w: &mut Writer) {
    w.object(|w| {
        w.key("role").text(if turn.author == Author::Assistant { "assistant" } else { "user" });
        w.key("content").array(|w| turn.parts.iter().for_each(|part| write_part(part, w)));
    });
}

fn write_text(text: &Str<'_>, w: &mut Writer) {
    w.object(|w| {
        w.key("type").text("text");
        w.key("text").string(text);
    });
}

/// One block, of a request or of an answer.
pub(super) fn write_part(part: &Part<'_>, w: &mut Writer) {
    match part {
        Part::Text(text) | Part::Refusal(text) => write_text(text, w),
        Part::Image(source) => w.object(|w| {
            w.key("type").text("image");
            write_source(source, w);
        }),
        Part::Document { source, title } => w.object(|w| {
            w.key("type").text("document");
            write_source(source, w);
            if let Some(title) = title {
                w.key("title").string(title);
            }
        }),
        Part::ToolCall { id, name, arguments } => w.object(|w| {
            w.key("type").text("tool_use");
            w.key("id").text(&fit_id(id, MAX_ID));
            w.key("name").string(name);
            arguments.write_object(w.key("input"));
        }),
        Part::ToolResult { id, parts } => w.object(|w| {
            w.key("type").text("tool_result");
            w.key("tool_use_id").text(&fit_id(id, MAX_ID));
            let said = || parts.iter().filter(|part| !matches!(part, Part::Text(text) if text.is_empty()));
            if said().next().is_some() {
                w.key("content").array(|w| said().for_each(|part| write_part(part, w)));
            }
        }),
        Part::Thinking { text, signature } => w.object(|w| {
            w.key("type").text("thinking");
            w.key("thinking").string(text);
            match signature {
                Some(signature) => w.key("signature").string(signature),
                None => w.key("signature").text(""),
            }
        }),
        Part::Redacted(data) => w.object(|w| {
            w.key("type").text("redacted_thinking");
            w.key("data").string(data);
        }),
    }
}

fn write_source(source: &Source<'_>, w: &mut Writer) {
    w.key("source").object(|w| match source {
        Source::Inline { media_type, base64 } => {
            w.key("type").text("base64");
            w.key("media_type").text(media_type);
            w.key("data").text(base64);
        }
        Source::Link(url) => {
            w.key("type").text("url");
            w.key("url").string(url);
        }
    });
}

fn write_tools(call: &Call<'_>, w: &mut Writer) {
    if !call.tools.is_empty() {
        w.key("tools").array(|w| call.tools.iter().for_each(|tool| write_tool(tool, w)));
    }
    let one_at_a_time = call.parallel == Some(false);
    let choice = match &call.choice {
        // A choice among no tools is an error to the backend, unless it forces nothing.
        Some(choice) if choice.is_forced() || !call.tools.is_empty() => choice,
        None if one_at_a_time && !call.tools.is_empty() => &Choice::Auto,
        _ => return,
    };
    w.key("tool_choice").object(|w| {
        w.key("type").text(match choice {
            Choice::Auto => "auto",
            Choice::Forbidden => "none",
            Choice::Required => "any",
            Choice::Named(_) => "tool",
        });
        if let Choice::Named(name) = choice {
            w.key("name").string(name);
        }
        if one_at_a_time && !matches!(choice, Choice::Forbidden) {
            w.key("disable_parallel_tool_use").boolean(true);
        }
    });
}

fn write_tool(tool: &Tool<'_>, w: &mut Writer) {
    w.object(|w| {
        w.key("name").string(&tool.name);
        if let Some(description) = &tool.description {
            w.key("description").string(description);
        }
        w.key("input_schema").raw(tool.schema.unwrap_or(r#"{"type":"object","properties":{}}"#));
        if tool.strict == Some(true) {
            w.key("strict").boolean(true);
        }
    });
}

fn write_sampling(call: &Call<'_>, w: &mut Writer) {
    for (key, number) in [("temperature", call.temperature), ("top_p", call.top_p)] {
        if let Some(number) = number {
            w.key(key).raw(number);
        }
    }
    if !call.stop.is_empty() {
        w.key("stop_sequences").array(|w| call.stop.iter().for_each(|stop| w.string(stop)));
    }
}

/// Reasoning is advice: where Anthropic would refuse the request for it, it is left out and reported.
fn write_thinking(call: &Call<'_>, max_tokens: u64, style: ThinkingStyle, lost: &mut Lost, w: &mut Writer) {
    let effort = call.effort;
    let wanted = match (call.thinking, effort) {
        (Some(Thinking::Off), _) | (None, None) => None,
        _ if !may_think(call) => {
            lost.add(call.reasoning_field());
            None
        }
        (thinking, _) => Some(match (style, thinking) {
            (ThinkingStyle::Adaptive, _) => Thinking::Adaptive,
            (ThinkingStyle::Budget, Some(Thinking::Budget(tokens))) => Thinking::Budget(tokens),
            (ThinkingStyle::Budget, _) => Thinking::Budget(budget(effort, max_tokens)),
        }),
    };
    match wanted {
        Some(Thinking::Adaptive) => w.key("thinking").object(|w| w.key("type").text("adaptive")),
        Some(Thinking::Budget(tokens)) if tokens < max_tokens => w.key("thinking").object(|w| {
            w.key("type").text("enabled");
            w.key("budget_tokens").number(tokens);
        }),
        Some(_) => lost.add(call.reasoning_field()),
        None if matches!(call.thinking, Some(Thinking::Off)) => {
            w.key("thinking").object(|w| w.key("type").text("disabled"));
        }
        None => {}
    }
    let effort = effort.filter(|_| matches!(wanted, Some(Thinking::Adaptive)));
    let schema = match &call.output {
        Some(OutputFormat::Schema { schema, .. }) => Some(*schema),
        _ => None,
    };
    if effort.is_some() || schema.is_some() {
        w.key("output_config").object(|w| {
            if let Some(effort) = effort {
                w.key("effort").text(effort_name(effort));
            }
            if let Some(schema) = schema {
                w.key("format").object(|w| {
                    w.key("type").text("json_schema");
                    w.key("schema").raw(schema);
                });
            }
        });
    }
}

fn effort_name(effort: Effort) -> &'static str {
    match effort {
        Effort::Minimal | Effort::Low => "low",
        Effort::Medium => "medium",
        Effort::High => "high",
        Effort::XHigh => "xhigh",
        Effort::Max => "max",
    }
}

/// A share of the output, which reasoning counts towards in both dialects.
fn budget(effort: Option<Effort>, max_tokens: u64) -> u64 {
    let tenths = match effort {
        Some(Effort::Minimal | Effort::Low) => 2,
        None | Some(Effort::Medium) => 5,
        Some(Effort::High) => 8,
        Some(Effort::XHigh | Effort::Max) => 9,
    };
    (max_tokens / 10).saturating_mul(tenths).max(MIN_BUDGET)
}

/// Anthropic refuses to think when a tool is forced, under another temperature than 1, and after a call
/// whose own reasoning is not sent back with it.
fn may_think(call: &Call<'_>) -> bool {
    let forced = call.choice.as_ref().is_some_and(Choice::is_forced);
    let cool =
        call.temperature.and_then(|number| number.parse::<f64>().ok()).is_some_and(|number| number < 1.0);
    let last = call.turns.iter().rev().find(|turn| turn.author == Author::Assistant);
    let is_open = call
        .turns
        .last()
        .is_some_and(|turn| turn.parts.iter().any(|part| matches!(part, Part::ToolResult { .. })));
    !(forced || cool || is_open && last.is_some_and(called_without_reasoning))
}

fn called_without_reasoning(turn: &Turn<'_>) -> bool {
    let called = turn.parts.iter().any(|part| matches!(part, Part::ToolCall { .. }));
    let reasoned = turn
        .parts
        .iter()
        .any(|part| matches!(part, Part::Thinking { signature: Some(_), .. } | Part::Redacted(_)));
    called && !reasoned
}
