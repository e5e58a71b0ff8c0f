//! A responses request, read. It owns which fields and items there are and what becomes of each; it
//! refuses what needs a memory (stored responses) or a server's own tools.

use std::borrow::Cow;

use super::{content, unseal};
use crate::json::Kind;
use crate::translate::Format;
use crate::translate::definition::{self, Definition};
use crate::translate::document::{self, Fault, Input, Read, Str};
use crate::translate::neutral::{Arguments, Author, Call, Choice, Lost, OutputFormat, Part, Rule, UNKNOWN};

/// Fields without a meaning of their own here.
const EXTRAS: &[(&str, Rule)] = &[
    (
        "previous_response_id",
        Rule::Only(&[], "refers to a response stored with another backend: send the whole input"),
    ),
    ("conversation", Rule::Only(&[], "refers to what is stored with another backend: send the whole input")),
    ("prompt", Rule::Only(&[], "refers to what is stored with another backend: send the text itself")),
    ("background", Rule::Only(&["false"], "must be false: the backend answers while the caller waits")),
    ("top_logprobs", Rule::Only(&["0"], "is not to be had: log probabilities are not carried over")),
    ("max_tool_calls", Rule::Advice),
    ("truncation", Rule::Only(&["\"disabled\""], "must be disabled: the backend does not shorten the input")),
    ("context_management", Rule::Advice),
    // Chat takes metadata only for what it stores.
    ("metadata", Rule::Advice),
    ("service_tier", Rule::Chat),
    ("prompt_cache_key", Rule::Chat),
    ("prompt_cache_retention", Rule::Chat),
    ("prompt_cache_options", Rule::Chat),
    ("moderation", Rule::Only(&[], "is not to be had: the backend does not moderate")),
    ("safety_identifier", Rule::Chat),
];

/// Reads a request.
pub(in crate::translate) fn read_request(body: &[u8]) -> Read<Call<'_>> {
    let mut call = Call::new(Format::Responses);
    let (mut instructions, mut items, mut model) = (None, false, false);
    document::read(body, |input| {
        input.object(|input, key| {
            match key {
                "model" => model = input.word().map(|_| true)?,
                "input" => {
                    items = true;
                    read_input(input, &mut call)?;
                }
                "instructions" => instructions = input.unless_null(Input::string)?,
                _ => {
                    input.unless_null(|input| field(input, key, &mut call))?;
                }
            }
            Ok(())
        })
    })?;
    if !items || !model {
        return Err(Fault::at(if items { "model" } else { "input" }, "is missing"));
    }
    if let Some(text) = instructions {
        let rest = std::mem::take(&mut call.turns);
        call.push(Author::System, vec![Part::Text(text)]);
        call.turns.extend(rest);
    }
    Ok(call)
}

fn read_input<'a>(input: &mut Input<'a>, call: &mut Call<'a>) -> Read<()> {
    if input.kind()? == Kind::String {
        let text = Part::Text(input.string()?);
        call.push(Author::User, vec![text]);
        return Ok(());
    }
    input.array(|input| item(input, call))
}

fn field<'a>(input: &mut Input<'a>, key: &str, call: &mut Call<'a>) -> Read<()> {
    match key {
        "max_output_tokens" => call.max_tokens = Some(input.count()?),
        "temperature" => call.temperature = Some(input.number()?),
        "top_p" => call.top_p = Some(input.number()?),
        "stream" => call.stream = input.boolean()?,
        // Only obfuscation is set there, which pads events and says nothing.
        "stream_options" => input.skip()?,
        "store" => {
            if input.boolean()? {
                call.lost.add("store");
            }
        }
        "include" => include(input, &mut call.lost)?,
        "user" => call.user = Some(input.string()?),
        "tools" => input.array(|input| tool(input, call))?,
        "tool_choice" => call.choice = Some(choice(input)?),
        "parallel_tool_calls" => call.parallel = Some(input.boolean()?),
        "text" => text(input, call)?,
        "reasoning" => reasoning(input, call)?,
        _ => {
            let raw = input.raw()?;
            call.extra(EXTRAS, key, raw);
        }
    }
    Ok(())
}

