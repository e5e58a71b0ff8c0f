//! BurstGPT: requests of a campus to hosted models. It owns its columns, with and without the session
//! columns of later releases; it keeps failures, which the trace writes as an answer of no tokens.

use crate::Entry;
use crate::columns::{Column, fields};
use crate::error::Problem;
use crate::reader::{Arrived, LineParser};

pub(crate) struct BurstGpt {
    timestamp: Column,
    session: Option<Column>,
    model: Option<Column>,
    prompt: Column,
    output: Column,
}

impl BurstGpt {
    pub(crate) fn new(header: &str) -> Result<Self, Problem> {
        let header = fields(header);
        Ok(Self {
            timestamp: Column::find(&header, "Timestamp")?,
            session: Column::find_optional(&header, "Session ID"),
            model: Column::find_optional(&header, "Model"),
            prompt: Column::find(&header, "Request tokens")?,
            output: Column::find(&header, "Response tokens")?,
        })
    }
}

impl LineParser for BurstGpt {
    fn parse(&self, line: &str) -> Result<Option<Arrived>, Problem> {
        let fields = fields(line);
        let named = |column: Option<Column>| -> Result<Option<String>, Problem> {
            let text = column.map(|column| column.text(&fields)).transpose()?;
            Ok(text.filter(|text| !text.is_empty()).map(str::to_owned))
        };
        let entry = Entry {
            prompt_tokens: self.prompt.tokens(&fields)?,
            output_tokens: self.output.tokens(&fields)?,
            model: named(self.model)?,
            consumer: named(self.session)?,
            ..Entry::default()
        };
        Ok(Some(Arrived { nanos: self.timestamp.seconds(&fields)?, entry }))
    }
}
