//! From a request's head to the routes that may serve it. It owns the index and the order of
//! specificity; it refuses to read bodies (the model is handed in) and to decide who may call.
//!
//! The cost of a lookup depends on the request (its segments, labels) and on how many *kinds* of
//! header conditions share a path, never on the number of routes: paths, hosts, header values and
//! models are each found by hash.

mod index;
mod specificity;
mod template;
#[cfg(test)]
mod tests;

use std::borrow::Cow;

use crate::sections::{Policy, RouteId};
use index::{Found, Paths, Slot};
pub use specificity::Specificity;

/// An index over the routes of one policy.
#[derive(Clone, Debug, Default)]
pub struct RouteTable {
    paths: Paths,
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
    slots: Vec<&'t Slot>,
}

impl Candidates<'_> {
    /// Their ids, the most specific first.
    #[must_use]
    pub fn ids(&self) -> Vec<RouteId> {
        let mut ranked: Vec<_> = self.slots.iter().flat_map(|slot| slot.all()).collect();
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
        self.slots.iter().filter_map(|slot| slot.best(model)).min().map(|entry| entry.id)
    }
}

impl RouteTable {
    /// Indexes the routes of `policy`. Where two routes are equally specific, which the compiler
    /// refuses, the one earlier in the list wins.
    #[must_use]
    pub fn build(policy: &Policy) -> Self {
        let mut order: Vec<(RouteId, &crate::sections::Route)> = (0..).zip(&policy.routes).collect();
        order.sort_by_cached_key(|(id, route)| (std::cmp::Reverse(Specificity::of(&route.matching)), *id));
        let mut paths = Paths::default();
        for (rank, (id, route)) in (0..).zip(order) {
            paths.insert(&route.matching, index::Entry { rank, id });
        }
        Self { paths }
    }

    /// Finds the routes for a request's head.
    ///
    /// `host` is the `Host` header or `:authority`, compared without port, case and trailing dot;
    /// `path` is without query; `method` is compared exactly; `header` gives a header's value by
    /// lower-case name.
    pub fn head<'t, 'h>(
        &'t self,
        host: &str,
        path: &str,
        method: &str,
        header: impl Fn(&str) -> Option<&'h str>,
    ) -> Head<'t> {
        let mut found = Found { method, header: &header, slots: Vec::new(), other_methods: Vec::new() };
        self.paths.collect(&normal_host(host), path, &mut found);
        if !found.slots.is_empty() {
            return Head::Found(Candidates { slots: found.slots });
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

/// A host without port and trailing dot, in lower case. An IPv6 literal keeps its brackets.
fn normal_host(host: &str) -> Cow<'_, str> {
    let name = match host.rsplit_once(':') {
        Some((name, port)) if !port.contains(']') && port.bytes().all(|b| b.is_ascii_digit()) => name,
        _ => host,
    };
    let name = name.strip_suffix('.').unwrap_or(name);
    if name.bytes().any(|b| b.is_ascii_uppercase()) {
        Cow::Owned(name.to_ascii_lowercase())
    } else {
        Cow::Borrowed(name)
    }
}