fn include(input: &mut Input<'_>, lost: &mut Lost) -> Read<()> {
    input.array(|input| {
        match input.word()?.as_ref() {
            // Given in any case.
            "reasoning.encrypted_content" => {}
            "message.output_text.logprobs" => {
                return Err(Fault::here("is not to be had: log probabilities are not carried over"));
            }
            _ => lost.add("include"),
        }
        Ok(())
    })
}

#[derive(Default)]
struct Item<'a> {
    kind: Option<Cow<'a, str>>,
    role: Option<Cow<'a, str>>,
    content: Option<Vec<Part<'a>>>,
    call_id: Option<Str<'a>>,
    name: Option<Str<'a>>,
    arguments: Option<Str<'a>>,
    output: Option<Vec<Part<'a>>>,
    summary: Vec<Str<'a>>,
    sealed: Option<Str<'a>>,
}

fn item<'a>(input: &mut Input<'a>, call: &mut Call<'a>) -> Read<()> {
    let mut item = Item::default();
    let lost = &mut call.lost;
    input.object(|input, key| {
        input.unless_null(|input| item.field(input, key, lost))?;
        Ok(())
    })?;
    let (author, parts) = item.into_turn(lost)?;
    call.push(author, parts);
    Ok(())
}

impl<'a> Item<'a> {
    fn field(&mut self, input: &mut Input<'a>, key: &str, lost: &mut Lost) -> Read<()> {
        match key {
            "type" => self.kind = Some(input.word()?),
            "role" => self.role = Some(input.word()?),
            "content" if self.kind.as_deref() == Some("reasoning") => self.summary = texts(input)?,
            "content" => self.content = Some(content::read(input, lost)?),
            "call_id" => self.call_id = Some(input.string()?),
            "name" => self.name = Some(input.string()?),
            "arguments" => self.arguments = Some(input.string()?),
            "output" => self.output = Some(content::read(input, lost)?),
            "summary" => {
                let summary = texts(input)?;
                if self.summary.is_empty() {
                    self.summary = summary;
                }
            }
            "encrypted_content" => self.sealed = Some(input.string()?).filter(|sealed| !sealed.is_empty()),
            // Of an item that is sent back.
            "id" | "status" | "phase" => input.skip()?,
            _ => {
                input.skip()?;
                lost.add(UNKNOWN);
            }
        }
        Ok(())
    }

    fn into_turn(self, lost: &mut Lost) -> Read<(Author, Vec<Part<'a>>)> {
        let need = |field: Option<Str<'a>>, name| field.ok_or(Fault::at(name, "is missing"));
        match self.kind.as_deref().unwrap_or("message") {
            "message" => {
                let content = self.content.ok_or(Fault::at("content", "is missing"))?;
                let author = match self.role.as_deref() {
                    Some("system" | "developer") => Author::System,
                    Some("user") => Author::User,
                    Some("assistant") => Author::Assistant,
                    _ => return Err(Fault::at("role", "must be system, developer, user or assistant")),
                };
                let text_only =
                    author != Author::System || content.iter().all(|part| matches!(part, Part::Text(_)));
                if text_only {
                    Ok((author, content))
                } else {
                    Err(Fault::at("content", "may hold nothing but text in this role"))
                }
            }
            "function_call" => {
                let arguments = self.arguments.map_or(Arguments::Object("{}"), Arguments::Text);
                let (id, name) = (need(self.call_id, "call_id")?, need(self.name, "name")?);
                Ok((Author::Assistant, vec![Part::ToolCall { id, name, arguments }]))
            }
            "function_call_output" => {
                let parts = self.output.ok_or(Fault::at("output", "is missing"))?;
                Ok((Author::User, vec![Part::ToolResult { id: need(self.call_id, "call_id")?, parts }]))
            }
            "reasoning" => Ok((Author::Assistant, self.into_reasoning(lost).into_iter().collect())),
            "item_reference" => {
                Err(Fault::at("type", "refers to an item stored with another backend: send the item"))
            }
            _ => Err(Fault::at("type", "must be message, function_call, function_call_output or reasoning")),
        }
    }

