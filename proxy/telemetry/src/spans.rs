//! One settled request as a tree of spans. It owns the plain structs, the tree's shape and its names; it
//! refuses to start spans while a request runs: the tree is built once, at settle, and only when kept.

#[cfg(feature = "otlp")]
mod build;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use vocabulary::{Moment, Operation, Reason, Usage, Usd};

use crate::context::{Outcome, Sampling, SpanId, TraceContext};
#[cfg(feature = "otlp")]
use crate::otlp::SpanSink;
use crate::settled::{Method, Scheme};

/// Where the policy clock stands on the wall clock.
#[derive(Clone, Copy, Debug)]
pub struct PolicyClock {
    /// Wall-clock time of [`Moment::ZERO`].
    pub origin: SystemTime,
    /// Policy seconds per wall-clock second; 1 outside compressed runs.
    pub time_scale: f64,
}

impl PolicyClock {
    /// The wall-clock time of a policy moment.
    #[must_use]
    pub fn at(&self, moment: Moment) -> SystemTime {
        let nanos =
            if self.time_scale == 1.0 { moment.0 } else { (moment.0 as f64 / self.time_scale) as u64 };
        self.origin.checked_add(Duration::from_nanos(nanos)).unwrap_or(self.origin)
    }
}

/// One request, with all its spans need to know.
#[derive(Clone, Debug)]
pub struct ExchangeTrace {
    /// Ids and ancestry.
    pub context: TraceContext,
    /// For all moments below.
    pub clock: PolicyClock,
    /// The SERVER span.
    pub root: RootSpan,
    /// INTERNAL children, in order.
    pub stages: Vec<StageSpan>,
    /// CLIENT children, in order.
    pub attempts: Vec<AttemptSpan>,
}

/// The SERVER span `POST /v1/chat/completions`.
#[derive(Clone, Debug)]
pub struct RootSpan {
    /// Arrival.
    pub start: Moment,
    /// Last byte.
    pub end: Moment,
    /// Method.
    pub method: Method,
    /// Scheme.
    pub scheme: Scheme,
    /// The matched route's path template.
    pub route: Option<Arc<str>>,
    /// The request id, as in the `x-request-id` response header.
    pub request_id: Arc<str>,
    /// Consumer's name.
    pub consumer: Option<Arc<str>>,
    /// The pool.
    pub pool: Option<Arc<str>>,
    /// Operation, for AI routes.
    pub operation: Option<Operation>,
    /// The model, as the manifest names it.
    pub model: Option<Arc<str>>,
    /// Whether the caller asked for a stream.
    pub stream: bool,
    /// Status sent to the caller; 499 when the caller left before one was.
    pub status: u16,
    /// Why it was refused, failed or cut.
    pub reason: Option<Reason>,
    /// Settled usage.
    pub usage: Option<Usage>,
    /// Cost, failed attempts included.
    pub cost: Usd,
    /// The gateway's own wall-clock share.
    pub overhead: Duration,
    /// Digest of the bundle that decided.
    pub bundle: Arc<str>,
}

/// A stage of the gateway that is worth a span.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Stage {
    /// Route and caller.
    Identify,
    /// Access rules and rate limits.
    Admit,
    /// Body and its facts.
    Inspect,
    /// Tokens and money.
    Reserve,
    /// The backend.
    Choose,
    /// Headers, payload, dialect.
    Rewrite,
    /// Account.
    Settle,
}

impl Stage {
    /// Every stage, in order.
    pub const ALL: [Self; 7] = [
        Self::Identify,
        Self::Admit,
        Self::Inspect,
        Self::Reserve,
        Self::Choose,
        Self::Rewrite,
        Self::Settle,
    ];

    /// The span's name.
    #[must_use]
    pub const fn span_name(self) -> &'static str {
        match self {
            Self::Identify => "sluicegate.identify",
            Self::Admit => "sluicegate.admit",
            Self::Inspect => "sluicegate.inspect",
            Self::Reserve => "sluicegate.reserve",
            Self::Choose => "sluicegate.choose",
            Self::Rewrite => "sluicegate.rewrite",
            Self::Settle => "sluicegate.settle",
        }
    }
}

