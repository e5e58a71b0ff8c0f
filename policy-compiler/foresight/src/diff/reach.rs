//! Requests that come to a route. It owns what is filled in where conditions leave something open: a model
//! that the pool has, a caller who may, a listener of both; it refuses to say what differs for them.

use policy_compiler::diagnostics::Request;
use policy_compiler::space::{Clause, Exhausted};
use rule_table::{Mode, Policy, Route};

use super::aligned::Aligned;
use super::finder::{Finder, with_method};
use super::outcome::{Course, Outcome, course, models};

/// Values tried for what a request leaves open.
const TRIES: usize = 4;

/// A request and what becomes of it under both policies.
#[derive(Clone, Debug)]
pub(super) struct Seen {
    pub(super) witness: Request,
    pub(super) old: Outcome,
    pub(super) new: Outcome,
}

/// What the person who looks for a request wants of it.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Wish<'a> {
    pub(super) consumer: Option<&'a str>,
    pub(super) model: Option<&'a str>,
    pub(super) listener: Option<&'a str>,
    pub(super) from: Option<&'a str>,
}

fn pool_models<'p>(policy: &'p Policy, route: &Route) -> Vec<&'p str> {
    let pool = usize::try_from(route.pool).ok().and_then(|id| policy.pools.get(id));
    pool.map(|pool| models(policy, pool).collect()).unwrap_or_default()
}

fn callers<'p>(policy: &'p Policy, route: &Route) -> Vec<&'p str> {
    let name = |id: &u32| Some(policy.consumers.get(usize::try_from(*id).ok()?)?.name.as_str());
    if route.consumers.is_empty() {
        policy.consumers.iter().map(|consumer| consumer.name.as_str()).collect()
    } else {
        route.consumers.iter().filter_map(name).collect()
    }
}

/// Ways of filling in what a request leaves open, the most telling first. `routes` are those it shall come
/// to, under the old policy and under the new.
pub(super) fn variants(
    aligned: &Aligned<'_>,
    request: &Request,
    routes: [Option<&Route>; 2],
    wish: Wish<'_>,
) -> Vec<Request> {
    let halves = [aligned.old.policy, aligned.new.policy];
    let both = || halves.into_iter().zip(routes).filter_map(|(policy, route)| Some((policy, route?)));
    let mut models: Vec<Option<&str>> = Vec::new();
    match (request.model.as_deref(), wish.model) {
        (Some(model), _) | (None, Some(model)) => models.push(Some(model)),
        (None, None) => {
            models.extend(both().flat_map(|(policy, route)| pool_models(policy, route)).map(Some));
            models.dedup();
            models.truncate(TRIES);
            models.push(None);
        }
    }
    let mut consumers: Vec<Option<&str>> = Vec::new();
    match (request.consumer.as_deref(), wish.consumer) {
        (Some(name), _) | (None, Some(name)) => consumers.push(Some(name)),
        (None, None) => {
            let lists: Vec<Vec<&str>> = both().map(|(policy, route)| callers(policy, route)).collect();
            if let [old, new] = lists.as_slice() {
                let only = |a: &[&'_ str], b: &[&'_ str]| -> Vec<String> {
                    a.iter().filter(|name| !b.contains(name)).take(1).map(|name| (*name).to_owned()).collect()
                };
                let differ = [only(old, new), only(new, old)].concat();
                let named = |name: &String| aligned.consumers.iter().find(|one| **one == name.as_str());
                consumers.extend(differ.iter().filter_map(named).map(|name| Some(*name)));
            }
            if both().any(|(_, route)| route.public) {
                consumers.push(None);
            }
            consumers.extend(lists.iter().filter_map(|list| list.first()).map(|name| Some(*name)));
            consumers.push(None);
        }
    }
    let listener = request.listener.clone().or_else(|| wish.listener.map(str::to_owned));
    let listener = listener.or_else(|| common_listener(aligned));
    let mut all = Vec::new();
    for consumer in &consumers {
        for model in &models {
            let mut one = with_method(request.clone());
            one.listener.clone_from(&listener);
            one.from.get_or_insert_with(|| wish.from.unwrap_or(&aligned.outside).to_owned());
            one.consumer = consumer.map(str::to_owned);
            one.model = model.map(str::to_owned);
            all.push(one);
        }
    }
    all
}

