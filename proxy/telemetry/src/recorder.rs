//! The catalogue's instruments on an OpenTelemetry meter. It owns the mapping from plain structs to
//! attribute sets, resolved once per combination; it refuses attributes the catalogue does not list.

mod bound;
mod cache;
mod keys;

use std::collections::BTreeMap;
use std::sync::Arc;

use arc_swap::ArcSwap;
use opentelemetry::KeyValue;
use opentelemetry::metrics::{BoundCounter, BoundUpDownCounter, Counter, Gauge, Meter, UpDownCounter};
use vocabulary::{Operation, Reason, ReasonKind};

use crate::catalogue::{self, Metric, attributes as attr};
use crate::drops::{Drops, Signal};
use crate::settled::{
    AttemptSettled, CostParts, Deployment, Method, Readings, Reload, RequestSettled, Scheme,
};
use bound::{BoundAnswer, BoundAttempt, BoundRequest, Histograms};
use cache::Cache;
use keys::{AnswerKey, AttemptKey, RequestKey};

/// Named when no backend answered: the gateway spoke for itself.
const OWN_PROVIDER: &str = "sluicegate";

pub(crate) struct Recorder {
    histograms: Histograms,
    active: UpDownCounter<i64>,
    active_by: Cache<(Method, Scheme), BoundUpDownCounter<i64>>,
    refusals: BTreeMap<Reason, BoundCounter<u64>>,
    shadow_refusals: BTreeMap<Reason, BoundCounter<u64>>,
    failovers: Counter<u64>,
    cost: Counter<f64>,
    generation: Gauge<u64>,
    reloads: Counter<u64>,
    readings: Arc<ArcSwap<Readings>>,
    requests: Cache<RequestKey<Box<str>>, BoundRequest>,
    answers: Cache<AnswerKey<Box<str>>, BoundAnswer>,
    attempts: Cache<AttemptKey<Box<str>>, BoundAttempt>,
}

impl Recorder {
    /// Creates every instrument of the catalogue, with the counters whose attributes are known at zero.
    pub(crate) fn new(meter: &Meter, drops: &Drops, version: &str) -> Self {
        let readings = Arc::new(ArcSwap::from_pointee(Readings::default()));
        observe_readings(meter, &readings);
        observe_drops(meter, drops);
        gauge(meter, &catalogue::BUILD_INFO)
            .record(1, &[KeyValue::new(attr::SLUICEGATE_VERSION.key, version.to_owned())]);
        let reloads = counter(meter, &catalogue::CONFIG_RELOADS);
        for result in [Reload::Accepted, Reload::Rejected] {
            reloads.add(0, &[reload_result(result)]);
        }
        Self {
            histograms: Histograms::new(meter),
            active: meter
                .i64_up_down_counter(catalogue::HTTP_SERVER_ACTIVE_REQUESTS.name)
                .with_unit(catalogue::HTTP_SERVER_ACTIVE_REQUESTS.unit)
                .with_description(catalogue::HTTP_SERVER_ACTIVE_REQUESTS.description)
                .build(),
            active_by: Cache::new(catalogue::HTTP_SERVER_ACTIVE_REQUESTS.cardinality),
            refusals: by_reason(meter, &catalogue::REFUSALS),
            shadow_refusals: by_reason(meter, &catalogue::SHADOW_REFUSALS),
            failovers: counter(meter, &catalogue::FAILOVERS),
            cost: money(meter, &catalogue::COST),
            generation: gauge(meter, &catalogue::CONFIG_GENERATION),
            reloads,
            readings,
            requests: Cache::new(catalogue::HTTP_SERVER_REQUEST_DURATION.cardinality),
            answers: Cache::new(catalogue::GEN_AI_SERVER_REQUEST_DURATION.cardinality),
            attempts: Cache::new(catalogue::GEN_AI_CLIENT_OPERATION_DURATION.cardinality),
        }
    }

    pub(crate) fn active(&self, method: Method, scheme: Scheme, change: i64) {
        let key = (method, scheme);
        let attributes = || {
            [
                KeyValue::new(attr::HTTP_REQUEST_METHOD.key, method.name()),
                KeyValue::new(attr::URL_SCHEME.key, scheme.name()),
            ]
        };
        self.active_by.get(&key, || key, || self.active.bind(&attributes())).add(change);
    }

