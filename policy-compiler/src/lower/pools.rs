//! Pools: their members, how they pick, and what follows a failure.

use rule_table::{Breaker, Ejection, Fallback, FallbackWhen, Member, Objective, Pool, Retry, Strategy};

use super::{Ids, ids};
use crate::manifest::{self, Manifest};
use crate::resolve::{MAX_ATTEMPTS, Names};

pub(super) fn pools(manifest: &Manifest, names: &Names<'_>, deployments: &Ids) -> Option<Vec<Pool>> {
    let pool_ids = ids(manifest.pools.keys());
    let consumer_ids = ids(manifest.consumers.keys());
    let one = |(name, pool): (&String, &manifest::Pool)| {
        let chain = pool.fallback.0.iter().map(|written| fallback(written, &pool_ids, &consumer_ids));
        one_pool(name, pool, names, deployments, chain.collect::<Option<_>>()?)
    };
    manifest.pools.iter().map(one).collect()
}

fn one_pool(
    name: &str,
    pool: &manifest::Pool,
    names: &Names<'_>,
    deployments: &Ids,
    fallback: Vec<Fallback>,
) -> Option<Pool> {
    let mut members = Vec::new();
    let mut piped = false;
    for (written, member) in &pool.members.0 {
        let deployed = names.member(written).ok()?;
        piped |= deployed.deployment.is_none();
        let deployment = *deployments.get(&deployed.name())?;
        members.push(Member { deployment, weight: member.weight.unwrap_or(1) });
    }
    // By id, which is by full name: `swe` and `swe/std` are one member and one digest.
    members.sort_by_key(|member| member.deployment);
    let objective = pool.objective.clone().unwrap_or_default();
    Some(Pool {
        name: name.to_owned(),
        members,
        strategy: match pool.strategy? {
            manifest::Strategy::RoundRobin => Strategy::RoundRobin,
            manifest::Strategy::Weighted => Strategy::Weighted,
            manifest::Strategy::Adaptive => Strategy::Adaptive,
        },
        objective: Objective {
            ttft: objective.ttft.0.0,
            attainment: objective.attainment.0,
            max_cost_per_miss: objective.max_cost_per_miss.0,
        },
        ejection: ejection(&pool.ejection),
        retry: retry(&pool.retry),
        fallback,
        piped,
    })
}

fn ejection(ejection: &manifest::Ejection) -> Ejection {
    Ejection {
        consecutive_failures: ejection.consecutive_failures,
        base: ejection.base.0.0,
        max_share: ejection.max_share.0,
        breaker: ejection.breaker.as_ref().map(|breaker| Breaker {
            error_share: breaker.error_share.0,
            window: breaker.window.0.0,
            min_requests: breaker.min_requests,
        }),
        ramp: ejection.ramp.0.0,
    }
}

fn retry(retry: &manifest::Retry) -> Retry {
    Retry {
        max_attempts: retry.max_attempts.unwrap_or(MAX_ATTEMPTS),
        ambiguous: retry.ambiguous == manifest::Ambiguous::Always,
        budget: retry.budget.0,
        budget_floor: retry.budget_floor,
    }
}

fn fallback(written: &manifest::Fallback, pools: &Ids, consumers: &Ids) -> Option<Fallback> {
    let mut when: Vec<_> = written.when.iter().map(|when| condition(*when)).collect();
    when.sort_unstable();
    when.dedup();
    let unless = written.unless.iter().flat_map(|unless| &unless.consumers);
    let mut unless: Vec<u32> = unless.map(|name| consumers.get(name).copied()).collect::<Option<_>>()?;
    unless.sort_unstable();
    unless.dedup();
    let class = written.unless.iter().filter_map(|unless| unless.data_class.as_ref());
    Some(Fallback {
        pool: *pools.get(&written.to)?,
        when,
        unless_consumers: unless,
        unless_data_classes: class.map(|class| class.0.clone()).collect(),
    })
}

fn condition(when: manifest::FallbackWhen) -> FallbackWhen {
    match when {
        manifest::FallbackWhen::Exhausted => FallbackWhen::Exhausted,
        manifest::FallbackWhen::RateLimited => FallbackWhen::RateLimited,
        manifest::FallbackWhen::Error => FallbackWhen::Error,
        manifest::FallbackWhen::Timeout => FallbackWhen::Timeout,
        manifest::FallbackWhen::ContextWindow => FallbackWhen::ContextWindow,
        manifest::FallbackWhen::ContentFilter => FallbackWhen::ContentFilter,
    }
}
