//! What the schema cannot say: one file per proof or lint. It owns running all of them; none of them
//! changes anything or knows of another.

mod access;
mod acl;
mod acl_order;
mod addresses;
mod admission;
#[cfg(test)]
mod agreement;
mod backends;
mod blocked;
mod callers;
mod capabilities;
mod connections;
mod doors;
mod exposure;
mod failover;
mod fallbacks;
mod health;
mod heartbeats;
mod hooks;
mod identities;
mod levels;
mod limits;
mod matches;
mod members;
mod names;
mod objectives;
mod overlaps;
mod pools;
mod prices;
mod prover;
mod quotas;
mod ranges;
mod residency;
mod resources;
mod rewrites;
mod routes;
mod secrets;
mod shared_keys;
mod spending;
mod store;
mod telemetry;
mod undone;
mod unused;
mod urls;
mod waf;
mod windows;

use crate::diagnostics::{Code, Finding};
use crate::manifest::{Manifest, Pool, Serving};
use crate::resolve::{Deployed, Names};
use crate::side_by_side;
use crate::source::Document;
pub use prices::expired_prices;
pub use resources::check_resources;

/// What a check may look at.
pub(crate) struct Context<'a> {
    document: &'a Document,
    /// With every default written in.
    manifest: &'a Manifest,
    names: Names<'a>,
}

/// Looks for one kind of mistake.
type Check = fn(&Context<'_>) -> Vec<Finding>;

/// A member of a pool that stands for something.
struct Standing<'a> {
    /// As written.
    name: &'a str,
    deployed: Deployed<'a>,
    /// None for a backend whose kind has no models.
    serving: Option<Serving<'a>>,
}

impl<'a> Context<'a> {
    /// Where a fallback of a pool was written, which may be one or a list.
    fn fallback_path(&self, pool: &str, index: usize) -> Vec<String> {
        let list = ["pools", pool, "fallback"];
        let listed = self.document.value(&list).is_some_and(|node| !node.items().is_empty());
        let index = listed.then(|| index.to_string());
        list.iter().map(|name| (*name).to_owned()).chain(index).collect()
    }

    /// The members of a pool whose names resolve.
    fn members(&self, pool: &'a Pool) -> Vec<Standing<'a>> {
        let standing = |name: &'a String| {
            let deployed = self.names.member(name).ok()?;
            let (backend, _) = self.manifest.backends.get_key_value(deployed.backend)?;
            let backend = self.manifest.backends.get(backend)?;
            let serving = deployed.deployment.and_then(|name| {
                let model = backend.models.get_key_value(name).map(|(name, model)| model.serving(name));
                model.or_else(|| backend.deployments.get_key_value(name).map(|(name, d)| d.serving(name)))
            });
            Some(Standing { name, deployed, serving })
        };
        pool.members.0.keys().filter_map(standing).collect()
    }
}

/// Checks that need no types, so that they run however unsound other fields are.
pub(crate) fn tree(document: &Document) -> Vec<Finding> {
    let mut findings = names::check(document);
    findings.extend(secrets::check(document));
    findings
}

/// Checks of a structurally sound manifest; `so_far` is what was found before.
pub(crate) fn manifest(document: &Document, manifest: &Manifest, so_far: &[Finding]) -> Vec<Finding> {
    let context = Context { document, manifest, names: Names::of(document) };
    let checks: &[Check] = &[
        access::check,
        acl::check,
        acl_order::check,
        addresses::check,
        admission::check,
        backends::check,
        blocked::check,
        callers::check,
        capabilities::check,
        connections::check,
        doors::check,
        exposure::check,
        failover::check,
        fallbacks::check,
        health::check,
        heartbeats::check,
        hooks::check,
        identities::check,
        levels::check,
        limits::check,
        matches::check,
        members::check,
        objectives::check,
        prices::check,
        overlaps::check,
        pools::check,
        quotas::check,
        residency::check,
        rewrites::check,
        routes::check,
        shared_keys::check,
        spending::check,
        store::check,
        telemetry::check,
        undone::check,
        urls::check,
        waf::check,
    ];
    let long = document.pieces() > 1;
    let found = side_by_side::map(checks, long, |check| check(&context));
    let mut findings: Vec<Finding> = found.into_iter().flatten().collect();
    // What a mistaken reference or an empty pool leaves unused is not worth a finding of its own.
    let elsewhere = |finding: &&Finding| {
        finding.code.as_str().starts_with("SG02")
            || matches!(
                finding.code,
                Code::EmptyPool
                    | Code::NoModels
                    | Code::UnknownHook
                    | Code::UnknownWaf
                    | Code::UnknownTeam
                    | Code::UnknownAccess
            )
    };
    if so_far.iter().chain(&findings).find(elsewhere).is_none() {
        findings.extend(unused::check(&context));
    }
    findings
}
