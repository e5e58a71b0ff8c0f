//! Routes, the most specific first.

use std::cmp::Reverse;

use rule_table::{Route, RouteMatch, Specificity};

use super::rewrite::rewrite;
use super::{Ids, ids, reference, references};
use crate::manifest::{self, Manifest, Priority};
use crate::resolve::matching;

pub(super) fn routes(manifest: &Manifest, limits: &Ids) -> Option<Vec<Route>> {
    let pools = ids(manifest.pools.keys());
    let consumers = ids(manifest.consumers.keys());
    let access = ids(manifest.access.keys());
    let hooks = ids(manifest.hooks.keys());
    let waf = ids(manifest.waf.keys());
    let one = |(name, route): (&String, &manifest::Route)| {
        Some(Route {
            name: name.clone(),
            matching: RouteMatch {
                consumers: references(&route.matching.consumer.0, &consumers)?,
                ..matching(&route.matching)?
            },
            pool: *pools.get(&route.pool)?,
            consumers: references(&route.consumers, &consumers)?,
            public: route.public.unwrap_or_default(),
            limits: references(&route.limit.0, limits)?,
            access: references(&route.access, &access)?,
            hook: reference(route.hook.as_ref(), &hooks)?,
            waf: reference(route.waf.as_ref(), &waf)?,
            priority: route.priority.map(Priority::compiled),
            deadline: route.deadline.0.0,
            heartbeat: route.heartbeat.map(|heartbeat| heartbeat.0.0),
            pass_through: route.pass_through,
            rewrite: rewrite(route.rewrite.as_deref()).into(),
            path_template: route.matching.path.clone(),
        })
    };
    let mut routes: Vec<Route> = manifest.routes.iter().map(one).collect::<Option<_>>()?;
    // Stable, so that equally specific routes, which never overlap, stay in the order of names.
    routes.sort_by_key(|route| Reverse(Specificity::of(&route.matching)));
    Some(routes)
}