    /// Reasoning another provider sealed means nothing to this backend.
    fn into_reasoning(self, lost: &mut Lost) -> Option<Part<'a>> {
        let text = Str::joined(self.summary, "\n\n");
        match &self.sealed {
            Some(sealed) => {
                let part = unseal(sealed, text);
                if part.is_none() {
                    lost.add("input[].encrypted_content");
                }
                part
            }
            None if text.is_empty() => None,
            None => Some(Part::Thinking { text, signature: None }),
        }
    }
}

/// The texts of a summary, or of reasoning that is shown.
fn texts<'a>(input: &mut Input<'a>) -> Read<Vec<Str<'a>>> {
    let mut texts = Vec::new();
    input.array(|input| {
        input.object(|input, key| {
            if key == "text" {
                texts.push(input.string()?);
                return Ok(());
            }
            input.skip()
        })
    })?;
    Ok(texts)
}

fn tool<'a>(input: &mut Input<'a>, call: &mut Call<'a>) -> Read<()> {
    // What a tool of another kind holds is no news: its kind is refused.
    let mut lost = Lost::default();
    let tool = Definition::read(input, "parameters", &mut lost)?;
    if tool.kind.as_deref() != Some("function") {
        return Err(Fault::at("type", "must be function: the backend has no tools of its own"));
    }
    call.lost.append(lost);
    call.tools.push(tool.into_tool()?);
    Ok(())
}

fn choice<'a>(input: &mut Input<'a>) -> Read<Choice<'a>> {
    if input.kind()? == Kind::String {
        return definition::choice(&input.word()?);
    }
    let (mut kind, mut name) = (None, None);
    input.object(|input, key| {
        match key {
            "type" => kind = Some(input.word()?),
            "name" => name = Some(input.string()?),
            _ => input.skip()?,
        }
        Ok(())
    })?;
    match kind.as_deref() {
        Some("function") => name.map(Choice::Named).ok_or(Fault::at("name", "is missing")),
        _ => Err(Fault::at("type", "must be function: the backend has no tools of its own")),
    }
}

fn text<'a>(input: &mut Input<'a>, call: &mut Call<'a>) -> Read<()> {
    input.object(|input, key| {
        match key {
            "format" => call.output = input.unless_null(|input| format(input, &mut call.lost))?.flatten(),
            "verbosity" => {
                let raw = input.raw()?;
                call.extra(&[("verbosity", Rule::Chat)], key, raw);
            }
            _ => {
                input.skip()?;
                call.lost.add(UNKNOWN);
            }
        }
        Ok(())
    })
}

fn format<'a>(input: &mut Input<'a>, lost: &mut Lost) -> Read<Option<OutputFormat<'a>>> {
    let format = Definition::read(input, "schema", lost)?;
    match format.kind.as_deref() {
        Some("text") => Ok(None),
        Some("json_object") => Ok(Some(OutputFormat::Json)),
        Some("json_schema") => format.into_output().map(Some),
        _ => Err(Fault::at("type", "must be text, json_object or json_schema")),
    }
}

fn reasoning<'a>(input: &mut Input<'a>, call: &mut Call<'a>) -> Read<()> {
    input.object(|input, key| {
        match key {
            "effort" => {
                input.unless_null(|input| definition::read_effort(input, call))?;
            }
            // How it is worded: the backend decides.
            "summary" | "generate_summary" => input.skip()?,
            _ => {
                input.skip()?;
                call.lost.add(UNKNOWN);
            }
        }
        Ok(())
    })
}
