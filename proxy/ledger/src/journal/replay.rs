//! What records add up to. It owns the sum, which is never below what was spent; it refuses to read bytes.

use std::collections::BTreeMap;

use vocabulary::Moment;

use super::record::{Entry, Record};
use crate::counter::Standing;

/// Counters as a checkpoint and the journal after it leave them. Reservations without a settlement stay
/// counted in full.
#[derive(Debug, Default)]
pub struct Replay {
    counters: BTreeMap<u64, Standing>,
    latest: Moment,
}

impl Replay {
    /// Begins with a checkpoint made at `time`.
    #[must_use]
    pub fn new(checkpoint: impl IntoIterator<Item = Standing>, time: Moment) -> Self {
        let counters = checkpoint.into_iter().map(|standing| (standing.key, standing)).collect();
        Self { counters, latest: time }
    }

    /// Takes note of a time that was recorded.
    pub fn saw(&mut self, time: Moment) {
        self.latest = self.latest.max(time);
    }

    /// Adds the next record.
    pub fn apply(&mut self, record: &Record) {
        match record {
            Record::Reserve { time, entries, .. }
            | Record::Settle { time, entries, .. }
            | Record::Release { time, entries, .. } => {
                self.saw(*time);
                entries.iter().for_each(|entry| self.count(entry));
            }
            Record::Grant { key, window_index, granted } => {
                if let Some(counter) =
                    self.counters.get_mut(key).filter(|held| held.window_index == *window_index)
                {
                    counter.granted = *granted;
                }
            }
        }
    }

    fn count(&mut self, entry: &Entry) {
        let counter = self.counters.entry(entry.key).or_insert_with(|| anew(entry));
        if counter.period != entry.period || counter.window_index < entry.window_index {
            *counter = anew(entry);
        }
        if counter.window_index == entry.window_index {
            counter.used = counter.used.saturating_add(entry.used).saturating_sub(entry.reserved);
        }
    }

    /// The counters, by key, and the latest time that was recorded.
    #[must_use]
    pub fn finish(self) -> (Vec<Standing>, Moment) {
        (self.counters.into_values().collect(), self.latest)
    }
}

/// The counter an entry belongs to, before it counted anything.
fn anew(entry: &Entry) -> Standing {
    Standing {
        key: entry.key,
        group: 0,
        meter: entry.meter,
        period: entry.period,
        window_index: entry.window_index,
        window_ends: entry.period.ends(entry.key, entry.window_index),
        ceiling: 0,
        used: 0,
        reserved: 0,
        granted: 0,
        shared: false,
    }
}
