//! A chat completion request, read. It owns which fields there are and what becomes of each; it refuses
//! what was replaced years ago (`functions`), rather than guess.

use std::borrow::Cow;

use super::content;
use crate::json::Kind;
use crate::translate::Format;
use crate::translate::definition::{self, Definition};
use crate::translate::document::{self, Fault, Input, Read, Str};
use crate::translate::neutral::{Arguments, Author, Call, Choice, Lost, OutputFormat, Part, Rule, UNKNOWN};

/// Fields without a meaning of their own here.
const EXTRAS: &[(&str, Rule)] = &[
    ("n", Rule::Only(&["1"], "must be 1: the backend gives one answer to a request")),
    ("logprobs", Rule::Only(&["false"], NO_LOGPROBS)),
    ("top_logprobs", Rule::Only(&["0"], NO_LOGPROBS)),
    ("logit_bias", Rule::Only(&["{}"], "is not known to the backend: leave it out")),
    ("frequency_penalty", Rule::Only(NO_PENALTY, PENALTY)),
    ("presence_penalty", Rule::Only(NO_PENALTY, PENALTY)),
    ("modalities", Rule::Only(&["[\"text\"]"], "must be [\"text\"]: the backend answers in text only")),
    ("audio", Rule::Only(&[], "is not to be had: the backend answers in text only")),
    ("web_search_options", Rule::Only(&[], "is not to be had: the backend does not search the web")),
    ("moderation", Rule::Only(&[], "is not to be had: the backend does not moderate")),
    ("functions", Rule::Only(&["[]"], "has been replaced: use tools")),
    ("function_call", Rule::Only(&[], "has been replaced: use tool_choice")),
    ("seed", Rule::Chat),
    ("prediction", Rule::Chat),
    ("verbosity", Rule::Chat),
    ("metadata", Rule::Chat),
    ("service_tier", Rule::Chat),
    ("prompt_cache_key", Rule::Chat),
    ("prompt_cache_retention", Rule::Chat),
    ("prompt_cache_options", Rule::Chat),
    ("safety_identifier", Rule::Chat),
];
const NO_LOGPROBS: &str = "is not to be had: the backend gives no log probabilities";
const NO_PENALTY: &[&str] = &["0", "0.0"];
const PENALTY: &str = "must be 0: the backend knows no penalties";

/// Reads a request.
pub(in crate::translate) fn read_request(body: &[u8]) -> Read<Call<'_>> {
    let mut call = Call::new(Format::Chat);
    let (mut messages, mut model) = (false, false);
    document::read(body, |input| {
        input.object(|input, key| {
            match key {
                "model" => model = input.word().map(|_| true)?,
                "messages" => {
                    messages = true;
                    input.array(|input| message(input, &mut call))?;
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
    Ok(call)
}

fn field<'a>(input: &mut Input<'a>, key: &str, call: &mut Call<'a>) -> Read<()> {
    match key {
        // Of the two names for one bound, the newer one counts.
        "max_completion_tokens" => call.max_tokens = Some(input.count()?),
        "max_tokens" => call.max_tokens = call.max_tokens.or(Some(input.count()?)),
        "temperature" => call.temperature = Some(input.number()?),
        "top_p" => call.top_p = Some(input.number()?),
        "stop" => call.stop = stop(input)?,
        "stream" => call.stream = input.boolean()?,
        // The gateway asks for usage itself and gives the caller what the caller asked for.
        "stream_options" => input.skip()?,
        // False and nothing else asks for nothing: answers are not stored on the way.
        "store" => {
            if input.boolean()? {
                call.lost.add("store");
            }
        }
        "user" => call.user = Some(input.string()?),
        "tools" => tools(input, call)?,
        "tool_choice" => call.choice = Some(choice(input)?),
        "parallel_tool_calls" => call.parallel = Some(input.boolean()?),
        "response_format" => call.output = response_format(input, &mut call.lost)?,
        "reasoning_effort" => definition::read_effort(input, call)?,
        _ => {
            let raw = input.raw()?;
            call.extra(EXTRAS, key, raw);
        }
    }
    Ok(())
}

fn stop<'a>(input: &mut Input<'a>) -> Read<Vec<Str<'a>>> {
    if input.kind()? == Kind::String {
        return Ok(vec![input.string()?]);
    }
    let mut stops = Vec::new();
    input.array(|input| {
        stops.push(input.string()?);
        Ok(())
    })?;
    Ok(stops)
}

#[derive(Default)]
struct Message<'a> {
    role: Option<Cow<'a, str>>,
    content: Option<Vec<Part<'a>>>,
    reasoning: Option<Str<'a>>,
    refusal: Option<Str<'a>>,
    calls: Vec<Part<'a>>,
    answers: Option<Str<'a>>,
}

fn message<'a>(input: &mut Input<'a>, call: &mut Call<'a>) -> Read<()> {
    let mut message = Message::default();
    let lost = &mut call.lost;
    input.object(|input, key| {
        input.unless_null(|input| message.field(input, key, lost))?;
        Ok(())
    })?;
    let (author, parts) = message.into_turn()?;
    call.push(author, parts);
    Ok(())
}

