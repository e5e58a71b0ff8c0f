//! From a policy's pool to what the feedback loop takes. It owns that translation; it refuses defaults:
//! the compiler has filled them in.

use std::sync::Arc;
use std::time::Duration;

use feedback_loop::{
    BreakerSpec, EjectionSpec, MemberSpec, Objective, PoolSpec, QuotaShape, QuotaSpec, Strategy,
};
use rule_table::{Deployment, DeploymentId, Policy, Pool as PoolSection};

/// The pool, its members' names and their deployments, in one order.
pub(crate) fn spec(policy: &Policy, section: &PoolSection) -> (PoolSpec, Arc<[String]>, Vec<DeploymentId>) {
    let members: Vec<(DeploymentId, u32, &Deployment)> = section
        .members
        .iter()
        .filter_map(|member| {
            Some((member.deployment, member.weight, policy.deployments.get(member.deployment as usize)?))
        })
        .collect();
    let spec = PoolSpec {
        name: section.name.clone(),
        strategy: match section.strategy {
            rule_table::Strategy::RoundRobin => Strategy::RoundRobin,
            rule_table::Strategy::Weighted => Strategy::Weighted,
            rule_table::Strategy::Adaptive => Strategy::Adaptive,
        },
        objective: Objective {
            ttft: section.objective.ttft,
            attainment: section.objective.attainment.fraction(),
            max_cost_per_miss_usd: section.objective.max_cost_per_miss.as_f64(),
        },
        ejection: EjectionSpec {
            consecutive_failures: section.ejection.consecutive_failures,
            base: section.ejection.base,
            max_share: section.ejection.max_share.fraction(),
            breaker: section.ejection.breaker.map(|breaker| BreakerSpec {
                error_share: breaker.error_share.fraction(),
                window: breaker.window,
                min_requests: breaker.min_requests,
            }),
            ramp: section.ejection.ramp,
        },
        members: members
            .iter()
            .map(|(_, weight, deployment)| member_spec(policy, deployment, *weight))
            .collect(),
    };
    let names = members.iter().map(|(_, _, deployment)| deployment.name.clone()).collect();
    (spec, names, members.iter().map(|(id, _, _)| *id).collect())
}

fn member_spec(policy: &Policy, deployment: &Deployment, weight: u32) -> MemberSpec {
    let timeouts = policy.backends.get(deployment.backend as usize).map(|backend| backend.timeouts);
    MemberSpec {
        name: deployment.name.clone(),
        weight,
        prices: deployment.prices.unwrap_or_default(),
        quota: deployment.quota.map(|quota| QuotaSpec {
            tokens: quota.tokens.map(|rate| (rate.amount, rate.per)),
            requests: quota.requests.map(|rate| (rate.amount, rate.per)),
            shape: match quota.shape {
                rule_table::QuotaShape::FixedWindow => QuotaShape::FixedWindow,
                rule_table::QuotaShape::LeakyBucket => QuotaShape::LeakyBucket,
            },
            burst: quota.burst,
            output_weight: quota.output_weight,
        }),
        concurrency: deployment.concurrency,
        expected_ttft: deployment.expected_ttft,
        first_token_timeout: timeouts.map_or(Duration::from_secs(60), |timeouts| timeouts.first_token),
    }
}
