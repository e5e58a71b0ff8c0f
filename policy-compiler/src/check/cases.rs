//! Whether some request is one that rules of the access control list apply to, and that others leave alone:
//! an exact search over the kinds of requests that their conditions tell apart, with a bound on its work. It
//! owns the search; it refuses to word findings.
//!
//! Every condition looks at one dimension of a request. `atoms` cuts each dimension into the values that no
//! condition at hand tells apart; the search goes through combinations of these and remembers what it has
//! seen to fail, as a decision diagram would. Dimensions are taken for independent, which real requests are
//! not quite (an address has one country): that nothing is found is a proof, that something is found is one
//! where [`Cases::is_exact`].

mod atoms;
mod earlier;
mod patterns;
mod prover;

use std::collections::HashSet;

use ipnet::IpNet;
use rule_table::{AclAction, AclConditions, AclRule, HeaderCondition, OnFailure, PathMatch};

use atoms::{Atom, Dimension, Truth, cut};
pub(super) use earlier::Earlier;
pub(super) use prover::{Prover, Reach, decides};

use crate::diagnostics::{Request, Witness};

/// A rule whose networks have been read.
#[derive(Debug)]
pub(super) struct Ready<'a> {
    pub(super) rule: &'a AclRule,
    when: Side<'a>,
    unless: Side<'a>,
}

#[derive(Debug)]
struct Side<'a> {
    of: &'a AclConditions,
    networks: Vec<IpNet>,
}

impl<'a> Ready<'a> {
    pub(super) fn of(rule: &'a AclRule) -> Self {
        let side = |of: &'a AclConditions| Side {
            of,
            networks: of.networks.iter().filter_map(|network| network.parse().ok()).collect(),
        };
        Self { rule, when: side(&rule.when), unless: side(&rule.unless) }
    }

    /// Whether it applies where one of its conditions cannot be told.
    fn applies_untold(&self) -> bool {
        match self.rule.action {
            AclAction::Block(_) => self.rule.on_failure == OnFailure::Closed,
            AclAction::Allow => self.rule.on_failure == OnFailure::Open,
            AclAction::Log => true,
        }
    }

    /// Whether some request meets its conditions, as far as a look at them tells: no two of them, and no exception,
    /// look at one thing. False where it may be.
    fn surely_applies(&self) -> bool {
        let when = self.when.of;
        let names: HashSet<&String> = when.headers.iter().map(|header| &header.name).collect();
        *self.unless.of == AclConditions::default()
            && names.len() == when.headers.len()
            && when.body_over.is_none()
            && when.user_agents.is_empty()
            && when.bots.is_empty()
            && self.when.networks.len() == when.networks.len()
    }

    /// Whether no request is both's, as far as a look at single lists tells; false where it may be.
    pub(super) fn is_apart(&self, other: &Self) -> bool {
        let (a, b) = (self.when.of, other.when.of);
        disjoint(&a.listeners, &b.listeners)
            || disjoint(&a.methods, &b.methods)
            || disjoint(&a.hosts, &b.hosts) && [a, b].iter().all(|side| atoms::exact_hosts(side))
            || !(a.paths.is_empty() || b.paths.is_empty())
                && !a.paths.iter().any(|x| b.paths.iter().any(|y| paths_meet(x, y)))
            || a.headers.iter().any(|x| b.headers.iter().any(|y| values_apart(x, y)))
            || !self.when.networks.is_empty()
                && !other.when.networks.is_empty()
                && !self.when.networks.iter().any(|x| other.when.networks.iter().any(|y| meet(x, y)))
    }
}

/// Whether some path may be one that both take.
fn paths_meet(a: &PathMatch, b: &PathMatch) -> bool {
    match (a, b) {
        (PathMatch::Exact(path), other) | (other, PathMatch::Exact(path)) => other.takes(path),
        (PathMatch::Prefix(x), PathMatch::Prefix(y)) => a.takes(y) || b.takes(x),
        (PathMatch::Template(_), _) | (_, PathMatch::Template(_)) => true,
    }
}

/// Whether two conditions on one header name no value alike.
fn values_apart(a: &HeaderCondition, b: &HeaderCondition) -> bool {
    a.name == b.name && disjoint(&a.values, &b.values)
}

fn meet(a: &IpNet, b: &IpNet) -> bool {
    a.contains(b) || b.contains(a)
}

/// Whether two sorted lists, of which an empty one stands for everything, have nothing in common.
fn disjoint<T: Ord>(a: &[T], b: &[T]) -> bool {
    !a.is_empty() && !b.is_empty() && !a.iter().any(|x| b.binary_search(x).is_ok())
}

/// The bound on work was reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Exhausted;

