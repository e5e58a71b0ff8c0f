//! A messages request, read. It owns which fields there are and what becomes of each; it refuses tools
//! that run on Anthropic's servers.

use super::content;
use crate::translate::Format;
use crate::translate::definition::{self, Definition};
use crate::translate::document::{self, Fault, Input, Read};
use crate::translate::neutral::{
    Author, Call, Choice, Effort, Lost, OutputFormat, Part, Rule, Thinking, Tool, UNKNOWN,
};

/// Fields without a meaning of their own here.
const EXTRAS: &[(&str, Rule)] = &[
    ("top_k", Rule::Advice),
    ("service_tier", Rule::Advice),
    ("inference_geo", Rule::Only(&[], "is not known to the backend: leave it out")),
    ("speed", Rule::Advice),
    ("diagnostics", Rule::Advice),
    ("cache_control", Rule::Advice),
    ("context_management", Rule::Advice),
    ("container", Rule::Only(&[], "is not to be had: the backend runs no code")),
    ("mcp_servers", Rule::Only(&["[]"], "is not to be had: the backend calls no servers")),
];

/// Reads a request.
pub(in crate::translate) fn read_request(body: &[u8]) -> Read<Call<'_>> {
    let mut call = Call::new(Format::Messages);
    // The system prompt comes first, wherever the field stands.
    let (mut system, mut messages, mut model) = (Vec::new(), false, false);
    document::read(body, |input| {
        input.object(|input, key| {
            match key {
                "model" => model = input.word().map(|_| true)?,
                "messages" => {
                    messages = true;
                    input.array(|input| message(input, &mut call))?;
                }
                "system" => {
                    system = input.unless_null(|input| read_system(input, &mut call))?.unwrap_or_default()
                }
                _ => {
                    input.unless_null(|input| field(input, key, &mut call))?;
                }
            }
            Ok(())
        })
    })?;
    if !messages || !model {
        return Err(Fault::at(if messages { "model" } else { "messages" }, "is missing"));
    }
    if !system.is_empty() {
        let rest = std::mem::take(&mut call.turns);
        call.push(Author::System, system);
        call.turns.extend(rest);
    }
    Ok(call)
}

fn field<'a>(input: &mut Input<'a>, key: &str, call: &mut Call<'a>) -> Read<()> {
    match key {
        "max_tokens" => call.max_tokens = Some(input.count()?),
        "temperature" => call.temperature = Some(input.number()?),
        "top_p" => call.top_p = Some(input.number()?),
        "stop_sequences" => input.array(|input| {
            call.stop.push(input.string()?);
            Ok(())
        })?,
        "stream" => call.stream = input.boolean()?,
        "metadata" => input.object(|input, key| {
            if key == "user_id" {
                call.user = input.unless_null(Input::string)?;
                return Ok(());
            }
            call.lost.add(UNKNOWN);
            input.skip()
        })?,
        "tools" => input.array(|input| tool(input, call))?,
        "tool_choice" => tool_choice(input, call)?,
        "thinking" => thinking(input, call)?,
        "output_config" => output_config(input, call)?,
        // Its name before it was generally available.
        "output_format" => call.output = Some(output_format(input, &mut call.lost)?),
        _ => {
            let raw = input.raw()?;
            call.extra(EXTRAS, key, raw);
        }
    }
    Ok(())
}

fn read_system<'a>(input: &mut Input<'a>, call: &mut Call<'a>) -> Read<Vec<Part<'a>>> {
    let parts = content::read(input, &mut call.lost)?;
    if parts.iter().all(|part| matches!(part, Part::Text(_))) {
        return Ok(parts);
    }
    Err(Fault::here("may hold text blocks only"))
}

fn message<'a>(input: &mut Input<'a>, call: &mut Call<'a>) -> Read<()> {
    let (mut role, mut parts) = (None, None);
    let lost = &mut call.lost;
    input.object(|input, key| {
        match key {
            "role" => role = Some(input.word()?),
            "content" => parts = Some(content::read(input, lost)?),
            _ => {
                input.skip()?;
                lost.add(UNKNOWN);
            }
        }
        Ok(())
    })?;
    let role = role.ok_or(Fault::at("role", "is missing"))?;
    let parts = parts.ok_or(Fault::at("content", "is missing"))?;
    let allowed: fn(&Part<'_>) -> bool = match role.as_ref() {
        "user" => |part| !matches!(part, Part::ToolCall { .. } | Part::Thinking { .. } | Part::Redacted(_)),
        "assistant" => |part| {
            matches!(part, Part::Text(_) | Part::ToolCall { .. } | Part::Thinking { .. } | Part::Redacted(_))
        },
        "system" => |part| matches!(part, Part::Text(_)),
        _ => return Err(Fault::at("role", "must be user, assistant or system")),
    };
    if !parts.iter().all(allowed) {
        return Err(Fault::at("content", "holds a block that this role cannot have"));
    }
    let author = match role.as_ref() {
        "user" => Author::User,
        "assistant" => Author::Assistant,
        _ => Author::System,
    };
    call.push(author, parts);
    Ok(())
}

