//! Requests that access rules let in or keep out otherwise. It owns the question for listeners and routes;
//! who may use a route is the route's own.

use policy_compiler::space::Clause;
use rule_table::{AccessRule, Mode, Policy};

use super::aligned::{Aligned, Half};
use super::finder::Finder;
use super::reach::{self, Seen, Wish, variants};
use super::{Change, Class, Findings, Form, Subject, text};

/// A place with a door: a listener or a route, by name.
#[derive(Clone, Copy)]
enum Place<'a> {
    Listener(&'a str),
    Route(&'a str),
}

fn enforced<'p>(policy: &'p Policy, ids: &[u32]) -> Vec<&'p AccessRule> {
    let rules = ids.iter().filter_map(|id| policy.access.get(usize::try_from(*id).ok()?));
    rules.filter(|rule| rule.mode == Mode::Enforce).collect()
}

impl Place<'_> {
    fn rules(self, policy: &Policy) -> Option<Vec<&AccessRule>> {
        let ids = match self {
            Self::Listener(name) => &policy.listeners.iter().find(|one| one.name == name)?.access,
            Self::Route(name) => &policy.routes.iter().find(|one| one.name == name)?.access,
        };
        Some(enforced(policy, ids))
    }
}

pub(super) fn compare(aligned: &Aligned<'_>, finder: &Finder<'_>, findings: &mut Findings) {
    if aligned.old.policy.access.is_empty() && aligned.new.policy.access.is_empty() {
        return;
    }
    let listeners = aligned.listeners.iter().map(|name| Place::Listener(name));
    let routes = aligned.new.policy.routes.iter().filter(|route| {
        let old = aligned.old.route(&route.name);
        old.is_some_and(|old| !old.access.is_empty() || !route.access.is_empty())
    });
    for place in listeners.chain(routes.map(|route| Place::Route(&route.name))) {
        for (here, there, here_is_old) in aligned.sides() {
            let rules = place.rules(here.policy).zip(place.rules(there.policy));
            let Some((lets_in, keeps_out)) = rules else { continue };
            let same =
                |a: &AccessRule, b: &AccessRule| *a == AccessRule { name: a.name.clone(), ..b.clone() };
            for rule in keeps_out.iter().filter(|rule| !lets_in.iter().any(|other| same(rule, other))) {
                let door = Door { aligned, place, here, there, here_is_old };
                door.compare(finder, findings, &lets_in, rule);
            }
        }
    }
}

/// A rule of a place that lets in fewer than all rules of that place did on the other side.
struct Door<'a, 'p> {
    aligned: &'a Aligned<'p>,
    place: Place<'a>,
    /// Where requests come in.
    here: &'a Half<'p>,
    /// Where they do not.
    there: &'a Half<'p>,
    here_is_old: bool,
}

impl Door<'_, '_> {
    fn compare(
        &self,
        finder: &Finder<'_>,
        findings: &mut Findings,
        lets_in: &[&AccessRule],
        keeps_out: &AccessRule,
    ) {
        let lets_in: Vec<Clause<'_>> = lets_in.iter().map(|rule| Clause::of_access(rule)).collect();
        let keeps_out_clause = Clause::of_access(keeps_out);
        let mut wanted: Vec<&Clause<'_>> = lets_in.iter().collect();
        let mut others = vec![&keeps_out_clause];
        let mut names = [None, None];
        let mut wish = Wish::default();
        match self.place {
            Place::Listener(name) => {
                wish.listener = Some(name);
                let widest = self.here.rank.iter().enumerate().max_by_key(|(_, rank)| **rank);
                wanted.extend(widest.and_then(|(id, _)| finder.route(self.here, id)));
            }
            Place::Route(name) => {
                names = [Some(name), Some(name)];
                for half in [self.here, self.there] {
                    let Some(id) = half.routes.get(name).copied() else { continue };
                    wanted.extend(finder.route(half, id));
                    others.extend(finder.before(half, id));
                }
            }
        }
        let routes = names.map(|name| name.and_then(|name| self.here.route(name)));
        let found = finder.find(&wanted, &others, |request| {
            let widest = [self.here.widest(), self.there.widest()];
            let routes = if names.iter().any(Option::is_some) { routes } else { widest };
            let tried = variants(self.aligned, &request, routes, wish).into_iter();
            let seen = tried.filter_map(|request| reach::seen(self.aligned, request, names));
            reach::best(seen.filter(|seen| seen.old != seen.new))
        });
        match found {
            Ok(None) => {}
            Ok(Some(seen)) => findings.classes.push(self.class(seen, keeps_out)),
            Err(_) => {
                let name = &keeps_out.name;
                findings.unknown.insert(format!("whether access rule `{name}` lets in others than before"));
            }
        }
    }

    fn class(&self, seen: Seen, rule: &AccessRule) -> Class {
        let (where_, routes) = match self.place {
            Place::Listener(name) => {
                let all =
                    |half: &Half<'_>| half.policy.routes.iter().map(|r| r.name.clone()).collect::<Vec<_>>();
                (format!("by listener `{name}`"), [all(self.here), all(self.there)].concat())
            }
            Place::Route(name) => (format!("of route `{name}`"), vec![name.to_owned()]),
        };
        let does = if self.here_is_old { "keeps out now" } else { "kept out before" };
        let what = format!("access {}", rule.name);
        let text = |half: &Half<'_>| {
            let rules = self.place.rules(half.policy).into_iter().flatten();
            rules.filter(|one| one.name == rule.name).map(text::of_access).next()
        };
        let change = Change { what, old: text(&self.aligned.old), new: text(&self.aligned.new) };
        Class {
            subject: Subject::Access,
            form: Form::Other,
            requests: format!("{where_} that access rule `{}` {does}", rule.name),
            witness: seen.witness,
            old: seen.old,
            new: seen.new,
            changes: vec![change],
            reach: self.aligned.reach(routes.into_iter().collect(), None),
            recorded: None,
        }
    }
}
