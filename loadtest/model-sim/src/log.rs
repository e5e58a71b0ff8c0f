//! The simulator's own account of what it sent and when, to hold a gateway's and a client's accounts
//! against. It owns records, totals and their bound; it refuses any content of prompts or answers.

mod exchanges;

pub use exchanges::{Exchange, Exchanges};

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
    /// Of the prompt, tokens read from the cache.
    #[serde(default)]
    pub cached_tokens: u64,
    /// Of the prompt, tokens written to the cache for five minutes.
    #[serde(default)]
    pub cache_written_5m_tokens: u64,
    /// Of the prompt, tokens written to the cache for an hour.
    #[serde(default)]
    pub cache_written_1h_tokens: u64,
    /// Of the output, tokens spent on reasoning.
    #[serde(default)]
    pub reasoning_tokens: u64,
}

impl Record {
    /// What is billed: nothing for a request that was refused or failed before the engine took it.
    #[must_use]
    pub fn usage(&self) -> Usage {
        if self.billed {
            Usage {
                input: self.prompt_tokens,
                cached_input: self.cached_tokens,
                cache_write_input: self.cache_written_5m_tokens,
                cache_write_1h_input: self.cache_written_1h_tokens,
                output: self.output_tokens,
                reasoning_output: self.reasoning_tokens,
            }
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

/// Records a server keeps of ended requests; older ones are forgotten, their sums are not.
pub const CAPACITY: usize = 1_000_000;

/// Every request since the start or the last reset.
#[derive(Clone, Debug)]
pub struct Log {
    capacity: usize,
    open: BTreeMap<u64, Record>,
    ended: VecDeque<Record>,
    totals: Totals,
}

impl Log {
    /// An empty log that keeps `capacity` ended records.
    #[must_use]
    pub fn new(capacity: usize) -> Self {
        Self { capacity, open: BTreeMap::new(), ended: VecDeque::new(), totals: Totals::default() }
    }

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
        self.ended.push_back(record);
        if self.ended.len() > self.capacity {
            self.ended.pop_front();
            self.totals.forgotten += 1;
        }
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

#[cfg(test)]
mod tests {
    use super::*;

    fn record(seq: u64) -> Record {
        let zero = Record {
            seq,
            request_id: format!("r-{seq}"),
            operation: None,
            model: String::new(),
            stream: false,
            arrival: Moment(seq),
            first_token_due: None,
            first_token: None,
            end: None,
            status: 200,
            outcome: Outcome::InFlight,
            billed: true,
            prompt_tokens: 10,
            output_tokens: 1,
            events: 0,
            fault: None,
            cost_nanos: 5,
            cached_tokens: 4,
            cache_written_5m_tokens: 3,
            cache_written_1h_tokens: 0,
            reasoning_tokens: 1,
        };
        assert_eq!(serde_json::from_str::<Record>(&serde_json::to_string(&zero).unwrap()).unwrap(), zero);
        zero
    }

    #[test]
    fn a_full_log_forgets_its_oldest_records_and_keeps_their_sums() {
        let mut log = Log::new(2);
        for seq in 0..4 {
            log.open(record(seq));
        }
        for seq in [2, 0, 1] {
            log.end(seq, Moment(9), Outcome::Completed);
        }
        log.end(0, Moment(10), Outcome::Cancelled);
        let kept: Vec<u64> = log.records().iter().map(|record| record.seq).collect();
        assert_eq!(kept, [0, 1, 3], "in order of arrival, the open one included");
        let totals = log.totals();
        assert_eq!((totals.requests, totals.in_flight, totals.forgotten), (3, 1, 1));
        assert_eq!((totals.completed_prompt_tokens, totals.cost_nanos, totals.cancelled), (30, 15, 0));
    }
}
