//! Four requests as the gateway would settle them: plain, streamed, failed over and refused.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use telemetry::settled::{
    AiSettled, AttemptSettled, CostParts, Deployment, HookSettled, Method, RequestSettled, Scheme, WafSettled,
};
use telemetry::spans::{AttemptSpan, ExchangeTrace, PolicyClock, RootSpan, Stage, StageSpan};
use telemetry::{Instruments, SpanId, TraceContext, Traces, Trust};
use vocabulary::admin::shadow::Differs;
use vocabulary::{Moment, Operation, Prices, Reason, Usage, Usd};

pub(crate) const ROUTE: &str = "/v1/chat/completions";
pub(crate) const CALLER: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
pub(crate) const USAGE: Usage = Usage {
    input: 900,
    cached_input: 128,
    cache_write_input: 0,
    cache_write_1h_input: 0,
    output: 41,
    reasoning_output: 0,
};

pub(crate) fn prices() -> Prices {
    Prices {
        input: "2.50 USD/1M".parse().unwrap(),
        cached_input: "1.25 USD/1M".parse().unwrap(),
        output: "10 USD/1M".parse().unwrap(),
        ..Prices::default()
    }
}

pub(crate) fn deployment(backend: &'static str) -> Deployment<'static> {
    Deployment {
        backend,
        provider: "azure.ai.openai",
        model: "gpt-4o",
        pool: "chat",
        address: "east.example",
        port: 443,
    }
}

pub(crate) fn attempt(backend: &'static str) -> AttemptSettled<'static> {
    AttemptSettled {
        deployment: deployment(backend),
        operation: Operation::Chat,
        reason: None,
        failed_over: false,
        duration: Duration::from_millis(1_200),
        time_to_first_chunk: None,
        usage: Some(USAGE),
        cost: CostParts::of(&prices(), &USAGE),
    }
}

pub(crate) fn refused_attempt(backend: &'static str) -> AttemptSettled<'static> {
    AttemptSettled {
        reason: Some(Reason::BackendRateLimited),
        failed_over: true,
        duration: Duration::from_millis(30),
        usage: None,
        cost: CostParts::default(),
        ..attempt(backend)
    }
}

pub(crate) fn request() -> RequestSettled<'static> {
    RequestSettled {
        method: Method::Post,
        scheme: Scheme::Https,
        route: Some(ROUTE),
        status: 200,
        reason: None,
        would_refuse: &[],
        duration: Duration::from_millis(1_250),
        overhead: Duration::from_micros(140),
        ai: Some(AiSettled {
            operation: Operation::Chat,
            provider: Some("azure.ai.openai"),
            model: "gpt-4o",
            pool: Some("chat"),
            time_to_first_token: None,
            output_tokens: Some(USAGE.output),
        }),
    }
}

pub(crate) fn streamed(request: RequestSettled<'static>) -> RequestSettled<'static> {
    let ai = request.ai.map(|ai| AiSettled { time_to_first_token: Some(Duration::from_millis(450)), ..ai });
    RequestSettled { ai, ..request }
}

pub(crate) fn refused() -> RequestSettled<'static> {
    RequestSettled { status: 429, reason: Some(Reason::TokenLimit), ai: None, ..request() }
}

/// Records all four, as metrics.
pub(crate) fn record(instruments: &Instruments) {
    instruments.record_attempt(&attempt("east/gpt-4o"));
    instruments.record_request(&request());

    instruments.record_attempt(&AttemptSettled {
        time_to_first_chunk: Some(Duration::from_millis(400)),
        ..attempt("east/gpt-4o")
    });
    instruments.record_request(&streamed(request()));

    instruments.record_attempt(&refused_attempt("east/gpt-4o"));
    instruments.record_attempt(&attempt("west/gpt-4o"));
    instruments.record_request(&request());

    instruments.record_request(&refused());

    let hook =
        HookSettled { hook: "policy", outcome: "allow", cached: false, duration: Duration::from_millis(4) };
    instruments.record_hook(&hook);
    instruments.record_hook(&HookSettled { outcome: "deny", cached: true, ..hook });
    instruments.record_waf(&WafSettled {
        firewall: "chat",
        family: "sqli",
        class: "args",
        outcome: "refused",
    });
    instruments.record_compared(None);
    instruments.record_compared(Some((Differs::WouldRefuse, Some(Reason::MissingKey))));
}

fn arc(text: &str) -> Arc<str> {
    Arc::from(text)
}

pub(crate) fn millis(ms: u64) -> Moment {
    Moment(ms * 1_000_000)
}

pub(crate) fn origin() -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(1_795_000_000)
}

fn counting() -> impl FnMut() -> u64 {
    let mut last = 0x5eed;
    move || {
        last += 1;
        last
    }
}

pub(crate) fn continued() -> TraceContext {
    TraceContext::accept([CALLER.as_bytes()], [&b"vendor=opaque"[..]], Trust::Continue, &mut counting())
}

pub(crate) fn restarted() -> TraceContext {
    TraceContext::accept([CALLER.as_bytes()], [&b"vendor=opaque"[..]], Trust::Restart, &mut counting())
}

pub(crate) fn attempt_span(number: u32, backend: &str) -> AttemptSpan {
    AttemptSpan {
        span_id: SpanId::new([number as u8; 8]).unwrap(),
        number,
        start: millis(u64::from(number) * 100),
        first_chunk: None,
        end: millis(u64::from(number) * 100 + 50),
        backend: arc(backend),
        processing: Some(arc("eu")),
        provider: arc("azure.ai.openai"),
        address: arc("east.example"),
        port: 443,
        operation: Some(Operation::Chat),
        model: Some(arc("gpt-4o")),
        response_model: Some(arc("gpt-4o-2024-08-06")),
        stream: false,
        status: Some(200),
        reason: None,
        usage: Some(USAGE),
        finish_reasons: vec![arc("stop")],
        cost: prices().cost(&USAGE),
    }
}

pub(crate) fn plain_trace(context: TraceContext) -> ExchangeTrace {
    let stage = |(index, stage): (u64, Stage)| StageSpan {
        stage,
        start: millis(index),
        end: millis(index + 1),
        reason: None,
    };
    ExchangeTrace {
        context,
        clock: PolicyClock { origin: origin(), time_scale: 1.0 },
        root: RootSpan {
            start: millis(0),
            end: millis(1_250),
            method: Method::Post,
            scheme: Scheme::Https,
            route: Some(arc(ROUTE)),
            request_id: arc("req-1"),
            consumer: Some(arc("demo")),
            pool: Some(arc("chat")),
            operation: Some(Operation::Chat),
            model: Some(arc("gpt-4o")),
            stream: false,
            status: 200,
            reason: None,
            usage: Some(USAGE),
            cost: prices().cost(&USAGE),
            overhead: Duration::from_micros(140),
            bundle: arc("blake3:00"),
        },
        stages: (0..).zip(Stage::ALL).map(stage).collect(),
        attempts: vec![attempt_span(1, "east/gpt-4o")],
    }
}

pub(crate) fn streamed_trace() -> ExchangeTrace {
    let mut trace = plain_trace(restarted());
    trace.root.stream = true;
    trace.attempts[0].stream = true;
    trace.attempts[0].first_chunk = Some(millis(120));
    trace
}

pub(crate) fn failed_over_trace() -> ExchangeTrace {
    let mut trace = plain_trace(TraceContext::root(&mut counting()));
    let refused = AttemptSpan {
        status: Some(429),
        reason: Some(Reason::BackendRateLimited),
        usage: None,
        response_model: None,
        finish_reasons: Vec::new(),
        cost: Usd::ZERO,
        ..attempt_span(1, "east/gpt-4o")
    };
    trace.attempts = vec![refused, attempt_span(2, "west/gpt-4o")];
    trace
}

pub(crate) fn refused_trace() -> ExchangeTrace {
    let mut trace = plain_trace(TraceContext::root(&mut counting()));
    trace.root.status = 429;
    trace.root.reason = Some(Reason::TokenLimit);
    trace.root.usage = None;
    trace.root.cost = Usd::ZERO;
    trace.stages.truncate(4);
    trace.stages[3].reason = Some(Reason::TokenLimit);
    trace.attempts.clear();
    trace
}

/// Records `trace` the way the gateway does: only when it is kept.
pub(crate) fn keep(traces: &Traces, trace: &ExchangeTrace) {
    let outcome = telemetry::context::Outcome {
        reason: trace.root.reason,
        duration: trace.root.end.since(trace.root.start),
    };
    if traces.keep(&trace.context, &outcome) {
        traces.record(trace);
    }
}