    pub(crate) fn request(&self, request: &RequestSettled<'_>) {
        let key = RequestKey::of(request);
        let bound = self.requests.get(&key, || key.to_owned(), || BoundRequest::bind(&self.histograms, &key));
        bound.duration.record(request.duration.as_secs_f64());
        bound.overhead.record(request.overhead.as_secs_f64());
        if let Some(refusals) = request.reason.and_then(|reason| self.refusals.get(&reason)) {
            refusals.add(1);
        }
        for refusals in request.would_refuse.iter().filter_map(|reason| self.shadow_refusals.get(reason)) {
            refusals.add(1);
        }
        if let Some(ai) = &request.ai {
            let key = AnswerKey::of(ai, request.reason);
            let bound = self.answers.get(&key, || key.to_owned(), || BoundAnswer::new(&key));
            bound.record(&self.histograms, request, ai);
        }
    }

    pub(crate) fn attempt(&self, attempt: &AttemptSettled<'_>) {
        let key = AttemptKey::of(attempt);
        let bound = self.attempts.get(&key, || key.to_owned(), || BoundAttempt::new(&key));
        bound.record(&self.histograms, &self.cost, attempt);
        if let Some(reason) = attempt.reason.filter(|_| attempt.failed_over) {
            self.failovers.add(1, &failover(reason, attempt.deployment.backend));
        }
    }

    pub(crate) fn declare(&self, deployments: &[Deployment<'_>]) {
        let causes = || Reason::ALL.iter().filter(|reason| reason.kind() == ReasonKind::Backend);
        for deployment in deployments {
            for reason in causes() {
                self.failovers.add(0, &failover(*reason, deployment.backend));
            }
            let key = AttemptKey::to(deployment, Operation::Chat, None);
            let bound = self.attempts.get(&key, || key.to_owned(), || BoundAttempt::new(&key));
            bound.add_cost(&self.cost, &CostParts::default());
        }
    }

    pub(crate) fn publish(&self, readings: Readings) {
        self.readings.store(Arc::new(readings));
    }

    pub(crate) fn generation(&self, generation: u64) {
        self.generation.record(generation, &[]);
    }

    pub(crate) fn reload(&self, result: Reload) {
        self.reloads.add(1, &[reload_result(result)]);
    }
}

fn failover(reason: Reason, backend: &str) -> [KeyValue; 2] {
    [
        KeyValue::new(attr::SLUICEGATE_REASON.key, reason.code()),
        KeyValue::new(attr::SLUICEGATE_BACKEND.key, backend.to_owned()),
    ]
}

fn reload_result(result: Reload) -> KeyValue {
    KeyValue::new(attr::SLUICEGATE_RESULT.key, result.name())
}

fn counter(meter: &Meter, metric: &Metric) -> Counter<u64> {
    meter.u64_counter(metric.name).with_unit(metric.unit).with_description(metric.description).build()
}

fn money(meter: &Meter, metric: &Metric) -> Counter<f64> {
    meter.f64_counter(metric.name).with_unit(metric.unit).with_description(metric.description).build()
}

fn gauge(meter: &Meter, metric: &Metric) -> Gauge<u64> {
    meter.u64_gauge(metric.name).with_unit(metric.unit).with_description(metric.description).build()
}

/// A counter of requests for every reason, at zero.
fn by_reason(meter: &Meter, metric: &Metric) -> BTreeMap<Reason, BoundCounter<u64>> {
    let counter = counter(meter, metric);
    let start = |reason: &Reason| {
        let bound = counter.bind(&[KeyValue::new(attr::SLUICEGATE_REASON.key, reason.code())]);
        bound.add(0);
        (*reason, bound)
    };
    Reason::ALL.iter().map(start).collect()
}

/// States are observed rather than recorded: an observed series ends when its pool or backend does.
fn observe_readings(meter: &Meter, readings: &Arc<ArcSwap<Readings>>) {
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
}

fn observe_drops(meter: &Meter, drops: &Drops) {
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
