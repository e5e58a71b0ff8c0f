//! Text before the system prompt. It owns where each operation keeps that prompt; it refuses to read it.

use std::ops::Range;

use bytes::Bytes;
use vocabulary::Operation;

use super::layout::Inside;
use super::splice::{self, Splice};
use crate::json::{Fault, Kind, Reader};

/// The body with `prefix` before its system prompt.
pub(super) fn prepend(operation: Operation, body: &Bytes, prefix: &str) -> Result<Bytes, Fault> {
    let prefix = Prefix { body, text: prefix };
    let splice = match operation {
        Operation::Chat => prefix.in_chat()?,
        Operation::Messages | Operation::CountTokens => prefix.in_member("system")?,
        Operation::Responses => prefix.in_member("instructions")?,
        Operation::TextCompletion | Operation::Embeddings | Operation::ListModels => None,
    };
    Ok(splice::apply(body, splice.into_iter().collect()))
}

struct Prefix<'a> {
    body: &'a [u8],
    text: &'a str,
}

/// A value that the prefix goes into.
struct Target {
    kind: Kind,
    place: Range<usize>,
}

impl Target {
    fn read(reader: &mut Reader<'_>) -> Result<Self, Fault> {
        Ok(Self { kind: reader.peek()?, place: reader.skip()? })
    }
}

impl Prefix<'_> {
    /// A member of the body that holds the whole prompt.
    fn in_member(&self, name: &str) -> Result<Option<Splice>, Fault> {
        let mut reader = Reader::new(self.body)?;
        reader.begin_object()?;
        let mut inside = Inside { open: reader.offset(), empty: true };
        let mut target = None;
        while let Some(key) = reader.next_key()? {
            inside.empty = false;
            if key.decode() == name {
                target = Some(Target::read(&mut reader)?);
            } else {
                reader.skip()?;
            }
        }
        Ok(match target {
            None => inside.insert(format!("{}:{}", super::quoted(name), super::quoted(self.text))),
            Some(Target { kind: Kind::Null, place }) => {
                Some(Splice { place, text: super::quoted(self.text) })
            }
            Some(target) => self.in_target(&target),
        })
    }

    fn in_chat(&self) -> Result<Option<Splice>, Fault> {
        let mut reader = Reader::new(self.body)?;
        reader.begin_object()?;
        while let Some(key) = reader.next_key()? {
            if key.decode() == "messages" && reader.peek()? == Kind::Array {
                return self.in_messages(&mut reader);
            }
            reader.skip()?;
        }
        Ok(None)
    }

    fn in_messages(&self, reader: &mut Reader<'_>) -> Result<Option<Splice>, Fault> {
        reader.begin_array()?;
        let open = reader.offset();
        let mut content = None;
        let empty = !reader.next_element()?;
        if !empty && reader.peek()? == Kind::Object {
            content = system_content(reader)?;
        }
        let into = content.and_then(|content| self.in_target(&content));
        Ok(into.or_else(|| {
            let comma = if empty { "" } else { "," };
            let text = format!("{{\"role\":\"system\",\"content\":{}}}{comma}", super::quoted(self.text));
            Some(Splice::insert(open, text))
        }))
    }

    /// Puts the prefix first in a string or an array of text parts, which look the same in every API.
    fn in_target(&self, target: &Target) -> Option<Splice> {
        let inside = target.place.start + 1;
        let rest = self.body.get(inside..target.place.end)?.trim_ascii_start();
        match target.kind {
            Kind::String => {
                let line = if rest.first() == Some(&b'"') { "" } else { "\\n\\n" };
                Some(Splice::insert(inside, format!("{}{line}", super::escaped(self.text))))
            }
            Kind::Array => {
                let comma = if rest.first() == Some(&b']') { "" } else { "," };
                let text = format!("{{\"type\":\"text\",\"text\":{}}}{comma}", super::quoted(self.text));
                Some(Splice::insert(inside, text))
            }
            _ => None,
        }
    }
}

/// The content of a message, if it is a system or developer message.
fn system_content(reader: &mut Reader<'_>) -> Result<Option<Target>, Fault> {
    let (mut system, mut content) = (false, None);
    reader.begin_object()?;
    while let Some(key) = reader.next_key()? {
        match key.decode().as_ref() {
            "role" if reader.peek()? == Kind::String => {
                system = matches!(reader.string()?.decode().as_ref(), "system" | "developer");
            }
            "content" => content = Some(Target::read(reader)?),
            _ => {
                reader.skip()?;
            }
        }
    }
    Ok(content.filter(|_| system))
}
