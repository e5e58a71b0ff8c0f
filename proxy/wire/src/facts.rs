//! What policy may know of a request body. It owns which fields are read and what makes them valid; it
//! refuses to keep content, to check fields nobody here decides on (the backend does), and to guess
//! where two parsers could read two things.

mod fault;
mod place;
mod prompt;
mod source;
#[cfg(test)]
mod tests;

use vocabulary::{Operation, RequestFacts};

use crate::json::Kind;
pub use fault::BodyFault;
use fault::Problem;
use place::Place;
use prompt::Prompt;
pub use prompt::{MAX_PREFIX_IDS, MEDIA_PART_TOKENS, MESSAGE_TOKENS, PREFIX_BLOCK_BYTES};
use source::Source;

/// Longest model name, in bytes.
pub const MAX_MODEL_BYTES: usize = 256;
/// Most choices per prompt (`n`, `best_of`).
pub const MAX_CHOICES: u64 = 128;

/// The fields that are read.
const READ: &[&str] = &[
    "model",
    "messages",
    "prompt",
    "input",
    "stream",
    "stream_options",
    "max_tokens",
    "max_completion_tokens",
    "n",
    "best_of",
    "tools",
    "functions",
    "response_format",
];

/// Reads the facts of a request body.
///
/// The walk is strict: UTF-8, RFC 8259, at most [128 levels](crate::json::MAX_DEPTH), one object and
/// nothing after it. In an object that is read, no key may come twice, nor differ from a key that
/// counts only in the case of its letters: some servers match keys so, and would see what was not
/// counted here. Fields that are not read are checked for syntax only. `null` means absent.
///
/// - `prompt_bytes` counts the text of `messages` (content, text parts, refusals, reasoning, names,
///   strings in tool calls), `prompt` or `input`, unescaped.
/// - `prompt_tokens` is an estimate that errs upwards for most text: a token per four bytes of text
///   and of the JSON of `tools`, `functions` and `response_format`, [4](MESSAGE_TOKENS) per message,
///   [765](MEDIA_PART_TOKENS) per part that is not text. Token ids are counted exactly.
/// - `max_output_tokens` is the larger of `max_completion_tokens` and `max_tokens`, so that naming
///   both hides nothing.
/// - `choices` is the number of completions that will be generated: `n`, for completions `n` or
///   `best_of`, whichever is larger, for each prompt.
/// - `prefix_ids` are XXH3-64 hashes of the leading blocks of [2 KiB](PREFIX_BLOCK_BYTES), each seeded
///   with the one before; whole blocks only, at most [64](MAX_PREFIX_IDS). A record separator (U+001E)
///   follows each message and each prompt; a token id is hashed as four bytes, little endian.
///
/// # Errors
/// [`BodyFault`], which says what is wrong and where. [`Operation::ListModels`] has no body and is
/// always refused.
pub fn extract(operation: Operation, body: &[u8]) -> Result<RequestFacts, BodyFault> {
    let prompt_field = match operation {
        Operation::Chat | Operation::Messages | Operation::CountTokens => "messages",
        Operation::TextCompletion => "prompt",
        Operation::Embeddings | Operation::Responses => "input",
        Operation::ListModels => return Err(BodyFault::new(Problem::NoBody, Place::default(), 0)),
    };
    let mut source = Source::new(body)?;
    if source.reader.peek()? != Kind::Object {
        return Err(BodyFault::new(Problem::NotAnObject, Place::default(), source.reader.offset()));
    }
    let mut fields = Fields::new(prompt_field);
    source.object(Place::default(), READ, |source, key| fields.read(source, key))?;
    let end = source.reader.offset();
    source.reader.finish()?;
    fields.into_facts(operation, end)
}

/// The fields as far as they have been read.
#[derive(Default)]
struct Fields {
    prompt_field: &'static str,
    model: Option<String>,
    stream: bool,
    include_usage: bool,
    max_tokens: Option<u64>,
    max_completion_tokens: Option<u64>,
    n: Option<u64>,
    best_of: Option<u64>,
    prompt: Option<Prompt>,
    /// Bytes of JSON that the backend turns into prompt.
    schema_bytes: u64,
}

