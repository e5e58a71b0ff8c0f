//! The access log as a test reads it. It owns parsing and waiting for a line; it refuses to tolerate a
//! line that does not follow the schema.

use std::path::{Path, PathBuf};

use vocabulary::access_log::AccessLogRecord;

use crate::wait::until;

/// An access log on disk, which the gateway writes behind its answers.
#[derive(Clone, Debug)]
pub struct AccessLog {
    file: PathBuf,
}

impl AccessLog {
    /// The log in `file`, which need not exist yet.
    #[must_use]
    pub fn new(file: &Path) -> Self {
        Self { file: file.to_owned() }
    }

    /// Its text.
    #[must_use]
    pub fn text(&self) -> String {
        std::fs::read_to_string(&self.file).unwrap_or_default()
    }

    /// Every whole line.
    #[must_use]
    pub fn records(&self) -> Vec<AccessLogRecord> {
        let text = self.text();
        let whole = text.rfind('\n').map_or("", |end| &text[..end]);
        whole.lines().map(|line| serde_json::from_str(line).expect("a line of the access log")).collect()
    }

    /// The record of one request, once it is there.
    pub async fn record(&self, request_id: &str) -> AccessLogRecord {
        let find = || self.records().into_iter().find(|record| record.request_id == request_id);
        until("the request's line in the access log", find).await
    }

    /// All records, once there are at least `count`.
    pub async fn at_least(&self, count: usize) -> Vec<AccessLogRecord> {
        let enough = || Some(self.records()).filter(|records| records.len() >= count);
        until("enough lines in the access log", enough).await
    }
}
