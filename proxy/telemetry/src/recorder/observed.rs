//! States on a meter: asked for at every export instead of told. It owns which reading becomes which series; an
//! observed series ends when its pool or backend does.

use std::sync::Arc;

use arc_swap::ArcSwap;
use opentelemetry::KeyValue;
use opentelemetry::metrics::Meter;

use crate::catalogue::{self, attributes as attr};
use crate::drops::{Drops, Signal};
use crate::settled::Readings;

/// Pools, backends and stores, as last published.
pub(super) fn observe_readings(meter: &Meter, readings: &Arc<ArcSwap<Readings>>) {
    let pool = |name: &str| KeyValue::new(attr::SLUICEGATE_POOL.key, name.to_owned());
    let backend = |name: &str| KeyValue::new(attr::SLUICEGATE_BACKEND.key, name.to_owned());
    let source = Arc::clone(readings);
    meter
        .f64_observable_gauge(catalogue::POOL_SHARE.name)
        .with_unit(catalogue::POOL_SHARE.unit)
        .with_description(catalogue::POOL_SHARE.description)
        .with_callback(move |observer| {
            for member in &source.load().members {
                observer.observe(member.share, &[pool(&member.pool), backend(&member.backend)]);
            }
        })
        .build();
    let source = Arc::clone(readings);
    meter
        .f64_observable_gauge(catalogue::POOL_LAMBDA.name)
        .with_unit(catalogue::POOL_LAMBDA.unit)
        .with_description(catalogue::POOL_LAMBDA.description)
        .with_callback(move |observer| {
            for lambda in &source.load().lambdas {
                observer.observe(lambda.lambda_usd, &[pool(&lambda.pool)]);
            }
        })
        .build();
    let source = Arc::clone(readings);
    meter
        .u64_observable_gauge(catalogue::BACKEND_READY.name)
        .with_unit(catalogue::BACKEND_READY.unit)
        .with_description(catalogue::BACKEND_READY.description)
        .with_callback(move |observer| {
            for reading in &source.load().backends {
                observer.observe(u64::from(reading.ready), &[backend(&reading.backend)]);
            }
        })
        .build();
    observe_stores(meter, readings);
}

/// What counts and stories are kept in.
fn observe_stores(meter: &Meter, readings: &Arc<ArcSwap<Readings>>) {
    let source = Arc::clone(readings);
    meter
        .u64_observable_gauge(catalogue::STORE_AVAILABLE.name)
        .with_unit(catalogue::STORE_AVAILABLE.unit)
        .with_description(catalogue::STORE_AVAILABLE.description)
        .with_callback(move |observer| {
            for reading in &source.load().stores {
                let store = KeyValue::new(attr::SLUICEGATE_STORE.key, reading.store);
                observer.observe(u64::from(reading.available), &[store]);
            }
        })
        .build();
    let source = Arc::clone(readings);
    meter
        .u64_observable_counter(catalogue::STORIES_DROPPED.name)
        .with_unit(catalogue::STORIES_DROPPED.unit)
        .with_description(catalogue::STORIES_DROPPED.description)
        .with_callback(move |observer| {
            let Some(dropped) = source.load().stories_dropped else { return };
            let causes = [("queue_full", dropped.queue_full), ("not_written", dropped.not_written)];
            for (cause, count) in causes {
                observer.observe(count, &[KeyValue::new(attr::SLUICEGATE_CAUSE.key, cause)]);
            }
        })
        .build();
}

pub(super) fn observe_drops(meter: &Meter, drops: &Drops) {
    let drops = drops.clone();
    meter
        .u64_observable_counter(catalogue::TELEMETRY_DROPPED.name)
        .with_unit(catalogue::TELEMETRY_DROPPED.unit)
        .with_description(catalogue::TELEMETRY_DROPPED.description)
        .with_callback(move |observer| {
            for signal in Signal::ALL {
                observer.observe(
                    drops.count(signal),
                    &[KeyValue::new(attr::SLUICEGATE_SIGNAL.key, signal.name())],
                );
            }
        })
        .build();
}
