//! The span tree in the exporter's own shape. It owns attributes, status and parentage; it refuses
//! `url.path`, client addresses and anything else a caller wrote.

use std::sync::Arc;

use opentelemetry::trace::{self as otel, Event, SpanContext, SpanKind, Status, TraceFlags};
use opentelemetry::{Array, InstrumentationScope, KeyValue, StringValue, Value};
use opentelemetry_sdk::trace::{SpanData, SpanEvents, SpanLinks};
use vocabulary::{Moment, Operation, Reason, Usage, Usd};

use super::{AttemptSpan, ExchangeTrace, RootSpan, StageSpan};
use crate::catalogue::{attributes as attr, attributes::Attribute, spans as names};
use crate::context::{Link, SpanId, TraceId};
use crate::settled::Sli;

/// Characters of a word a backend chose.
const LONGEST_WORD: usize = 64;
/// Finish reasons of one answer.
const MOST_CHOICES: usize = 16;

/// The whole tree, root first.
pub(super) fn spans(trace: &ExchangeTrace) -> Vec<SpanData> {
    let mut spans = Vec::with_capacity(1 + trace.stages.len() + trace.attempts.len());
    spans.push(root(trace));
    let first = u64::from_be_bytes(trace.context.span_id.to_bytes());
    for (index, stage) in (1..).zip(&trace.stages) {
        let id = SpanId::random(&mut || mixed(first, index));
        spans.push(self::stage(trace, stage, id));
    }
    spans.extend(trace.attempts.iter().map(|attempt| self::attempt(trace, attempt)));
    spans
}

