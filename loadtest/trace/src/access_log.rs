//! The gateway's own access log. It owns which lines are requests one can send again; it passes over
//! routes without a model and requests whose tokens were never counted, such as refused ones.

use vocabulary::Operation;
use vocabulary::access_log::{ACCESS_LOG_VERSION, AccessLogRecord};

use crate::Entry;
use crate::error::Problem;
use crate::reader::{Arrived, LineParser, json_problem};

pub(crate) struct AccessLog;

impl LineParser for AccessLog {
    fn parse(&self, line: &str) -> Result<Option<Arrived>, Problem> {
        let record: AccessLogRecord = serde_json::from_str(line)
            .map_err(|error| json_problem(&error, "every line must be a whole access log record"))?;
        if record.v != ACCESS_LOG_VERSION {
            let what = format!("version {} is not the one this program reads", record.v);
            return Err(Problem::new("v", what, format!("use a log of version {ACCESS_LOG_VERSION}")));
        }
        let generates = matches!(
            record.operation,
            Some(Operation::Chat | Operation::TextCompletion | Operation::Embeddings)
        );
        let Some(usage) = record.usage.filter(|_| generates) else { return Ok(None) };
        let nanos = record.arrival_ms.checked_mul(1_000_000).ok_or_else(|| {
            Problem::value("arrival_ms", &record.arrival_ms.to_string(), "milliseconds since the Unix epoch")
        })?;
        let entry = Entry {
            prompt_tokens: usage.input,
            output_tokens: usage.output,
            prefix_ids: record.prefix_ids,
            model: record.model,
            consumer: record.consumer,
            stream: Some(record.stream),
            ..Entry::default()
        };
        Ok(Some(Arrived { nanos, entry }))
    }
}
