//! Requests on which the access control list decides otherwise. It owns which pairs of rules are asked about.

use std::collections::{BTreeMap, BTreeSet};

use policy_compiler::space::Clause;
use rule_table::{AclAction, AclRule};

use super::aligned::{Aligned, Half};
use super::finder::Finder;
use super::outcome::course;
use super::reach::{Seen, anybody, best, variants};
use super::{Change, Class, Findings, Reach, Subject, terms, text};

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

pub(super) fn compare(aligned: &Aligned<'_>, finder: &mut Finder<'_>, findings: &mut Findings) {
    let mut told = BTreeSet::new();
    for (here, there, here_is_old) in aligned.sides() {
        let known: BTreeSet<String> = there.acl.iter().map(|rule| content(rule, true)).collect();
        let kept: Vec<bool> = here.acl.iter().map(|rule| known.contains(&content(rule, true))).collect();
        for (index, _) in kept.iter().enumerate().filter(|(_, kept)| !**kept) {
            let asked = Asked { aligned, here, there, here_is_old, index };
            asked.compare(finder, findings, &mut told);
        }
    }
    beside(aligned, findings, &told);
}

/// A rule that the other policy does not have.
struct Asked<'a, 'p> {
    aligned: &'a Aligned<'p>,
    here: &'a Half<'p>,
    there: &'a Half<'p>,
    here_is_old: bool,
    index: usize,
}

impl Asked<'_, '_> {
    /// Who may decide on the other side: nobody, rules that are not here, and rules of both that come later.
    fn counterparts(&self, rule: &AclRule) -> Vec<Option<usize>> {
        let known: BTreeSet<String> = self.here.acl.iter().map(|rule| content(rule, true)).collect();
        let own = Clause::of_rule(rule);
        let may = |(index, other): (usize, &AclRule)| {
            let later = other.priority >= rule.priority || !known.contains(&content(other, true));
            (later && effect(Some(other)) != effect(Some(rule)) && !own.is_apart(&Clause::of_rule(other)))
                .then_some(Some(index))
        };
        let nobody = effect(Some(rule)).is_some().then_some(None);
        nobody.into_iter().chain(self.there.acl.iter().enumerate().filter_map(may)).collect()
    }

    fn compare(&self, finder: &mut Finder<'_>, findings: &mut Findings, told: &mut BTreeSet<String>) {
        let Some(rule) = self.here.acl.get(self.index) else { return };
        let mut effects = BTreeSet::new();
        for counterpart in self.counterparts(rule) {
            let other = counterpart.and_then(|index| self.there.acl.get(index));
            if !effects.contains(&effect(other)) {
                match self.find(finder, rule, counterpart) {
                    Ok(None) => {}
                    Ok(Some(seen)) => {
                        effects.insert(effect(other));
                        told.extend([Some(rule), other].into_iter().flatten().map(|rule| rule.name.clone()));
                        findings.classes.push(self.class(rule, seen));
                    }
                    Err(_) => {
                        let name = &rule.name;
                        findings.unknown.insert(format!("whether rule `{name}` of `acl` decides otherwise"));
                    }
                }
            }
        }
    }

    fn find(
        &self,
        finder: &mut Finder<'_>,
        rule: &AclRule,
        counterpart: Option<usize>,
    ) -> Result<Option<Seen>, policy_compiler::space::Exhausted> {
        let other = counterpart.and_then(|index| self.there.acl.get(index));
        let own = Clause::of_rule(rule);
        let theirs = other.map(Clause::of_rule);
        let until = counterpart.unwrap_or(self.there.acl.len());
        let earlier = self.here.acl.iter().take(self.index).chain(self.there.acl.iter().take(until));
        let earlier: Vec<Clause<'_>> = earlier.map(Clause::of_rule).collect();
        let others: Vec<&Clause<'_>> = earlier.iter().collect();
        let mut order: Vec<(usize, usize)> = self.here.rank.iter().copied().enumerate().collect();
        order.sort_by_key(|(_, rank)| std::cmp::Reverse(*rank));
        let routes = order.into_iter().filter_map(|(id, _)| self.here.matching.get(id));
        let routes: Vec<Clause<'_>> = routes
            .map(|matching| Clause::of_route(matching))
            .filter(|route| !own.is_apart(route))
            .take(MOST_ROUTES)
            .collect();
        let wanted: Vec<&Clause<'_>> = [Some(&own), theirs.as_ref()].into_iter().flatten().collect();
        for route in &routes {
            let with_route: Vec<&Clause<'_>> = wanted.iter().copied().chain([route]).collect();
            let found = finder.find(&with_route, &others, |request| self.differs(&request, rule, other));
            if let Ok(Some(seen)) = found {
                return Ok(Some(seen));
            }
        }
        finder.find(&wanted, &others, |request| self.differs(&request, rule, other))
    }

    /// Whether these two rules decide on a request, and what comes of it.
    fn differs(
        &self,
        request: &policy_compiler::diagnostics::Request,
        rule: &AclRule,
        other: Option<&AclRule>,
    ) -> Option<Seen> {
        let at = self.aligned.unix_seconds;
        // Anybody may show it, best somebody who is let in.
        let wishes = anybody(self.aligned).into_iter();
        let tried = wishes.flat_map(|wish| {
            let routes = [self.here.widest(), self.there.widest()];
            variants(self.aligned, request, routes, wish)
        });
        best(tried.filter_map(|witness| {
            let here = course(self.here.policy, &witness, at);
            let there = course(self.there.policy, &witness, at);
            let decides = here.rule.as_ref() == Some(&rule.name);
            let theirs = other.map(|other| &other.name) == there.rule.as_ref();
            let (old, new) = if self.here_is_old { (here, there) } else { (there, here) };
            (decides && theirs && old.outcome != new.outcome).then_some(Seen {
                witness,
                old: old.outcome,
                new: new.outcome,
            })
        }))
    }

    fn class(&self, rule: &AclRule, seen: Seen) -> Class {
        let own = Clause::of_rule(rule);
        let mut routes = BTreeSet::new();
        for half in [self.here, self.there] {
            for (route, matching) in half.policy.routes.iter().zip(&half.matching) {
                if !own.is_apart(&Clause::of_route(matching)) {
                    routes.insert(route.name.clone());
                }
            }
        }
        let when = if self.here_is_old { "decided on before" } else { "decides on now" };
        Class {
            subject: Subject::Acl,
            requests: format!("that rule `{}` {when}: {}", rule.name, text::of_rule(rule)),
            witness: seen.witness,
            old: seen.old,
            new: seen.new,
            changes: Vec::new(),
            reach: Reach {
                routes,
                consumers: None,
                of_routes: self.aligned.routes,
                of_consumers: self.aligned.consumers.len(),
            },
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
