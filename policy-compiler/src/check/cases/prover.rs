//! What is asked about rules of the access control list, each answer proven or not given. It owns how much
//! work may go into the answers.

use rule_table::{AclAction, AclRule, Mode};

use super::{Cases, Earlier, Exhausted, Ready, relevant};
use crate::diagnostics::Witness;

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
        Ok(others.filter(|other| !rule.is_apart(other)).collect())
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
            if other.rule.action != rule.rule.action && !rule.is_apart(other) {
                peers.push(other);
            }
        }
        Ok(peers)
    }

    fn cases<'r>(&self, rules: &'r [&'r Ready<'r>]) -> Result<Cases<'r>, Exhausted> {
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
        Ok(found?.map(|request| cases.witness(&request, &self.listeners)))
    }

    /// A request that both rules apply to. Not known where one is found that need not be real.
    pub(in crate::check) fn common<'r>(
        &mut self,
        a: &'r Ready<'r>,
        b: &'r Ready<'r>,
    ) -> Result<Option<Witness>, Exhausted> {
        let both = [a, b];
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
        if before.is_empty() && rule.surely_applies() {
            return Ok(Reach::Reached);
        }
        let alone = [rule];
        let cases = self.cases(&alone)?;
        let Some(own) = self.find(&cases, &[0], &[])? else { return Ok(Reach::Empty) };
        let before = relevant(rule, before);
        // One rule that takes everything is the usual reason, and quickly found.
        for other in &before {
            let pair = [rule, *other];
            let cases = self.cases(&pair)?;
            if self.find(&cases, &[0], &[1])?.is_none() {
                return Ok(Reach::Taken(vec![other], Some(own)));
            }
        }
        match before.len() {
            0 => return Ok(Reach::Reached),
            1..=MOST_BESIDE => {}
            _ => return Err(Exhausted),
        }
        let all: Vec<&Ready<'_>> = [rule].into_iter().chain(before.iter().copied()).collect();
        let cases = self.cases(&all)?;
        let others: Vec<usize> = (1..all.len()).collect();
        let left = self.find(&cases, &[0], &others)?;
        Ok(if left.is_some() { Reach::Reached } else { Reach::Taken(before, Some(own)) })
    }
}

#[cfg(test)]
mod tests;
