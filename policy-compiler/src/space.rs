//! The space of requests, as far as conditions tell requests apart: whether some request meets these
//! conditions and not those, by an exact search with a bound on its work. It owns the search and the request
//! that it finds; it refuses to say what conditions are for: proofs and comparisons do.
//!
//! Every condition looks at one dimension of a request. `atoms` cuts each dimension into the values that no
//! condition at hand tells apart; the search goes through combinations of these and remembers what it has
//! seen to fail, as a decision diagram would. Dimensions are taken for independent, which real requests are
//! not quite (an address has one country): that nothing is found is a proof, that something is found is one
//! where [`Cases::is_exact`].

pub(crate) mod atoms;
mod clause;
mod patterns;

use std::collections::HashSet;

pub use atoms::Atom;
use atoms::{Dimension, Truth, cut};
pub use clause::Clause;
pub(crate) use clause::Side;

use crate::diagnostics::Request;

/// The bound on work was reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Exhausted;

/// What is left of a clause half way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Standing {
    Holds,
    Untold,
    Gone,
}

/// Truths of a clause's conditions by the values of one dimension; `None` where it has no condition there.
#[derive(Debug)]
struct Column {
    when: Option<Vec<Truth>>,
    unless: Option<Vec<Truth>>,
}

/// Some clauses, and the requests that they tell apart.
#[derive(Debug)]
pub struct Cases<'r> {
    clauses: &'r [&'r Clause<'r>],
    dimensions: Vec<Dimension>,
    /// By dimension, then by clause.
    columns: Vec<Vec<Column>>,
}

impl<'r> Cases<'r> {
    /// Cuts the requests by some clauses. `listeners` is how many there are.
    ///
    /// # Errors
    /// [`Exhausted`]: there are too many kinds of them.
    pub fn of(clauses: &'r [&'r Clause<'r>], listeners: u32) -> Result<Self, Exhausted> {
        let dimensions = cut(clauses, listeners)?;
        let column = |dimension: &Dimension, clause: &Clause<'_>| {
            let truths = |side: &Side<'_>, exceptions: bool| {
                let one = |atom: &Atom| dimension.kind.truth(side, atom, exceptions);
                dimension.atoms.iter().map(one).collect::<Option<Vec<Truth>>>()
            };
            Column { when: truths(&clause.when, false), unless: truths(&clause.unless, true) }
        };
        let columns = dimensions.iter().map(|d| clauses.iter().map(|c| column(d, c)).collect()).collect();
        let mut cases = Self { clauses, dimensions, columns };
        cases.merge_like();
        Ok(cases)
    }

    /// Keeps one of all values of a dimension that every clause treats alike.
    fn merge_like(&mut self) {
        for (dimension, columns) in self.dimensions.iter_mut().zip(&mut self.columns) {
            let mut seen = HashSet::new();
            let keep: Vec<bool> = (0..dimension.atoms.len())
                .map(|at| {
                    let of = |truths: &Option<Vec<Truth>>| truths.as_ref().and_then(|t| t.get(at).copied());
                    let signature: Vec<_> = columns.iter().map(|c| (of(&c.when), of(&c.unless))).collect();
                    seen.insert(signature)
                })
                .collect();
            retain(&mut dimension.atoms, &keep);
            for truths in columns.iter_mut().flat_map(|c| [&mut c.when, &mut c.unless]).flatten() {
                retain(truths, &keep);
            }
        }
    }

    /// Whether what is found stands for a real request: no two dimensions at hand depend on each other.
    #[must_use]
    pub fn is_exact(&self) -> bool {
        let has = |names: &[&str]| {
            self.dimensions.iter().filter(|d| names.iter().any(|name| d.kind.is_named(name))).count()
        };
        has(&["userAgent", "bot", "user-agent"]) < 2
            && has(&["address", "country"]) < 2
            && has(&["host header", "host"]) < 2
            && has(&["bodyOver", "content-length", "transfer-encoding"]) < 2
    }

    /// A request to which all of `wanted` apply and none of `others`, as indices of the clauses, if there is
    /// one. `steps` is what may still be done, and is taken from.
    ///
    /// # Errors
    /// [`Exhausted`]: there were no steps left.
    pub fn find(
        &self,
        wanted: &[usize],
        others: &[usize],
        steps: &mut u32,
    ) -> Result<Option<Vec<Atom>>, Exhausted> {
        let begin = vec![Standing::Holds; self.clauses.len()];
        let mut search = Search { cases: self, wanted, others, steps, failed: HashSet::new() };
        let mut chosen = Vec::new();
        Ok(search.go(0, &begin, &mut chosen)?.then_some(chosen))
    }

    fn applies(&self, clause: usize, standing: Standing) -> bool {
        let untold = || self.clauses.get(clause).is_some_and(|clause| clause.untold);
        standing == Standing::Holds || standing == Standing::Untold && untold()
    }

    /// A request in the terms of people. `listeners` and `consumers` are their names.
    #[must_use]
    pub fn request(&self, atoms: &[Atom], listeners: &[&str], consumers: &[&str]) -> Request {
        let mut shown = Request { path: "/".to_owned(), ..Request::default() };
        for (dimension, atom) in self.dimensions.iter().zip(atoms) {
            dimension.show(atom, listeners, consumers, &mut shown);
        }
        shown
    }
}

