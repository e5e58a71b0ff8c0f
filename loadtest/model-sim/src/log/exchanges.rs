//! Every HTTP exchange a server had, generated answers and all others. It owns what of a request may be
//! told: its path, the names of what it carried, and headers that hold no secret; it refuses bodies and
//! the values of credentials.

use std::collections::{BTreeMap, VecDeque};

use serde::{Deserialize, Serialize};
use vocabulary::Moment;

use super::Record;

/// One request and its answer, as the server saw them. Requests to `/sim/…` are not among them.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Exchange {
    /// Position in order of arrival, from 0.
    pub index: u64,
    /// When the head of the request was there, in policy nanoseconds.
    #[serde(rename = "at_ns")]
    pub at: Moment,
    /// Method.
    pub method: String,
    /// Path, without its query.
    pub path: String,
    /// Query, if there was one.
    pub query: Option<String>,
    /// Headers by lowercase name, without those in `credentials`. Of several by one name, the first.
    pub headers: BTreeMap<String, String>,
    /// Names of the headers that carried a credential, in order.
    pub credentials: Vec<String>,
    /// Names of the top-level fields of a JSON body, in order.
    pub fields: Vec<String>,
    /// Length of the body in bytes; 0 when it was not read.
    pub body_bytes: u64,
    /// Status answered; 0 when none was.
    pub status: u16,
    /// The caller left before it was answered, or before a generated answer was at its end.
    pub cancelled: bool,
    /// The generated answer, if there is one: `Record::seq` of its entry.
    pub seq: Option<u64>,
    /// That entry.
    pub record: Option<Record>,
}

/// Exchanges a server keeps; older ones are forgotten.
const CAPACITY: usize = 200_000;

/// Every exchange since the start or the last reset.
#[derive(Clone, Debug, Default)]
pub struct Exchanges {
    first: u64,
    kept: VecDeque<Exchange>,
}

impl Exchanges {
    /// Takes note of a request; returns its index.
    pub fn open(&mut self, exchange: Exchange) -> u64 {
        let index = self.first + self.kept.len() as u64;
        self.kept.push_back(Exchange { index, ..exchange });
        if self.kept.len() > CAPACITY {
            self.kept.pop_front();
            self.first += 1;
        }
        index
    }

    /// The exchange of that index, while it is kept.
    pub fn get_mut(&mut self, index: u64) -> Option<&mut Exchange> {
        let position = usize::try_from(index.checked_sub(self.first)?).ok()?;
        self.kept.get_mut(position)
    }

    /// Every exchange in order, each with its entry among `records`, which are in order of `seq`.
    #[must_use]
    pub fn with_records(&self, records: &[Record]) -> Vec<Exchange> {
        let record = |seq: u64| {
            let position = records.binary_search_by_key(&seq, |record| record.seq).ok()?;
            records.get(position).cloned()
        };
        let told = |exchange: &Exchange| {
            let record = exchange.seq.and_then(record);
            let left = record.as_ref().is_some_and(|record| record.outcome == super::Outcome::Cancelled);
            Exchange { cancelled: exchange.cancelled || left, record, ..exchange.clone() }
        };
        self.kept.iter().map(told).collect()
    }
}
