//! The access control list made ready to ask at any length. It owns which rules are looked at for a request
//! and in which order; what a rule means is `plain`'s business, against which it is tested.
//!
//! Every rule is entered under the most selective of its conditions, so that a request meets only rules that
//! share a value with it. Those are verified in the order of the list, up to the first that decides. Each
//! distinct condition is kept once, however many rules state it.

mod index;
mod predicate;
#[cfg(test)]
mod tests;

use hashbrown::HashSet;
use serde::Serialize;

use crate::acl::{AclAction, AclRule};
use crate::facts::Facts;
use crate::sections::{AclRuleId, Mode, Policy};
use crate::verdict::{AclVerdict, Stance, Truth};
use index::Index;
use predicate::{PredicateId, Predicates, Request};

/// What building found and left out, for whoever compiles a policy.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct AclStats {
    /// Rules in the policy.
    pub rules: usize,
    /// Rules that can never change anything.
    pub dropped: usize,
    /// Conditions as they are written.
    pub predicates_written: usize,
    /// Conditions that differ.
    pub predicates_kept: usize,
    /// Rules that no condition narrows down, which every request asks.
    pub asked_always: usize,
    /// Bytes of the index.
    pub index_bytes: usize,
}

/// An engine over one policy's access control list.
#[derive(Clone, Debug, Default)]
pub struct AclTable {
    rules: Vec<Rule>,
    predicates: Predicates,
    /// Predicates of all rules, one after another.
    stated: Vec<PredicateId>,
    /// Enforced rules that let in or refuse.
    deciders: Index,
    /// Rules that only note or count.
    notes: Index,
    stats: AclStats,
}

/// A rule: its action, and where its predicates are.
#[derive(Clone, Debug)]
struct Rule {
    stance: Stance,
    start: u32,
    unless: u32,
    end: u32,
}

/// The first thing that happens, in the order of the list.
#[derive(Clone, Copy)]
enum First {
    Nothing,
    Decides(AclRuleId, AclAction),
    Waits(AclRuleId),
}

impl First {
    const fn limit(self) -> AclRuleId {
        match self {
            Self::Nothing => AclRuleId::MAX,
            Self::Decides(id, _) | Self::Waits(id) => id,
        }
    }
}

impl AclTable {
    /// Builds the engine for `policy.acl`.
    #[must_use]
    pub fn build(policy: &Policy) -> Self {
        let mut table = Self::default();
        let mut decided = HashSet::new();
        let (mut deciders, mut notes) = (Vec::new(), Vec::new());
        let mut over = false;
        for (id, rule) in (0..).zip(&policy.acl) {
            let (when, unless) = table.intern(rule);
            let decides = rule.mode == Mode::Enforce && rule.action != AclAction::Log;
            // A condition that cannot be told is no contradiction: `onFailure` has the last word.
            let told = when.iter().chain(&unless).all(|&id| table.predicates.is_always_told(id));
            let never = when.iter().any(|id| unless.contains(id) && table.predicates.is_always_told(*id));
            let repeats = told && !decides && decided.contains(&(when.clone(), unless.clone()));
            let repeats = repeats || (told && decides && !decided.insert((when.clone(), unless.clone())));
            let dead = over || never || repeats;
            table.push(rule, &when, &unless);
            if dead {
                table.stats.dropped = table.stats.dropped.saturating_add(1);
                continue;
            }
            over = decides && when.is_empty() && unless.is_empty();
            if decides { &mut deciders } else { &mut notes }.push((id, rule));
        }
        table.deciders = Index::build(&deciders);
        table.notes = Index::build(&notes);
        table.stats.rules = policy.acl.len();
        table.stats.predicates_kept = table.predicates.len();
        table.stats.asked_always = table.deciders.always().saturating_add(table.notes.always());
        table.stats.index_bytes = table.deciders.bytes().saturating_add(table.notes.bytes());
        table.predicates.forget_places();
        table
    }

    /// What building found and left out.
    #[must_use]
    pub fn stats(&self) -> AclStats {
        self.stats
    }

    /// Whether there is no rule to ask.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.rules.is_empty()
    }

    /// Asks the list.
    #[must_use]
    pub fn ask(&self, facts: &Facts<'_>) -> AclVerdict {
        if self.rules.is_empty() {
            return AclVerdict::default();
        }
        let request = Request::of(facts);
        let mut first = First::Nothing;
        self.deciders.visit(&request, &mut |ids| {
            let limit = first.limit();
            for &id in ids.iter().take_while(|id| **id < limit) {
                let Some(rule) = self.rules.get(id as usize) else { continue };
                first = match self.truth(rule, &request) {
                    Truth::Later => First::Waits(id),
                    truth if rule.stance.applies(truth) => First::Decides(id, rule.stance.action),
                    _ => continue,
                };
                // Whatever follows in this list comes later.
                break;
            }
        });
        self.with_notes(first, &request)
    }

    fn with_notes(&self, first: First, request: &Request<'_>) -> AclVerdict {
        let mut waits = match first {
            First::Waits(id) => Some(id),
            _ => None,
        };
        let mut verdict = AclVerdict::default();
        if let First::Decides(id, action) = first {
            verdict.decided = Some((id, action));
        }
        if !self.notes.is_empty() {
            self.notes.visit(request, &mut |ids| {
                for &id in ids.iter().take_while(|id| **id < first.limit()) {
                    let Some(rule) = self.rules.get(id as usize) else { continue };
                    match self.truth(rule, request) {
                        Truth::Later => waits = Some(waits.map_or(id, |known| known.min(id))),
                        truth if rule.stance.applies(truth) && rule.stance.mode == Mode::Shadow => {
                            verdict.shadowed.push(id);
                        }
                        truth if rule.stance.applies(truth) => verdict.noted.push(id),
                        _ => {}
                    }
                }
            });
        }
        if waits.is_some() {
            return AclVerdict { undecided: waits, ..AclVerdict::default() };
        }
        for ids in [&mut verdict.noted, &mut verdict.shadowed] {
            // A rule can be met under several of its values.
            ids.sort_unstable();
            ids.dedup();
        }
        verdict
    }

    fn truth(&self, rule: &Rule, request: &Request<'_>) -> Truth {
        let part = |from: u32, to: u32| self.stated.get(from as usize..to as usize).unwrap_or_default();
        let mut all = Truth::Yes;
        for &id in part(rule.start, rule.unless) {
            all = all.and(self.predicates.holds(id, request));
            if all == Truth::No {
                return Truth::No;
            }
        }
        let exceptions = part(rule.unless, rule.end).iter();
        let exception = exceptions.fold(Truth::No, |any, &id| any.or(self.predicates.holds(id, request)));
        all.and(exception.negated())
    }

    fn intern(&mut self, rule: &AclRule) -> (Vec<PredicateId>, Vec<PredicateId>) {
        let when = self.predicates.intern(&rule.when);
        let unless = self.predicates.intern(&rule.unless);
        let written = when.len().saturating_add(unless.len());
        self.stats.predicates_written = self.stats.predicates_written.saturating_add(written);
        (when, unless)
    }

    fn push(&mut self, rule: &AclRule, when: &[PredicateId], unless: &[PredicateId]) {
        let at = |stated: &Vec<PredicateId>| u32::try_from(stated.len()).unwrap_or(u32::MAX);
        let start = at(&self.stated);
        self.stated.extend_from_slice(when);
        let middle = at(&self.stated);
        self.stated.extend_from_slice(unless);
        self.rules.push(Rule { stance: rule.stance(), start, unless: middle, end: at(&self.stated) });
    }
}
