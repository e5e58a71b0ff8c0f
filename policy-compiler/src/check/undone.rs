//! No edit of a header is undone in every case by the one that comes after it. It owns the pairs of route and
//! backend; `rewrites` looks at the edits of each.

use std::collections::{BTreeMap, BTreeSet};

use super::Context;
use crate::diagnostics::{Code, Finding, Witness};
use crate::manifest::{HeaderEdits, Rewrite};

/// Who edits what after whom.
type Edits<'a> = BTreeMap<String, Option<&'a str>>;

pub(super) fn check(context: &Context<'_>) -> Vec<Finding> {
    let reached = backends_by_pool(context);
    let mut findings = Vec::new();
    let mut routes_by_backend: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for (name, route) in &context.manifest.routes {
        let Some(backends) = reached.get(route.pool.as_str()) else { continue };
        for backend in backends {
            routes_by_backend.entry(backend).or_default().push(name);
        }
        let Some(rewrite) = &route.rewrite else { continue };
        let after: Vec<(&str, &Rewrite)> = backends
            .iter()
            .filter_map(|name| Some((*name, context.manifest.backends.get(*name)?.rewrite.as_ref()?)))
            .collect();
        if !backends.is_empty() && after.len() == backends.len() {
            let after: Vec<_> = after.into_iter().map(|(name, of)| (name, &of.request.headers)).collect();
            findings.extend(undone(
                context,
                ["routes", name, "request"],
                &rewrite.request.headers,
                "backend",
                &after,
            ));
        }
    }
    for (name, backend) in &context.manifest.backends {
        let Some(rewrite) = &backend.rewrite else { continue };
        let routes = routes_by_backend.get(name.as_str()).map_or(&[][..], Vec::as_slice);
        let after: Vec<(&str, &HeaderEdits)> = routes
            .iter()
            .filter_map(|name| {
                let rewrite = context.manifest.routes.get(*name)?.rewrite.as_ref()?;
                Some((*name, &rewrite.response.headers))
            })
            .collect();
        if !routes.is_empty() && after.len() == routes.len() {
            findings.extend(undone(
                context,
                ["backends", name, "response"],
                &rewrite.response.headers,
                "route",
                &after,
            ));
        }
    }
    findings
}

/// The backends that a request which begins in a pool may come to, fallbacks included.
fn backends_by_pool<'a>(context: &Context<'a>) -> BTreeMap<&'a str, BTreeSet<&'a str>> {
    let edited = |route: &crate::manifest::Route| route.rewrite.is_some();
    let any = context.manifest.backends.values().any(|backend| backend.rewrite.is_some());
    if !any || !context.manifest.routes.values().any(edited) {
        return BTreeMap::new();
    }
    let reach = |begin: &'a str| {
        let (mut open, mut seen, mut backends) = (vec![begin], BTreeSet::new(), BTreeSet::new());
        while let Some(name) = open.pop() {
            let Some(pool) = context.manifest.pools.get(name).filter(|_| seen.insert(name)) else { continue };
            backends.extend(context.members(pool).iter().map(|member| member.deployed.backend));
            open.extend(pool.fallback.0.iter().map(|fallback| fallback.to.as_str()));
        }
        backends
    };
    context.manifest.pools.keys().map(|name| (name.as_str(), reach(name))).collect()
}

fn edits(of: &HeaderEdits) -> Edits<'_> {
    let set = of.set.iter().map(|(name, value)| (name.to_ascii_lowercase(), Some(value.as_str())));
    set.chain(of.remove.iter().map(|name| (name.to_ascii_lowercase(), None))).collect()
}

/// Headers that are edited at `place` and then by every one of `after`, not all in the same way.
fn undone(
    context: &Context<'_>,
    place: [&str; 3],
    first: &HeaderEdits,
    kind: &str,
    after: &[(&str, &HeaderEdits)],
) -> Vec<Finding> {
    let [section, holder, side] = place;
    let after: Vec<(&str, Edits<'_>)> = after.iter().map(|(name, of)| (*name, edits(of))).collect();
    let written =
        first.set.keys().map(|name| ("set", name)).chain(first.remove.iter().map(|name| ("remove", name)));
    let own = edits(first);
    let one = |(edit, header): (&str, &String)| {
        let lower = header.to_ascii_lowercase();
        let theirs: Option<Vec<_>> =
            after.iter().map(|(name, edits)| Some((*name, *edits.get(&lower)?))).collect();
        let own = own.get(&lower).copied().flatten();
        let (other, value) = theirs?.into_iter().find(|(_, value)| *value != own)?;
        let does = value.map_or("removes", |_| "sets");
        let message = format!(
            "what `{section}.{holder}` does to the header `{header}` is undone by every {kind} it meets"
        );
        let finding = Finding::new(Code::EditUndone, message);
        let path = [section, holder, "rewrite", side, "headers", edit, header];
        let finding = finding.at_key(context.document, &path, "has no effect");
        let finding = finding.witness(Witness::values([(kind, other), ("which", does)]));
        Some(finding.help("remove one of the two edits"))
    };
    written.filter_map(one).collect()
}
