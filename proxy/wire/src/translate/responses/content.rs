//! Content of input items. It owns its kinds; it refuses files that one provider keeps.

use std::borrow::Cow;

use crate::json::Kind;
use crate::translate::document::{Fault, Input, Read, Str};
use crate::translate::neutral::{Lost, Part, Source, UNKNOWN};

/// An item's `content` or `output`: a string, or an array of parts.
pub(super) fn read<'a>(input: &mut Input<'a>, lost: &mut Lost) -> Read<Vec<Part<'a>>> {
    match input.kind()? {
        Kind::String => Ok(vec![Part::Text(input.string()?)]),
        Kind::Array => {
            let mut parts = Vec::new();
            input.array(|input| {
                parts.push(part(input, lost)?);
                Ok(())
            })?;
            Ok(parts)
        }
        _ => Err(Fault::here("must be a string or an array of content parts")),
    }
}

#[derive(Default)]
struct Fields<'a> {
    kind: Option<Cow<'a, str>>,
    text: Option<Str<'a>>,
    refusal: Option<Str<'a>>,
    source: Option<Source<'a>>,
    title: Option<Str<'a>>,
}

fn part<'a>(input: &mut Input<'a>, lost: &mut Lost) -> Read<Part<'a>> {
    let mut fields = Fields::default();
    input.object(|input, key| {
        input.unless_null(|input| fields.field(input, key, lost))?;
        Ok(())
    })?;
    const MISSING: &str = "is missing";
    let kind = fields.kind.ok_or(Fault::at("type", MISSING))?;
    match kind.as_ref() {
        "input_text" | "output_text" | "text" => {
            fields.text.map(Part::Text).ok_or(Fault::at("text", MISSING))
        }
        "refusal" => fields.refusal.map(Part::Refusal).ok_or(Fault::at("refusal", MISSING)),
        "input_image" => fields.source.map(Part::Image).ok_or(Fault::at("image_url", MISSING)),
        "input_file" => {
            let source = fields.source.ok_or(Fault::at("file_data", MISSING))?;
            Ok(Part::Document { source, title: fields.title })
        }
        "input_audio" => Err(Fault::at("type", "may not be audio: the backend's dialect has none")),
        _ => Err(Fault::at("type", "must be input_text, input_image, input_file, output_text or refusal")),
    }
}

impl<'a> Fields<'a> {
    fn field(&mut self, input: &mut Input<'a>, key: &str, lost: &mut Lost) -> Read<()> {
        match key {
            "type" => self.kind = Some(input.word()?),
            "text" => self.text = Some(input.string()?),
            "refusal" => self.refusal = Some(input.string()?),
            "image_url" | "file_data" | "file_url" => self.source = Some(Source::of_url(input.string()?)?),
            "filename" => self.title = Some(input.string()?),
            "file_id" => {
                return Err(Fault::here("names a file stored with one provider: send its bytes instead"));
            }
            "detail" => {
                if input.word()? != "auto" {
                    lost.add("input[].content[].detail");
                }
            }
            // In an answer that is sent back.
            "annotations" | "logprobs" => input.skip()?,
            "prompt_cache_breakpoint" => {
                input.skip()?;
                lost.add("prompt_cache_breakpoint");
            }
            _ => {
                input.skip()?;
                lost.add(UNKNOWN);
            }
        }
        Ok(())
    }
}
