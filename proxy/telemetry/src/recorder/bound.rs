//! Instruments bound to one attribute set each. It owns which numbers of a settled struct go where;
//! instruments that may never be used for a set are bound on first use, so that no empty series is sent.

use std::sync::OnceLock;
use std::time::Duration;

use opentelemetry::KeyValue;
use opentelemetry::metrics::{BoundCounter, BoundHistogram, Counter, Histogram, Meter};
use vocabulary::{Operation, Reason, Usage};

use super::OWN_PROVIDER;
use super::keys::{AnswerKey, AttemptKey, HookKey, RequestKey};
use crate::catalogue::{self, Metric, attributes as attr};
use crate::settled::{AiSettled, AttemptSettled, CostParts, RequestSettled, Sli};

/// Instruments that [`BoundRequest`], [`BoundAnswer`] and [`BoundAttempt`] are bound from.
pub(super) struct Histograms {
    request_duration: Histogram<f64>,
    overhead: Histogram<f64>,
    hook_duration: Histogram<f64>,
    answer_duration: Histogram<f64>,
    time_to_first_token: Histogram<f64>,
    time_per_output_token: Histogram<f64>,
    operation_duration: Histogram<f64>,
    time_to_first_chunk: Histogram<f64>,
    token_usage: Histogram<u64>,
    input_tokens: Counter<u64>,
    output_tokens: Counter<u64>,
    cache_read_tokens: Counter<u64>,
}

impl Histograms {
    pub(super) fn new(meter: &Meter) -> Self {
        let seconds = |metric: &Metric| {
            meter
                .f64_histogram(metric.name)
                .with_unit(metric.unit)
                .with_description(metric.description)
                .with_boundaries(metric.buckets.to_vec())
                .build()
        };
        let tokens = &catalogue::GEN_AI_CLIENT_TOKEN_USAGE;
        Self {
            request_duration: seconds(&catalogue::HTTP_SERVER_REQUEST_DURATION),
            overhead: seconds(&catalogue::OVERHEAD_DURATION),
            hook_duration: seconds(&catalogue::HOOK_DURATION),
            answer_duration: seconds(&catalogue::GEN_AI_SERVER_REQUEST_DURATION),
            time_to_first_token: seconds(&catalogue::GEN_AI_SERVER_TIME_TO_FIRST_TOKEN),
            time_per_output_token: seconds(&catalogue::GEN_AI_SERVER_TIME_PER_OUTPUT_TOKEN),
            operation_duration: seconds(&catalogue::GEN_AI_CLIENT_OPERATION_DURATION),
            time_to_first_chunk: seconds(&catalogue::GEN_AI_CLIENT_TIME_TO_FIRST_CHUNK),
            token_usage: meter
                .u64_histogram(tokens.name)
                .with_unit(tokens.unit)
                .with_description(tokens.description)
                .with_boundaries(tokens.buckets.to_vec())
                .build(),
            input_tokens: super::counter(meter, &catalogue::GEN_AI_CLIENT_INPUT_TOKENS),
            output_tokens: super::counter(meter, &catalogue::GEN_AI_CLIENT_OUTPUT_TOKENS),
            cache_read_tokens: super::counter(meter, &catalogue::GEN_AI_CLIENT_CACHE_READ_TOKENS),
        }
    }
}

/// The histogram of one hook's answers of one kind.
pub(super) fn bind_hook(histograms: &Histograms, key: &HookKey<&str>) -> BoundHistogram<f64> {
    histograms.hook_duration.bind(&[
        KeyValue::new(attr::SLUICEGATE_HOOK.key, key.hook.to_owned()),
        KeyValue::new(attr::SLUICEGATE_OUTCOME.key, key.outcome),
        KeyValue::new(attr::SLUICEGATE_CACHED.key, key.cached),
    ])
}

fn error_type(reason: Option<Reason>) -> Option<KeyValue> {
    reason.map(|reason| KeyValue::new(attr::ERROR_TYPE.key, reason.code()))
}

