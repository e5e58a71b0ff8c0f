//! What is asked about rules of the access control list, each answer proven or not given. It owns how much
//! work may go into the answers.

use rule_table::{AclAction, AclRule, Mode};

use super::earlier::Earlier;
use crate::diagnostics::Witness;
use crate::space::{Cases, Clause, Exhausted, relevant, repeats_matter};

/// Pairs of rules that are looked at, and steps of all searches together.
const MOST_PAIRS: usize = 2_000_000;
const MOST_STEPS: u32 = 2_000_000;
/// Steps of one search.
const STEPS: u32 = 50_000;
/// Rules that one is searched for beside. More seldom cover it together, and cost much to go through.
const MOST_BESIDE: usize = 64;

/// Whether a rule says what becomes of a request.
pub(in crate::check) fn decides(rule: &AclRule) -> bool {
    rule.mode == Mode::Enforce && rule.action != AclAction::Log
}

/// Whether a rule refuses.
pub(in crate::check) fn blocks(rule: &AclRule) -> bool {
    decides(rule) && rule.action != AclAction::Allow
}

/// Whether a rule is ever asked, and why not.
#[derive(Debug)]
pub(in crate::check) enum Reach<'r> {
    /// Some request comes to it.
    Reached,
    /// No request meets its conditions.
    Empty,
    /// The rules before it take all that it applies to, such as the request here.
    Taken(Vec<&'r Ready<'r>>, Option<Witness>),
}

/// A rule made ready to be asked about.
#[derive(Debug)]
pub(in crate::check) struct Ready<'a> {
    pub(in crate::check) rule: &'a AclRule,
    pub(in crate::check) clause: Clause<'a>,
}

impl<'a> Ready<'a> {
    pub(in crate::check) fn of(rule: &'a AclRule) -> Self {
        Self { rule, clause: Clause::of_rule(rule) }
    }
}

/// Asks, within bounds.
pub(in crate::check) struct Prover<'n> {
    listeners: Vec<&'n str>,
    pairs: usize,
    steps: u32,
}

impl<'n> Prover<'n> {
    /// For a gateway with these listeners, in the order of their indices.
    pub(in crate::check) fn new(listeners: Vec<&'n str>) -> Self {
        Self { listeners, pairs: MOST_PAIRS, steps: MOST_STEPS }
    }

