//! The prompt of Anthropic's Messages: turns, content blocks and the system prompt beside them. It owns
//! which strings of a block are prompt; it refuses blocks that are not objects, and to know every type
//! of block (an unknown one counts as one that is not text).

use super::fault::BodyFault;
use super::place::Place;
use super::prompt::Prompt;
use super::source::Source;
use crate::json::{Kind, Text};

/// Members of a block that are prompt, or that show the block to be no image.
const BLOCK: &[&str] =
    &["text", "thinking", "data", "content", "input", "name", "title", "context", "source", "tool_use_id"];

impl Prompt {
    /// Reads the `messages` of Messages.
    pub(super) fn of_turns(source: &mut Source<'_>) -> Result<Self, BodyFault> {
        let place = Place::of("messages");
        let mut prompt = Self::single();
        prompt.elements(source, place, "a non-empty array of messages", |prompt, source, index| {
            prompt.turn(source, place.index(index))
        })?;
        Ok(prompt)
    }

    /// Reads a system prompt: `system` is a string or text blocks, `instructions` a string.
    pub(super) fn of_system(source: &mut Source<'_>, field: &'static str) -> Result<Option<Self>, BodyFault> {
        let place = Place::of(field);
        if source.absent()? {
            return Ok(None);
        }
        let mut prompt = Self::default();
        match (source.reader.peek()?, field) {
            (Kind::String, _) => prompt.string(source)?,
            (Kind::Array, "system") => prompt.blocks(source, place)?,
            (_, "system") => {
                return Err(source.invalid(place, "a string, an array of text blocks or `null`"));
            }
            _ => return Err(source.invalid(place, "a string or `null`")),
        }
        prompt.end_message();
        Ok(Some(prompt))
    }

    fn turn(&mut self, source: &mut Source<'_>, place: Place) -> Result<(), BodyFault> {
        if source.reader.peek()? != Kind::Object {
            return Err(source.invalid(place, "an object with `role` and `content`"));
        }
        source.object(place, &["content"], |source, key| {
            let place = place.field(key);
            match source.reader.peek()? {
                Kind::String => self.string(source),
                Kind::Array => self.blocks(source, place),
                _ => Err(source.invalid(place, "a string or an array of content blocks")),
            }
        })?;
        self.end_message();
        Ok(())
    }

    fn blocks(&mut self, source: &mut Source<'_>, place: Place) -> Result<(), BodyFault> {
        source.reader.begin_array()?;
        let mut index = 0;
        while source.reader.next_element()? {
            self.block(source, place.index(index))?;
            index += 1;
        }
        Ok(())
    }

    fn block(&mut self, source: &mut Source<'_>, place: Place) -> Result<(), BodyFault> {
        if source.reader.peek()? != Kind::Object {
            return Err(source.invalid(place, "a content block: an object with `type`"));
        }
        let mut known = false;
        source.object(place, BLOCK, |source, key| {
            known = true;
            let place = place.field(key);
            match (key, source.reader.peek()?) {
                ("text" | "thinking", Kind::String) => self.string(source),
                ("text" | "thinking", _) => Err(source.invalid(place, "a string")),
                // What a tool found, and what a search result or a document consists of.
                ("content", Kind::Array) => self.blocks(source, place),
                ("source", Kind::Object) => self.media(source, place),
                ("tool_use_id", _) => {
                    source.reader.skip()?;
                    Ok(())
                }
                _ => self.all_strings(source),
            }
        })?;
        self.media_parts += u64::from(!known);
        Ok(())
    }

    /// The `source` of an image or document: its data is prompt only where it is plain text.
    fn media(&mut self, source: &mut Source<'_>, place: Place) -> Result<(), BodyFault> {
        let (mut plain, mut whole, mut data) = (false, false, None::<Text<'_>>);
        source.object(place, &["type", "data", "content"], |source, key| {
            match (key, source.reader.peek()?) {
                ("type", Kind::String) => plain = source.reader.string()?.decode() == "text",
                ("data", Kind::String) => data = Some(source.reader.string()?),
                ("content", Kind::Array) => {
                    whole = true;
                    self.blocks(source, place.field(key))?;
                }
                ("content", _) => {
                    whole = true;
                    self.all_strings(source)?;
                }
                _ => {
                    source.reader.skip()?;
                }
            }
            Ok(())
        })?;
        match data {
            Some(text) if plain => self.text(text),
            _ => self.media_parts += u64::from(!whole),
        }
        Ok(())
    }
}
