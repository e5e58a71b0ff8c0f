//! Requests on which the access control list decides otherwise. It owns which pairs of rules are asked about.

use std::collections::{BTreeMap, BTreeSet};

use policy_compiler::diagnostics::Request;
use policy_compiler::space::{Clause, Exhausted};
use rule_table::{AclAction, AclRule};

use super::aligned::{Aligned, Half};
use super::finder::Finder;
use super::outcome::course;
use super::reach::{Seen, anybody, best, variants};
use super::{Change, Class, Findings, Form, Subject, terms, text};

/// Routes on which a rule is looked for, the widest first.
const MOST_ROUTES: usize = 8;

/// What a rule makes of a request: the status it is refused with, or nothing.
fn effect(rule: Option<&AclRule>) -> Option<u16> {
    match rule.map(|rule| rule.action) {
        Some(AclAction::Block(status)) => Some(status),
        _ => None,
    }
}

/// A rule but for its name, and its place where that matters.
fn content(rule: &AclRule, with_priority: bool) -> String {
    let mut rule = AclRule { name: String::new(), ..rule.clone() };
    if !with_priority {
        rule.priority = 0;
    }
    serde_json::to_string(&rule).unwrap_or_default()
}

pub(super) fn compare(aligned: &Aligned<'_>, finder: &Finder<'_>, findings: &mut Findings) {
    let mut told = BTreeSet::new();
    let contents =
        |half: &Half<'_>| -> BTreeSet<String> { half.acl.iter().map(|rule| content(rule, true)).collect() };
    let known = [contents(&aligned.old), contents(&aligned.new)];
    for (here, there, here_is_old) in aligned.sides() {
        let [old, new] = &known;
        let (ours, theirs) = if here_is_old { (old, new) } else { (new, old) };
        for (index, rule) in here.acl.iter().enumerate() {
            if theirs.contains(&content(rule, true)) {
                continue;
            }
            let Some(own) = finder.rule(here, index) else { continue };
            Asked { aligned, finder, here, there, ours, rule, own, index }.compare(findings, &mut told);
        }
    }
    let names = told.into_iter().map(|(name, ..)| name).collect();
    beside(aligned, findings, &names);
}

/// What has been told: of which rule, and what became and becomes of its requests.
type Told = BTreeSet<(String, String, String)>;

/// A rule that the other policy does not have.
struct Asked<'a, 'p> {
    aligned: &'a Aligned<'p>,
    finder: &'a Finder<'a>,
    here: &'a Half<'p>,
    there: &'a Half<'p>,
    /// What rules there are here.
    ours: &'a BTreeSet<String>,
    rule: &'a AclRule,
    own: &'a Clause<'a>,
    index: usize,
}

