//! For every request one route is the most specific: no two that overlap are equally so.

use std::collections::BTreeMap;

use rule_table::{HostMatch, PathMatch, RouteMatch, Specificity};

use super::Context;
use crate::diagnostics::{Code, Finding};
use crate::resolve::matching;

/// What two routes must have in common to be compared at all.
type Place = (Specificity, HostMatch, PathMatch, Option<String>);
/// A route's name and conditions.
type Peer<'a> = (&'a str, RouteMatch);

pub(super) fn check(context: &Context<'_>) -> Vec<Finding> {
    // Equally specific routes overlap only where host, path and model are equal: two exact hosts or
    // paths, or two wildcards of one length, that differ have nothing in common.
    let mut peers: BTreeMap<Place, Vec<Peer<'_>>> = BTreeMap::new();
    for (name, route) in &context.manifest.routes {
        if let Some(matching) = matching(&route.matching) {
            let RouteMatch { host, path, model, .. } = matching.clone();
            let key = (Specificity::of(&matching), host, path, model);
            peers.entry(key).or_default().push((name, matching));
        }
    }
    peers.values().flat_map(|group| pairs(context, group)).collect()
}

fn pairs(context: &Context<'_>, group: &[Peer<'_>]) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (index, (second, b)) in group.iter().enumerate() {
        // One earlier route is enough to name: with it out of the way, the next would show.
        if let Some((first, a)) = group.iter().take(index).find(|(_, a)| overlap(a, b)) {
            findings.push(tie(context, first, second, a == b));
        }
    }
    findings
}

/// Whether some request matches both, given equal hosts, paths and models.
fn overlap(a: &RouteMatch, b: &RouteMatch) -> bool {
    let methods =
        a.methods.is_empty() || b.methods.is_empty() || a.methods.iter().any(|m| b.methods.contains(m));
    let headers = a.headers.iter().all(|x| {
        let same_name = b.headers.iter().filter(|y| y.name == x.name);
        same_name.into_iter().all(|y| x.value.is_none() || y.value.is_none() || x.value == y.value)
    });
    methods && headers
}

fn tie(context: &Context<'_>, first: &str, second: &str, same: bool) -> Finding {
    let path = |name| ["routes", name, "match"];
    let (code, message, help) = if same {
        (
            Code::SameMatch,
            format!("routes `{first}` and `{second}` take exactly the same requests"),
            "remove one of them, or add a condition such as `model`, `header` or `host` to one",
        )
    } else {
        (
            Code::OverlappingRoutes,
            format!("some requests match both `{first}` and `{second}`, and neither is more specific"),
            "add a condition to one of them; file order never decides",
        )
    };
    Finding::new(code, message)
        .at_key(context.document, &path(second), format!("route `{second}`"))
        .also(context.document.key_span(&path(first)), format!("route `{first}`"))
        .help(help)
}
