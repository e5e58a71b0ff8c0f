//! Azure's LLM inference traces of 2023 and 2024. It owns their columns; it refuses nothing else.

use crate::Entry;
use crate::clock::nanos_of_timestamp;
use crate::columns::{Column, fields};
use crate::error::Problem;
use crate::reader::{Arrived, LineParser};

pub(crate) struct Azure {
    timestamp: Column,
    prompt: Column,
    output: Column,
}

impl Azure {
    pub(crate) fn new(header: &str) -> Result<Self, Problem> {
        let header = fields(header);
        Ok(Self {
            timestamp: Column::find(&header, "TIMESTAMP")?,
            prompt: Column::find(&header, "ContextTokens")?,
            output: Column::find(&header, "GeneratedTokens")?,
        })
    }
}

impl LineParser for Azure {
    fn parse(&self, line: &str) -> Result<Option<Arrived>, Problem> {
        let fields = fields(line);
        let timestamp = self.timestamp.text(&fields)?;
        let nanos = nanos_of_timestamp(timestamp).ok_or_else(|| {
            Problem::value(
                self.timestamp.name(),
                timestamp,
                "a timestamp such as `2023-11-16 18:15:46.6805900`",
            )
        })?;
        let entry = Entry {
            prompt_tokens: self.prompt.tokens(&fields)?,
            output_tokens: self.output.tokens(&fields)?,
            ..Entry::default()
        };
        Ok(Some(Arrived { nanos, entry }))
    }
}