/// An INTERNAL span of one stage.
#[derive(Clone, Copy, Debug)]
pub struct StageSpan {
    /// Which.
    pub stage: Stage,
    /// Begin.
    pub start: Moment,
    /// End.
    pub end: Moment,
    /// Why this stage ended the request, if it did.
    pub reason: Option<Reason>,
}

/// The CLIENT span `chat gpt-4o` of one attempt.
#[derive(Clone, Debug)]
pub struct AttemptSpan {
    /// Chosen before sending, so that `traceparent` could announce it upstream.
    pub span_id: SpanId,
    /// 1 for the first attempt.
    pub number: u32,
    /// Begin of sending.
    pub start: Moment,
    /// First output-bearing event; streams only.
    pub first_chunk: Option<Moment>,
    /// End.
    pub end: Moment,
    /// `backend/deployment`.
    pub backend: Arc<str>,
    /// Where it processes data, if that is known.
    pub processing: Option<Arc<str>>,
    /// `gen_ai.provider.name`.
    pub provider: Arc<str>,
    /// Host name of the backend as configured.
    pub address: Arc<str>,
    /// TCP port of the backend.
    pub port: u16,
    /// Operation; a piped request has none.
    pub operation: Option<Operation>,
    /// The model, as the manifest names it.
    pub model: Option<Arc<str>>,
    /// The model the backend says it used.
    pub response_model: Option<Arc<str>>,
    /// Whether a stream was asked for.
    pub stream: bool,
    /// Status of the backend, if one arrived.
    pub status: Option<u16>,
    /// Why it did not serve the request, if so.
    pub reason: Option<Reason>,
    /// Tokens, if known.
    pub usage: Option<Usage>,
    /// Why generation ended, per choice: `stop`, `length`, ….
    pub finish_reasons: Vec<Arc<str>>,
    /// What it cost.
    pub cost: Usd,
}

/// Takes the traces of settled requests. Clones share one queue; without export it keeps nothing.
#[derive(Clone, Debug, Default)]
pub struct Traces {
    #[cfg(feature = "otlp")]
    sink: Option<Arc<SpanSink>>,
    sampling: Option<Sampling>,
}

impl Traces {
    /// Keeps nothing.
    #[must_use]
    pub fn disabled() -> Self {
        Self::default()
    }

    #[cfg(feature = "otlp")]
    pub(crate) fn exporting(sink: Arc<SpanSink>, sampling: Sampling) -> Self {
        Self { sink: Some(sink), sampling: Some(sampling) }
    }

    /// The `traceparent` to send upstream with the attempt whose span will be `attempt`; its
    /// `tracestate` is [`TraceContext::state`]. Without export the caller's own is passed on, if its
    /// trace is continued: a parent that no collector will ever see would tear the trace apart.
    #[must_use]
    pub fn traceparent(&self, context: &TraceContext, attempt: SpanId) -> Option<String> {
        match self.sampling {
            Some(sampling) => Some(context.traceparent(attempt, sampling.head(context))),
            None => Some(context.traceparent(context.parent?, context.parent_sampled?)),
        }
    }

    /// Whether the trace is kept, now that the request is over. Ask before building an
    /// [`ExchangeTrace`].
    #[must_use]
    pub fn keep(&self, context: &TraceContext, outcome: &Outcome) -> bool {
        self.sampling.is_some_and(|sampling| sampling.keep(context, outcome))
    }

    /// Queues the spans of a kept request. Never blocks: when the queue has no room for the whole trace
    /// all of it is dropped and counted, so that no trace arrives in part.
    pub fn record(&self, trace: &ExchangeTrace) {
        #[cfg(feature = "otlp")]
        if let Some(sink) = &self.sink {
            sink.submit(build::spans(trace));
        }
        #[cfg(not(feature = "otlp"))]
        let _ = trace;
    }
}
