//! The catalogue's instruments on an OpenTelemetry meter. It owns the mapping from plain structs to
//! attribute sets, resolved once per combination; it refuses attributes the catalogue does not list.

mod bound;
mod cache;
mod keys;
mod observed;

use std::collections::BTreeMap;
use std::sync::Arc;

use arc_swap::ArcSwap;
use opentelemetry::KeyValue;
use opentelemetry::metrics::{
    BoundCounter, BoundHistogram, BoundUpDownCounter, Counter, Gauge, Meter, UpDownCounter,
};
use vocabulary::admin::shadow::Differs;
use vocabulary::{Operation, Reason, ReasonKind};

use crate::catalogue::{self, Metric, attributes as attr};
use crate::drops::Drops;
use crate::settled::{
    AttemptSettled, CostParts, Deployment, HookSettled, Method, Readings, Reload, RequestSettled, Scheme,
    WafSettled,
};
use bound::{BoundAnswer, BoundAttempt, BoundRequest, Histograms, bind_hook};
use cache::Cache;
use keys::{AnswerKey, AttemptKey, HookKey, RequestKey};
use observed::{observe_drops, observe_readings};

/// Named when no backend answered: the gateway spoke for itself.
const OWN_PROVIDER: &str = "sluicegate";

pub(crate) struct Recorder {
    histograms: Histograms,
    active: UpDownCounter<i64>,
    active_by: Cache<(Method, Scheme), BoundUpDownCounter<i64>>,
    refusals: BTreeMap<Reason, BoundCounter<u64>>,
    shadow_refusals: BTreeMap<Reason, BoundCounter<u64>>,
    shadow_compared: Counter<u64>,
    shadow_differences: Counter<u64>,
    waf: Counter<u64>,
    failovers: Counter<u64>,
    cost: Counter<f64>,
    generation: Gauge<u64>,
    reloads: Counter<u64>,
    readings: Arc<ArcSwap<Readings>>,
    requests: Cache<RequestKey<Box<str>>, BoundRequest>,
    answers: Cache<AnswerKey<Box<str>>, BoundAnswer>,
    attempts: Cache<AttemptKey<Box<str>>, BoundAttempt>,
    hooks: Cache<HookKey<Box<str>>, BoundHistogram<f64>>,
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
            shadow_compared: counter(meter, &catalogue::SHADOW_COMPARED),
            shadow_differences: counter(meter, &catalogue::SHADOW_DIFFERENCES),
            waf: counter(meter, &catalogue::WAF_FINDINGS),
            failovers: counter(meter, &catalogue::FAILOVERS),
            cost: money(meter, &catalogue::COST),
            generation: gauge(meter, &catalogue::CONFIG_GENERATION),
            reloads,
            readings,
            requests: Cache::new(catalogue::HTTP_SERVER_REQUEST_DURATION.cardinality),
            answers: Cache::new(catalogue::GEN_AI_SERVER_REQUEST_DURATION.cardinality),
            attempts: Cache::new(catalogue::GEN_AI_CLIENT_OPERATION_DURATION.cardinality),
            hooks: Cache::new(catalogue::HOOK_DURATION.cardinality),
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

    pub(crate) fn hook(&self, hook: &HookSettled<'_>) {
        let key = HookKey::of(hook);
        let bound = self.hooks.get(&key, || key.to_owned(), || bind_hook(&self.histograms, &key));
        bound.record(hook.duration.as_secs_f64());
    }

    pub(crate) fn waf(&self, waf: &WafSettled<'_>) {
        self.waf.add(
            1,
            &[
                KeyValue::new(attr::SLUICEGATE_WAF.key, waf.firewall.to_owned()),
                KeyValue::new(attr::SLUICEGATE_FAMILY.key, waf.family.to_owned()),
                KeyValue::new(attr::SLUICEGATE_CLASS.key, waf.class.to_owned()),
                KeyValue::new(attr::SLUICEGATE_OUTCOME.key, waf.outcome),
            ],
        );
    }

    pub(crate) fn compared(&self, difference: Option<(Differs, Option<Reason>)>) {
        self.shadow_compared.add(1, &[]);
        let Some((class, reason)) = difference else { return };
        let class = KeyValue::new(attr::SLUICEGATE_DIFFERENCE.key, class.code());
        let reason = reason.map(|reason| KeyValue::new(attr::SLUICEGATE_REASON.key, reason.code()));
        let attributes: Vec<KeyValue> = std::iter::once(class).chain(reason).collect();
        self.shadow_differences.add(1, &attributes);
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
