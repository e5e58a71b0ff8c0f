//! From a request's head to the routes that may serve it. It owns the index and the order of
//! specificity; it refuses to read bodies (the model is handed in) and to decide who may call.
//!
//! The cost of a lookup depends on the request (its segments, labels) and on how many *kinds* of
//! header and query conditions share a path, not on the number of routes: paths, hosts, values and
//! models are each found by hash, templates by hash for each set of places they state. Routes that differ only in callers or hours are asked in turn.

mod index;
mod shape;
mod slot;
mod specificity;
mod template;
#[cfg(test)]
mod tests;

use serde::Serialize;

use crate::facts::{Facts, normal_host};
use crate::sections::{Policy, RouteId};
use index::{Found, Index, Slots};
use slot::Asker;
pub use specificity::Specificity;

/// What building shared, for whoever compiles a policy.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct RouteStats {
    /// Routes in the policy.
    pub routes: usize,
    /// Paths that differ, templates and prefixes among them.
    pub paths: usize,
    /// Hosts that differ, suffixes among them.
    pub hosts: usize,
    /// Lists of methods that differ.
    pub method_lists: usize,
    /// Bytes of the index, its texts aside.
    pub index_bytes: usize,
}

/// An index over the routes of one policy.
#[derive(Clone, Debug, Default)]
pub struct RouteTable {
    index: Index,
    routes: usize,
}

/// What the head of a request says about its route.
#[derive(Clone, Debug)]
pub enum Head<'t> {
    /// These routes match, short of their model condition. Never empty.
    Found(Candidates<'t>),
    /// Routes match this host, path and header, but none this method; the methods they do take,
    /// sorted, for the `Allow` header.
    MethodNotAllowed(Vec<&'t str>),
    /// No route has this host, path and header.
    NoRoute,
}

/// Routes that match the head of a request.
#[derive(Clone, Debug)]
pub struct Candidates<'t> {
    slots: Slots<'t>,
    asker: Asker,
}

impl Candidates<'_> {
    /// Their ids, the most specific first.
    #[must_use]
    pub fn ids(&self) -> Vec<RouteId> {
        let mut ranked: Vec<_> = self.slots.iter().flat_map(|slot| slot.all(self.asker)).collect();
        ranked.sort_unstable();
        ranked.into_iter().map(|entry| entry.id).collect()
    }

    /// Whether the model decides between them or can still refuse the request, so that the body must
    /// be read before the route is known.
    #[must_use]
    pub fn need_model(&self) -> bool {
        self.slots.iter().any(|slot| slot.names_models())
    }

    /// The most specific of them for `model`; see [`RouteTable::by_model`].
    #[must_use]
    pub fn by_model(&self, model: Option<&str>) -> Option<RouteId> {
        self.slots.iter().filter_map(|slot| slot.best(model, self.asker)).min().map(|entry| entry.id)
    }
}

impl RouteTable {
    /// Indexes the routes of `policy`. Where two routes are equally specific, which the compiler
    /// refuses, the one earlier in the list wins.
    #[must_use]
    pub fn build(policy: &Policy) -> Self {
        let mut order: Vec<(RouteId, &crate::sections::Route)> = (0..).zip(&policy.routes).collect();
        order.sort_by_cached_key(|(id, route)| (std::cmp::Reverse(Specificity::of(&route.matching)), *id));
        let ranked = (0..).zip(&order);
        let index =
            Index::build(ranked.map(|(rank, (id, route))| (&route.matching, slot::Entry { rank, id: *id })));
        Self { index, routes: policy.routes.len() }
    }

    /// Bytes of the index, its texts aside.
    #[must_use]
    pub fn index_bytes(&self) -> usize {
        self.index.bytes()
    }

    /// What building shared.
    #[must_use]
    pub fn stats(&self) -> RouteStats {
        RouteStats { routes: self.routes, index_bytes: self.index_bytes(), ..self.index.stats() }
    }

    /// Finds the routes for a request's head.
    ///
    /// The model is left aside, whether known or not: see [`Self::by_model`].
    #[must_use]
    pub fn head(&self, facts: &Facts<'_>) -> Head<'_> {
        let mut found = Found { facts, slots: Slots::new(), other_methods: Vec::new() };
        self.index.collect(&normal_host(facts.host), facts.path, &mut found);
        if !found.slots.is_empty() {
            return Head::Found(Candidates { slots: found.slots, asker: Asker::from(facts) });
        }
        let mut allowed = found.other_methods;
        if allowed.is_empty() {
            return Head::NoRoute;
        }
        allowed.sort_unstable();
        allowed.dedup();
        Head::MethodNotAllowed(allowed)
    }

    /// The most specific candidate for `model`. A route with a model condition takes only that model,
    /// spelt exactly so; a route without one takes any, and requests without a model.
    #[must_use]
    pub fn by_model(&self, candidates: &Candidates<'_>, model: Option<&str>) -> Option<RouteId> {
        candidates.by_model(model)
    }
}