fn retain<T>(list: &mut Vec<T>, keep: &[bool]) {
    let mut kept = keep.iter();
    list.retain(|_| kept.next().copied().unwrap_or(true));
}

impl Column {
    /// What is left of a clause once the value at `at` has been chosen.
    fn after(&self, before: Standing, at: usize) -> Standing {
        let of = |truths: &Option<Vec<Truth>>| truths.as_ref().and_then(|truths| truths.get(at)).copied();
        match (before, of(&self.when), of(&self.unless)) {
            (Standing::Gone, ..) | (_, Some(Truth::No), _) | (_, _, Some(Truth::Yes)) => Standing::Gone,
            (_, Some(Truth::Untold), _) | (_, _, Some(Truth::Untold)) => Standing::Untold,
            _ => before,
        }
    }
}

struct Search<'c, 'r> {
    cases: &'c Cases<'r>,
    wanted: &'c [usize],
    others: &'c [usize],
    steps: &'c mut u32,
    failed: HashSet<(usize, Vec<Standing>)>,
}

impl Search<'_, '_> {
    fn go(&mut self, depth: usize, at: &[Standing], chosen: &mut Vec<Atom>) -> Result<bool, Exhausted> {
        *self.steps = self.steps.checked_sub(1).ok_or(Exhausted)?;
        let standing = |rule: &usize| at.get(*rule).copied().unwrap_or(Standing::Gone);
        // What is untold stays so or is gone.
        if !self.wanted.iter().all(|rule| self.cases.applies(*rule, standing(rule))) {
            return Ok(false);
        }
        let cases = self.cases;
        let Some((dimension, columns)) = cases.dimensions.get(depth).zip(cases.columns.get(depth)) else {
            return Ok(!self.others.iter().any(|rule| cases.applies(*rule, standing(rule))));
        };
        let key = (depth, at.to_vec());
        if self.failed.contains(&key) {
            return Ok(false);
        }
        for (place, atom) in dimension.atoms.iter().enumerate() {
            let next: Vec<Standing> =
                at.iter().zip(columns).map(|(standing, column)| column.after(*standing, place)).collect();
            chosen.push(atom.clone());
            if self.go(depth + 1, &next, chosen)? {
                return Ok(true);
            }
            chosen.pop();
        }
        self.failed.insert(key);
        Ok(false)
    }
}

/// Leaves out what cannot help to cover all that every one of `wanted` applies to: what has a condition on
/// something of which there is always another value, where none of `wanted` has one and nobody an exception.
/// `of` is the clause of one.
#[must_use]
pub fn relevant<'r, T>(
    wanted: &[&Clause<'_>],
    mut others: Vec<&'r T>,
    of: impl Fn(&'r T) -> &'r Clause<'r>,
) -> Vec<&'r T> {
    loop {
        let before = others.len();
        let clauses: Vec<&Clause<'r>> = others.iter().map(|other| of(other)).collect();
        for kind in atoms::unbounded(&clauses) {
            let free = !wanted.iter().any(|one| kind.constrains(&one.when) || kind.constrains(&one.unless))
                && !others.iter().any(|other| kind.constrains(&of(other).unless));
            if free {
                others.retain(|other| !kind.constrains(&of(other).when));
            }
        }
        if others.len() == before {
            return others;
        }
    }
}

/// Whether a header that is sent more than once may make a difference to whether some request is all of
/// `wanted`'s and none of `others`'. The search looks at single values: more of them help where an exception
/// of `others` names one value and another condition another, or two of `wanted` name different ones.
#[must_use]
pub fn repeats_matter(wanted: &[&Clause<'_>], others: &[&Clause<'_>]) -> bool {
    let stated = |side: &Side<'_>| -> Vec<(String, Vec<String>)> {
        let headers = side.of.headers.iter().filter(|header| !header.values.is_empty());
        headers.map(|header| (header.name.clone(), header.values.clone())).collect()
    };
    let differ = |clauses: &[&Clause<'_>], name: &str, exceptions: bool| {
        let sides = clauses.iter().flat_map(|c| [Some(&c.when), Some(&c.unless).filter(|_| exceptions)]);
        let lists = sides.flatten().flat_map(stated).filter(|(other, _)| other == name);
        lists.map(|(_, values)| values).collect::<HashSet<_>>().len() > 1
    };
    let all = [wanted, others].concat();
    others.iter().flat_map(|other| stated(&other.unless)).any(|(name, _)| differ(&all, &name, true))
        || wanted.iter().flat_map(|one| stated(&one.when)).any(|(name, _)| differ(wanted, &name, false))
}
