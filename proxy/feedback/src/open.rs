//! Requests that are under way. It owns tickets and who has waited longest at each member; it refuses to
//! learn from them.
//!
//! A slab with generations: closing a ticket twice, or one of another pool, is recognised and harmless.
//! Waiting requests are linked in order of sending, so that the oldest is known without a search.

use std::time::Duration;

use vocabulary::Moment;

use crate::estimator::Features;
use crate::quota::Booking;

/// A request under way, from [`crate::Pool::choose`] until [`crate::Pool::finished`] or
/// [`crate::Pool::failed`]. If it is dropped instead, its room is given back when it can no longer be
/// under way, and the loss is counted ([`crate::Closes::lost`]).
#[derive(Debug, PartialEq, Eq, Hash)]
#[must_use = "close it with `finished` or `failed`, or its room stays taken for a while"]
pub struct Ticket {
    table: u64,
    slot: u32,
    generation: u32,
}

/// What was known when it was sent.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Open {
    /// Absent once its member left the pool.
    pub(crate) member: Option<usize>,
    pub(crate) sent: Moment,
    pub(crate) arrived: Moment,
    pub(crate) prompt_tokens: u64,
    /// Its first token tells the member's speed, and has not come.
    pub(crate) waiting: bool,
    pub(crate) streamed: bool,
    pub(crate) features: Features,
    /// Seconds to the first token, by the slow model.
    pub(crate) predicted: f64,
    pub(crate) booking: Booking,
    /// When it can no longer be under way.
    pub(crate) expires: Moment,
}

/// Longest an answer may take before its ticket counts as lost.
pub(crate) const LONGEST_ANSWER: Duration = Duration::from_secs(3600);

#[derive(Clone, Debug, Default)]
struct Slot {
    generation: u32,
    open: Option<Open>,
    older: Option<u32>,
    newer: Option<u32>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Line {
    oldest: Option<u32>,
    newest: Option<u32>,
}

/// All open requests of a pool.
#[derive(Clone, Debug)]
pub(crate) struct OpenTable {
    id: u64,
    slots: Vec<Slot>,
    free: Vec<u32>,
    lines: Vec<Line>,
    count: usize,
}

impl OpenTable {
    /// `id` tells this table's tickets from others'.
    pub(crate) fn new(id: u64, members: usize) -> Self {
        Self { id, slots: Vec::new(), free: Vec::new(), lines: vec![Line::default(); members], count: 0 }
    }

    pub(crate) const fn len(&self) -> usize {
        self.count
    }

    pub(crate) fn insert(&mut self, open: Open) -> Ticket {
        let slot = self.free.pop().unwrap_or_else(|| {
            self.slots.push(Slot::default());
            u32::try_from(self.slots.len() - 1).unwrap_or(u32::MAX)
        });
        let generation = self.slots.get_mut(slot as usize).map_or(0, |entry| {
            entry.open = Some(open);
            entry.generation
        });
        self.count += 1;
        if open.waiting {
            self.link(slot);
        }
        Ticket { table: self.id, slot, generation }
    }

    pub(crate) fn get(&self, ticket: &Ticket) -> Option<&Open> {
        let slot = self.slots.get(ticket.slot as usize)?;
        slot.open.as_ref().filter(|_| ticket.table == self.id && ticket.generation == slot.generation)
    }

    /// The first token came: it no longer waits. Nothing when it did not wait.
    pub(crate) fn answer(&mut self, ticket: &Ticket, expires: Moment) -> Option<Open> {
        let open = *self.get(ticket).filter(|open| open.waiting)?;
        self.unlink(ticket.slot);
        let entry = self.slots.get_mut(ticket.slot as usize)?.open.as_mut()?;
        entry.waiting = false;
        entry.expires = expires;
        Some(open)
    }

    /// It is over. Nothing when it was so already.
    pub(crate) fn close(&mut self, ticket: &Ticket) -> Option<Open> {
        self.get(ticket)?;
        self.take(ticket.slot)
    }

    /// When the longest waiting request of `member` was sent, and what had been predicted for it.
    pub(crate) fn oldest(&self, member: usize) -> Option<(Moment, f64)> {
        let slot = self.lines.get(member)?.oldest?;
        let open = self.slots.get(slot as usize)?.open?;
        Some((open.sent, open.predicted))
    }

    /// Closes and returns those that can no longer be under way.
    pub(crate) fn expire(&mut self, now: Moment) -> Vec<Open> {
        let over: Vec<u32> = (0_u32..)
            .zip(&self.slots)
            .filter(|(_, slot)| slot.open.is_some_and(|open| open.expires < now))
            .map(|(index, _)| index)
            .collect();
        over.into_iter().filter_map(|slot| self.take(slot)).collect()
    }

    /// Members were renumbered: `map` gives the new index of each old one. Requests of members that are
    /// gone stay open, without a member.
    pub(crate) fn renumber(&mut self, map: &[Option<usize>], members: usize) {
        let old = std::mem::replace(&mut self.lines, vec![Line::default(); members]);
        for slot in &mut self.slots {
            let Some(open) = &mut slot.open else { continue };
            open.member = open.member.and_then(|member| map.get(member).copied().flatten());
            if open.member.is_none() {
                open.waiting = false;
                (slot.older, slot.newer) = (None, None);
            }
        }
        for (line, to) in old.into_iter().zip(map) {
            if let Some(kept) = to.and_then(|to| self.lines.get_mut(to)) {
                *kept = line;
            }
        }
    }

