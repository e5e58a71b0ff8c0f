//! The prompt: how much there is of it, and what it begins with. It owns counting, and the shapes that
//! OpenAI's chat, completions and embeddings give it; it refuses to hold any of the text.

use super::fault::BodyFault;
use super::place::Place;
use super::prefix::Prefix;
use super::source::Source;
use crate::json::{Kind, Piece, Text};

/// Tokens that a chat template adds to each message, generously.
pub const MESSAGE_TOKENS: u64 = 4;
/// Tokens assumed for a content part that is not text: OpenAI's figure for an image of 1024 by 1024
/// pixels in high detail.
pub const MEDIA_PART_TOKENS: u64 = 765;
const RECORD_SEPARATOR: u8 = 0x1E;

/// What was counted of a prompt.
#[derive(Default)]
pub(super) struct Prompt {
    /// Independent prompts in the request.
    pub(super) prompts: u64,
    pub(super) text_bytes: u64,
    messages: u64,
    pub(super) media_parts: u64,
    token_ids: u64,
    prefix: Prefix,
}

impl Prompt {
    /// The estimate, with `schema_bytes` of JSON beside the text.
    pub(super) fn tokens(&self, schema_bytes: u64) -> u64 {
        self.text_bytes.div_ceil(4)
            + schema_bytes.div_ceil(4)
            + self.token_ids
            + self.messages * MESSAGE_TOKENS
            + self.media_parts * MEDIA_PART_TOKENS
    }

    pub(super) fn into_prefix_ids(self) -> Vec<u64> {
        self.prefix.into_ids()
    }

    /// This prompt with a system prompt before it.
    pub(super) fn after(self, system: Self) -> Self {
        Self {
            prompts: self.prompts,
            text_bytes: self.text_bytes + system.text_bytes,
            messages: self.messages + system.messages,
            media_parts: self.media_parts + system.media_parts,
            token_ids: self.token_ids + system.token_ids,
            prefix: self.prefix.after(system.prefix),
        }
    }

    /// One prompt, nothing of which has been read.
    pub(super) fn single() -> Self {
        Self { prompts: 1, ..Self::default() }
    }

    /// Reads the `messages` of a chat.
    pub(super) fn of_messages(source: &mut Source<'_>) -> Result<Self, BodyFault> {
        let place = Place::of("messages");
        let mut prompt = Self::single();
        prompt.elements(source, place, "a non-empty array of messages", |prompt, source, index| {
            prompt.message(source, place.index(index))
        })?;
        Ok(prompt)
    }

    /// Reads a `prompt` or `input`: a string, strings, token ids, or arrays of token ids.
    pub(super) fn of_texts(source: &mut Source<'_>, field: &'static str) -> Result<Self, BodyFault> {
        const EXPECTED: &str =
            "a string, an array of strings, an array of token ids or an array of such arrays, not empty";
        let place = Place::of(field);
        let mut prompt = Self::default();
        if source.reader.peek()? == Kind::String {
            prompt.separate(source)?;
            return Ok(prompt);
        }
        let mut kind = None;
        prompt.elements(source, place, EXPECTED, |prompt, source, index| {
            let next = source.reader.peek()?;
            if *kind.get_or_insert(next) != next {
                return Err(source.invalid(place.index(index), "of the same kind as the elements before it"));
            }
            match next {
                Kind::String => prompt.separate(source),
                Kind::Number => {
                    prompt.prompts = 1;
                    prompt.token_id(source, place.index(index))
                }
                Kind::Array => {
                    prompt.prompts += 1;
                    let place = place.index(index);
                    prompt.elements(
                        source,
                        place,
                        "a non-empty array of token ids",
                        |prompt, source, inner| prompt.token_id(source, place.index(inner)),
                    )
                }
                _ => Err(source.invalid(place.index(index), "a string, a token id or an array of token ids")),
            }
        })?;
        Ok(prompt)
    }

    /// Reads an array that is not empty.
    pub(super) fn elements<'a>(
        &mut self,
        source: &mut Source<'a>,
        place: Place,
        expected: &'static str,
        mut read: impl FnMut(&mut Self, &mut Source<'a>, usize) -> Result<(), BodyFault>,
    ) -> Result<(), BodyFault> {
        if source.reader.peek()? != Kind::Array {
            return Err(source.invalid(place, expected));
        }
        let empty = source.invalid(place, expected);
        source.reader.begin_array()?;
        let mut count = 0;
        while source.reader.next_element()? {
            read(self, source, count)?;
            count += 1;
        }
        if count == 0 { Err(empty) } else { Ok(()) }
    }