    /// The deciding rules before one that it may have a request in common with and that may help to hide it.
    pub(in crate::check) fn beside<'r>(
        &mut self,
        rule: &Ready<'_>,
        earlier: &Earlier<'r>,
    ) -> Result<Vec<&'r Ready<'r>>, Exhausted> {
        let found = earlier.beside(rule);
        self.pairs = self.pairs.checked_sub(found.len()).ok_or(Exhausted)?;
        let others = found.into_iter().filter_map(|index| earlier.get(index));
        Ok(others.filter(|other| !rule.clause.is_apart(&other.clause)).collect())
    }

    /// The deciding rules before one that have its priority and do something else, and that it may have a request
    /// in common with.
    pub(in crate::check) fn peers<'r>(
        &mut self,
        rule: &Ready<'_>,
        earlier: &Earlier<'r>,
    ) -> Result<Vec<&'r Ready<'r>>, Exhausted> {
        let mut peers = Vec::new();
        for other in earlier.peers(rule) {
            self.pairs = self.pairs.checked_sub(1).ok_or(Exhausted)?;
            if other.rule.action != rule.rule.action && !rule.clause.is_apart(&other.clause) {
                peers.push(other);
            }
        }
        Ok(peers)
    }

    fn cases<'r>(&self, rules: &'r [&'r Clause<'r>]) -> Result<Cases<'r>, Exhausted> {
        Cases::of(rules, u32::try_from(self.listeners.len()).unwrap_or(u32::MAX))
    }

    /// A request that the first of some rules applies to and none of the rest.
    fn find(
        &mut self,
        cases: &Cases<'_>,
        wanted: &[usize],
        others: &[usize],
    ) -> Result<Option<Witness>, Exhausted> {
        let mut steps = STEPS.min(self.steps);
        let before = steps;
        let found = cases.find(wanted, others, &mut steps);
        self.steps -= before - steps;
        Ok(found?.map(|request| Witness::from(cases.request(&request, &self.listeners, &[]))))
    }

    /// A request that both rules apply to. Not known where one is found that need not be real.
    pub(in crate::check) fn common<'r>(
        &mut self,
        a: &'r Ready<'r>,
        b: &'r Ready<'r>,
    ) -> Result<Option<Witness>, Exhausted> {
        let both = [&a.clause, &b.clause];
        let cases = self.cases(&both)?;
        let found = self.find(&cases, &[0, 1], &[])?;
        if found.is_some() && !cases.is_exact() { Err(Exhausted) } else { Ok(found) }
    }

    /// Whether some request that `rule` applies to is left to it by the deciding rules before it.
    pub(in crate::check) fn reach<'r>(
        &mut self,
        rule: &'r Ready<'r>,
        before: Vec<&'r Ready<'r>>,
    ) -> Result<Reach<'r>, Exhausted> {
        if before.is_empty() && rule.clause.surely_applies() {
            return Ok(Reach::Reached);
        }
        let alone = [&rule.clause];
        let cases = self.cases(&alone)?;
        let Some(own) = self.find(&cases, &[0], &[])? else { return Ok(Reach::Empty) };
        let before = relevant(&[&rule.clause], before, |ready| &ready.clause);
        // One rule that takes everything is the usual reason, and quickly found.
        for other in &before {
            let pair = [&rule.clause, &other.clause];
            let cases = self.cases(&pair)?;
            let sure = !repeats_matter(&[&rule.clause], &[&other.clause]);
            if sure && self.find(&cases, &[0], &[1])?.is_none() {
                return Ok(Reach::Taken(vec![other], Some(own)));
            }
        }
        match before.len() {
            0 => return Ok(Reach::Reached),
            1..=MOST_BESIDE => {}
            _ => return Err(Exhausted),
        }
        let rules = [rule].into_iter().chain(before.iter().copied());
        let all: Vec<&Clause<'_>> = rules.map(|ready| &ready.clause).collect();
        let cases = self.cases(&all)?;
        let others: Vec<usize> = (1..all.len()).collect();
        let left = self.find(&cases, &[0], &others)?;
        if left.is_none() && repeats_matter(&[&rule.clause], all.get(1..).unwrap_or_default()) {
            return Err(Exhausted);
        }
        Ok(if left.is_some() { Reach::Reached } else { Reach::Taken(before, Some(own)) })
    }

    /// The rules that together block every request of a route, and such a request; `None` where one gets
    /// through. `list` is in the order in which rules are asked.
    pub(in crate::check) fn blocked<'r>(
        &mut self,
        route: &'r Clause<'r>,
        list: &'r [Ready<'r>],
    ) -> Result<Option<(Vec<&'r Ready<'r>>, Witness)>, Exhausted> {
        self.pairs = self.pairs.checked_sub(list.len()).ok_or(Exhausted)?;
        // What allows may do so for another value of a header that is sent twice.
        let near = || {
            let near = |ready: &&Ready<'_>| !blocks(ready.rule) || !route.is_apart(&ready.clause);
            list.iter().filter(|ready| decides(ready.rule)).filter(near)
        };
        let blocking = near().filter(|ready| blocks(ready.rule)).collect();
        let blocking = relevant(&[route], blocking, |ready: &Ready<'_>| &ready.clause);
        if blocking.is_empty() {
            return Ok(None);
        }
        if blocking.len() > MOST_BESIDE {
            return Err(Exhausted);
        }
        let Some(own) = self.beyond(&[route], &[])? else { return Ok(None) };
        let clauses: Vec<&Clause<'_>> = blocking.iter().map(|ready| &ready.clause).collect();
        if self.beyond(&[route], &clauses)?.is_some() {
            return Ok(None);
        }
        // Nothing is left by all of them; what a rule that allows takes before them may be.
        for (at, allowing) in near().enumerate().filter(|(_, ready)| !blocks(ready.rule)) {
            let before = near().take(at).filter(|ready| blocks(ready.rule)).map(|ready| &ready.clause);
            let before: Vec<&Clause<'_>> = before.collect();
            if before.len() > MOST_BESIDE {
                return Err(Exhausted);
            }
            if self.beyond(&[route, &allowing.clause], &before)?.is_some() {
                return Ok(None);
            }
        }
        Ok(Some((self.needed(route, blocking)?, own)))
    }

    /// Leaves out rules without which the others block everything as well, the last first.
    fn needed<'r>(
        &mut self,
        route: &'r Clause<'r>,
        mut blocking: Vec<&'r Ready<'r>>,
    ) -> Result<Vec<&'r Ready<'r>>, Exhausted> {
        for at in (0..blocking.len()).rev() {
            let mut fewer = blocking.clone();
            fewer.remove(at);
            let clauses: Vec<&Clause<'_>> = fewer.iter().map(|ready| &ready.clause).collect();
            if self.beyond(&[route], &clauses)?.is_none() {
                blocking = fewer;
            }
        }
        Ok(blocking)
    }

    /// A request that all of `wanted` apply to and none of `others`.
    fn beyond<'r>(
        &mut self,
        wanted: &[&'r Clause<'r>],
        others: &[&'r Clause<'r>],
    ) -> Result<Option<Witness>, Exhausted> {
        let all = [wanted, others].concat();
        let cases = self.cases(&all)?;
        let (these, those): (Vec<usize>, Vec<usize>) = (0..all.len()).partition(|at| *at < wanted.len());
        let found = self.find(&cases, &these, &those)?;
        if found.is_none() && repeats_matter(wanted, others) { Err(Exhausted) } else { Ok(found) }
    }
}

#[cfg(test)]
mod tests;