impl Fields {
    fn new(prompt_field: &'static str) -> Self {
        Self { prompt_field, ..Self::default() }
    }

    fn read(&mut self, source: &mut Source<'_>, key: &'static str) -> Result<(), BodyFault> {
        let place = Place::of(key);
        match key {
            "model" => self.model = Some(model(source)?),
            "stream" => self.stream = source.boolean(place)?.unwrap_or(false),
            "stream_options" => self.include_usage = include_usage(source)?,
            "max_tokens" => self.max_tokens = max_tokens(source, place)?,
            "max_completion_tokens" => self.max_completion_tokens = max_tokens(source, place)?,
            "n" => self.n = choices(source, place)?,
            "best_of" => self.best_of = choices(source, place)?,
            "messages" | "prompt" | "input" if key != self.prompt_field => {
                source.reader.skip()?;
            }
            "messages" => self.prompt = Some(Prompt::of_messages(source)?),
            "prompt" | "input" => self.prompt = Some(Prompt::of_texts(source, key)?),
            _ => {
                if !source.absent()? {
                    self.schema_bytes += source.reader.skip()?.len() as u64;
                }
            }
        }
        Ok(())
    }

    fn into_facts(self, operation: Operation, end: usize) -> Result<RequestFacts, BodyFault> {
        let missing = |field| BodyFault::new(Problem::Missing, Place::of(field), end);
        let model = self.model.ok_or_else(|| missing("model"))?;
        let prompt = self.prompt.ok_or_else(|| missing(self.prompt_field))?;
        let n = self.n.unwrap_or(1);
        let choices = match operation {
            Operation::Chat | Operation::Messages | Operation::Responses => n,
            Operation::TextCompletion => n.max(self.best_of.unwrap_or(1)).saturating_mul(prompt.prompts),
            Operation::Embeddings | Operation::CountTokens | Operation::ListModels => 1,
        };
        Ok(RequestFacts {
            operation,
            model,
            stream: self.stream,
            include_usage: self.include_usage,
            max_output_tokens: self.max_completion_tokens.max(self.max_tokens),
            choices,
            prompt_bytes: prompt.text_bytes,
            prompt_tokens: prompt.tokens(self.schema_bytes),
            previous_response: None,
            prefix_ids: prompt.into_prefix_ids(),
        })
    }
}

fn model(source: &mut Source<'_>) -> Result<String, BodyFault> {
    const EXPECTED: &str = "a model's name: a string of 1 to 256 bytes without control characters";
    if source.reader.peek()? != Kind::String {
        return Err(source.invalid(Place::of("model"), EXPECTED));
    }
    let fault = source.invalid(Place::of("model"), EXPECTED);
    let name = source.reader.string()?.decode();
    if name.is_empty() || name.len() > MAX_MODEL_BYTES || name.chars().any(char::is_control) {
        return Err(fault);
    }
    Ok(name.into_owned())
}

fn include_usage(source: &mut Source<'_>) -> Result<bool, BodyFault> {
    let place = Place::of("stream_options");
    if source.absent()? {
        return Ok(false);
    }
    if source.reader.peek()? != Kind::Object {
        return Err(source.invalid(place, "an object or `null`"));
    }
    let mut wanted = false;
    source.object(place, &["include_usage"], |source, key| {
        wanted = source.boolean(place.field(key))?.unwrap_or(false);
        Ok(())
    })?;
    Ok(wanted)
}

fn max_tokens(source: &mut Source<'_>, place: Place) -> Result<Option<u64>, BodyFault> {
    source.integer(place, 0..=u64::MAX, "a whole number, 0 or more")
}

fn choices(source: &mut Source<'_>, place: Place) -> Result<Option<u64>, BodyFault> {
    source.integer(place, 1..=MAX_CHOICES, "a whole number from 1 to 128")
}