    fn message(&mut self, source: &mut Source<'_>, place: Place) -> Result<(), BodyFault> {
        const READ: &[&str] =
            &["content", "refusal", "reasoning_content", "reasoning", "name", "tool_calls", "function_call"];
        if source.reader.peek()? != Kind::Object {
            return Err(source.invalid(place, "an object with `role` and `content`"));
        }
        source.object(place, READ, |source, key| match key {
            "content" => self.content(source, place.field("content")),
            _ => self.all_strings(source),
        })?;
        self.end_message();
        Ok(())
    }

    pub(super) fn content(&mut self, source: &mut Source<'_>, place: Place) -> Result<(), BodyFault> {
        match source.reader.peek()? {
            Kind::String => self.string(source),
            Kind::Null => source.absent().map(|_| ()),
            Kind::Array => {
                source.reader.begin_array()?;
                let mut index = 0;
                while source.reader.next_element()? {
                    self.part(source, place.index(index))?;
                    index += 1;
                }
                Ok(())
            }
            _ => Err(source.invalid(place, "a string, an array of parts or `null`")),
        }
    }

    pub(super) fn part(&mut self, source: &mut Source<'_>, place: Place) -> Result<(), BodyFault> {
        match source.reader.peek()? {
            Kind::String => return self.string(source),
            Kind::Object => {}
            _ => return Err(source.invalid(place, "an object with `type`, or a string")),
        }
        let mut texts = 0;
        source.object(place, &["text", "refusal"], |source, key| {
            texts += 1;
            match source.reader.peek()? {
                Kind::String => self.string(source),
                _ => Err(source.invalid(place.field(key), "a string")),
            }
        })?;
        self.media_parts += u64::from(texts == 0);
        Ok(())
    }

    /// A prompt of its own.
    fn separate(&mut self, source: &mut Source<'_>) -> Result<(), BodyFault> {
        self.prompts += 1;
        self.string(source)?;
        self.prefix.push(&[RECORD_SEPARATOR]);
        Ok(())
    }

    fn token_id(&mut self, source: &mut Source<'_>, place: Place) -> Result<(), BodyFault> {
        const EXPECTED: &str = "a token id: a whole number below 4294967296";
        let id = source.integer(place, 0..=u64::from(u32::MAX), EXPECTED)?;
        let id = id.and_then(|id| u32::try_from(id).ok()).ok_or_else(|| source.invalid(place, EXPECTED))?;
        self.token_ids += 1;
        self.prefix.push(&id.to_le_bytes());
        Ok(())
    }

    /// Ends a message: where it ends is part of the prefix.
    pub(super) fn end_message(&mut self) {
        self.messages += 1;
        self.prefix.push(&[RECORD_SEPARATOR]);
    }

    /// Counts every string in a value, however deep; keys are not counted.
    pub(super) fn all_strings(&mut self, source: &mut Source<'_>) -> Result<(), BodyFault> {
        match source.reader.peek()? {
            Kind::String => self.string(source)?,
            Kind::Object => {
                source.reader.begin_object()?;
                while source.reader.next_key()?.is_some() {
                    self.all_strings(source)?;
                }
            }
            Kind::Array => {
                source.reader.begin_array()?;
                while source.reader.next_element()? {
                    self.all_strings(source)?;
                }
            }
            _ => {
                source.reader.skip()?;
            }
        }
        Ok(())
    }

    pub(super) fn string(&mut self, source: &mut Source<'_>) -> Result<(), BodyFault> {
        let text = source.reader.string()?;
        self.text(text);
        Ok(())
    }

    pub(super) fn text(&mut self, text: Text<'_>) {
        for piece in text.pieces() {
            let mut encoded = [0; 4];
            let bytes = match piece {
                Piece::Plain(plain) => plain.as_bytes(),
                Piece::Escaped(value) => value.encode_utf8(&mut encoded).as_bytes(),
            };
            self.text_bytes += bytes.len() as u64;
            self.prefix.push(bytes);
        }
    }
}
