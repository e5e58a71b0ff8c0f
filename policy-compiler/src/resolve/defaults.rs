//! Defaults that depend on other fields. It owns each such rule; fixed defaults stand with their
//! fields in `manifest`.

use vocabulary::Span;

use crate::manifest::{Backend, BackendKind, Duration, Health, Manifest, Pool, QuotaShape, Strategy};
use crate::resolve::Names;

/// Enough for a few long prompts to arrive together, not for a minute's worth of them.
pub(crate) const LEAKY_BUCKET_DEPTH: std::time::Duration = std::time::Duration::from_secs(10);

/// Azure OpenAI's general availability version at the time of writing.
const AZURE_API_VERSION: &str = "2024-10-21";

/// Writes every such default into the manifest.
pub(crate) fn fill(manifest: &mut Manifest, names: &Names<'_>) {
    for backend in manifest.backends.values_mut() {
        fill_backend(backend);
    }
    let strategies: Vec<Strategy> =
        manifest.pools.values().map(|pool| strategy(pool, manifest, names)).collect();
    for (pool, strategy) in manifest.pools.values_mut().zip(strategies) {
        pool.strategy = Some(strategy);
        if strategy == Strategy::Adaptive {
            pool.objective.get_or_insert_default();
        }
        if strategy == Strategy::Weighted {
            pool.members.0.values_mut().for_each(|member| {
                member.weight.get_or_insert(1);
            });
        }
    }
    let open = manifest.consumers.is_empty();
    for route in manifest.routes.values_mut() {
        // Routes for named consumers are not public, whatever else the manifest says.
        route.public.get_or_insert(open && route.consumers.is_empty());
    }
}

fn fill_backend(backend: &mut Backend) {
    let vllm = backend.kind == BackendKind::Vllm;
    if backend.kind == BackendKind::AzureOpenai {
        backend.api_version.get_or_insert_with(|| AZURE_API_VERSION.to_owned());
    }
    backend.forward_trace_context.get_or_insert(vllm);
    let health = backend.health.get_or_insert_with(|| Health { enabled: vllm, ..Health::default() });
    if vllm && health.enabled && !health.spend_tokens {
        health.path.get_or_insert_with(|| "/health".to_owned());
    }
    for (name, model) in backend.models.iter_mut() {
        model.upstream_name.get_or_insert_with(|| name.clone());
    }
    let models = backend.models.values_mut().map(|model| (&mut model.price, &mut model.quota));
    let deployments = backend.deployments.values_mut().map(|d| (&mut d.price, &mut d.quota));
    for (price, quota) in models.chain(deployments) {
        if let Some(price) = price {
            price.cached_input.get_or_insert(price.input);
        }
        if let Some(quota) = quota.as_mut().filter(|quota| quota.shape == QuotaShape::LeakyBucket) {
            quota.burst.get_or_insert(Duration(Span(LEAKY_BUCKET_DEPTH)));
            quota.output_weight.get_or_insert(1);
        }
    }
}

fn strategy(pool: &Pool, manifest: &Manifest, names: &Names<'_>) -> Strategy {
    if let Some(stated) = pool.strategy {
        return stated;
    }
    if pool.members.0.values().any(|member| member.weight.is_some()) {
        return Strategy::Weighted;
    }
    let priced = |name: &String| {
        names
            .member(name)
            .ok()
            .and_then(|deployed| manifest.serving(&deployed))
            .is_some_and(|serving| serving.price.is_some() || serving.cost.is_some())
    };
    if !pool.members.0.is_empty() && pool.members.0.keys().all(priced) {
        Strategy::Adaptive
    } else {
        Strategy::RoundRobin
    }
}
