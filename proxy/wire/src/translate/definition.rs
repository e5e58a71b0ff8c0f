//! What the dialects spell alike: definitions of functions and schemas, efforts, words for tool choices.
//! It owns those; it refuses the objects that they stand in.

use std::borrow::Cow;

use super::document::{Fault, Input, Read, Str};
use super::neutral::{Call, Choice, Effort, Lost, OutputFormat, Thinking, Tool, UNKNOWN};

/// A named schema: a function's definition, or an output format.
#[derive(Default)]
pub(super) struct Definition<'a> {
    pub(super) kind: Option<Cow<'a, str>>,
    name: Option<Str<'a>>,
    description: Option<Str<'a>>,
    schema: Option<&'a str>,
    strict: Option<bool>,
}

impl<'a> Definition<'a> {
    /// Reads an object whose schema is called `schema_key`.
    pub(super) fn read(input: &mut Input<'a>, schema_key: &str, lost: &mut Lost) -> Read<Self> {
        let mut definition = Self::default();
        input.object(|input, key| {
            match key {
                "type" => definition.kind = input.unless_null(Input::word)?,
                "name" => definition.name = input.unless_null(Input::string)?,
                "description" => definition.description = input.unless_null(Input::string)?,
                "strict" => definition.strict = input.unless_null(Input::boolean)?,
                "cache_control" => {
                    input.skip()?;
                    lost.add("cache_control");
                }
                _ if key == schema_key => definition.schema = input.unless_null(Input::raw_object)?,
                _ => {
                    input.skip()?;
                    lost.add(UNKNOWN);
                }
            }
            Ok(())
        })?;
        Ok(definition)
    }

    pub(super) fn into_tool(self) -> Read<Tool<'a>> {
        let Self { name, description, schema, strict, .. } = self;
        Ok(Tool { name: name.ok_or(Fault::at("name", "is missing"))?, description, schema, strict })
    }

    pub(super) fn into_output(self) -> Read<OutputFormat<'a>> {
        let Self { name, description, schema, strict, .. } = self;
        let schema = schema.ok_or(Fault::at("schema", "is missing"))?;
        Ok(OutputFormat::Schema { name, description, schema, strict })
    }
}

/// The efforts, in every dialect.
pub(super) fn effort(word: &str) -> Option<Effort> {
    Some(match word {
        "minimal" => Effort::Minimal,
        "low" => Effort::Low,
        "medium" => Effort::Medium,
        "high" => Effort::High,
        "xhigh" => Effort::XHigh,
        "max" => Effort::Max,
        _ => return None,
    })
}

/// The effort in either OpenAI dialect, where `none` is one.
pub(super) fn read_effort<'a>(input: &mut Input<'a>, call: &mut Call<'a>) -> Read<()> {
    let word = input.word()?;
    if word == "none" {
        call.thinking = Some(Thinking::Off);
        return Ok(());
    }
    let effort =
        effort(&word).ok_or(Fault::here("must be none, minimal, low, medium, high, xhigh or max"))?;
    call.effort = Some(effort);
    Ok(())
}

/// The tool choices of either OpenAI dialect that are words.
pub(super) fn choice<'a>(word: &str) -> Read<Choice<'a>> {
    match word {
        "auto" => Ok(Choice::Auto),
        "none" => Ok(Choice::Forbidden),
        "required" => Ok(Choice::Required),
        _ => Err(Fault::here("must be auto, none, required or a named function")),
    }
}
