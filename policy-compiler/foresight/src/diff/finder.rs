//! Asking `space` for requests that two policies decide on. It owns how much work may go into the answers and the
//! conditions of both policies, made ready once; it refuses to judge what becomes of requests.

use std::cell::Cell;

use policy_compiler::diagnostics::Request;
use policy_compiler::space::{Cases, Clause, Exhausted, relevant};
use rule_table::AclAction;
use vocabulary::Operation;

use super::aligned::{Aligned, Half};

/// Steps of all searches together, and of one.
const MOST_STEPS: u32 = 4_000_000;
const STEPS: u32 = 100_000;
/// Clauses that a request may have to keep clear of.
const MOST_BESIDE: usize = 400;
/// Ways past an access control list that are tried.
const MOST_WAYS: usize = 8;

/// The conditions of one policy.
struct Clauses<'a> {
    /// Of its rules that decide.
    acl: Vec<Clause<'a>>,
    routes: Vec<Clause<'a>>,
}

impl<'a> Clauses<'a> {
    fn of(half: &'a Half<'_>) -> Self {
        Self {
            acl: half.acl.iter().map(Clause::of_rule).collect(),
            routes: half.matching.iter().map(|matching| Clause::of_route(matching)).collect(),
        }
    }
}

/// A way past an access control list: by a rule that allows a request before others block it, or by none.
struct Way<'f> {
    allowed: Option<&'f Clause<'f>>,
    blocks: Vec<&'f Clause<'f>>,
}

/// Asks, within bounds.
pub(super) struct Finder<'a> {
    aligned: &'a Aligned<'a>,
    old: Clauses<'a>,
    new: Clauses<'a>,
    steps: Cell<u32>,
}

impl<'a> Finder<'a> {
    pub(super) fn new(aligned: &'a Aligned<'a>) -> Self {
        let (old, new) = (Clauses::of(&aligned.old), Clauses::of(&aligned.new));
        Self { aligned, old, new, steps: Cell::new(MOST_STEPS) }
    }

