//! Backends, their deployments, and pools of them.

use rule_table::{
    Backend, BackendKind, Credential, Deployment, Ejection, HealthProbe, Member, Objective, Pool, Quota,
    QuotaShape, Retry, Rewrite, Strategy, Timeouts, TlsOptions,
};
use vocabulary::{Operation, Prices, Share};

use super::{Ids, edge, ids};
use crate::manifest::{self, Manifest, Serving};
use crate::resolve::{Deployed, LEAKY_BUCKET_DEPTH, Names, endpoint};

pub(super) fn backends(manifest: &Manifest) -> Option<Vec<Backend>> {
    manifest.backends.iter().map(|(name, backend)| one_backend(name, backend, manifest)).collect()
}

fn one_backend(name: &str, backend: &manifest::Backend, manifest: &Manifest) -> Option<Backend> {
    let url = endpoint(&backend.url).ok()?;
    let auth = match &backend.auth {
        Some(identity) => Some(Credential::ApiKey(edge::secret(&manifest.identities.get(identity)?.api_key))),
        None => None,
    };
    Some(Backend {
        name: name.to_owned(),
        kind: match backend.kind {
            manifest::BackendKind::Openai => BackendKind::Openai,
            manifest::BackendKind::AzureOpenai => BackendKind::AzureOpenai,
            manifest::BackendKind::Vllm => BackendKind::Vllm,
            manifest::BackendKind::Http => BackendKind::Http,
        },
        tls: url.tls,
        host: url.host,
        port: url.port,
        base_path: url.base_path,
        api_version: backend.api_version.clone(),
        tls_options: TlsOptions::default(),
        egress: None,
        auth,
        forward_trace_context: backend.forward_trace_context.unwrap_or_default(),
        http2: backend.http2,
        health: backend.health.as_ref().and_then(probe),
        timeouts: Timeouts {
            connect: backend.timeouts.connect.0.0,
            first_token: backend.timeouts.first_token.0.0,
            first_byte: backend.timeouts.first_token.0.0,
            idle: backend.timeouts.idle.0.0,
        },
        idempotency_header: None,
        rewrite: Rewrite::default(),
    })
}

fn probe(health: &manifest::Health) -> Option<HealthProbe> {
    if !health.enabled {
        return None;
    }
    // A probe that spends tokens is a completion; where it goes is the backend's kind's business.
    let path =
        health.path.clone().or_else(|| health.spend_tokens.then(|| Operation::Chat.path().to_owned()))?;
    Some(HealthProbe {
        path,
        interval: health.interval.0.0,
        timeout: health.timeout.0.0,
        unhealthy_after: health.unhealthy_after,
        healthy_after: health.healthy_after,
        spend_tokens: health.spend_tokens,
    })
}

/// Every deployment, in the order of full names.
pub(super) fn deployments(manifest: &Manifest) -> Vec<Deployment> {
    let backend_ids = ids(manifest.backends.keys());
    let mut all = Vec::new();
    for (backend, written) in &manifest.backends {
        let id = backend_ids.get(backend).copied().unwrap_or_default();
        if written.kind == manifest::BackendKind::Http {
            all.push(piped(backend, id));
        }
        let models = written.models.iter().map(|(name, model)| (name, model.serving(name)));
        let deployments =
            written.deployments.iter().map(|(name, deployment)| (name, deployment.serving(name)));
        for (name, serving) in models.chain(deployments) {
            let full = Deployed { backend, deployment: Some(name) }.name();
            all.push(deployment(full, id, &serving));
        }
    }
    all.sort_by(|a, b| a.name.cmp(&b.name));
    all
}

fn piped(backend: &str, id: u32) -> Deployment {
    Deployment {
        name: backend.to_owned(),
        backend: id,
        model: None,
        upstream_name: backend.to_owned(),
        context_window: None,
        max_output: None,
        prices: None,
        hourly: None,
        quota: None,
        concurrency: None,
        expected_ttft: std::time::Duration::ZERO,
    }
}

fn deployment(name: String, backend: u32, serving: &Serving<'_>) -> Deployment {
    Deployment {
        name,
        backend,
        model: Some(serving.model.to_owned()),
        upstream_name: serving.upstream_name.to_owned(),
        context_window: serving.context_window,
        max_output: None,
        prices: serving.price.map(|price| Prices {
            input: price.input.0,
            cached_input: price.cached_input.unwrap_or(price.input).0,
            cache_write: price.input.0,
            cache_write_1h: price.input.0,
            output: price.output.0,
        }),
        hourly: serving.cost.map(|cost| cost.0),
        quota: serving.quota.map(quota),
        concurrency: serving.concurrency,
        expected_ttft: serving.expected_ttft.0.0,
    }
}

fn quota(quota: &manifest::Quota) -> Quota {
    Quota {
        tokens: quota.tokens.map(|rate| rate.0),
        requests: quota.requests.map(|rate| rate.0),
        shape: match quota.shape {
            manifest::QuotaShape::FixedWindow => QuotaShape::FixedWindow,
            manifest::QuotaShape::LeakyBucket => QuotaShape::LeakyBucket,
        },
        burst: quota.burst.map_or(LEAKY_BUCKET_DEPTH, |burst| burst.0.0),
        output_weight: quota.output_weight.unwrap_or(1),
    }
}

pub(super) fn pools(manifest: &Manifest, names: &Names<'_>, deployments: &Ids) -> Option<Vec<Pool>> {
    manifest.pools.iter().map(|(name, pool)| one_pool(name, pool, names, deployments)).collect()
}

fn one_pool(name: &str, pool: &manifest::Pool, names: &Names<'_>, deployments: &Ids) -> Option<Pool> {
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
        ejection: Ejection {
            consecutive_failures: pool.ejection.consecutive_failures,
            base: pool.ejection.base.0.0,
            max_share: pool.ejection.max_share.0,
            breaker: None,
            ramp: std::time::Duration::from_secs(8),
        },
        retry: Retry {
            max_attempts: pool.max_attempts,
            ambiguous: false,
            budget: Share { ppm: 200_000 },
            budget_floor: 10,
        },
        fallback: Vec::new(),
        piped,
    })
}
