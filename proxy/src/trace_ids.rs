//! A request's ids in the trace it belongs to, fixed before anything is sent so that they can be
//! forwarded. It owns drawing them; parsing, trust and sampling are `telemetry`'s.

use http::HeaderMap;
use telemetry::{SpanId, TraceContext, Traces, Trust};

/// Ids of a request and of its attempts.
#[derive(Debug)]
pub struct TraceIds {
    context: TraceContext,
    attempts: [u64; ATTEMPTS],
}

/// Attempts that get a drawn id; later ones derive theirs.
const ATTEMPTS: usize = 4;

impl TraceIds {
    /// Continues the caller's trace or starts one.
    #[must_use]
    pub fn new(headers: &HeaderMap, trust: Trust) -> Self {
        let parents = headers.get_all("traceparent").iter().map(http::HeaderValue::as_bytes);
        let states = headers.get_all("tracestate").iter().map(http::HeaderValue::as_bytes);
        let context = TraceContext::accept(parents, states, trust, &mut rand::random);
        Self { context, attempts: std::array::from_fn(|_| rand::random::<u64>() | 1) }
    }

    /// The trace.
    #[must_use]
    pub fn context(&self) -> &TraceContext {
        &self.context
    }

    /// Span id of the attempt after `made` others; never 0.
    #[must_use]
    pub fn attempt_span(&self, made: usize) -> u64 {
        let drawn = self.attempts.get(made % ATTEMPTS).copied().unwrap_or(1);
        let round = u64::try_from(made / ATTEMPTS).unwrap_or(u64::MAX);
        (drawn ^ (round << 1)) | 1
    }

    /// The `traceparent` of an attempt's span, where traces are kept at all.
    #[must_use]
    pub fn traceparent(&self, traces: &Traces, span_id: u64) -> Option<String> {
        traces.traceparent(&self.context, SpanId::new(span_id.to_be_bytes())?)
    }
}
