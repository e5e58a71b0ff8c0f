//! A pool that stands in for another can do what is stated of that one. It owns this proof over capabilities;
//! `failover` tells about operations and windows.

use std::collections::BTreeSet;

use super::Context;
use crate::diagnostics::{Code, Finding, Witness};
use crate::manifest::{Capability, Pool};

const ALL: [(Capability, &str); 3] =
    [(Capability::Tools, "tools"), (Capability::Vision, "vision"), (Capability::JsonMode, "jsonMode")];

pub(super) fn check(context: &Context<'_>) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (name, pool) in &context.manifest.pools {
        let Some(promised) = promised(context, pool).filter(|promised| !promised.is_empty()) else {
            continue;
        };
        for (index, fallback) in pool.fallback.0.iter().enumerate() {
            let Some(to) = context.manifest.pools.get(&fallback.to) else { continue };
            let Some((capability, member)) = missing(context, to, &promised) else { continue };
            let message = format!(
                "pool `{name}` promises `{capability}`, and `{member}` of its fallback `{}` cannot do that",
                fallback.to
            );
            let mut path = context.fallback_path(name, index);
            path.push("to".to_owned());
            let values = [("a request that needs", capability), ("may come to", &member)];
            findings.push(
                Finding::new(Code::MissingCapability, message)
                    .at_value(context.document, &path, "can do less")
                    .witness(Witness::values(values))
                    .help("lead to models that can do it, or correct their `capabilities`"),
            );
        }
    }
    findings
}

/// What all members of a pool state that they can do; `None` where one states nothing.
fn promised<'a>(context: &Context<'a>, pool: &'a Pool) -> Option<BTreeSet<Capability>> {
    let mut promised: Option<BTreeSet<Capability>> = None;
    for member in context.members(pool) {
        let stated = member.serving?.capabilities;
        let own: BTreeSet<Capability> = stated.iter().copied().collect();
        promised = Some(promised.map_or_else(|| own.clone(), |before| &before & &own));
    }
    promised
}

/// The first that a member of `to` states everything but, and that member.
fn missing<'a>(
    context: &Context<'a>,
    to: &'a Pool,
    promised: &BTreeSet<Capability>,
) -> Option<(&'static str, String)> {
    let members = context.members(to);
    let lacking = |capability: Capability| {
        members.iter().find(|member| {
            let stated = member.serving.map(|serving| serving.capabilities).unwrap_or_default();
            !stated.is_empty() && !stated.contains(&capability)
        })
    };
    let wanted = ALL.into_iter().filter(|(capability, _)| promised.contains(capability));
    wanted.into_iter().find_map(|(capability, name)| Some((name, lacking(capability)?.deployed.name())))
}
