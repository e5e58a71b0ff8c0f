//! The simulator's own account of what it sent and when, to hold a gateway's and a client's accounts
//! against. It owns records, totals and their bound; it refuses any content of prompts or answers.

use std::collections::{BTreeMap, VecDeque};

use serde::{Deserialize, Serialize};
use vocabulary::{Moment, Operation, Usage, Usd};

/// How a request ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// It has not ended.
    #[default]
    InFlight,
    /// Answered in full.
    Completed,
    /// Refused by a quota, with 429.
    Refused,
    /// Failed: an invalid request, or a fault of the script.
    Failed,
    /// The caller went away before the end.
    Cancelled,
}

/// One request as the server saw it. Times are policy nanoseconds since the server started, or since its
/// last reset.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// Position in order of arrival, from 0.
    pub seq: u64,
    /// The caller's `x-request-id`, or one of the server's own.
    pub request_id: String,
    /// What was asked, if the path said so.
    pub operation: Option<Operation>,
    /// The model asked for.
    pub model: String,
    /// Whether a stream was asked for.
    pub stream: bool,
    /// When the request was there in full.
    #[serde(rename = "arrival_ns")]
    pub arrival: Moment,
    /// When the first token fell due.
    #[serde(rename = "first_token_due_ns")]
    pub first_token_due: Option<Moment>,
    /// When the first token was handed to the connection.
    #[serde(rename = "first_token_ns")]
    pub first_token: Option<Moment>,
    /// When the answer ended, in whatever way.
    #[serde(rename = "end_ns")]
    pub end: Option<Moment>,
    /// Status sent; 0 when none was.
    pub status: u16,
    /// How it ended.
    pub outcome: Outcome,
    /// Whether the engine took it: from then on its prompt, and every token sent, is billed.
    pub billed: bool,
    /// Tokens of the prompt, counted from its text.
    pub prompt_tokens: u64,
    /// Output tokens sent, over all choices. Of an unbroken answer, the length that was planned.
    pub output_tokens: u64,
    /// Server-sent events handed to the connection, `[DONE]` included; 0 for an answer in one piece.
    pub events: u64,
    /// The fault that struck this request, if one did.
    pub fault: Option<String>,
    /// What it costs: prompt and tokens sent of every request that was let in, broken ones included.
    pub cost_nanos: u64,
}

impl Record {
    /// What is billed: nothing for a request that was refused or failed before the engine took it.
    #[must_use]
    pub fn usage(&self) -> Usage {
        if self.billed {
            Usage { input: self.prompt_tokens, output: self.output_tokens, ..Usage::default() }
        } else {
            Usage::default()
        }
    }
}

/// Sums over requests that have ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Totals {
    /// Requests that have ended.
    pub requests: u64,
    /// Requests that have not.
    pub in_flight: u64,
    /// Answered in full.
    pub completed: u64,
    /// Refused by a quota.
    pub refused: u64,
    /// Failed by a fault or by the caller's own mistake.
    pub failed: u64,
    /// Left by the caller.
    pub cancelled: u64,
    /// Prompt tokens of completed requests.
    pub completed_prompt_tokens: u64,
    /// Output tokens of completed requests.
    pub completed_output_tokens: u64,
    /// Prompt tokens billed, broken answers included.
    pub prompt_tokens: u64,
    /// Output tokens billed, broken answers included.
    pub output_tokens: u64,
    /// Server-sent events.
    pub events: u64,
    /// Cost in nano-dollars.
    pub cost_nanos: u64,
    /// Ended records no longer kept because the log is full.
    pub forgotten: u64,
}

impl Totals {
    /// Adds one ended request.
    pub fn add(&mut self, record: &Record) {
        self.requests += 1;
        match record.outcome {
            Outcome::Completed => {
                self.completed += 1;
                self.completed_prompt_tokens += record.prompt_tokens;
                self.completed_output_tokens += record.output_tokens;
            }
            Outcome::Refused => self.refused += 1,
            Outcome::Failed => self.failed += 1,
            Outcome::Cancelled => self.cancelled += 1,
            Outcome::InFlight => {}
        }
        let usage = record.usage();
        self.prompt_tokens += usage.input;
        self.output_tokens += usage.output;
        self.events += record.events;
        self.cost_nanos = self.cost_nanos.saturating_add(record.cost_nanos);
    }

    /// Cost of everything that has ended.
    #[must_use]
    pub const fn cost(&self) -> Usd {
        Usd { nanos: self.cost_nanos }
    }
}

/// Records kept of ended requests; older ones are forgotten, their sums are not.
pub const CAPACITY: usize = 1_000_000;

/// Every request since the start or the last reset.
#[derive(Clone, Debug, Default)]
pub struct Log {
    open: BTreeMap<u64, Record>,
    ended: VecDeque<Record>,
    totals: Totals,
}

impl Log {
    /// Takes note of an arrival.
    pub fn open(&mut self, record: Record) {
        self.open.insert(record.seq, record);
    }

    /// The open record of a request.
    pub fn get_mut(&mut self, seq: u64) -> Option<&mut Record> {
        self.open.get_mut(&seq)
    }

    /// Ends a request that is open; does nothing when it is not.
    pub fn end(&mut self, seq: u64, now: Moment, outcome: Outcome) {
        let Some(mut record) = self.open.remove(&seq) else { return };
        record.end = Some(now);
        record.outcome = outcome;
        self.totals.add(&record);
        if self.ended.len() >= CAPACITY {
            self.ended.pop_front();
            self.totals.forgotten += 1;
        }
        self.ended.push_back(record);
    }

    /// Every record in order of arrival, open ones included.
    #[must_use]
    pub fn records(&self) -> Vec<Record> {
        let mut all: Vec<Record> = self.ended.iter().chain(self.open.values()).cloned().collect();
        all.sort_by_key(|record| record.seq);
        all
    }

    /// The sums.
    #[must_use]
    pub fn totals(&self) -> Totals {
        Totals { in_flight: self.open.len() as u64, ..self.totals }
    }
}