fn with(attributes: &[KeyValue], more: impl IntoIterator<Item = KeyValue>) -> Vec<KeyValue> {
    attributes.iter().cloned().chain(more).collect()
}

pub(super) struct BoundRequest {
    pub(super) duration: BoundHistogram<f64>,
    pub(super) overhead: BoundHistogram<f64>,
}

impl BoundRequest {
    pub(super) fn bind(histograms: &Histograms, key: &RequestKey<&str>) -> Self {
        let route: Vec<_> =
            key.route.iter().map(|route| KeyValue::new(attr::HTTP_ROUTE.key, (*route).to_owned())).collect();
        let attributes = with(
            &route,
            [
                KeyValue::new(attr::HTTP_REQUEST_METHOD.key, key.method.name()),
                KeyValue::new(attr::URL_SCHEME.key, key.scheme.name()),
                KeyValue::new(attr::HTTP_RESPONSE_STATUS_CODE.key, i64::from(key.status)),
                KeyValue::new(attr::SLUICEGATE_SLI.key, Sli::of(key.status, key.reason).name()),
            ],
        );
        let attributes = with(&attributes, error_type(key.reason));
        Self {
            duration: histograms.request_duration.bind(&attributes),
            overhead: histograms.overhead.bind(&route),
        }
    }
}

pub(super) struct BoundAnswer {
    attributes: Vec<KeyValue>,
    duration: OnceLock<BoundHistogram<f64>>,
    first_token: OnceLock<BoundHistogram<f64>>,
    per_token: OnceLock<BoundHistogram<f64>>,
}

impl BoundAnswer {
    pub(super) fn new(key: &AnswerKey<&str>) -> Self {
        let attributes = [
            KeyValue::new(attr::GEN_AI_OPERATION_NAME.key, key.operation.name()),
            KeyValue::new(attr::GEN_AI_PROVIDER_NAME.key, key.provider.unwrap_or(OWN_PROVIDER).to_owned()),
            KeyValue::new(attr::GEN_AI_REQUEST_MODEL.key, key.model.to_owned()),
        ];
        let pool = key.pool.map(|pool| KeyValue::new(attr::SLUICEGATE_POOL.key, pool.to_owned()));
        Self {
            attributes: with(&attributes, pool),
            duration: OnceLock::new(),
            first_token: OnceLock::new(),
            per_token: OnceLock::new(),
        }
    }

    pub(super) fn record(&self, histograms: &Histograms, request: &RequestSettled<'_>, ai: &AiSettled<'_>) {
        self.duration
            .get_or_init(|| {
                histograms.answer_duration.bind(&with(&self.attributes, error_type(request.reason)))
            })
            .record(request.duration.as_secs_f64());
        let Some(first_token) = ai.time_to_first_token.filter(|_| request.reason.is_none()) else { return };
        self.first_token
            .get_or_init(|| histograms.time_to_first_token.bind(&self.attributes))
            .record(first_token.as_secs_f64());
        if let Some(per_token) = per_token(request.duration, first_token, ai.output_tokens) {
            self.per_token
                .get_or_init(|| histograms.time_per_output_token.bind(&self.attributes))
                .record(per_token);
        }
    }
}

/// Seconds per token after the first; nothing when there was no second one.
fn per_token(duration: Duration, first_token: Duration, tokens: Option<u64>) -> Option<f64> {
    let later = tokens?.checked_sub(1).filter(|later| *later > 0)?;
    Some(duration.saturating_sub(first_token).as_secs_f64() / later as f64)
}

pub(super) struct BoundAttempt {
    attributes: Vec<KeyValue>,
    reason: Option<Reason>,
    duration: OnceLock<BoundHistogram<f64>>,
    first_chunk: OnceLock<BoundHistogram<f64>>,
    tokens: OnceLock<BoundTokens>,
    cost: OnceLock<[BoundCounter<f64>; 3]>,
}

