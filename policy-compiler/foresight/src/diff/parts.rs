//! What routes, callers and listeners refer to, compared by name: pools, backends, prices, limits, callers. It
//! owns whose requests each of them touches; that another route refers to them is `routes`'.

use std::collections::{BTreeMap, BTreeSet};

use rule_table::Policy;

use super::aligned::Aligned;
use super::finder::Finder;
use super::reach::{self, Seen, Wish};
use super::terms::{self, Part, Terms};
use super::{Change, Class, Findings, Form, Subject, text};

/// Routes on which a part is looked for.
const MOST_ROUTES: usize = 8;

/// Whose requests a part touches.
#[derive(Clone, Debug, Default)]
struct Touched {
    routes: BTreeSet<String>,
    /// Everybody, where some route is touched whoever calls.
    consumers: BTreeSet<String>,
}

pub(super) fn compare(aligned: &Aligned<'_>, finder: &Finder<'_>, findings: &mut Findings) {
    let (old, new) = (terms::parts(aligned.old.policy), terms::parts(aligned.new.policy));
    let touched = [touched(aligned.old.policy), touched(aligned.new.policy)];
    let keys: BTreeSet<&(Part, &str)> = old.keys().chain(new.keys()).collect();
    for &&(part, name) in &keys {
        let both = [old.get(&(part, name)), new.get(&(part, name))];
        if both.iter().all(|terms| *terms == both.first().copied().flatten()) {
            continue;
        }
        let asked = Asked { aligned, part, name, touched: &touched };
        asked.compare(both, finder, findings);
    }
    let both = [aligned.old.policy, aligned.new.policy].map(terms::elsewhere);
    let [old, new] = &both;
    findings.elsewhere.extend(terms::changes("", old, new));
}

/// What each part touches, by what refers to it.
fn touched(policy: &Policy) -> BTreeMap<(Part, String), Touched> {
    let mut all: BTreeMap<(Part, String), Touched> = BTreeMap::new();
    let at = |id: u32| usize::try_from(id).unwrap_or(usize::MAX);
    let limit = |id: u32| policy.limits.get(at(id)).map(|limit| (Part::Limit, limit.name.clone()));
    for route in &policy.routes {
        let mut parts: BTreeSet<(Part, String)> = route.limits.iter().filter_map(|id| limit(*id)).collect();
        let hook = route.hook.and_then(|id| policy.hooks.get(at(id)));
        parts.extend(hook.map(|hook| (Part::Hook, hook.name.clone())));
        let waf = route.waf.and_then(|id| policy.waf.get(at(id)));
        parts.extend(waf.map(|waf| (Part::Waf, waf.name.clone())));
        for pool in pools(policy, route.pool) {
            parts.insert((Part::Pool, pool.name.clone()));
            for deployment in pool.members.iter().filter_map(|one| policy.deployments.get(at(one.deployment)))
            {
                parts.insert((Part::Deployment, deployment.name.clone()));
                let backend = policy.backends.get(at(deployment.backend));
                parts.extend(backend.map(|backend| (Part::Backend, backend.name.clone())));
                let model =
                    policy.models.iter().find(|model| Some(&model.model) == deployment.model.as_ref());
                if let Some(model) = model {
                    parts.insert((Part::Model, model.model.clone()));
                    parts.extend(model.limits.iter().filter_map(|id| limit(*id)));
                }
            }
        }
        for part in parts {
            all.entry(part).or_default().routes.insert(route.name.clone());
        }
    }
    for consumer in &policy.consumers {
        let team = consumer.team.and_then(|id| policy.teams.get(at(id)));
        let limits = team.into_iter().flat_map(|team| team.limits.iter().chain(&team.each));
        let mut parts: Vec<(Part, String)> =
            consumer.limits.iter().chain(limits).filter_map(|id| limit(*id)).collect();
        parts.push((Part::Consumer, consumer.name.clone()));
        parts.extend(team.map(|team| (Part::Team, team.name.clone())));
        for part in parts {
            all.entry(part).or_default().consumers.insert(consumer.name.clone());
        }
    }
    all
}

