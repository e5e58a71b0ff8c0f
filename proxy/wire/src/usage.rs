//! The `usage` block. It owns each API's names for counts and what is part of what; it refuses to add
//! anything up over events: the last word on each count wins.

use vocabulary::Usage;

use crate::json::{Fault, Kind, Reader};

/// Whose block it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shape {
    /// Chat, completions and embeddings: `prompt_tokens` includes cached ones.
    Completions,
    /// Responses: as before, under the names `input_tokens` and `output_tokens`.
    Responses,
    /// Messages: `input_tokens` excludes what was read from cache and written to it.
    Messages,
}

/// The counts of a block, as far as it names them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    input: Option<u64>,
    output: Option<u64>,
    total: Option<u64>,
    cached: Option<u64>,
    /// Everything written to the cache.
    written: Option<u64>,
    /// Of that, what was written for an hour.
    written_1h: Option<u64>,
    reasoning: Option<u64>,
}

impl Counts {
    /// Reads the value of a `usage` member. `null`, other types and blocks without any known count give
    /// nothing; so does a count that is not a whole number.
    pub(crate) fn read(reader: &mut Reader<'_>, shape: Shape) -> Result<Option<Self>, Fault> {
        if reader.peek()? != Kind::Object {
            reader.skip()?;
            return Ok(None);
        }
        let mut counts = Self::default();
        reader.begin_object()?;
        while let Some(key) = reader.next_key()? {
            match (key.decode().as_ref(), shape) {
                ("prompt_tokens", Shape::Completions)
                | ("input_tokens", Shape::Responses | Shape::Messages) => counts.input = count(reader)?,
                ("completion_tokens", Shape::Completions)
                | ("output_tokens", Shape::Responses | Shape::Messages) => counts.output = count(reader)?,
                ("total_tokens", Shape::Completions | Shape::Responses) => counts.total = count(reader)?,
                ("prompt_tokens_details", Shape::Completions)
                | ("input_tokens_details", Shape::Responses) => {
                    counts.input_details(reader)?;
                }
                ("completion_tokens_details", Shape::Completions)
                | ("output_tokens_details", Shape::Responses) => counts.output_details(reader)?,
                ("cache_read_input_tokens", Shape::Messages) => counts.cached = count(reader)?,
                ("cache_creation_input_tokens", Shape::Messages) => counts.written = count(reader)?,
                ("cache_creation", Shape::Messages) => counts.cache_creation(reader)?,
                _ => {
                    reader.skip()?;
                }
            }
        }
        Ok((counts.input.is_some() || counts.output.is_some()).then_some(counts))
    }

    /// These counts, and the earlier ones where these are silent.
    pub(crate) fn after(self, earlier: Self) -> Self {
        Self {
            input: self.input.or(earlier.input),
            output: self.output.or(earlier.output),
            total: self.total.or(earlier.total),
            cached: self.cached.or(earlier.cached),
            written: self.written.or(earlier.written),
            written_1h: self.written_1h.or(earlier.written_1h),
            reasoning: self.reasoning.or(earlier.reasoning),
        }
    }

    /// As the usage of a request. A part is never larger than the whole it is priced within.
    pub(crate) fn usage(self, shape: Shape) -> Usage {
        let (cached, written) = (self.cached.unwrap_or(0), self.written.unwrap_or(0));
        let mut input = self.input.unwrap_or(0);
        if shape == Shape::Messages {
            input = input.saturating_add(cached).saturating_add(written);
        }
        let rest = || self.total.map_or(0, |total| total.saturating_sub(input));
        let output = self.output.unwrap_or_else(rest);
        let cached_input = cached.min(input);
        let written = written.min(input - cached_input);
        // A total that came later than its breakdown is the one to believe.
        let cache_write_1h_input = self.written_1h.unwrap_or(0).min(written);
        Usage {
            input,
            cached_input,
            cache_write_input: written - cache_write_1h_input,
            cache_write_1h_input,
            output,
            reasoning_output: self.reasoning.unwrap_or(0).min(output),
        }
    }

    fn input_details(&mut self, reader: &mut Reader<'_>) -> Result<(), Fault> {
        let [cached, written] = details(reader, ["cached_tokens", "cache_write_tokens"])?;
        (self.cached, self.written) = (cached, written);
        Ok(())
    }

    fn output_details(&mut self, reader: &mut Reader<'_>) -> Result<(), Fault> {
        let [reasoning] = details(reader, ["reasoning_tokens"])?;
        self.reasoning = reasoning;
        Ok(())
    }

    /// Anthropic's breakdown of `cache_creation_input_tokens`, which it stands in for when that is absent.
    fn cache_creation(&mut self, reader: &mut Reader<'_>) -> Result<(), Fault> {
        let [short, long] = details(reader, ["ephemeral_5m_input_tokens", "ephemeral_1h_input_tokens"])?;
        self.written_1h = long;
        if short.is_some() || long.is_some() {
            let sum = short.unwrap_or(0).saturating_add(long.unwrap_or(0));
            self.written = self.written.or(Some(sum));
        }
        Ok(())
    }
}

fn count(reader: &mut Reader<'_>) -> Result<Option<u64>, Fault> {
    if reader.peek()? == Kind::Number {
        return Ok(reader.number()?.parse().ok());
    }
    reader.skip()?;
    Ok(None)
}

/// The counts with these names in an object; nothing where it is none.
fn details<const N: usize>(reader: &mut Reader<'_>, names: [&str; N]) -> Result<[Option<u64>; N], Fault> {
    let mut found = [None; N];
    if reader.peek()? != Kind::Object {
        reader.skip()?;
        return Ok(found);
    }
    reader.begin_object()?;
    while let Some(key) = reader.next_key()? {
        let key = key.decode();
        match names.iter().zip(&mut found).find(|(name, _)| key == **name) {
            Some((_, place)) => *place = count(reader)?,
            None => {
                reader.skip()?;
            }
        }
    }
    Ok(found)
}