struct BoundTokens {
    input_distribution: BoundHistogram<u64>,
    output_distribution: BoundHistogram<u64>,
    input: BoundCounter<u64>,
    output: BoundCounter<u64>,
    cache_read: BoundCounter<u64>,
}

impl BoundAttempt {
    pub(super) fn new(key: &AttemptKey<&str>) -> Self {
        Self {
            attributes: vec![
                KeyValue::new(attr::GEN_AI_OPERATION_NAME.key, Operation::name(key.operation)),
                KeyValue::new(attr::GEN_AI_PROVIDER_NAME.key, key.provider.to_owned()),
                KeyValue::new(attr::GEN_AI_REQUEST_MODEL.key, key.model.to_owned()),
                KeyValue::new(attr::SERVER_ADDRESS.key, key.address.to_owned()),
                KeyValue::new(attr::SERVER_PORT.key, i64::from(key.port)),
                KeyValue::new(attr::SLUICEGATE_BACKEND.key, key.backend.to_owned()),
                KeyValue::new(attr::SLUICEGATE_POOL.key, key.pool.to_owned()),
            ],
            reason: key.reason,
            duration: OnceLock::new(),
            first_chunk: OnceLock::new(),
            tokens: OnceLock::new(),
            cost: OnceLock::new(),
        }
    }

    pub(super) fn record(&self, histograms: &Histograms, cost: &Counter<f64>, attempt: &AttemptSettled<'_>) {
        self.duration
            .get_or_init(|| {
                histograms.operation_duration.bind(&with(&self.attributes, error_type(self.reason)))
            })
            .record(attempt.duration.as_secs_f64());
        if let Some(first_chunk) = attempt.time_to_first_chunk {
            self.first_chunk
                .get_or_init(|| histograms.time_to_first_chunk.bind(&self.attributes))
                .record(first_chunk.as_secs_f64());
        }
        if let Some(usage) = &attempt.usage {
            self.tokens.get_or_init(|| BoundTokens::bind(histograms, &self.attributes)).record(usage);
            self.add_cost(cost, &attempt.cost);
        }
    }

    pub(super) fn add_cost(&self, counter: &Counter<f64>, cost: &CostParts) {
        let [input, output, cache_read] = self.cost.get_or_init(|| {
            let kept = catalogue::COST.attributes;
            let attributes: Vec<_> = self
                .attributes
                .iter()
                .filter(|kv| kept.iter().any(|a| a.key == kv.key.as_str()))
                .cloned()
                .collect();
            ["input", "output", "cache_read"].map(|part| {
                counter.bind(&with(&attributes, [KeyValue::new(attr::SLUICEGATE_COST_COMPONENT.key, part)]))
            })
        });
        input.add(cost.input.as_f64());
        output.add(cost.output.as_f64());
        cache_read.add(cost.cache_read.as_f64());
    }
}

impl BoundTokens {
    fn bind(histograms: &Histograms, attributes: &[KeyValue]) -> Self {
        let of_type =
            |name: &'static str| with(attributes, [KeyValue::new(attr::GEN_AI_TOKEN_TYPE.key, name)]);
        Self {
            input_distribution: histograms.token_usage.bind(&of_type("input")),
            output_distribution: histograms.token_usage.bind(&of_type("output")),
            input: histograms.input_tokens.bind(attributes),
            output: histograms.output_tokens.bind(attributes),
            cache_read: histograms.cache_read_tokens.bind(attributes),
        }
    }

    fn record(&self, usage: &Usage) {
        self.input_distribution.record(usage.input);
        self.output_distribution.record(usage.output);
        self.input.add(usage.input);
        self.output.add(usage.output);
        self.cache_read.add(usage.cached_input);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_per_token_needs_a_second_token() {
        let (whole, first) = (Duration::from_secs(3), Duration::from_secs(1));
        assert_eq!(per_token(whole, first, Some(5)), Some(0.5));
        assert_eq!(per_token(whole, first, Some(1)), None);
        assert_eq!(per_token(whole, first, Some(0)), None);
        assert_eq!(per_token(whole, first, None), None);
    }
}
