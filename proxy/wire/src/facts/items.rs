//! The prompt of OpenAI's Responses: a string, or items. It owns which strings of an item are prompt;
//! it refuses items that are not objects, and to know every type of item.

use super::fault::BodyFault;
use super::place::Place;
use super::prompt::Prompt;
use super::source::Source;
use crate::json::Kind;

impl Prompt {
    /// Reads the `input` of Responses.
    pub(super) fn of_items(source: &mut Source<'_>) -> Result<Self, BodyFault> {
        let place = Place::of("input");
        let mut prompt = Self::single();
        if source.reader.peek()? == Kind::String {
            prompt.string(source)?;
            prompt.end_message();
            return Ok(prompt);
        }
        prompt.elements(
            source,
            place,
            "a string or a non-empty array of input items",
            |prompt, source, index| prompt.item(source, place.index(index)),
        )?;
        Ok(prompt)
    }

    fn item(&mut self, source: &mut Source<'_>, place: Place) -> Result<(), BodyFault> {
        const READ: &[&str] = &["content", "output", "summary", "name", "arguments", "input"];
        if source.reader.peek()? != Kind::Object {
            return Err(source.invalid(place, "an input item: an object"));
        }
        source.object(place, READ, |source, key| {
            let place = place.field(key);
            match (key, source.reader.peek()?) {
                ("content" | "summary", _) | ("output", Kind::Array) => self.content(source, place),
                // A screenshot.
                ("output", Kind::Object) => self.part(source, place),
                _ => self.all_strings(source),
            }
        })?;
        self.end_message();
        Ok(())
    }
}
