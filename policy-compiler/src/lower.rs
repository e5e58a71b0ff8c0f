//! From a checked manifest to the policy of a bundle. It owns ids and the canonical order of lists; it
//! refuses to find fault: whatever could be wrong was reported before.

mod acl;
mod callers;
mod doors;
mod edge;
mod guards;
mod pools;
mod reach;
mod rewrite;
mod routes;
mod serving;
mod store;
mod waf;

use std::collections::BTreeMap;

use rule_table::Policy;

use crate::manifest::Manifest;
use crate::resolve::Names;
use crate::ruleset::Programs;

/// Ids by name.
type Ids = BTreeMap<String, u32>;

fn ids<'n>(names: impl IntoIterator<Item = &'n String>) -> Ids {
    (0..).zip(names).map(|(id, name)| (name.clone(), id)).collect()
}

pub(crate) use acl::acl;

/// Compiles a manifest whose defaults are filled in. `None` where a check let something through that
/// it should not have.
pub(crate) fn lower(manifest: &Manifest, names: &Names<'_>, programs: Programs) -> Option<Policy> {
    let backends = reach::backends(manifest)?;
    let deployments = serving::deployments(manifest);
    let deployment_ids = ids(deployments.iter().map(|deployment| &deployment.name));
    let pools = pools::pools(manifest, names, &deployment_ids)?;
    let limit_ids = ids(manifest.limits.keys());
    let consumers = callers::consumers(manifest, &limit_ids)?;
    let teams = guards::teams(manifest, &limit_ids)?;
    let routes = routes::routes(manifest, &limit_ids)?;
    let policy = Policy {
        listeners: doors::listeners(manifest)?,
        admin: callers::admin(manifest)?,
        backends,
        deployments,
        pools,
        routes,
        consumers,
        teams,
        models: edge::models(manifest, &limit_ids)?,
        issuers: callers::issuers(manifest)?,
        limits: edge::limits(manifest),
        acl: acl::acl(manifest)?,
        access: doors::access(manifest)?,
        countries: manifest.countries.as_ref().map(|countries| countries.file.clone()),
        hooks: guards::hooks(manifest),
        waf: waf::firewalls(manifest, programs)?,
        store: store::store(manifest),
        overload: guards::overload(manifest),
        telemetry: edge::telemetry(manifest),
    };
    policy.check_references().ok()?;
    Some(policy)
}

/// Looks up an optional reference; the outer `None` is a dangling one.
fn reference(name: Option<&String>, ids: &Ids) -> Option<Option<u32>> {
    name.map_or(Some(None), |name| ids.get(name).copied().map(Some))
}

/// Looks up a list of references, in the order of ids, each once.
fn references(names: &[String], ids: &Ids) -> Option<Vec<u32>> {
    let mut found: Vec<u32> = names.iter().map(|name| ids.get(name).copied()).collect::<Option<_>>()?;
    found.sort_unstable();
    found.dedup();
    Some(found)
}