/// What is left of a rule half way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Standing {
    Holds,
    Untold,
    Gone,
}

/// Truths of a rule's conditions by the values of one dimension; `None` where it has no condition there.
struct Column {
    when: Option<Vec<Truth>>,
    unless: Option<Vec<Truth>>,
}

/// Some rules, and the requests that they tell apart.
pub(super) struct Cases<'r> {
    rules: &'r [&'r Ready<'r>],
    dimensions: Vec<Dimension>,
    /// By dimension, then by rule.
    columns: Vec<Vec<Column>>,
}

impl<'r> Cases<'r> {
    /// Cuts the requests by the conditions of some rules. `listeners` is how many there are.
    pub(super) fn of(rules: &'r [&'r Ready<'r>], listeners: u32) -> Result<Self, Exhausted> {
        let dimensions = cut(rules, listeners)?;
        let column = |dimension: &Dimension, rule: &Ready<'_>| {
            let truths = |side: &Side<'_>, exceptions: bool| {
                let one = |atom: &Atom| dimension.kind.truth(side.of, &side.networks, atom, exceptions);
                dimension.atoms.iter().map(one).collect::<Option<Vec<Truth>>>()
            };
            Column { when: truths(&rule.when, false), unless: truths(&rule.unless, true) }
        };
        let columns = dimensions.iter().map(|d| rules.iter().map(|rule| column(d, rule)).collect()).collect();
        let mut cases = Self { rules, dimensions, columns };
        cases.merge_like();
        Ok(cases)
    }

    /// Keeps one of all values of a dimension that every rule treats alike.
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
    pub(super) fn is_exact(&self) -> bool {
        let has = |names: &[&str]| {
            self.dimensions.iter().filter(|d| names.iter().any(|name| d.kind.is_named(name))).count()
        };
        has(&["userAgent", "bot", "user-agent"]) < 2
            && has(&["address", "country"]) < 2
            && has(&["host header", "host"]) < 2
            && has(&["bodyOver", "content-length", "transfer-encoding"]) < 2
    }

    /// A request to which all of `wanted` apply and none of `others`, as indices of the rules, if there is
    /// one. `steps` is what may still be done, and is taken from.
    pub(super) fn find(
        &self,
        wanted: &[usize],
        others: &[usize],
        steps: &mut u32,
    ) -> Result<Option<Vec<Atom>>, Exhausted> {
        let begin = vec![Standing::Holds; self.rules.len()];
        let mut search = Search { cases: self, wanted, others, steps, failed: HashSet::new() };
        let mut chosen = Vec::new();
        Ok(search.go(0, &begin, &mut chosen)?.then_some(chosen))
    }

    fn decides(&self, rule: usize, standing: Standing) -> bool {
        let untold = || self.rules.get(rule).is_some_and(|rule| rule.applies_untold());
        standing == Standing::Holds || standing == Standing::Untold && untold()
    }

    /// A request in the terms of people. `listeners` are their names.
    pub(super) fn witness(&self, request: &[Atom], listeners: &[&str]) -> Witness {
        let mut shown = Request { path: "/".to_owned(), ..Request::default() };
        for (dimension, atom) in self.dimensions.iter().zip(request) {
            dimension.show(atom, listeners, &mut shown);
        }
        Witness::from(shown)
    }
}

fn retain<T>(list: &mut Vec<T>, keep: &[bool]) {
    let mut kept = keep.iter();
    list.retain(|_| kept.next().copied().unwrap_or(true));
}

impl Column {
    /// What is left of a rule once the value at `at` has been chosen.
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
        if !self.wanted.iter().all(|rule| self.cases.decides(*rule, standing(rule))) {
            return Ok(false);
        }
        let cases = self.cases;
        let Some((dimension, columns)) = cases.dimensions.get(depth).zip(cases.columns.get(depth)) else {
            return Ok(!self.others.iter().any(|rule| cases.decides(*rule, standing(rule))));
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

/// Leaves out rules that cannot help to cover all of `rule`'s requests: those with a condition on something
/// of which there is always another value, where `rule` has none and nobody an exception.
pub(super) fn relevant<'r>(rule: &Ready<'_>, mut others: Vec<&'r Ready<'r>>) -> Vec<&'r Ready<'r>> {
    loop {
        let before = others.len();
        for kind in atoms::unbounded(&others) {
            let free = !kind.constrains(&rule.rule.when)
                && !kind.constrains(&rule.rule.unless)
                && !others.iter().any(|other| kind.constrains(&other.rule.unless));
            if free {
                others.retain(|other| !kind.constrains(&other.rule.when));
            }
        }
        if others.len() == before {
            return others;
        }
    }
}