    fn take(&mut self, slot: u32) -> Option<Open> {
        if self.slots.get(slot as usize)?.open?.waiting {
            self.unlink(slot);
        }
        let entry = self.slots.get_mut(slot as usize)?;
        let open = entry.open.take()?;
        entry.generation = entry.generation.wrapping_add(1);
        self.free.push(slot);
        self.count -= 1;
        Some(open)
    }

    fn link(&mut self, slot: u32) {
        let Some(line) = self.line_of(slot) else { return };
        let before = line.newest.replace(slot);
        line.oldest.get_or_insert(slot);
        self.set_newer(before, Some(slot));
        self.set_older(Some(slot), before);
        self.set_newer(Some(slot), None);
    }

    fn unlink(&mut self, slot: u32) {
        let Some((older, newer)) = self.slots.get(slot as usize).map(|entry| (entry.older, entry.newer))
        else {
            return;
        };
        self.set_newer(older, newer);
        self.set_older(newer, older);
        if let Some(line) = self.line_of(slot) {
            if older.is_none() {
                line.oldest = newer;
            }
            if newer.is_none() {
                line.newest = older;
            }
        }
    }

    fn line_of(&mut self, slot: u32) -> Option<&mut Line> {
        let member = self.slots.get(slot as usize)?.open?.member?;
        self.lines.get_mut(member)
    }

    fn set_newer(&mut self, of: Option<u32>, to: Option<u32>) {
        if let Some(entry) = of.and_then(|slot| self.slots.get_mut(slot as usize)) {
            entry.newer = to;
        }
    }

    fn set_older(&mut self, of: Option<u32>, to: Option<u32>) {
        if let Some(entry) = of.and_then(|slot| self.slots.get_mut(slot as usize)) {
            entry.older = to;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn open(member: usize, sent: u64) -> Open {
        Open {
            member: Some(member),
            sent: Moment(sent),
            arrived: Moment(sent),
            prompt_tokens: 1,
            waiting: true,
            streamed: true,
            features: Features([1.0, 0.0, 0.0, 0.0]),
            predicted: 1.0,
            booking: Booking::default(),
            expires: Moment(sent + 1_000),
        }
    }

    #[test]
    fn a_second_close_finds_nothing_even_if_the_slot_was_used_again() {
        let mut table = OpenTable::new(1, 1);
        let first = table.insert(open(0, 1));
        assert!(table.close(&first).is_some());
        let second = table.insert(open(0, 2));
        assert!(table.close(&first).is_none());
        assert!(table.close(&second).is_some());
    }

    #[test]
    fn a_ticket_of_another_pool_opens_nothing() {
        let (mut one, mut other) = (OpenTable::new(1, 1), OpenTable::new(2, 1));
        let (mine, theirs) = (one.insert(open(0, 1)), other.insert(open(0, 1)));
        assert!(one.close(&theirs).is_none());
        assert!(one.close(&mine).is_some());
    }

    #[test]
    fn requests_of_a_member_that_left_can_still_be_closed() {
        let mut table = OpenTable::new(1, 2);
        let (gone, stays) = (table.insert(open(0, 1)), table.insert(open(1, 2)));
        table.renumber(&[None, Some(0)], 1);
        assert_eq!(table.oldest(0), Some((Moment(2), 1.0)));
        assert_eq!(table.close(&gone).unwrap().member, None);
        assert_eq!(table.close(&stays).unwrap().member, Some(0));
        assert_eq!(table.oldest(0), None);
    }

    proptest! {
        #[test]
        fn the_oldest_is_always_the_one_sent_first(events in prop::collection::vec((0_u8..4, 0_usize..3, any::<prop::sample::Index>()), 1..200)) {
            let mut table = OpenTable::new(1, 3);
            let mut model: Vec<(Ticket, usize, u64, bool)> = Vec::new();
            for (sent, (what, member, which)) in (0_u64..).zip(events) {
                match what {
                    0 | 1 => {
                        let ticket = table.insert(open(member, sent));
                        model.push((ticket, member, sent, true));
                    }
                    2 if !model.is_empty() => {
                        let entry = which.index(model.len());
                        let waited = table.answer(&model[entry].0, Moment(u64::MAX)).is_some();
                        prop_assert_eq!(waited, model[entry].3);
                        model[entry].3 = false;
                    }
                    3 if !model.is_empty() => {
                        let (ticket, ..) = model.remove(which.index(model.len()));
                        prop_assert!(table.close(&ticket).is_some());
                    }
                    _ => {}
                }
                prop_assert_eq!(table.len(), model.len());
                for member in 0..3 {
                    let oldest = model.iter().filter(|e| e.1 == member && e.3).map(|e| e.2).min();
                    prop_assert_eq!(table.oldest(member).map(|(sent, _)| sent.0), oldest);
                }
            }
        }
    }
}