fn tool<'a>(input: &mut Input<'a>, call: &mut Call<'a>) -> Read<()> {
    let (mut kind, mut name, mut description, mut schema, mut strict) = (None, None, None, None, None);
    let lost = &mut call.lost;
    input.object(|input, key| {
        match key {
            "type" => kind = input.unless_null(Input::word)?,
            "name" => name = Some(input.string()?),
            "description" => description = input.unless_null(Input::string)?,
            "input_schema" => schema = Some(input.raw_object()?),
            "strict" => strict = input.unless_null(Input::boolean)?,
            "cache_control" => {
                input.skip()?;
                lost.add("cache_control");
            }
            "eager_input_streaming" | "defer_loading" | "input_examples" => {
                input.skip()?;
                lost.add("tools[]: hints");
            }
            _ => {
                input.skip()?;
                lost.add(UNKNOWN);
            }
        }
        Ok(())
    })?;
    if kind.is_some_and(|kind| kind != "custom") {
        return Err(Fault::at("type", "must be custom: the backend knows none of Anthropic's own tools"));
    }
    let name = name.ok_or(Fault::at("name", "is missing"))?;
    let schema = Some(schema.ok_or(Fault::at("input_schema", "is missing"))?);
    call.tools.push(Tool { name, description, schema, strict });
    Ok(())
}

fn tool_choice<'a>(input: &mut Input<'a>, call: &mut Call<'a>) -> Read<()> {
    let (mut kind, mut name) = (None, None);
    input.object(|input, key| {
        match key {
            "type" => kind = Some(input.word()?),
            "name" => name = Some(input.string()?),
            "disable_parallel_tool_use" => call.parallel = input.unless_null(Input::boolean)?.map(|off| !off),
            _ => input.skip()?,
        }
        Ok(())
    })?;
    call.choice = Some(match kind.as_deref() {
        Some("auto") => Choice::Auto,
        Some("none") => Choice::Forbidden,
        Some("any") => Choice::Required,
        Some("tool") => Choice::Named(name.ok_or(Fault::at("name", "is missing"))?),
        _ => return Err(Fault::at("type", "must be auto, any, tool or none")),
    });
    Ok(())
}

fn thinking<'a>(input: &mut Input<'a>, call: &mut Call<'a>) -> Read<()> {
    let (mut kind, mut budget) = (None, None);
    input.object(|input, key| {
        match key {
            "type" => kind = Some(input.word()?),
            "budget_tokens" => budget = Some(input.count()?),
            // How much of it to show: the backend decides.
            "display" => {
                input.skip()?;
                call.lost.add("thinking.display");
            }
            _ => input.skip()?,
        }
        Ok(())
    })?;
    call.thinking = Some(match kind.as_deref() {
        Some("disabled") => Thinking::Off,
        Some("adaptive") => Thinking::Adaptive,
        Some("enabled") => Thinking::Budget(budget.ok_or(Fault::at("budget_tokens", "is missing"))?),
        _ => return Err(Fault::at("type", "must be enabled, adaptive or disabled")),
    });
    Ok(())
}

fn output_config<'a>(input: &mut Input<'a>, call: &mut Call<'a>) -> Read<()> {
    input.object(|input, key| {
        match key {
            "effort" => call.effort = input.unless_null(effort)?,
            "format" => call.output = input.unless_null(|input| output_format(input, &mut call.lost))?,
            "task_budget" => {
                input.skip()?;
                call.lost.add("output_config.task_budget");
            }
            _ => {
                input.skip()?;
                call.lost.add(UNKNOWN);
            }
        }
        Ok(())
    })
}

fn effort(input: &mut Input<'_>) -> Read<Effort> {
    definition::effort(&input.word()?).ok_or(Fault::here("must be low, medium, high, xhigh or max"))
}

fn output_format<'a>(input: &mut Input<'a>, lost: &mut Lost) -> Read<OutputFormat<'a>> {
    let format = Definition::read(input, "schema", lost)?;
    if format.kind.as_deref() != Some("json_schema") {
        return Err(Fault::at("type", "must be json_schema"));
    }
    format.into_output()
}
