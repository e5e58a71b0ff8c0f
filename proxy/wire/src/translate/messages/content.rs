//! Content blocks of messages. It owns their kinds; it refuses those that only Anthropic's own servers
//! act on.

use std::borrow::Cow;

use crate::json::Kind;
use crate::translate::document::{Fault, Input, Read, Str};
use crate::translate::neutral::{Arguments, Lost, Part, Source, UNKNOWN};

/// A message's `content`: a string, or an array of blocks.
pub(super) fn read<'a>(input: &mut Input<'a>, lost: &mut Lost) -> Read<Vec<Part<'a>>> {
    match input.kind()? {
        Kind::String => Ok(vec![Part::Text(input.string()?)]),
        Kind::Array => {
            let mut parts = Vec::new();
            input.array(|input| {
                parts.push(block(input, lost)?);
                Ok(())
            })?;
            Ok(parts)
        }
        _ => Err(Fault::here("must be a string or an array of content blocks")),
    }
}

#[derive(Default)]
struct Fields<'a> {
    kind: Option<Cow<'a, str>>,
    text: Option<Str<'a>>,
    source: Option<Origin<'a>>,
    title: Option<Str<'a>>,
    id: Option<Str<'a>>,
    name: Option<Str<'a>>,
    arguments: Option<&'a str>,
    content: Vec<Part<'a>>,
    thinking: Option<Str<'a>>,
    signature: Option<Str<'a>>,
    data: Option<Str<'a>>,
}

/// Where a block's bytes come from.
enum Origin<'a> {
    Source(Source<'a>),
    Text(Str<'a>),
}

/// One block, of a request or of an answer.
pub(super) fn block<'a>(input: &mut Input<'a>, lost: &mut Lost) -> Read<Part<'a>> {
    let mut fields = Fields::default();
    input.object(|input, key| {
        input.unless_null(|input| fields.field(input, key, lost))?;
        Ok(())
    })?;
    fields.into_part()
}

impl<'a> Fields<'a> {
    fn field(&mut self, input: &mut Input<'a>, key: &str, lost: &mut Lost) -> Read<()> {
        match key {
            "type" => self.kind = Some(input.word()?),
            "text" => self.text = Some(input.string()?),
            // Blocks of other kinds are refused for their kind, with what they hold.
            "source" if input.kind()? == Kind::Object => self.source = Some(source(input)?),
            "title" => self.title = Some(input.string()?),
            "id" | "tool_use_id" => self.id = Some(input.string()?),
            "name" => self.name = Some(input.string()?),
            "input" => self.arguments = Some(input.raw_object()?),
            "thinking" => self.thinking = Some(input.string()?),
            "signature" => self.signature = Some(input.string()?).filter(|signature| !signature.is_empty()),
            "data" => self.data = Some(input.string()?),
            "content" if matches!(input.kind()?, Kind::String | Kind::Array) => self.content(input, lost)?,
            "is_error" => {
                if input.boolean()? {
                    lost.add("messages[].content[].is_error");
                }
            }
            "cache_control" => {
                input.skip()?;
                lost.add("cache_control");
            }
            "citations" => citations(input)?,
            "context" => {
                input.skip()?;
                lost.add("messages[].content[].context");
            }
            // Who asked for a call: the model itself, unless there are server tools.
            "caller" => input.skip()?,
            "source" | "content" => input.skip()?,
            _ => {
                input.skip()?;
                lost.add(UNKNOWN);
            }
        }
        Ok(())
    }

    /// The content of a tool's result; nothing else that is carried has any.
    fn content(&mut self, input: &mut Input<'a>, lost: &mut Lost) -> Read<()> {
        if self.kind.as_deref().is_some_and(|kind| kind != "tool_result") {
            return input.skip();
        }
        self.content = read(input, lost)?;
        if self
            .content
            .iter()
            .all(|part| matches!(part, Part::Text(_) | Part::Image(_) | Part::Document { .. }))
        {
            return Ok(());
        }
        Err(Fault::here("may hold text, image and document blocks only"))
    }

    fn into_part(self) -> Read<Part<'a>> {
        const MISSING: &str = "is missing";
        let need = |field: Option<Str<'a>>, name| field.ok_or(Fault::at(name, MISSING));
        let kind = self.kind.ok_or(Fault::at("type", MISSING))?;
        match kind.as_ref() {
            "text" => need(self.text, "text").map(Part::Text),
            "image" => match self.source {
                Some(Origin::Source(source)) => Ok(Part::Image(source)),
                Some(Origin::Text(_)) => Err(Fault::at("source", "must be of type base64 or url")),
                None => Err(Fault::at("source", MISSING)),
            },
            "document" => match self.source {
                Some(Origin::Source(source)) => Ok(Part::Document { source, title: self.title }),
                Some(Origin::Text(text)) => Ok(Part::Text(text)),
                None => Err(Fault::at("source", MISSING)),
            },
            "tool_use" => Ok(Part::ToolCall {
                id: need(self.id, "id")?,
                name: need(self.name, "name")?,
                arguments: Arguments::Object(self.arguments.unwrap_or("{}")),
            }),
            "tool_result" => Ok(Part::ToolResult { id: need(self.id, "tool_use_id")?, parts: self.content }),
            "thinking" => {
                Ok(Part::Thinking { text: need(self.thinking, "thinking")?, signature: self.signature })
            }
            "redacted_thinking" => need(self.data, "data").map(Part::Redacted),
            _ => Err(Fault::at(
                "type",
                "must be text, image, document, tool_use, tool_result or thinking: the backend has no server tools",
            )),
        }
    }
}

/// Citations that were made are in the text's shadow; citations that are asked for are refused.
fn citations(input: &mut Input<'_>) -> Read<()> {
    if input.kind()? != Kind::Object {
        return input.skip();
    }
    input.object(|input, key| {
        if key == "enabled" && input.unless_null(Input::boolean)? == Some(true) {
            return Err(Fault::here("must be false: the backend gives no citations"));
        }
        if key == "enabled" { Ok(()) } else { input.skip() }
    })
}

fn source<'a>(input: &mut Input<'a>) -> Read<Origin<'a>> {
    const MISSING: &str = "is missing";
    let (mut kind, mut media_type, mut data, mut url) = (None, None, None, None);
    input.object(|input, key| {
        match key {
            "type" => kind = Some(input.word()?),
            "media_type" => media_type = Some(input.word()?),
            "data" => data = Some(input.string()?),
            "url" => url = Some(input.string()?),
            _ => input.skip()?,
        }
        Ok(())
    })?;
    match kind.as_deref() {
        Some("base64") => Ok(Origin::Source(Source::Inline {
            media_type: media_type.ok_or(Fault::at("media_type", MISSING))?,
            base64: data.ok_or(Fault::at("data", MISSING))?.into_text(),
        })),
        Some("url") => url.ok_or(Fault::at("url", MISSING)).map(|url| Origin::Source(Source::Link(url))),
        Some("text") => data.ok_or(Fault::at("data", MISSING)).map(Origin::Text),
        Some("file") => {
            Err(Fault::at("type", "names a file stored with one provider: send its bytes instead"))
        }
        _ => Err(Fault::at("type", "must be base64, url or text")),
    }
}