/// A stage's id need not be known in advance, so it is derived: the random root id, mixed (SplitMix64).
fn mixed(root: u64, index: u64) -> u64 {
    let z = root.wrapping_add(index.wrapping_mul(0x9e37_79b9_7f4a_7c15));
    let z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

fn context(trace_id: TraceId, span_id: SpanId, remote: bool, state: otel::TraceState) -> SpanContext {
    SpanContext::new(
        otel::TraceId::from_bytes(trace_id.to_bytes()),
        otel::SpanId::from_bytes(span_id.to_bytes()),
        TraceFlags::SAMPLED,
        remote,
        state,
    )
}

fn span(trace: &ExchangeTrace, id: SpanId, kind: SpanKind, start: Moment, end: Moment) -> SpanData {
    // Both sides checked the same grammar; where they differ, the state is worth less than the span.
    let state = trace.context.state.as_str().parse().unwrap_or_default();
    SpanData {
        span_context: context(trace.context.trace_id, id, false, state),
        parent_span_id: otel::SpanId::from_bytes(trace.context.span_id.to_bytes()),
        parent_span_is_remote: false,
        span_kind: kind,
        name: "".into(),
        start_time: trace.clock.at(start),
        end_time: trace.clock.at(end.max(start)),
        attributes: Vec::new(),
        dropped_attributes_count: 0,
        events: SpanEvents::default(),
        links: SpanLinks::default(),
        status: Status::Unset,
        instrumentation_scope: scope(),
    }
}

fn scope() -> InstrumentationScope {
    InstrumentationScope::builder("sluicegate").with_version(env!("CARGO_PKG_VERSION")).build()
}

fn root(trace: &ExchangeTrace) -> SpanData {
    let root = &trace.root;
    let parent = trace.context.parent;
    let mut links = SpanLinks::default();
    if let Some(Link { trace_id, span_id }) = trace.context.link {
        let caller = context(trace_id, span_id, true, otel::TraceState::default());
        links.links.push(otel::Link::new(caller, Vec::new(), 0));
    }
    SpanData {
        parent_span_id: parent.map_or(otel::SpanId::INVALID, |id| otel::SpanId::from_bytes(id.to_bytes())),
        parent_span_is_remote: parent.is_some(),
        name: names::server(root.method, root.route.as_deref()).into(),
        attributes: root_attributes(root),
        links,
        status: match Sli::of(root.status, root.reason) {
            Sli::Bad => failed(root.reason),
            Sli::Good | Sli::Excluded => Status::Unset,
        },
        ..span(trace, trace.context.span_id, SpanKind::Server, root.start, root.end)
    }
}

fn root_attributes(root: &RootSpan) -> Vec<KeyValue> {
    let mut list = Attributes(Vec::with_capacity(20));
    list.push(&attr::HTTP_REQUEST_METHOD, root.method.name());
    list.push(&attr::URL_SCHEME, root.scheme.name());
    list.push(&attr::HTTP_RESPONSE_STATUS_CODE, i64::from(root.status));
    list.push(&attr::SLUICEGATE_SLI, Sli::of(root.status, root.reason).name());
    list.push(&attr::SLUICEGATE_REQUEST_ID, Arc::clone(&root.request_id));
    list.push(&attr::SLUICEGATE_BUNDLE, Arc::clone(&root.bundle));
    list.push(&attr::SLUICEGATE_OVERHEAD, root.overhead.as_secs_f64());
    list.maybe(&attr::HTTP_ROUTE, root.route.clone());
    list.maybe(&attr::SLUICEGATE_CONSUMER, root.consumer.clone());
    list.maybe(&attr::SLUICEGATE_POOL, root.pool.clone());
    list.reason(root.reason);
    list.model(root.operation, root.model.clone(), root.stream);
    list.usage(root.usage, root.cost);
    list.0
}

fn stage(trace: &ExchangeTrace, stage: &StageSpan, id: SpanId) -> SpanData {
    let mut list = Attributes(Vec::new());
    list.reason(stage.reason);
    SpanData {
        name: stage.stage.span_name().into(),
        attributes: list.0,
        status: stage
            .reason
            .filter(|reason| reason.is_bad())
            .map_or(Status::Unset, |reason| failed(Some(reason))),
        ..span(trace, id, SpanKind::Internal, stage.start, stage.end)
    }
}

fn attempt(trace: &ExchangeTrace, attempt: &AttemptSpan) -> SpanData {
    let mut events = SpanEvents::default();
    if let Some(at) = attempt.first_chunk {
        events.events.push(Event::new(names::FIRST_CHUNK, trace.clock.at(at), Vec::new(), 0));
    }
    let cancelled = attempt.reason == Some(Reason::ClientClosed);
    SpanData {
        name: names::client(trace.root.method, attempt.operation, attempt.model.as_deref()).into(),
        attributes: attempt_attributes(trace, attempt),
        events,
        status: match attempt.reason {
            Some(_) if !cancelled => failed(attempt.reason),
            _ => Status::Unset,
        },
        ..span(trace, attempt.span_id, SpanKind::Client, attempt.start, attempt.end)
    }
}

fn attempt_attributes(trace: &ExchangeTrace, attempt: &AttemptSpan) -> Vec<KeyValue> {
    let mut list = Attributes(Vec::with_capacity(20));
    list.push(&attr::SLUICEGATE_ATTEMPT, i64::from(attempt.number));
    list.push(&attr::SLUICEGATE_BACKEND, Arc::clone(&attempt.backend));
    list.maybe(&attr::SLUICEGATE_PROCESSING, attempt.processing.clone());
    list.push(&attr::HTTP_REQUEST_METHOD, trace.root.method.name());
    list.push(&attr::SERVER_ADDRESS, Arc::clone(&attempt.address));
    list.push(&attr::SERVER_PORT, i64::from(attempt.port));
    if attempt.number > 1 {
        list.push(&attr::HTTP_REQUEST_RESEND_COUNT, i64::from(attempt.number) - 1);
    }
    list.maybe(&attr::HTTP_RESPONSE_STATUS_CODE, attempt.status.map(i64::from));
    list.reason(attempt.reason);
    if attempt.operation.is_some() {
        list.push(&attr::GEN_AI_PROVIDER_NAME, Arc::clone(&attempt.provider));
    }
    list.model(attempt.operation, attempt.model.clone(), attempt.stream);
    list.maybe(&attr::GEN_AI_RESPONSE_MODEL, attempt.response_model.as_deref().map(short));
    if !attempt.finish_reasons.is_empty() {
        let reasons: Vec<StringValue> =
            attempt.finish_reasons.iter().take(MOST_CHOICES).map(|reason| short(reason).into()).collect();
        list.push(&attr::GEN_AI_RESPONSE_FINISH_REASONS, Value::Array(Array::String(reasons)));
    }
    list.usage(attempt.usage, attempt.cost);
    list.0
}

/// What a backend says of itself is a short word; anything longer would be content.
fn short(word: &str) -> String {
    word.chars().take(LONGEST_WORD).collect()
}

fn failed(reason: Option<Reason>) -> Status {
    Status::error(reason.map_or("", Reason::code))
}

struct Attributes(Vec<KeyValue>);

impl Attributes {
    fn push(&mut self, attribute: &'static Attribute, value: impl Into<Value>) {
        self.0.push(KeyValue::new(attribute.key, value));
    }

    fn maybe(&mut self, attribute: &'static Attribute, value: Option<impl Into<Value>>) {
        if let Some(value) = value {
            self.push(attribute, value);
        }
    }

    fn reason(&mut self, reason: Option<Reason>) {
        self.maybe(&attr::ERROR_TYPE, reason.map(Reason::code));
    }

    fn model(&mut self, operation: Option<Operation>, model: Option<Arc<str>>, stream: bool) {
        if let Some(operation) = operation {
            self.push(&attr::GEN_AI_OPERATION_NAME, operation.name());
            self.push(&attr::GEN_AI_REQUEST_STREAM, stream);
        }
        self.maybe(&attr::GEN_AI_REQUEST_MODEL, model);
    }

    fn usage(&mut self, usage: Option<Usage>, cost: Usd) {
        let Some(usage) = usage else { return };
        self.push(&attr::GEN_AI_USAGE_INPUT_TOKENS, signed(usage.input));
        self.push(&attr::GEN_AI_USAGE_OUTPUT_TOKENS, signed(usage.output));
        if usage.cached_input > 0 {
            self.push(&attr::GEN_AI_USAGE_CACHE_READ, signed(usage.cached_input));
        }
        if usage.reasoning_output > 0 {
            self.push(&attr::GEN_AI_USAGE_REASONING, signed(usage.reasoning_output));
        }
        self.push(&attr::SLUICEGATE_COST_USD, cost.as_f64());
    }
}

fn signed(tokens: u64) -> i64 {
    i64::try_from(tokens).unwrap_or(i64::MAX)
}