/// A pool and those that its requests may go on to.
fn pools(policy: &Policy, first: u32) -> Vec<&rule_table::Pool> {
    let mut ids = vec![first];
    let mut next = 0;
    while let Some(id) = ids.get(next).copied() {
        next += 1;
        let pool = usize::try_from(id).ok().and_then(|id| policy.pools.get(id));
        let more: Vec<u32> = pool.into_iter().flat_map(|pool| &pool.fallback).map(|one| one.pool).collect();
        ids.extend(more.into_iter().filter(|id| !ids.contains(id)).collect::<BTreeSet<_>>());
    }
    ids.into_iter().filter_map(|id| policy.pools.get(usize::try_from(id).ok()?)).collect()
}

/// A part that differs.
struct Asked<'a, 'p> {
    aligned: &'a Aligned<'p>,
    part: Part,
    name: &'a str,
    touched: &'a [BTreeMap<(Part, String), Touched>; 2],
}

impl Asked<'_, '_> {
    fn compare(&self, both: [Option<&Terms>; 2], finder: &Finder<'_>, findings: &mut Findings) {
        let what = format!("{} {}", self.part.name(), self.name);
        let none = Terms::new();
        let [old, new] = both;
        let changes = match (old, new) {
            (Some(old), Some(new)) => terms::changes(&format!("{what}: "), old, new),
            _ if self.part == Part::Consumer => {
                terms::changes(&format!("{what}: "), old.unwrap_or(&none), new.unwrap_or(&none))
            }
            _ => {
                let there = |terms: Option<&Terms>| terms.map(|_| "there".to_owned());
                vec![Change { what, old: there(old), new: there(new) }]
            }
        };
        // Doors and routes have told of rules that refuse.
        let of_access = self.part == Part::Access;
        let enforced = |terms: Option<&Terms>| {
            terms.is_none_or(|terms| terms.get("mode").is_some_and(|mode| mode == "enforce"))
        };
        if of_access && enforced(old) && enforced(new) {
            return;
        }
        let silent = (old.is_none() || new.is_none()) && self.part != Part::Consumer;
        if silent || of_access || self.part == Part::Issuer {
            findings.elsewhere.extend(changes);
            return;
        }
        let mut by_subject: BTreeMap<Subject, Vec<Change>> = BTreeMap::new();
        for change in changes {
            by_subject.entry(self.subject(&change)).or_default().push(change);
        }
        let touched = self.union();
        for (subject, changes) in by_subject {
            match self.witness(&touched, &changes, finder) {
                Some(seen) => findings.classes.push(self.class(subject, changes, &touched, seen)),
                None => findings.elsewhere.extend(changes),
            }
        }
    }

    /// What either policy lets it touch.
    fn union(&self) -> Touched {
        let mut union = Touched::default();
        for side in self.touched {
            if let Some(touched) = side.get(&(self.part, self.name.to_owned())) {
                union.routes.extend(touched.routes.iter().cloned());
                union.consumers.extend(touched.consumers.iter().cloned());
            }
        }
        union
    }

    fn subject(&self, change: &Change) -> Subject {
        let field = change.what.split_once(": ").map_or(change.what.as_str(), |(_, field)| field);
        match (self.part, field.split('.').next().unwrap_or_default()) {
            (Part::Deployment, "prices" | "price_changes" | "prices_until" | "hourly") => Subject::Price,
            (_, "rewrite") => Subject::Rewrite,
            (Part::Consumer | Part::Team | Part::Model, "limit" | "each") | (Part::Limit, _) => {
                Subject::Limit
            }
            (Part::Pool, _) => Subject::Pool,
            (Part::Hook, _) => Subject::Hook,
            (Part::Waf, _) => Subject::Waf,
            (Part::Deployment | Part::Backend, _) => Subject::Backend,
            (Part::Listener, _) => Subject::Listener,
            _ => Subject::Caller,
        }
    }

