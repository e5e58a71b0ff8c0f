//! Content of chat messages: text and its parts. It owns their kinds; it refuses the kinds that no other
//! dialect has.

use crate::json::Kind;
use crate::translate::document::{Fault, Input, Read, Str};
use crate::translate::neutral::{Lost, Part, Source, UNKNOWN};

/// A message's `content`: a string, or an array of parts.
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
    kind: Option<std::borrow::Cow<'a, str>>,
    text: Option<Str<'a>>,
    refusal: Option<Str<'a>>,
    url: Option<Source<'a>>,
    file: Option<Part<'a>>,
}

fn part<'a>(input: &mut Input<'a>, lost: &mut Lost) -> Read<Part<'a>> {
    let mut fields = Fields::default();
    input.object(|input, key| {
        match key {
            "type" => fields.kind = Some(input.word()?),
            "text" => fields.text = Some(input.string()?),
            "refusal" => fields.refusal = Some(input.string()?),
            "image_url" => fields.url = Some(image(input, lost)?),
            "file" => fields.file = Some(file(input)?),
            _ => {
                // What an unknown kind of part holds is no news: the kind is refused.
                input.skip()?;
                match key {
                    "input_audio" | "video_url" | "audio_url" => {}
                    "prompt_cache_breakpoint" => lost.add("prompt_cache_breakpoint"),
                    _ => lost.add(UNKNOWN),
                }
            }
        }
        Ok(())
    })?;
    const MISSING: &str = "is missing";
    let kind = fields.kind.ok_or(Fault::at("type", MISSING))?;
    match kind.as_ref() {
        "text" => fields.text.map(Part::Text).ok_or(Fault::at("text", MISSING)),
        "refusal" => fields.refusal.map(Part::Refusal).ok_or(Fault::at("refusal", MISSING)),
        "image_url" => fields.url.map(Part::Image).ok_or(Fault::at("image_url", MISSING)),
        "file" => fields.file.ok_or(Fault::at("file", MISSING)),
        "input_audio" => Err(Fault::at("type", "may not be audio: the backend's dialect has none")),
        _ => Err(Fault::at("type", "must be text, image_url, file or refusal")),
    }
}

fn image<'a>(input: &mut Input<'a>, lost: &mut Lost) -> Read<Source<'a>> {
    let mut url = None;
    input.object(|input, key| {
        match key {
            "url" => url = Some(Source::of_url(input.string()?)?),
            "detail" => {
                if !matches!(input.unless_null(Input::word)?.as_deref(), None | Some("auto")) {
                    lost.add("messages[].content[].image_url.detail");
                }
            }
            _ => {
                input.skip()?;
                lost.add(UNKNOWN);
            }
        }
        Ok(())
    })?;
    url.ok_or(Fault::at("url", "is missing"))
}

fn file<'a>(input: &mut Input<'a>) -> Read<Part<'a>> {
    let (mut source, mut title) = (None, None);
    input.object(|input, key| {
        match key {
            "file_data" => source = input.unless_null(|input| Source::of_url(input.string()?))?,
            "filename" => title = input.unless_null(Input::string)?,
            "file_id" => {
                if input.unless_null(Input::skip)?.is_some() {
                    return Err(Fault::here("names a file stored with one provider: send file_data instead"));
                }
            }
            _ => input.skip()?,
        }
        Ok(())
    })?;
    let source = source.ok_or(Fault::at("file_data", "is missing"))?;
    Ok(Part::Document { source, title })
}

/// What an assistant answers: a string or, from Mistral's reasoning models, parts of text and thinking.
/// Empty pieces are left out.
pub(super) fn answered<'a>(input: &mut Input<'a>) -> Read<Vec<Part<'a>>> {
    let mut parts = Vec::new();
    match input.kind()? {
        Kind::Null => input.skip()?,
        Kind::Array => input.array(|input| {
            parts.push(answered_part(input)?);
            Ok(())
        })?,
        _ => parts.push(Part::Text(input.string()?)),
    }
    parts.retain(|part| match part {
        Part::Text(text) | Part::Thinking { text, .. } => !text.is_empty(),
        _ => true,
    });
    Ok(parts)
}

fn answered_part<'a>(input: &mut Input<'a>) -> Read<Part<'a>> {
    let (mut kind, mut text, mut thoughts) = (None, None, Vec::new());
    input.object(|input, key| {
        match key {
            "type" => kind = Some(input.word()?),
            "text" => text = Some(input.string()?),
            "thinking" => input.array(|input| {
                input.object(|input, key| {
                    if key == "text" {
                        thoughts.push(input.string()?);
                        return Ok(());
                    }
                    input.skip()
                })
            })?,
            _ => input.skip()?,
        }
        Ok(())
    })?;
    match (kind.as_deref(), text) {
        (Some("text"), Some(text)) => Ok(Part::Text(text)),
        (Some("thinking"), None) => Ok(Part::Thinking { text: Str::joined(thoughts, ""), signature: None }),
        _ => Err(Fault::here("must be a part of text or thinking")),
    }
}
