//! Deployments: what backends serve, and on what terms.

use rule_table::{Deployment, PriceChange, Quota, QuotaShape};
use vocabulary::Prices;

use super::ids;
use crate::manifest::{self, Manifest, Serving};
use crate::resolve::{Deployed, LEAKY_BUCKET_DEPTH, place};

/// Every deployment, in the order of full names.
pub(super) fn deployments(manifest: &Manifest) -> Vec<Deployment> {
    let backend_ids = ids(manifest.backends.keys());
    let mut all = Vec::new();
    for (backend, written) in &manifest.backends {
        let id = backend_ids.get(backend).copied().unwrap_or_default();
        if !written.kind.has_models() {
            all.push(piped(backend, id, written));
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

fn piped(backend: &str, id: u32, written: &manifest::Backend) -> Deployment {
    Deployment {
        name: backend.to_owned(),
        backend: id,
        model: None,
        upstream_name: backend.to_owned(),
        context_window: None,
        max_output: None,
        prices: None,
        price_changes: Vec::new(),
        prices_until: None,
        hourly: None,
        quota: None,
        concurrency: None,
        expected_ttft: std::time::Duration::ZERO,
        processing: written.processing.as_ref().and_then(|stated| place(&stated.0)),
    }
}

fn deployment(name: String, backend: u32, serving: &Serving<'_>) -> Deployment {
    Deployment {
        name,
        backend,
        model: Some(serving.model.to_owned()),
        upstream_name: serving.upstream_name.to_owned(),
        context_window: serving.context_window,
        max_output: serving.max_output,
        prices: serving.price.and_then(|price| price.all().next()).map(|first| prices(&first)),
        price_changes: serving.price.map(price_changes).unwrap_or_default(),
        prices_until: serving.price.and_then(|price| price.until).map(|until| until.0),
        hourly: serving.cost.map(|cost| cost.0),
        quota: serving.quota.map(quota),
        concurrency: serving.concurrency,
        expected_ttft: serving.expected_ttft.0.0,
        processing: serving.processing.and_then(|stated| place(&stated.0)),
    }
}

fn prices(price: &manifest::PriceChange) -> Prices {
    let cache_write = price.cache_write.unwrap_or(price.input);
    Prices {
        input: price.input.0,
        cached_input: price.cached_input.unwrap_or(price.input).0,
        cache_write: cache_write.0,
        cache_write_1h: price.cache_write_1h.unwrap_or(cache_write).0,
        output: price.output.0,
    }
}

/// What changes later, in the order of time.
fn price_changes(price: &manifest::Price) -> Vec<PriceChange> {
    let change = |change: manifest::PriceChange| PriceChange { from: change.from.0, prices: prices(&change) };
    let mut changes: Vec<PriceChange> = price.all().skip(1).map(change).collect();
    changes.sort_unstable_by_key(|change| change.from);
    changes
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
