//! What holds come to in a policy. It owns names becoming members, and seeing beforehand that a hold would
//! leave requests without one; it refuses to change any hold.

use std::collections::{BTreeMap, BTreeSet};

use feedback_loop::HoldSpec;
use rule_table::{Deployment, Policy, Pool};
use vocabulary::Moment;
use vocabulary::admin::holds::{Hold, HoldKind};

use crate::live::InForce;

/// Makes `holds` all that is held in a policy's pools.
pub(super) fn apply(holds: &[Hold], in_force: &InForce) {
    let policy = in_force.gate.policy();
    in_force.gate.hold(&|pool| spec(policy, pool, holds));
    in_force.pipes.hold(&|pool| {
        let out = members(policy, pool).into_iter().filter(|member| !usable(member, policy, pool, holds));
        out.map(|member| member.name.clone()).collect()
    });
}

/// Whether a hold drains a deployment.
#[must_use]
pub fn drained_of(hold: &Hold, deployment: &str) -> bool {
    let backend = deployment.split('/').next();
    hold.kind == HoldKind::Drain && (hold.target == deployment || Some(hold.target.as_str()) == backend)
}

fn spec(policy: &Policy, pool: &Pool, holds: &[Hold]) -> HoldSpec {
    let names = members(policy, pool).into_iter().map(|member| &member.name);
    let drained = |name: &&String| holds.iter().any(|hold| drained_of(hold, name));
    HoldSpec {
        drained: names.filter(drained).cloned().collect(),
        pinned: pinned(pool, holds).cloned(),
        frozen: holds
            .iter()
            .find(|hold| hold.kind == HoldKind::Freeze && hold.target == pool.name)
            .map(|hold| hold.shares.iter().map(|(name, share)| (name.clone(), *share)).collect()),
    }
}

fn pinned<'h>(pool: &Pool, holds: &'h [Hold]) -> Option<&'h String> {
    let pin = holds.iter().find(|hold| hold.kind == HoldKind::Pin && hold.target == pool.name)?;
    pin.member.as_ref()
}

/// A pool's members.
pub(super) fn members<'p>(policy: &'p Policy, pool: &'p Pool) -> Vec<&'p Deployment> {
    let ids = pool.members.iter().map(|member| member.deployment as usize);
    ids.filter_map(|id| policy.deployments.get(id)).collect()
}

fn usable(member: &Deployment, policy: &Policy, pool: &Pool, holds: &[Hold]) -> bool {
    let pin = pinned(pool, holds).filter(|pin| members(policy, pool).iter().any(|one| one.name == **pin));
    holds.iter().all(|hold| !drained_of(hold, &member.name)) && pin.is_none_or(|pin| *pin == member.name)
}

/// Why a hold is not placed: another one is in the way, or requests for some model would be left without
/// a member that have one now.
pub(super) fn conflict(policy: &Policy, known: &[Hold], hold: &Hold, force: bool) -> Option<String> {
    let same = |other: &&Hold| {
        other.kind == hold.kind && other.target == hold.target && hold.kind != HoldKind::Drain
    };
    if let Some(other) = known.iter().find(same) {
        let Hold { id, by, .. } = other;
        return Some(format!("`{}` is held so already by {by}; release {id} first", hold.target));
    }
    let mut with: Vec<Hold> = known.to_vec();
    with.push(hold.clone());
    let left = |pool: &Pool, holds: &[Hold]| -> BTreeSet<Option<String>> {
        let members = members(policy, pool).into_iter().filter(|one| usable(one, policy, pool, holds));
        members.map(|member| member.model.clone()).collect()
    };
    for pool in policy.pools.iter().filter(|_| !force) {
        let (before, after) = (left(pool, known), left(pool, &with));
        if let Some(lost) = before.difference(&after).next() {
            let model = lost.as_ref().map_or(String::new(), |model| format!(" for the model `{model}`"));
            return Some(format!(
                "the pool `{}` would have no member left{model}; send `force` to hold all the same",
                pool.name
            ));
        }
    }
    None
}

/// The shares of a pool's members now, in thousandths; equal ones when there was no traffic.
pub(super) fn shares(in_force: &InForce, pool: &str, now: Moment) -> BTreeMap<String, u32> {
    let status = in_force.gate.pool_status(now).into_iter().find(|status| status.pool == pool);
    let members = status.map(|status| status.members).unwrap_or_default();
    let idle = members.iter().all(|member| member.share <= 0.0);
    let thousandths = |share: f64| if idle { 1 } else { (share * 1e3).round().clamp(0.0, 1e3) as u32 };
    members.into_iter().map(|member| (member.member, thousandths(member.share))).collect()
}
