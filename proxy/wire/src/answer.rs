//! What is read of an answer that comes whole, and the one answer the gateway counts itself. It owns
//! the members' places; it refuses to read generated text.

#[cfg(test)]
mod tests;

use bytes::Bytes;
use vocabulary::{Operation, Usage};
use xxhash_rust::xxh3::xxh3_64;

use crate::json::{Fault, Kind, Reader};
use crate::usage::{Counts, Shape};

/// The usage of a whole answer. Nothing when the body is not a JSON object or has no usable `usage`.
/// Counting tokens is free at every provider: its answer says that nothing was used.
#[must_use]
pub fn usage_in_body(operation: Operation, body: &[u8]) -> Option<Usage> {
    let shape = match operation {
        Operation::Chat | Operation::TextCompletion | Operation::Embeddings => Shape::Completions,
        Operation::Responses => Shape::Responses,
        Operation::Messages => Shape::Messages,
        Operation::CountTokens => return Some(Usage::default()),
        Operation::ListModels => return None,
    };
    let counts = in_object(body, "usage", |reader| Counts::read(reader, shape)).ok()??;
    Some(counts.usage(shape))
}

/// The [key](response_key) of the response that a whole answer is, so that a request that continues it
/// can be sent to the backend that has it. Only Responses have one.
#[must_use]
pub fn response_id(operation: Operation, body: &[u8]) -> Option<u64> {
    if operation != Operation::Responses {
        return None;
    }
    in_object(body, "id", read_id).ok()?
}

/// What stands for a response's id in facts and tables: its XXH3-64 hash.
#[must_use]
pub fn response_key(id: &str) -> u64 {
    xxh3_64(id.as_bytes())
}

/// The answer of `POST /v1/messages/count_tokens`.
#[must_use]
pub fn count_tokens_body(tokens: u64) -> Bytes {
    format!("{{\"input_tokens\":{tokens}}}").into()
}

/// Reads the value of an `id`.
pub(crate) fn read_id(reader: &mut Reader<'_>) -> Result<Option<u64>, Fault> {
    if reader.peek()? == Kind::String {
        return Ok(Some(response_key(&reader.string()?.decode())));
    }
    reader.skip()?;
    Ok(None)
}

/// The last value of `name` that `read` can use; the document is read to its end, so that one which is
/// cut short gives nothing.
fn in_object<T>(
    document: &[u8],
    name: &str,
    read: impl Fn(&mut Reader<'_>) -> Result<Option<T>, Fault>,
) -> Result<Option<T>, Fault> {
    let mut reader = Reader::new(document)?;
    let mut found = None;
    reader.begin_object()?;
    while let Some(key) = reader.next_key()? {
        if key.decode() == name {
            found = read(&mut reader)?.or(found);
        } else {
            reader.skip()?;
        }
    }
    Ok(found)
}
