//! The prompt: how much there is of it, and what it begins with. It owns counting and hashing; it
//! refuses to hold more of the text than one block of 2 KiB, and that only while hashing it.

use xxhash_rust::xxh3::xxh3_64_with_seed;

use super::fault::BodyFault;
use super::place::Place;
use super::source::Source;
use crate::json::{Kind, Piece, Text};

/// Tokens that a chat template adds to each message, generously.
pub const MESSAGE_TOKENS: u64 = 4;
/// Tokens assumed for a content part that is not text: OpenAI's figure for an image of 1024 by 1024
/// pixels in high detail.
pub const MEDIA_PART_TOKENS: u64 = 765;
/// Bytes of text behind each prefix id.
pub const PREFIX_BLOCK_BYTES: usize = 2048;
/// Most prefix ids.
pub const MAX_PREFIX_IDS: usize = 64;

const RECORD_SEPARATOR: u8 = 0x1E;

/// What was counted of a prompt.
#[derive(Default)]
pub(super) struct Prompt {
    /// Independent prompts in the request.
    pub(super) prompts: u64,
    pub(super) text_bytes: u64,
    messages: u64,
    media_parts: u64,
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
        self.prefix.ids
    }

    /// Reads the `messages` of a chat.
    pub(super) fn of_messages(source: &mut Source<'_>) -> Result<Self, BodyFault> {
        let place = Place::of("messages");
        let mut prompt = Self { prompts: 1, ..Self::default() };
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
    fn elements<'a>(
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
        self.messages += 1;
        source.object(place, READ, |source, key| match key {
            "content" => self.content(source, place.field("content")),
            _ => self.all_strings(source),
        })?;
        self.prefix.push(&[RECORD_SEPARATOR]);
        Ok(())
    }

    fn content(&mut self, source: &mut Source<'_>, place: Place) -> Result<(), BodyFault> {
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

    fn part(&mut self, source: &mut Source<'_>, place: Place) -> Result<(), BodyFault> {
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

    /// Counts every string in a value, however deep; keys are not counted.
    fn all_strings(&mut self, source: &mut Source<'_>) -> Result<(), BodyFault> {
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

    fn string(&mut self, source: &mut Source<'_>) -> Result<(), BodyFault> {
        let text: Text<'_> = source.reader.string()?;
        for piece in text.pieces() {
            let mut encoded = [0; 4];
            let bytes = match piece {
                Piece::Plain(plain) => plain.as_bytes(),
                Piece::Escaped(value) => value.encode_utf8(&mut encoded).as_bytes(),
            };
            self.text_bytes += bytes.len() as u64;
            self.prefix.push(bytes);
        }
        Ok(())
    }
}

/// Chained hashes of the text's leading blocks.
#[derive(Default)]
struct Prefix {
    ids: Vec<u64>,
    block: Vec<u8>,
}

impl Prefix {
    fn push(&mut self, mut bytes: &[u8]) {
        while self.ids.len() < MAX_PREFIX_IDS && !bytes.is_empty() {
            let room = PREFIX_BLOCK_BYTES - self.block.len();
            let (now, later) = bytes.split_at_checked(room).unwrap_or((bytes, &[]));
            self.block.extend_from_slice(now);
            if self.block.len() == PREFIX_BLOCK_BYTES {
                let before = self.ids.last().copied().unwrap_or_default();
                self.ids.push(xxh3_64_with_seed(&self.block, before));
                self.block.clear();
            }
            bytes = later;
        }
    }
}