impl Asked<'_, '_> {
    /// Who may decide on the other side: nobody, rules that are not here, and rules of both that come later.
    fn counterparts(&self) -> Vec<Option<usize>> {
        let clauses = self.finder.rules(self.there, self.there.acl.len());
        let may = |(index, (other, clause)): (usize, (&AclRule, &Clause<'_>))| {
            let differs = effect(Some(other)) != effect(Some(self.rule)) && !self.own.is_apart(clause);
            let later = || other.priority >= self.rule.priority || !self.ours.contains(&content(other, true));
            (differs && later()).then_some(Some(index))
        };
        let nobody = effect(Some(self.rule)).is_some().then_some(None);
        let others = self.there.acl.iter().zip(clauses).enumerate().filter_map(may);
        nobody.into_iter().chain(others).collect()
    }

    fn compare(&self, findings: &mut Findings, told: &mut Told) {
        let mut effects = BTreeSet::new();
        for counterpart in self.counterparts() {
            let other = counterpart.and_then(|index| self.there.acl.get(index));
            if effects.contains(&effect(other)) {
                continue;
            }
            match self.find(counterpart) {
                Ok(None) => {}
                Ok(Some(seen)) => {
                    effects.insert(effect(other));
                    let key = |rule: &AclRule| (rule.name.clone(), seen.old.kind(), seen.new.kind());
                    if told.insert(key(self.rule)) {
                        findings.classes.push(self.class(seen.clone()));
                    }
                    told.extend(other.map(key));
                }
                Err(_) => {
                    let name = &self.rule.name;
                    findings.unknown.insert(format!("whether rule `{name}` of `acl` decides otherwise"));
                }
            }
        }
    }

    fn find(&self, counterpart: Option<usize>) -> Result<Option<Seen>, Exhausted> {
        let other = counterpart.and_then(|index| self.there.acl.get(index));
        let theirs = counterpart.and_then(|index| self.finder.rule(self.there, index));
        let until = counterpart.unwrap_or(self.there.acl.len());
        let others: Vec<&Clause<'_>> =
            self.finder.rules(self.here, self.index).chain(self.finder.rules(self.there, until)).collect();
        let mut order: Vec<(usize, usize)> = self.here.rank.iter().copied().enumerate().collect();
        order.sort_unstable_by_key(|(_, rank)| std::cmp::Reverse(*rank));
        let routes = order.into_iter().filter_map(|(id, _)| self.finder.route(self.here, id));
        let routes = routes.filter(|route| !self.own.is_apart(route)).take(MOST_ROUTES);
        let wanted: Vec<&Clause<'_>> = [Some(self.own), theirs].into_iter().flatten().collect();
        for route in routes {
            let with_route: Vec<&Clause<'_>> = wanted.iter().copied().chain([route]).collect();
            let found = self.finder.find(&with_route, &others, |request| self.differs(&request, other));
            if let Ok(Some(seen)) = found {
                return Ok(Some(seen));
            }
        }
        self.finder.find(&wanted, &others, |request| self.differs(&request, other))
    }

    /// What comes of a request that these two rules decide on, where that differs.
    fn differs(&self, request: &Request, other: Option<&AclRule>) -> Option<Seen> {
        let at = self.aligned.unix_seconds;
        // Anybody may show it, best somebody who is let in.
        let tried = anybody(self.aligned).into_iter().flat_map(|wish| {
            let routes = [self.aligned.old.widest(), self.aligned.new.widest()];
            variants(self.aligned, request, routes, wish)
        });
        best(tried.filter_map(|witness| {
            let here = course(self.here, &witness, at);
            let there = course(self.there, &witness, at);
            let decides = here.rule.as_ref() == Some(&self.rule.name);
            let theirs = other.map(|other| &other.name) == there.rule.as_ref();
            let (old, new) = if self.here.is_old { (here, there) } else { (there, here) };
            (decides && theirs && old.outcome != new.outcome).then_some(Seen {
                witness,
                old: old.outcome,
                new: new.outcome,
            })
        }))
    }

    fn class(&self, seen: Seen) -> Class {
        let mut routes = BTreeSet::new();
        for half in [self.here, self.there] {
            for (route, clause) in half.policy.routes.iter().zip(self.finder.routes(half)) {
                if !self.own.is_apart(clause) {
                    routes.insert(route.name.clone());
                }
            }
        }
        let when = if self.here.is_old { "decided on before" } else { "decides on now" };
        let requests = format!("that rule `{}` {when}: {}", self.rule.name, text::of_rule(self.rule));
        Class {
            subject: Subject::Acl,
            form: Form::Other,
            requests,
            witness: seen.witness,
            old: seen.old,
            new: seen.new,
            changes: Vec::new(),
            reach: self.aligned.reach(routes, None),
            recorded: None,
        }
    }
}

/// Rules that differ without a request that shows it: in shadow mode, for notes, or in order alone.
fn beside(aligned: &Aligned<'_>, findings: &mut Findings, told: &BTreeSet<String>) {
    let rules = |half: &Half<'_>| -> BTreeMap<String, AclRule> {
        half.policy.acl.iter().map(|rule| (rule.name.clone(), rule.clone())).collect()
    };
    let (old, new) = (rules(&aligned.old), rules(&aligned.new));
    let names: BTreeSet<&String> = old.keys().chain(new.keys()).collect();
    for name in names.into_iter().filter(|name| !told.contains(*name)) {
        let (before, after) = (old.get(name), new.get(name));
        let alike = |other: &AclRule, rule: &AclRule| content(other, false) == content(rule, false);
        let what = format!("acl {name}");
        match (before, after) {
            (Some(a), Some(b)) if a == b => {}
            (Some(a), Some(b)) if alike(a, b) => {
                let priorities = [a, b].map(|rule| Some(rule.priority.to_string()));
                let [old, new] = priorities;
                findings.neutral.insert(Change { what: format!("{what}: priority"), old, new });
            }
            (Some(a), None) => match new.values().find(|b| alike(a, b) && !old.contains_key(&b.name)) {
                Some(b) => {
                    let change = Change {
                        what: "acl rule".to_owned(),
                        old: Some(name.clone()),
                        new: Some(b.name.clone()),
                    };
                    findings.neutral.insert(change);
                }
                None => findings.elsewhere.push(Change { what, old: Some(text::of_rule(a)), new: None }),
            },
            (None, Some(b)) if old.values().any(|a| alike(a, b) && !new.contains_key(&a.name)) => {}
            (None, Some(b)) => {
                findings.elsewhere.push(Change { what, old: None, new: Some(text::of_rule(b)) });
            }
            (Some(a), Some(b)) => {
                let [old, new] = [a, b].map(terms::of_rule);
                findings.elsewhere.extend(terms::changes(&format!("{what}: "), &old, &new));
            }
            (None, None) => {}
        }
    }
}
