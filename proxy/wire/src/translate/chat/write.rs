//! A chat completion request, written. It owns where each thing goes; it refuses what chat messages have
//! no place for.

use crate::translate::RequestOptions;
use crate::translate::document::{Fault, Read, Str};
use crate::translate::neutral::{
    Author, Call, Choice, Effort, Lost, OutputFormat, Part, Source, Thinking, Tool, Turn, fit_id,
};
use crate::translate::writer::Writer;
use crate::translate::{Format, Request};

/// Longest id of a tool call that OpenAI takes.
const MAX_ID: usize = 40;

/// Writes a request. `size` is about how large it will be, in bytes.
pub(in crate::translate) fn write_request(
    mut call: Call<'_>,
    options: &RequestOptions<'_>,
    size: usize,
) -> Read<Request> {
    refuse_linked_documents(&call)?;
    let mut lost = std::mem::take(&mut call.lost);
    if call.turns.last().is_some_and(|turn| turn.author == Author::Assistant) && call.from == Format::Messages
    {
        // Anthropic continues it; chat backends answer it.
        lost.add("messages: the last turn's role");
    }
    let mut writer = Writer::with_capacity(size + size / 8 + 256);
    let mut result = Ok(());
    writer.object(|w| {
        w.key("model").text(options.model);
        w.key("messages").array(|w| {
            call.turns.iter().for_each(|turn| write_turn(turn, call.from, &mut lost, w));
        });
        write_tools(&call, w);
        write_bounds(&call, options, w);
        write_reasoning(&call, w);
        result = call.extras.iter().try_for_each(|extra| extra.settle(true, &mut lost, w));
    });
    result?;
    Ok(Request { body: writer.into_bytes().into(), lost: lost.into_fields() })
}

fn write_bounds(call: &Call<'_>, options: &RequestOptions<'_>, w: &mut Writer) {
    if let Some(tokens) = call.max_tokens {
        w.key("max_completion_tokens").number(tokens);
    }
    for (key, number) in [("temperature", call.temperature), ("top_p", call.top_p)] {
        if let Some(number) = number {
            w.key(key).raw(number);
        }
    }
    if !call.stop.is_empty() {
        w.key("stop").array(|w| call.stop.iter().for_each(|stop| w.string(stop)));
    }
    if let Some(user) = &call.user {
        w.key("user").string(user);
    }
    if call.stream {
        w.key("stream").boolean(true);
        if options.include_usage {
            w.key("stream_options").object(|w| w.key("include_usage").boolean(true));
        }
    }
    match &call.output {
        None => {}
        Some(OutputFormat::Json) => {
            w.key("response_format").object(|w| w.key("type").text("json_object"));
        }
        Some(OutputFormat::Schema { name, description, schema, strict }) => {
            w.key("response_format").object(|w| {
                w.key("type").text("json_schema");
                w.key("json_schema").object(|w| {
                    match name {
                        Some(name) => w.key("name").string(name),
                        None => w.key("name").text("answer"),
                    }
                    if let Some(description) = description {
                        w.key("description").string(description);
                    }
                    w.key("schema").raw(schema);
                    // Anthropic's schemas always bind.
                    if let Some(strict) = strict.or((call.from == Format::Messages).then_some(true)) {
                        w.key("strict").boolean(strict);
                    }
                });
            });
        }
    }
}

/// A budget is read as the effort that one would buy.
fn write_reasoning(call: &Call<'_>, w: &mut Writer) {
    let effort = match (call.thinking, call.effort) {
        (Some(Thinking::Off), _) if call.from == Format::Messages => None,
        (Some(Thinking::Off), _) => Some("none"),
        (_, Some(effort)) => Some(super::effort_name(effort)),
        (Some(Thinking::Budget(tokens)), None) => Some(super::effort_name(match tokens {
            0..4096 => Effort::Low,
            4096..16384 => Effort::Medium,
            _ => Effort::High,
        })),
        (Some(Thinking::Adaptive) | None, None) => None,
    };
    if let Some(effort) = effort {
        w.key("reasoning_effort").text(effort);
    }
}

fn write_tools(call: &Call<'_>, w: &mut Writer) {
    if !call.tools.is_empty() {
        w.key("tools").array(|w| call.tools.iter().for_each(|tool| write_tool(tool, w)));
    }
    // A choice among no tools is an error to the backend, unless it forces nothing.
    if let Some(choice) = call.choice.as_ref().filter(|choice| choice.is_forced() || !call.tools.is_empty()) {
        w.key("tool_choice");
        match choice {
            Choice::Auto => w.text("auto"),
            Choice::Forbidden => w.text("none"),
            Choice::Required => w.text("required"),
            Choice::Named(name) => w.object(|w| {
                w.key("type").text("function");
                w.key("function").object(|w| w.key("name").string(name));
            }),
        }
    }
    if let (Some(parallel), false) = (call.parallel, call.tools.is_empty()) {
        w.key("parallel_tool_calls").boolean(parallel);
    }
}

fn write_tool(tool: &Tool<'_>, w: &mut Writer) {
    w.object(|w| {
        w.key("type").text("function");
        w.key("function").object(|w| {
            w.key("name").string(&tool.name);
            if let Some(description) = &tool.description {
                w.key("description").string(description);
            }
            if let Some(schema) = tool.schema {
                w.key("parameters").raw(schema);
            }
            if let Some(strict) = tool.strict {
                w.key("strict").boolean(strict);
            }
        });
    });
}

