//! Our own CSV, in which the traces of other formats are kept once rebased. It owns its columns; it
//! refuses nothing else.

use crate::Entry;
use crate::columns::{Column, fields};
use crate::error::Problem;
use crate::reader::{Arrived, LineParser};

pub(crate) struct Plain {
    at: Column,
    prompt: Column,
    output: Column,
    blocks: Option<Column>,
}

impl Plain {
    pub(crate) fn new(header: &str) -> Result<Self, Problem> {
        let header = fields(header);
        Ok(Self {
            at: Column::find(&header, "t_s")?,
            prompt: Column::find(&header, "prompt_tokens")?,
            output: Column::find(&header, "output_tokens")?,
            blocks: Column::find_optional(&header, "block_ids_512"),
        })
    }

    fn prefix_ids(&self, fields: &[&str]) -> Result<Vec<u64>, Problem> {
        let Some(column) = self.blocks else { return Ok(Vec::new()) };
        let ids = column.text(fields)?.split_ascii_whitespace();
        let parse = |id: &str| {
            id.parse().map_err(|_| Problem::value(column.name(), id, "a block's number such as `17`"))
        };
        ids.map(parse).collect()
    }
}

impl LineParser for Plain {
    fn parse(&self, line: &str) -> Result<Option<Arrived>, Problem> {
        let fields = fields(line);
        let entry = Entry {
            prompt_tokens: self.prompt.tokens(&fields)?,
            output_tokens: self.output.tokens(&fields)?,
            prefix_ids: self.prefix_ids(&fields)?,
            ..Entry::default()
        };
        Ok(Some(Arrived { nanos: self.at.seconds(&fields)?, entry }))
    }
}
