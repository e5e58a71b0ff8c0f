//! Defaults that depend on other fields. It owns each such rule; fixed defaults stand with their
//! fields in `manifest`.

use std::collections::BTreeMap;

use vocabulary::Span;

use crate::manifest::{
    Backend, BackendKind, Duration, Health, Manifest, Pool, Price, QuotaShape, Scope, Strategy,
};
use crate::resolve::{Chains, Names, derived, written};

/// Enough for a few long prompts to arrive together, not for a minute's worth of them.
pub(crate) const LEAKY_BUCKET_DEPTH: std::time::Duration = std::time::Duration::from_secs(10);

/// Azure OpenAI's general availability version at the time of writing.
const AZURE_API_VERSION: &str = "2024-10-21";

/// The most attempts that `maxAttempts` allows.
pub(crate) const MAX_ATTEMPTS: u32 = 10;

/// Attempts where no chain of fallbacks needs more.
const ATTEMPTS: u32 = 3;

/// What a token is for, where the manifest does not say.
pub(crate) fn default_scope(kind: BackendKind) -> &'static str {
    match kind {
        BackendKind::AzureMl => "https://ml.azure.com/.default",
        _ => "https://cognitiveservices.azure.com/.default",
    }
}

/// Writes every such default into the manifest.
pub(crate) fn fill(manifest: &mut Manifest, names: &Names<'_>) {
    for backend in manifest.backends.values_mut() {
        fill_backend(backend);
    }
    fill_scopes(manifest);
    fill_attempts(manifest);
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
    let open = manifest.consumers.is_empty() && manifest.issuers.is_empty();
    for route in manifest.routes.values_mut() {
        // Routes for named consumers are not public, whatever else the manifest says.
        route.public.get_or_insert(open && route.consumers.is_empty());
    }
}

/// Where data is processed, as far as region and SKU tell; else as the backend says of all it serves.
fn fill_processing(backend: &mut Backend) {
    let own = derived(backend, None).as_ref().map(written);
    let skus: Vec<_> =
        backend.deployments.values().map(|deployment| derived(backend, deployment.sku)).collect();
    for (deployment, derived) in backend.deployments.values_mut().zip(&skus) {
        let place = derived.as_ref().map(written).or_else(|| backend.processing.clone());
        deployment.processing = deployment.processing.take().or(place);
    }
    let place = own.or_else(|| backend.processing.clone());
    for model in backend.models.values_mut() {
        model.processing = model.processing.take().or_else(|| place.clone());
    }
    if !backend.kind.has_models() {
        backend.processing = backend.processing.take().or(place);
    }
}

fn fill_backend(backend: &mut Backend) {
    fill_processing(backend);
    if backend.kind == BackendKind::AzureOpenai {
        backend.api_version.get_or_insert_with(|| AZURE_API_VERSION.to_owned());
    }
    backend.forward_trace_context.get_or_insert(backend.kind == BackendKind::Vllm);
    let known = backend.kind.health_path();
    let health =
        backend.health.get_or_insert_with(|| Health { enabled: known.is_some(), ..Health::default() });
    if let Some(path) = known.filter(|_| health.enabled && !health.spend_tokens) {
        health.path.get_or_insert_with(|| path.to_owned());
    }
    backend.timeouts.first_byte.get_or_insert(backend.timeouts.first_token);
    for (name, model) in backend.models.iter_mut() {
        model.upstream_name.get_or_insert_with(|| name.clone());
    }
    let models = backend.models.values_mut().map(|model| (&mut model.price, &mut model.quota));
    let deployments = backend.deployments.values_mut().map(|d| (&mut d.price, &mut d.quota));
    for (price, quota) in models.chain(deployments) {
        if let Some(price) = price {
            fill_price(price);
        }
        if let Some(quota) = quota.as_mut().filter(|quota| quota.shape == QuotaShape::LeakyBucket) {
            quota.burst.get_or_insert(Duration(Span(LEAKY_BUCKET_DEPTH)));
            quota.output_weight.get_or_insert(1);
        }
    }
}

fn fill_price(price: &mut Price) {
    price.cached_input.get_or_insert(price.input);
    let write = *price.cache_write.get_or_insert(price.input);
    price.cache_write_1h.get_or_insert(write);
    for change in &mut price.changes {
        change.cached_input.get_or_insert(change.input);
        let write = *change.cache_write.get_or_insert(change.input);
        change.cache_write_1h.get_or_insert(write);
    }
}

/// An identity that backends of different kinds share keeps no scope of its own: each gets its kind's.
fn fill_scopes(manifest: &mut Manifest) {
    for (name, identity) in manifest.identities.iter_mut() {
        let users = manifest.backends.values().filter(|backend| backend.auth.as_ref() == Some(name));
        let mut scopes: Vec<&str> = users.map(|backend| default_scope(backend.kind)).collect();
        scopes.sort_unstable();
        scopes.dedup();
        if let (Some(scope), [only]) = (identity.scope_mut(), scopes.as_slice()) {
            scope.get_or_insert_with(|| Scope((*only).to_owned()));
        }
    }
}

/// A chain of fallbacks is of use only where an attempt is left for the last of its pools.
fn fill_attempts(manifest: &mut Manifest) {
    let chains = Chains::of(manifest);
    let attempts = |(name, pool): (&String, &Pool)| {
        let before = if pool.fallback.is_empty() { BTreeMap::new() } else { chains.tried_before(name) };
        let last = before.values().max().map_or(0, |tried| tried.saturating_add(1));
        u32::try_from(last).unwrap_or(MAX_ATTEMPTS).clamp(ATTEMPTS, MAX_ATTEMPTS)
    };
    let all: Vec<u32> = manifest.pools.iter().map(attempts).collect();
    for (pool, attempts) in manifest.pools.values_mut().zip(all) {
        pool.retry.max_attempts.get_or_insert(attempts);
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