impl<'a> Message<'a> {
    fn field(&mut self, input: &mut Input<'a>, key: &str, lost: &mut Lost) -> Read<()> {
        match key {
            "role" => self.role = Some(input.word()?),
            "content" => self.content = Some(content::read(input, lost)?),
            // vLLM spells it without `_content` from 0.11 on.
            "reasoning_content" | "reasoning" => self.reasoning = Some(input.string()?),
            "refusal" => self.refusal = Some(input.string()?),
            "tool_calls" => self.calls = tool_calls(input)?,
            "tool_call_id" => self.answers = Some(input.string()?),
            "function_call" => return Err(Fault::here("has been replaced: use tool_calls")),
            "audio" => return Err(Fault::here("is not to be had: the backend knows no audio")),
            "name" => {
                input.skip()?;
                lost.add("messages[].name");
            }
            // Citations of a web search, in a message that is echoed.
            "annotations" => input.skip()?,
            _ => {
                input.skip()?;
                lost.add(UNKNOWN);
            }
        }
        Ok(())
    }

    fn into_turn(self) -> Read<(Author, Vec<Part<'a>>)> {
        const NO_CONTENT: &str = "is missing";
        let role = self.role.ok_or(Fault::at("role", "is missing"))?;
        let content = self.content.ok_or(Fault::at("content", NO_CONTENT));
        match role.as_ref() {
            "system" | "developer" => {
                let content = content?;
                if content.iter().all(|part| matches!(part, Part::Text(_))) {
                    return Ok((Author::System, content));
                }
                Err(Fault::at("content", "may hold nothing but text in this role"))
            }
            "user" => Ok((Author::User, content?)),
            "assistant" => {
                let reasoning = self.reasoning.map(|text| Part::Thinking { text, signature: None });
                let mut parts: Vec<_> = reasoning.into_iter().collect();
                parts.extend(content.unwrap_or_default());
                parts.extend(self.refusal.map(Part::Refusal));
                parts.extend(self.calls);
                Ok((Author::Assistant, parts))
            }
            "tool" => {
                let id = self.answers.ok_or(Fault::at("tool_call_id", "is missing"))?;
                Ok((Author::User, vec![Part::ToolResult { id, parts: content? }]))
            }
            "function" => Err(Fault::at("role", "has been replaced: use the role tool")),
            _ => Err(Fault::at("role", "must be system, developer, user, assistant or tool")),
        }
    }
}

/// The `tool_calls` of a message.
pub(super) fn tool_calls<'a>(input: &mut Input<'a>) -> Read<Vec<Part<'a>>> {
    let mut calls = Vec::new();
    input.array(|input| {
        let (mut id, mut name, mut arguments) = (None, None, None);
        input.object(|input, key| {
            match key {
                "id" => id = Some(input.string()?),
                "type" => only_functions(input)?,
                "function" => input.object(|input, key| {
                    match key {
                        "name" => name = Some(input.string()?),
                        "arguments" => arguments = input.unless_null(Input::string)?,
                        _ => input.skip()?,
                    }
                    Ok(())
                })?,
                _ => input.skip()?,
            }
            Ok(())
        })?;
        calls.push(Part::ToolCall {
            id: id.ok_or(Fault::at("id", "is missing"))?,
            name: name.ok_or(Fault::at("function.name", "is missing"))?,
            arguments: arguments.map_or(Arguments::Object("{}"), Arguments::Text),
        });
        Ok(())
    })?;
    Ok(calls)
}

/// The only kind of tool that every dialect has.
fn only_functions(input: &mut Input<'_>) -> Read<()> {
    if input.unless_null(Input::word)?.is_none_or(|kind| kind == "function") {
        return Ok(());
    }
    Err(Fault::here("must be function: the backend knows no other tools"))
}

fn tools<'a>(input: &mut Input<'a>, call: &mut Call<'a>) -> Read<()> {
    input.array(|input| {
        let mut tool = None;
        input.object(|input, key| {
            match key {
                "type" => only_functions(input)?,
                "function" => {
                    tool = Some(Definition::read(input, "parameters", &mut call.lost)?.into_tool()?)
                }
                _ => {
                    input.skip()?;
                    // A tool of another kind is refused for its kind.
                    if !matches!(key, "custom") {
                        call.lost.add(UNKNOWN);
                    }
                }
            }
            Ok(())
        })?;
        call.tools.push(tool.ok_or(Fault::at("function", "is missing"))?);
        Ok(())
    })
}

fn choice<'a>(input: &mut Input<'a>) -> Read<Choice<'a>> {
    if input.kind()? == Kind::String {
        return definition::choice(&input.word()?);
    }
    let mut name = None;
    input.object(|input, key| {
        match key {
            "type" => only_functions(input)?,
            "function" => input.object(|input, key| {
                if key == "name" {
                    name = Some(input.string()?);
                    return Ok(());
                }
                input.skip()
            })?,
            _ => input.skip()?,
        }
        Ok(())
    })?;
    name.map(Choice::Named).ok_or(Fault::at("function.name", "is missing"))
}

fn response_format<'a>(input: &mut Input<'a>, lost: &mut Lost) -> Read<Option<OutputFormat<'a>>> {
    let (mut kind, mut format) = (None, None);
    input.object(|input, key| {
        match key {
            "type" => kind = Some(input.word()?),
            "json_schema" => {
                format = input.unless_null(|input| Definition::read(input, "schema", lost)?.into_output())?
            }
            _ => input.skip()?,
        }
        Ok(())
    })?;
    match kind.as_deref() {
        Some("text") => Ok(None),
        Some("json_object") => Ok(Some(OutputFormat::Json)),
        Some("json_schema") => Ok(Some(format.ok_or(Fault::at("json_schema", "is missing"))?)),
        _ => Err(Fault::at("type", "must be text, json_object or json_schema")),
    }
}
