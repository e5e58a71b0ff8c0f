//! What policy may know of a request body. It owns which fields are read and what makes them valid; it
//! refuses to keep content, to check fields nobody here decides on (the backend does), and to guess
//! where two parsers could read two things.

mod blocks;
mod fault;
mod fields;
mod items;
mod place;
mod prefix;
mod prompt;
mod source;
#[cfg(test)]
mod tests;

use vocabulary::{Operation, RequestFacts};

use crate::edit::Layout;
use crate::json::Kind;
pub use fault::BodyFault;
use fault::Problem;
use fields::Fields;
pub use fields::{MAX_CHOICES, MAX_MODEL_BYTES};
use place::Place;
pub use prefix::{MAX_PREFIX_IDS, PREFIX_BLOCK_BYTES};
pub use prompt::{MEDIA_PART_TOKENS, MESSAGE_TOKENS};
use source::Source;

/// Reads the facts of a request body.
///
/// The walk is strict: UTF-8, RFC 8259, at most [128 levels](crate::json::MAX_DEPTH), one object and
/// nothing after it. In an object that is read, no key may come twice, nor differ from a key that
/// counts only in the case of its letters: some servers match keys so, and would see what was not
/// counted here. Fields that are not read are checked for syntax only. `null` means absent.
///
/// - `prompt_bytes` counts the text of `messages` (content, text parts, refusals, reasoning, names,
///   strings in tool calls and their results), `system`, `instructions`, `prompt` or `input`, unescaped.
/// - `prompt_tokens` is an estimate that errs upwards for most text: a token per four bytes of text
///   and of the JSON of tools and output formats, [4](MESSAGE_TOKENS) per message, item or system
///   prompt, [765](MEDIA_PART_TOKENS) per part that is not text. Token ids are counted exactly.
/// - `max_output_tokens` is the larger of `max_completion_tokens` and `max_tokens`, so that naming
///   both hides nothing; Messages must name `max_tokens`, Responses call it `max_output_tokens`.
/// - `choices` is the number of completions that will be generated: `n`, for completions `n` or
///   `best_of`, whichever is larger, for each prompt. Only chat and completions have more than one.
/// - `include_usage` is what the caller wrote in `stream_options`. Messages and Responses report usage
///   in every stream and have no such field: it is false for them.
/// - `previous_response` is [`response_key`](crate::response_key) of `previous_response_id`.
/// - `prefix_ids` are XXH3-64 hashes of the leading blocks of [2 KiB](PREFIX_BLOCK_BYTES), each seeded
///   with the one before; whole blocks only, at most [64](MAX_PREFIX_IDS). A record separator (U+001E)
///   follows each message and each prompt; a token id is hashed as four bytes, little endian. A system
///   prompt beside the messages comes first, wherever it stands in the body; the ids of the messages'
///   own blocks are then hashed again, each seeded with the one before.
///
/// # Errors
/// [`BodyFault`], which says what is wrong and where. [`Operation::ListModels`] has no body and is
/// always refused.
pub fn extract(operation: Operation, body: &[u8]) -> Result<RequestFacts, BodyFault> {
    Ok(extract_with_layout(operation, body)?.0)
}

/// Reads the facts of a request body and, in the same walk, where the fields stand that are edited on
/// its way to a backend.
///
/// # Errors
/// As [`extract`].
pub fn extract_with_layout(operation: Operation, body: &[u8]) -> Result<(RequestFacts, Layout), BodyFault> {
    if operation == Operation::ListModels {
        return Err(BodyFault::new(Problem::NoBody, Place::default(), 0));
    }
    let mut source = Source::new(body)?;
    if source.reader.peek()? != Kind::Object {
        return Err(BodyFault::new(Problem::NotAnObject, Place::default(), source.reader.offset()));
    }
    let mut fields = Fields::new(operation, source.reader.offset() + 1);
    source.object(Place::default(), fields::read_by(operation), |source, key| fields.read(source, key))?;
    let end = source.reader.offset();
    source.reader.finish()?;
    fields.into_facts(end)
}
