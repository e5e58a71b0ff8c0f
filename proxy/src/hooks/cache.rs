//! Decisions of a hook that still hold. It owns their bound and their end; what was used last stays longest.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use decision::Verdict;
use vocabulary::Moment;
use vocabulary::hook::HookFacts;

/// The most decisions kept for one hook, a few hundred bytes each.
const CAPACITY: usize = 10_000;

/// A decision and until when it holds.
#[derive(Debug)]
struct Held {
    verdict: Verdict,
    until: Moment,
    used: u64,
}

/// Decisions by the facts they depend on.
#[derive(Debug, Default)]
pub(super) struct Decisions {
    held: HashMap<Arc<HookFacts>, Held>,
    /// By when they were used, the longest unused first.
    order: BTreeMap<u64, Arc<HookFacts>>,
    uses: u64,
}

impl Decisions {
    /// The decision on these facts, if one holds.
    pub(super) fn find(&mut self, facts: &HookFacts, now: Moment) -> Option<Verdict> {
        let (key, held) = self.held.get_key_value(facts)?;
        let (key, used) = (Arc::clone(key), held.used);
        self.order.remove(&used);
        if held.until <= now {
            self.held.remove(facts);
            return None;
        }
        self.uses += 1;
        let held = self.held.get_mut(facts)?;
        held.used = self.uses;
        self.order.insert(self.uses, key);
        Some(held.verdict.clone())
    }

    /// Keeps a decision until `until`.
    pub(super) fn keep(&mut self, facts: HookFacts, verdict: Verdict, until: Moment) {
        self.uses += 1;
        let key = Arc::new(facts);
        let held = Held { verdict, until, used: self.uses };
        if let Some(before) = self.held.insert(Arc::clone(&key), held) {
            self.order.remove(&before.used);
        }
        self.order.insert(self.uses, key);
        if self.held.len() > CAPACITY
            && let Some((_, oldest)) = self.order.pop_first()
        {
            self.held.remove(&oldest);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn about(consumer: usize) -> HookFacts {
        HookFacts { consumer: Some(consumer.to_string()), ..HookFacts::default() }
    }

    fn yes() -> Verdict {
        Verdict { allowed: true, message: None, ttl: None }
    }

    #[test]
    fn a_decision_holds_for_its_facts_until_its_moment() {
        let mut decisions = Decisions::default();
        decisions.keep(about(1), yes(), Moment(10));
        assert_eq!(decisions.find(&about(1), Moment(9)), Some(yes()));
        assert_eq!(decisions.find(&about(2), Moment(9)), None);
        assert_eq!(decisions.find(&about(1), Moment(10)), None);
        assert!(decisions.held.is_empty() && decisions.order.is_empty());
    }

    #[test]
    fn a_full_cache_forgets_what_was_not_used_for_longest() {
        let mut decisions = Decisions::default();
        (0..CAPACITY).for_each(|n| decisions.keep(about(n), yes(), Moment(10)));
        assert!(decisions.find(&about(0), Moment(1)).is_some());
        decisions.keep(about(CAPACITY), yes(), Moment(10));
        assert_eq!((decisions.held.len(), decisions.order.len()), (CAPACITY, CAPACITY));
        assert!(decisions.find(&about(1), Moment(1)).is_none(), "the longest unused");
        assert!(decisions.find(&about(0), Moment(1)).is_some());
    }
}
