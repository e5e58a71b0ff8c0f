//! The `usage` block. It owns the field names and what is part of what; it refuses to add anything up
//! over events: the last block wins.

use vocabulary::Usage;

use crate::json::{Fault, Kind, Reader};

/// The usage of a whole answer: chat, completions or embeddings (which have no output). Nothing when
/// the body is not a JSON object or has no usable `usage`.
#[must_use]
pub fn usage_in_body(body: &[u8]) -> Option<Usage> {
    in_object(body).ok().flatten()
}

/// The usage in one stream event's data, if it carries any.
#[must_use]
pub fn usage_in_event(data: &[u8]) -> Option<Usage> {
    in_object(data).ok().flatten()
}

fn in_object(document: &[u8]) -> Result<Option<Usage>, Fault> {
    let mut reader = Reader::new(document)?;
    let mut usage = None;
    reader.begin_object()?;
    while let Some(key) = reader.next_key()? {
        if key.decode() == "usage" {
            usage = read(&mut reader)?;
        } else {
            reader.skip()?;
        }
    }
    Ok(usage)
}

/// Reads the value of a `usage` member. `null`, other types and blocks without any known count give
/// nothing; so does a count that is not a whole number.
pub(super) fn read(reader: &mut Reader<'_>) -> Result<Option<Usage>, Fault> {
    if reader.peek()? != Kind::Object {
        reader.skip()?;
        return Ok(None);
    }
    let (mut input, mut output, mut total) = (None, None, None);
    let mut usage = Usage::default();
    reader.begin_object()?;
    while let Some(key) = reader.next_key()? {
        match key.decode().as_ref() {
            "prompt_tokens" => input = count(reader)?,
            "completion_tokens" => output = count(reader)?,
            "total_tokens" => total = count(reader)?,
            "prompt_tokens_details" => usage.cached_input = detail(reader, "cached_tokens")?,
            "completion_tokens_details" => usage.reasoning_output = detail(reader, "reasoning_tokens")?,
            _ => {
                reader.skip()?;
            }
        }
    }
    if input.is_none() && output.is_none() {
        return Ok(None);
    }
    usage.input = input.unwrap_or(0);
    usage.output = output.or_else(|| total.map(|total: u64| total.saturating_sub(usage.input))).unwrap_or(0);
    // A part can be no larger than the whole it is priced within.
    usage.cached_input = usage.cached_input.min(usage.input);
    usage.reasoning_output = usage.reasoning_output.min(usage.output);
    Ok(Some(usage))
}

fn count(reader: &mut Reader<'_>) -> Result<Option<u64>, Fault> {
    if reader.peek()? == Kind::Number {
        return Ok(reader.number()?.parse().ok());
    }
    reader.skip()?;
    Ok(None)
}

fn detail(reader: &mut Reader<'_>, wanted: &str) -> Result<u64, Fault> {
    let mut found = None;
    if reader.peek()? != Kind::Object {
        reader.skip()?;
        return Ok(0);
    }
    reader.begin_object()?;
    while let Some(key) = reader.next_key()? {
        if key.decode() == wanted {
            found = count(reader)?;
        } else {
            reader.skip()?;
        }
    }
    Ok(found.unwrap_or(0))
}
