//! Which limits a request falls under: its key's own, its consumer's, its team's, each caller's in the team, its model's
//! and its route's. It owns their order; it refuses to know how much is asked of them, or their keys.

use ledger::{Meter, Period};
use rule_table::{LimitId, Policy};

use crate::Exchange;
use crate::counters::Counted;

/// A counter that a request falls under, and what it asks of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stake {
    /// The manifest's limit; none where an issued key brings its own.
    pub limit: Option<LimitId>,
    /// For whom it counts: `consumer`, `each`, `team`, `model`, `route` or `key`.
    pub scope: &'static str,
    /// What it counts.
    pub meter: Meter,
    /// When it starts anew.
    pub period: Period,
    /// The most that may be counted per period, in the meter's unit.
    pub ceiling: u64,
    /// What the request asks, in the meter's unit: an estimate, or the most it can take where it is hard.
    pub asked: u64,
    /// Whether the limit counts without refusing.
    pub shadow: bool,
    /// Whether the limit is hard.
    pub hard: bool,
}

impl Exchange {
    /// What the request asks of every limit it falls under, in the order in which they may refuse.
    #[must_use]
    pub fn stakes(&mut self) -> Vec<Stake> {
        let counted = self.counted();
        let claims = self.claims(&counted, self.counted_tokens, &[]);
        let stake = |(one, claim): (&Counted, ledger::Claim)| Stake {
            limit: one.limit,
            scope: one.scope.name(),
            meter: claim.meter,
            period: claim.period,
            ceiling: claim.ceiling,
            asked: claim.asked,
            shadow: claim.shadow,
            hard: one.hard,
        };
        counted.iter().zip(claims).map(stake).collect()
    }

    /// Every counter, in the order in which they may refuse: the caller's own first.
    pub(crate) fn counted(&self) -> Vec<Counted> {
        let policy = self.gate.policy();
        let counters = self.gate.counters();
        let mut found = self.terms.as_ref().map(|terms| terms.counted.clone()).unwrap_or_default();
        // Replicas that share limits share those of keys too.
        found.iter_mut().for_each(|one| one.claim.shared = policy.store.shared.is_some());
        found.extend(listed(&counters.consumers, self.consumer));
        found.extend(listed(&counters.each, self.consumer));
        if let (None, Some(team), Some(subject)) = (self.consumer, self.team, self.subject.as_deref()) {
            found.extend(counters.of_token(policy, team, subject));
        }
        found.extend(listed(&counters.teams, self.team));
        found.extend(listed(&counters.models, self.model_index(policy)));
        found.extend(listed(&counters.routes, self.route));
        found
    }

    fn model_index(&self, policy: &Policy) -> Option<u32> {
        let model = self.known_model()?;
        let index = policy.models.binary_search_by(|terms| terms.model.as_str().cmp(model)).ok()?;
        u32::try_from(index).ok()
    }
}

fn listed(section: &[Vec<Counted>], index: Option<u32>) -> impl Iterator<Item = Counted> + '_ {
    index.and_then(|index| section.get(index as usize)).into_iter().flatten().copied()
}