fn write_turn(turn: &Turn<'_>, from: Format, lost: &mut Lost, w: &mut Writer) {
    match turn.author {
        Author::System => w.object(|w| {
            w.key("role").text("system");
            write_content(turn.parts.iter(), w);
        }),
        Author::User => write_user(turn, lost, w),
        Author::Assistant => write_assistant(turn, from, lost, w),
    }
}

/// Results are messages of their own and come first, as they must. Tool messages hold text only, so
/// what a result shows goes into the message after it.
fn write_user(turn: &Turn<'_>, lost: &mut Lost, w: &mut Writer) {
    let mut shown = Vec::new();
    let is_text = |part: &&Part<'_>| matches!(part, Part::Text(_));
    for part in &turn.parts {
        if let Part::ToolResult { id, parts } = part {
            w.object(|w| {
                w.key("role").text("tool");
                w.key("tool_call_id").text(&fit_id(id, MAX_ID));
                write_content(parts.iter().filter(is_text), w);
            });
            shown.extend(parts.iter().filter(|part| !is_text(part)));
        }
    }
    if !shown.is_empty() {
        lost.add("tool results: the place of images and documents");
    }
    shown.extend(turn.parts.iter().filter(|part| !matches!(part, Part::ToolResult { .. })));
    if !shown.is_empty() {
        w.object(|w| {
            w.key("role").text("user");
            write_content(shown.into_iter(), w);
        });
    }
}

fn write_assistant(turn: &Turn<'_>, from: Format, lost: &mut Lost, w: &mut Writer) {
    let calls = || turn.parts.iter().filter(|part| matches!(part, Part::ToolCall { .. }));
    let said = || turn.parts.iter().filter(|part| matches!(part, Part::Text(_)));
    let reasoning: Vec<&Str<'_>> = turn.parts.iter().filter_map(|part| reasoning(part, from, lost)).collect();
    let refusals = || {
        turn.parts.iter().filter_map(|part| if let Part::Refusal(text) = part { Some(text) } else { None })
    };
    if said().next().is_none()
        && calls().next().is_none()
        && refusals().next().is_none()
        && reasoning.is_empty()
    {
        return;
    }
    w.object(|w| {
        w.key("role").text("assistant");
        if said().next().is_some() || calls().next().is_none() {
            write_content(said(), w);
        } else {
            w.key("content").null();
        }
        if !reasoning.is_empty() {
            w.key("reasoning_content").joined(reasoning.iter().copied());
        }
        if refusals().next().is_some() {
            w.key("refusal").joined(refusals());
        }
        if calls().next().is_some() {
            w.key("tool_calls").array(|w| calls().for_each(|call| write_call(call, w)));
        }
    });
}

/// Reasoning that a chat backend can have written. What another provider signed is no use to it.
fn reasoning<'p>(part: &'p Part<'_>, from: Format, lost: &mut Lost) -> Option<&'p Str<'p>> {
    match part {
        Part::Thinking { text, signature: None } => return Some(text),
        Part::Thinking { .. } | Part::Redacted(_) => lost.add(match from {
            Format::Responses => "input[].encrypted_content",
            Format::Chat | Format::Messages => "messages[].content[].thinking",
        }),
        _ => {}
    }
    None
}

/// One call of a message.
pub(super) fn write_call(call: &Part<'_>, w: &mut Writer) {
    if let Part::ToolCall { id, name, arguments } = call {
        w.object(|w| {
            w.key("id").text(&fit_id(id, MAX_ID));
            w.key("type").text("function");
            w.key("function").object(|w| {
                w.key("name").string(name);
                arguments.write_text(w.key("arguments"));
            });
        });
    }
}

/// A string when there is one text and nothing else, as every server understands; else parts.
fn write_content<'p>(parts: impl Iterator<Item = &'p Part<'p>> + Clone, w: &mut Writer) {
    let mut ahead = parts.clone();
    w.key("content");
    match (ahead.next(), ahead.next()) {
        (None, _) => w.text(""),
        (Some(Part::Text(text)), None) => w.string(text),
        _ => w.array(|w| parts.for_each(|part| write_part(part, w))),
    }
}

fn write_part(part: &Part<'_>, w: &mut Writer) {
    match part {
        Part::Text(text) | Part::Refusal(text) => w.object(|w| {
            w.key("type").text("text");
            w.key("text").string(text);
        }),
        Part::Image(source) => w.object(|w| {
            w.key("type").text("image_url");
            w.key("image_url").object(|w| source.write_url(w.key("url")));
        }),
        Part::Document { source, title } => w.object(|w| {
            w.key("type").text("file");
            w.key("file").object(|w| {
                // The name is no option there.
                match title {
                    Some(title) => w.key("filename").string(title),
                    None => w.key("filename").text("document.pdf"),
                }
                source.write_url(w.key("file_data"));
            });
        }),
        Part::ToolCall { .. } | Part::ToolResult { .. } | Part::Thinking { .. } | Part::Redacted(_) => {}
    }
}

/// Chat takes a document's bytes, not its address.
fn refuse_linked_documents(call: &Call<'_>) -> Read<()> {
    let linked = |part: &Part<'_>| matches!(part, Part::Document { source: Source::Link(_), .. });
    let shown = |part: &Part<'_>| match part {
        Part::ToolResult { parts, .. } => parts.iter().any(linked),
        part => linked(part),
    };
    if call.turns.iter().flat_map(|turn| &turn.parts).any(shown) {
        let field = if call.from == Format::Responses { "input" } else { "messages" };
        return Err(Fault::at(field, "holds the address of a document: send the document itself"));
    }
    Ok(())
}
