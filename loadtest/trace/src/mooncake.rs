//! Mooncake's traces: JSON lines with the hash of every 512-token block of the prompt. It owns their
//! fields; it refuses nothing else.

use serde::Deserialize;

use crate::Entry;
use crate::error::Problem;
use crate::reader::{Arrived, LineParser, json_problem};

pub(crate) struct Mooncake;

#[derive(Deserialize)]
struct Line {
    timestamp: u64,
    input_length: u64,
    output_length: u64,
    #[serde(default)]
    hash_ids: Vec<u64>,
}

impl LineParser for Mooncake {
    fn parse(&self, line: &str) -> Result<Option<Arrived>, Problem> {
        let line: Line = serde_json::from_str(line).map_err(|error| {
            let example =
                r#"`{"timestamp": 0, "input_length": 6755, "output_length": 500, "hash_ids": [0, 1]}`"#;
            json_problem(&error, &format!("a line looks like {example}"))
        })?;
        let nanos = line.timestamp.checked_mul(1_000_000).ok_or_else(|| {
            Problem::value(
                "timestamp",
                &line.timestamp.to_string(),
                "a number of milliseconds such as `27482`",
            )
        })?;
        let entry = Entry {
            prompt_tokens: line.input_length,
            output_tokens: line.output_length,
            prefix_ids: line.hash_ids,
            ..Entry::default()
        };
        Ok(Some(Arrived { nanos, entry }))
    }
}
