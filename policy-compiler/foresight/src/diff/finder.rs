//! Asking `space` for requests, and making them whole. It owns how much work may go into the answers and what
//! is filled in where a request says nothing; it refuses to judge what becomes of them.

use policy_compiler::diagnostics::Request;
use policy_compiler::space::{Cases, Clause, Exhausted, relevant};
use vocabulary::Operation;

use super::aligned::Aligned;

/// Steps of all searches together, and of one.
const MOST_STEPS: u32 = 4_000_000;
const STEPS: u32 = 100_000;
/// Clauses that a request may have to keep clear of.
const MOST_BESIDE: usize = 400;

/// Asks, within bounds.
pub(super) struct Finder<'a> {
    listeners: &'a [&'a str],
    consumers: &'a [&'a str],
    steps: u32,
}

impl<'a> Finder<'a> {
    pub(super) fn new(aligned: &'a Aligned<'_>) -> Self {
        Self { listeners: &aligned.listeners, consumers: &aligned.consumers, steps: MOST_STEPS }
    }

    /// A request that all of `wanted` apply to and none of `others`, and that `is_one` says yes to after what
    /// it leaves open has been filled in. `None` is a proof that there is none where requests that meet the
    /// conditions are always `is_one`'s.
    pub(super) fn find<T>(
        &mut self,
        wanted: &[&Clause<'_>],
        others: &[&Clause<'_>],
        mut is_one: impl FnMut(Request) -> Option<T>,
    ) -> Result<Option<T>, Exhausted> {
        let Some(simple) = self.search(wanted, &[])? else { return Ok(None) };
        if let Some(found) = is_one(simple) {
            return Ok(Some(found));
        }
        let beside = others.iter().copied().filter(|other| !wanted.iter().any(|one| one.is_apart(other)));
        let beside: Vec<&Clause<'_>> = beside.collect();
        if let [alone] = wanted {
            // Fewer suffice for a proof, but not for a request that is clear of all.
            let few = relevant(alone, beside.clone(), |clause| clause);
            if few.len() < beside.len() && few.len() <= MOST_BESIDE && self.search(wanted, &few)?.is_none() {
                return Ok(None);
            }
        }
        if beside.is_empty() || beside.len() > MOST_BESIDE {
            return Err(Exhausted);
        }
        match self.search(wanted, &beside)? {
            None => Ok(None),
            Some(request) => is_one(request).map(Some).ok_or(Exhausted),
        }
    }

    /// The same of requests that neither policy's access control list blocks.
    pub(super) fn find_let_in<T>(
        &mut self,
        aligned: &Aligned<'_>,
        wanted: &[&Clause<'_>],
        others: &[&Clause<'_>],
        mut is_one: impl FnMut(Request) -> Option<T>,
    ) -> Result<Option<T>, Exhausted> {
        let (old_ways, all_old) = aligned.old.ways(wanted);
        let (new_ways, all_new) = aligned.new.ways(wanted);
        let mut open = !(all_old && all_new);
        for old in &old_ways {
            for new in &new_ways {
                let allowed = [old.allowed, new.allowed].into_iter().flatten();
                let allowed: Vec<Clause<'_>> = allowed.map(Clause::of_rule).collect();
                let blocks = old.blocks.iter().chain(&new.blocks).copied();
                let blocks: Vec<Clause<'_>> = blocks.map(Clause::of_rule).collect();
                let wanted: Vec<&Clause<'_>> = wanted.iter().copied().chain(&allowed).collect();
                let others: Vec<&Clause<'_>> = others.iter().copied().chain(&blocks).collect();
                match self.find(&wanted, &others, &mut is_one) {
                    Ok(Some(found)) => return Ok(Some(found)),
                    Ok(None) => {}
                    Err(Exhausted) => open = true,
                }
            }
        }
        if open { Err(Exhausted) } else { Ok(None) }
    }

    fn search(
        &mut self,
        wanted: &[&Clause<'_>],
        others: &[&Clause<'_>],
    ) -> Result<Option<Request>, Exhausted> {
        let all: Vec<&Clause<'_>> = wanted.iter().chain(others).copied().collect();
        let cases = Cases::of(&all, u32::try_from(self.listeners.len()).unwrap_or(u32::MAX))?;
        let split: Vec<usize> = (0..all.len()).collect();
        let (first, rest) = split.split_at_checked(wanted.len()).ok_or(Exhausted)?;
        let mut steps = STEPS.min(self.steps);
        let before = steps;
        let found = cases.find(first, rest, &mut steps);
        self.steps -= before - steps;
        Ok(found?.map(|atoms| cases.request(&atoms, self.listeners, self.consumers)))
    }
}

/// Says a method where none is said: operations are posted.
pub(super) fn with_method(mut request: Request) -> Request {
    let is_operation = Operation::ALL.iter().any(|operation| operation.path() == request.path);
    request.method.get_or_insert_with(|| if is_operation { "POST" } else { "GET" }.to_owned());
    request
}