    /// A request that it touches.
    fn witness(&self, touched: &Touched, changes: &[Change], finder: &Finder<'_>) -> Option<Seen> {
        let mut wish = Wish::default();
        let deployment = |policy: &'_ Policy| {
            let found = policy.deployments.iter().find(|one| one.name == self.name);
            found.and_then(|one| one.model.clone())
        };
        let model = deployment(self.aligned.new.policy);
        match self.part {
            Part::Deployment => wish.model = model.as_deref(),
            Part::Model => wish.model = Some(self.name),
            Part::Listener => {
                wish.listener = Some(self.name);
                if changes.iter().any(|change| change.what.ends_with(": private")) {
                    wish.from = Some("192.0.2.1");
                }
            }
            Part::Consumer => wish.consumer = Some(self.name),
            _ => {}
        }
        let by_caller = touched.routes.is_empty() && !touched.consumers.is_empty();
        if by_caller && wish.consumer.is_none() {
            wish.consumer = touched.consumers.first().map(String::as_str);
        }
        let everywhere = by_caller || self.part == Part::Listener;
        let routes = self.routes(touched, everywhere, wish.consumer);
        let mut refused = None;
        for route in routes {
            let found = reach::on_route(self.aligned, finder, &route, wish).ok().flatten();
            match found {
                Some(seen) if seen.old.kind() == "sent on" || seen.new.kind() == "sent on" => {
                    return Some(seen);
                }
                Some(seen) => refused = refused.or(Some(seen)),
                None => {}
            }
        }
        // A listener's own door may be what changes; a request that stays refused shows nothing.
        refused.filter(|seen| seen.old.kind() != seen.new.kind())
    }

    /// Routes to look on, those of both policies first, then those that name the caller.
    fn routes(&self, touched: &Touched, everywhere: bool, consumer: Option<&str>) -> Vec<String> {
        let (old, new) = (&self.aligned.old, &self.aligned.new);
        let names: BTreeSet<&str> = if everywhere {
            old.routes.keys().chain(new.routes.keys()).copied().collect()
        } else {
            touched.routes.iter().map(String::as_str).collect()
        };
        let named = |half: &super::aligned::Half<'_>, name: &str| {
            let id = half.policy.consumers.iter().position(|one| Some(one.name.as_str()) == consumer);
            let id = id.and_then(|id| u32::try_from(id).ok());
            half.route(name).zip(id).is_some_and(|(route, id)| route.consumers.contains(&id))
        };
        let mut names: Vec<&str> = names.into_iter().collect();
        names.sort_by_key(|name| {
            let in_both = old.routes.contains_key(name) && new.routes.contains_key(name);
            (!in_both, !(named(old, name) || named(new, name)))
        });
        names.into_iter().take(MOST_ROUTES).map(str::to_owned).collect()
    }

    fn class(&self, subject: Subject, changes: Vec<Change>, touched: &Touched, seen: Seen) -> Class {
        let by_caller = touched.routes.is_empty();
        let all = || self.aligned.old.routes.keys().chain(self.aligned.new.routes.keys());
        let routes =
            if by_caller { all().map(|name| (*name).to_owned()).collect() } else { touched.routes.clone() };
        let consumers = (by_caller && !touched.consumers.is_empty()).then(|| touched.consumers.clone());
        let requests = match (self.part, &consumers) {
            (Part::Listener, _) => format!("by listener `{}`", self.name),
            (_, Some(consumers)) => text::of_consumers(consumers),
            _ => text::of_routes(&routes),
        };
        Class {
            subject,
            form: Form::Terms,
            requests,
            witness: seen.witness,
            old: seen.old,
            new: seen.new,
            changes,
            reach: self.aligned.reach(routes, consumers),
            recorded: None,
        }
    }
}