    fn clauses(&self, half: &Half<'_>) -> &Clauses<'a> {
        if half.is_old { &self.old } else { &self.new }
    }

    /// What a rule that decides applies to.
    pub(super) fn rule(&self, half: &Half<'_>, id: usize) -> Option<&Clause<'a>> {
        self.clauses(half).acl.get(id)
    }

    /// What the first rules that decide apply to.
    pub(super) fn rules(&self, half: &Half<'_>, first: usize) -> impl Iterator<Item = &Clause<'a>> {
        self.clauses(half).acl.iter().take(first)
    }

    /// What a route matches.
    pub(super) fn route(&self, half: &Half<'_>, id: usize) -> Option<&Clause<'a>> {
        self.clauses(half).routes.get(id)
    }

    /// What all routes match.
    pub(super) fn routes(&self, half: &Half<'_>) -> impl Iterator<Item = &Clause<'a>> {
        self.clauses(half).routes.iter()
    }

    /// What the routes match that are asked before one, where it may have requests in common with it.
    pub(super) fn before(&self, half: &Half<'_>, route: usize) -> Vec<&Clause<'a>> {
        let rank = half.rank.get(route).copied().unwrap_or_default();
        let own = self.route(half, route);
        let earlier = self.routes(half).zip(&half.rank).filter(|(_, other)| **other < rank);
        let apart = |clause: &&Clause<'_>| own.is_some_and(|own| own.is_apart(clause));
        earlier.map(|(clause, _)| clause).filter(|clause| !apart(clause)).collect()
    }

    /// A request that all of `wanted` apply to and none of `others`, and that `is_one` says yes to after what
    /// it leaves open has been filled in. `None` is a proof that there is none where requests that meet the
    /// conditions are always `is_one`'s.
    pub(super) fn find<T>(
        &self,
        wanted: &[&Clause<'_>],
        others: &[&Clause<'_>],
        is_one: impl FnMut(Request) -> Option<T>,
    ) -> Result<Option<T>, Exhausted> {
        self.find_clear(wanted, others, &[], is_one)
    }

    /// The same, of requests that none of `blocks` applies to either.
    fn find_clear<T>(
        &self,
        wanted: &[&Clause<'_>],
        others: &[&Clause<'_>],
        blocks: &[&Clause<'_>],
        mut is_one: impl FnMut(Request) -> Option<T>,
    ) -> Result<Option<T>, Exhausted> {
        let Some(simple) = self.search(wanted, &[])? else { return Ok(None) };
        if let Some(found) = is_one(simple) {
            return Ok(Some(found));
        }
        let near = |clause: &&Clause<'_>| !wanted.iter().any(|one| one.is_apart(clause));
        let others: Vec<&Clause<'_>> = others.iter().copied().filter(near).collect();
        let all: Vec<&Clause<'_>> =
            others.iter().copied().chain(blocks.iter().copied().filter(near)).collect();
        // Fewer suffice for a proof, and often for a request that happens to be clear of all.
        let few = relevant(wanted, all.clone(), |clause| clause);
        let few_blocks =
            few.iter().copied().filter(|clause| !others.iter().any(|o| std::ptr::eq(*o, *clause)));
        let most: Vec<&Clause<'_>> = others.iter().copied().chain(few_blocks).collect();
        let mut last = 0;
        for beside in [few, most, all] {
            if beside.len() == last {
                continue;
            }
            last = beside.len();
            if beside.len() > MOST_BESIDE {
                return Err(Exhausted);
            }
            let Some(request) = self.search(wanted, &beside)? else { return Ok(None) };
            if let Some(found) = is_one(request) {
                return Ok(Some(found));
            }
        }
        Err(Exhausted)
    }

    /// The same of requests that neither policy's access control list blocks.
    pub(super) fn find_let_in<T>(
        &self,
        wanted: &[&Clause<'_>],
        others: &[&Clause<'_>],
        mut is_one: impl FnMut(Request) -> Option<T>,
    ) -> Result<Option<T>, Exhausted> {
        let (old_ways, all_old) = self.ways(&self.aligned.old, wanted);
        let (new_ways, all_new) = self.ways(&self.aligned.new, wanted);
        let mut open = !(all_old && all_new);
        for old in &old_ways {
            for new in &new_ways {
                let allowed = [old.allowed, new.allowed].into_iter().flatten();
                let wanted: Vec<&Clause<'_>> = wanted.iter().copied().chain(allowed).collect();
                let blocks: Vec<&Clause<'_>> = old.blocks.iter().chain(&new.blocks).copied().collect();
                match self.find_clear(&wanted, others, &blocks, &mut is_one) {
                    Ok(Some(found)) => return Ok(Some(found)),
                    Ok(None) => {}
                    Err(Exhausted) => open = true,
                }
            }
        }
        if open { Err(Exhausted) } else { Ok(None) }
    }

    /// The ways past a policy's access control list for requests that all of `wanted` apply to. The second
    /// value says whether these are all.
    fn ways(&self, half: &Half<'_>, wanted: &[&Clause<'_>]) -> (Vec<Way<'_>>, bool) {
        let mut ways = Vec::new();
        let mut blocks = Vec::new();
        let mut all = true;
        for (rule, clause) in half.acl.iter().zip(&self.clauses(half).acl) {
            if wanted.iter().any(|one| one.is_apart(clause)) {
                continue;
            }
            if rule.action != AclAction::Allow {
                blocks.push(clause);
            } else if ways.len() < MOST_WAYS {
                ways.push(Way { allowed: Some(clause), blocks: blocks.clone() });
            } else {
                all = false;
            }
        }
        ways.push(Way { allowed: None, blocks });
        // Most requests are let through by no rule at all.
        ways.reverse();
        (ways, all)
    }

    fn search(&self, wanted: &[&Clause<'_>], others: &[&Clause<'_>]) -> Result<Option<Request>, Exhausted> {
        let all: Vec<&Clause<'_>> = wanted.iter().chain(others).copied().collect();
        let listeners = u32::try_from(self.aligned.listeners.len()).unwrap_or(u32::MAX);
        let cases = Cases::of(&all, listeners)?;
        let split: Vec<usize> = (0..all.len()).collect();
        let (first, rest) = split.split_at_checked(wanted.len()).ok_or(Exhausted)?;
        let mut steps = STEPS.min(self.steps.get());
        let before = steps;
        let found = cases.find(first, rest, &mut steps);
        self.steps.set(self.steps.get() - (before - steps));
        Ok(found?.map(|atoms| cases.request(&atoms, &self.aligned.listeners, &self.aligned.consumers)))
    }
}

/// Says a method where none is said: operations are posted.
pub(super) fn with_method(mut request: Request) -> Request {
    let is_operation = Operation::ALL.iter().any(|operation| operation.path() == request.path);
    request.method.get_or_insert_with(|| if is_operation { "POST" } else { "GET" }.to_owned());
    request
}