/// Some who may call, and somebody who is not known.
pub(super) fn anybody<'a>(aligned: &'a Aligned<'_>) -> Vec<Wish<'a>> {
    let named = aligned.consumers.iter().take(TRIES).map(|name| Some(*name));
    named.chain([None]).map(|consumer| Wish { consumer, ..Wish::default() }).collect()
}

fn common_listener(aligned: &Aligned<'_>) -> Option<String> {
    let has = |policy: &Policy, name: &str| policy.listeners.iter().any(|listener| listener.name == name);
    let in_both = |name: &&&str| has(aligned.old.policy, name) && has(aligned.new.policy, name);
    aligned.listeners.iter().find(in_both).map(|name| (*name).to_owned())
}

impl Seen {
    /// Whether one of the policies sends it on: such a request says more than one that is refused anyway.
    pub(super) fn is_telling(&self) -> bool {
        [&self.old, &self.new].iter().any(|outcome| matches!(outcome, Outcome::SentOn { .. }))
    }
}

/// The most telling of some.
pub(super) fn best(all: impl Iterator<Item = Seen>) -> Option<Seen> {
    let mut first = None;
    for seen in all {
        if seen.is_telling() {
            return Some(seen);
        }
        first.get_or_insert(seen);
    }
    first
}

/// What becomes of a request, where it comes to these routes.
pub(super) fn seen(aligned: &Aligned<'_>, request: Request, routes: [Option<&str>; 2]) -> Option<Seen> {
    let at = aligned.unix_seconds;
    let old = course(&aligned.old, &request, at);
    let new = course(&aligned.new, &request, at);
    let comes = |wanted: Option<&str>, course: &Course| {
        wanted.is_none_or(|wanted| Some(wanted) == course.route.as_deref())
    };
    let [first, second] = routes;
    (comes(first, &old) && comes(second, &new)).then_some(Seen {
        witness: request,
        old: old.outcome,
        new: new.outcome,
    })
}

/// What the enforced doors of a listener let through.
pub(super) fn doors(policy: &Policy, ids: &[u32]) -> Vec<Clause<'static>> {
    let rules = ids.iter().filter_map(|id| policy.access.get(usize::try_from(*id).ok()?));
    rules.filter(|rule| rule.mode == Mode::Enforce).map(Clause::of_access).collect()
}

/// A request that both policies give to their route of this name, sent on by both if that can be.
pub(super) fn on_route(
    aligned: &Aligned<'_>,
    finder: &Finder<'_>,
    name: &str,
    wish: Wish<'_>,
) -> Result<Option<Seen>, Exhausted> {
    let ids = [&aligned.old, &aligned.new].map(|half| half.routes.get(name).copied());
    let halves = [&aligned.old, &aligned.new];
    let routes = [aligned.old.route(name), aligned.new.route(name)];
    let mut wanted = Vec::new();
    let mut others = Vec::new();
    let mut open = Vec::new();
    for (half, id) in halves.into_iter().zip(ids) {
        let Some(id) = id else { continue };
        wanted.extend(finder.route(half, id));
        others.extend(finder.before(half, id));
        let route = half.policy.routes.get(id);
        open.extend(route.map(|route| doors(half.policy, &route.access)).unwrap_or_default());
        let listener = wish.listener.map(str::to_owned).or_else(|| common_listener(aligned));
        let listener = half.policy.listeners.iter().find(|one| Some(&one.name) == listener.as_ref());
        open.extend(listener.map(|one| doors(half.policy, &one.access)).unwrap_or_default());
    }
    let names = ids.map(|id| id.map(|_| name));
    let wanted: Vec<&Clause<'_>> = wanted.into_iter().chain(&open).collect();
    let mut second = None;
    let found = finder.find_let_in(&wanted, &others, |request| {
        let tried = variants(aligned, &request, routes, wish).into_iter();
        let found = best(tried.filter_map(|request| seen(aligned, request, names)))?;
        if found.is_telling() {
            return Some(found);
        }
        second.get_or_insert(found);
        None
    });
    match found {
        Ok(Some(seen)) => Ok(Some(seen)),
        Ok(None) => Ok(second),
        Err(exhausted) => second.map(Some).ok_or(exhausted),
    }
}
