//! Every definition is used by something.

use std::collections::BTreeSet;

use super::Context;
use crate::diagnostics::{Code, Finding};
use crate::manifest::Manifest;
use crate::resolve::Chains;

fn unnamed_firewalls(manifest: &Manifest) -> impl Iterator<Item = &String> {
    let named = move |name: &String| {
        let listeners = manifest.listeners.values().map(|listener| &listener.waf);
        listeners
            .chain(manifest.routes.values().map(|route| &route.waf))
            .any(|one| one.as_ref() == Some(name))
    };
    manifest.waf.keys().filter(move |name| !named(name))
}

pub(super) fn check(context: &Context<'_>) -> Vec<Finding> {
    let manifest = context.manifest;
    let routes = || manifest.routes.values();
    let mut unused = Vec::new();
    let mut report = |kind: &str, path: &[&str], by: &str| {
        let name = path.last().copied().unwrap_or_default();
        unused.push(
            Finding::new(Code::Unused, format!("nothing uses the {kind} `{name}`"))
                .at_key(context.document, path, format!("no {by} refers to it"))
                .help(format!("refer to it from a {by}, or remove it")),
        );
    };
    let chains = Chains::of(manifest);
    let pools = chains.spread(routes().map(|route| (route.pool.as_str(), 1)).collect());
    for name in manifest.pools.keys().filter(|name| !pools.contains_key(name.as_str())) {
        report("pool", &["pools", name], "route or fallback in use");
    }
    let deployed: BTreeSet<_> = manifest
        .pools
        .values()
        .flat_map(|pool| context.members(pool))
        .map(|member| member.deployed)
        .collect();
    for (name, backend) in &manifest.backends {
        if deployed.iter().all(|member| member.backend != name) {
            report("backend", &["backends", name], "pool");
            continue;
        }
        let models = backend.models.keys().map(|model| ("model", "models", model));
        for (kind, field, model) in
            models.chain(backend.deployments.keys().map(|d| ("deployment", "deployments", d)))
        {
            if deployed.iter().all(|member| (member.backend, member.deployment) != (name, Some(model))) {
                report(kind, &["backends", name, field, model], "pool");
            }
        }
    }
    let identities: BTreeSet<&String> = manifest.backends.values().filter_map(|b| b.auth.as_ref()).collect();
    for name in manifest.identities.keys().filter(|name| !identities.contains(name)) {
        report("identity", &["identities", name], "backend");
    }
    let limits = limits_in_use(manifest);
    for name in manifest.limits.keys().filter(|name| !limits.contains(name)) {
        report("limit", &["limits", name], "route, consumer, team or model");
    }
    let access = access_in_use(manifest);
    for name in manifest.access.keys().filter(|name| !access.contains(name)) {
        report("access rule", &["access", name], "listener or route");
    }
    for name in unnamed_firewalls(manifest) {
        report("firewall", &["waf", name], "route or listener");
    }
    for name in manifest.hooks.keys() {
        if routes().all(|route| route.hook.as_ref() != Some(name)) {
            report("hook", &["hooks", name], "route");
        }
    }
    for name in idle_consumers(manifest) {
        report("consumer", &["consumers", name], "route");
    }
    unused
}

fn limits_in_use(manifest: &Manifest) -> BTreeSet<&String> {
    let by_routes = manifest.routes.values().map(|route| &route.limit);
    let by_consumers = manifest.consumers.values().map(|consumer| &consumer.limit);
    let by_teams = manifest.teams.values().flat_map(|team| [&team.limit, &team.each]);
    let by_models = manifest.models.values().map(|terms| &terms.limit);
    let named = by_routes.chain(by_consumers).chain(by_teams).chain(by_models);
    named.flat_map(|limits| &limits.0).collect()
}

fn access_in_use(manifest: &Manifest) -> BTreeSet<&String> {
    let by_listeners = manifest.listeners.values().flat_map(|listener| &listener.access);
    by_listeners.chain(manifest.routes.values().flat_map(|route| &route.access)).collect()
}

/// Consumers that no route is for.
fn idle_consumers(manifest: &Manifest) -> impl Iterator<Item = &String> {
    let routes = || manifest.routes.values();
    let for_any = routes().any(|route| route.consumers.is_empty());
    let idle = move |name: &&String| !for_any && routes().all(|route| !route.consumers.contains(name));
    manifest.consumers.keys().filter(idle)
}
