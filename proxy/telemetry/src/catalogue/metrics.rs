//! The metrics themselves. It owns the table; adding a row here is what makes a metric exist.

use super::attributes::{
    Attribute, ERROR_TYPE, GEN_AI_OPERATION_NAME, GEN_AI_PROVIDER_NAME, GEN_AI_REQUEST_MODEL,
    GEN_AI_TOKEN_TYPE, HTTP_REQUEST_METHOD, HTTP_RESPONSE_STATUS_CODE, HTTP_ROUTE, SERVER_ADDRESS,
    SERVER_PORT, SLUICEGATE_BACKEND, SLUICEGATE_CACHED, SLUICEGATE_CAUSE, SLUICEGATE_CLASS,
    SLUICEGATE_COST_COMPONENT, SLUICEGATE_DIFFERENCE, SLUICEGATE_FAMILY, SLUICEGATE_HOOK, SLUICEGATE_OUTCOME,
    SLUICEGATE_POOL, SLUICEGATE_REASON, SLUICEGATE_RESULT, SLUICEGATE_SIGNAL, SLUICEGATE_SLI,
    SLUICEGATE_STORE, SLUICEGATE_VERSION, SLUICEGATE_WAF, URL_SCHEME,
};
use super::{Kind, Metric};

/// OTel's HTTP buckets, continued past 10 s because model answers take minutes.
const HTTP_DURATION: &[f64] = &[
    0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0, 15.0, 30.0, 60.0, 120.0,
    300.0, 600.0,
];

/// OTel's GenAI buckets, continued past 81.92 s for long reasoning.
const MODEL_DURATION: &[f64] = &[
    0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92, 163.84, 327.68,
    600.0,
];

/// OTel's GenAI buckets with the lines at which first-chunk objectives are drawn.
const FIRST_CHUNK: &[f64] = &[
    0.01, 0.02, 0.04, 0.08, 0.16, 0.25, 0.32, 0.5, 0.64, 1.0, 1.28, 2.5, 2.56, 5.0, 5.12, 10.24, 20.48,
    40.96, 81.92,
];

/// OTel's buckets for a model server's first token, continued past 10 s for loaded backends.
const FIRST_TOKEN: &[f64] = &[
    0.001, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0, 15.0, 30.0,
    60.0,
];

/// OTel's buckets for time per token, with finer ones for fast models.
const PER_TOKEN: &[f64] =
    &[0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.75, 1.0, 2.5];

/// OTel's token buckets: powers of four.
const TOKENS: &[f64] = &[
    1.0,
    4.0,
    16.0,
    64.0,
    256.0,
    1_024.0,
    4_096.0,
    16_384.0,
    65_536.0,
    262_144.0,
    1_048_576.0,
    4_194_304.0,
    16_777_216.0,
    67_108_864.0,
];

/// From 50 µs, a good request, to 100 ms, a broken gateway; 5 ms is the promise.
const OVERHEAD: &[f64] =
    &[0.000_05, 0.000_1, 0.000_25, 0.000_5, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1];

/// From a remembered decision, some microseconds, to the longest timeout a hook may have.
const HOOK: &[f64] =
    &[0.000_01, 0.000_1, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0];

/// What identifies an attempt.
const ATTEMPT: &[&Attribute] = &[
    &GEN_AI_OPERATION_NAME,
    &GEN_AI_PROVIDER_NAME,
    &GEN_AI_REQUEST_MODEL,
    &SERVER_ADDRESS,
    &SERVER_PORT,
    &SLUICEGATE_BACKEND,
    &SLUICEGATE_POOL,
];

/// What identifies an attempt and how it ended.
const ATTEMPT_ENDED: &[&Attribute] = &[
    &GEN_AI_OPERATION_NAME,
    &GEN_AI_PROVIDER_NAME,
    &GEN_AI_REQUEST_MODEL,
    &SERVER_ADDRESS,
    &SERVER_PORT,
    &SLUICEGATE_BACKEND,
    &SLUICEGATE_POOL,
    &ERROR_TYPE,
];

/// What identifies an answer of the gateway as a model server.
const ANSWER: &[&Attribute] =
    &[&GEN_AI_OPERATION_NAME, &GEN_AI_PROVIDER_NAME, &GEN_AI_REQUEST_MODEL, &SLUICEGATE_POOL];

macro_rules! metrics {
    ($($(#[doc = $doc:literal])* $name:ident = $metric:literal, $unit:literal, $kind:ident, [$($buckets:expr)?], $attributes:expr, $cardinality:literal;)*) => {
        $(
            $(#[doc = $doc])*
            pub static $name: Metric = Metric {
                name: $metric,
                unit: $unit,
                kind: Kind::$kind,
                description: concat!($($doc),*).trim_ascii(),
                buckets: metrics!(@buckets $($buckets)?),
                attributes: $attributes,
                cardinality: $cardinality,
            };
        )*

        /// Every metric, in the order of the reference documentation.
        pub static METRICS: &[&Metric] = &[$(&$name,)*];
    };
    (@buckets) => { &[] };
    (@buckets $buckets:expr) => { $buckets };
}

metrics! {
    /// Time from arrival to the last byte, as the caller saw it.
    HTTP_SERVER_REQUEST_DURATION = "http.server.request.duration", "s", Histogram, [HTTP_DURATION],
        &[&HTTP_REQUEST_METHOD, &URL_SCHEME, &HTTP_ROUTE, &HTTP_RESPONSE_STATUS_CODE, &ERROR_TYPE, &SLUICEGATE_SLI], 2000;
    /// Requests in flight.
    HTTP_SERVER_ACTIVE_REQUESTS = "http.server.active_requests", "{request}", UpDownCounter, [],
        &[&HTTP_REQUEST_METHOD, &URL_SCHEME], 32;
    /// The gateway's own share of a request's time, in wall-clock seconds.
    OVERHEAD_DURATION = "sluicegate.overhead.duration", "s", Histogram, [OVERHEAD], &[&HTTP_ROUTE], 500;
    /// Requests that ended with a reason: refused, failed or cut.
    REFUSALS = "sluicegate.refusals", "{request}", Counter, [], &[&SLUICEGATE_REASON], 100;
    /// Requests that a rule in shadow mode let pass and would have refused if enforced.
    SHADOW_REFUSALS = "sluicegate.shadow.refusals", "{request}", Counter, [], &[&SLUICEGATE_REASON], 100;
    /// Requests followed through a second policy beside the one in force.
    SHADOW_COMPARED = "sluicegate.shadow.compared", "{request}", Counter, [], &[], 1;
    /// Those of them that the second policy would have treated otherwise, by the first difference.
    SHADOW_DIFFERENCES = "sluicegate.shadow.differences", "{request}", Counter, [], &[&SLUICEGATE_DIFFERENCE, &SLUICEGATE_REASON], 300;
    /// Time a request waited for a policy hook's decision, whatever came of it.
    HOOK_DURATION = "sluicegate.hook.duration", "s", Histogram, [HOOK], &[&SLUICEGATE_HOOK, &SLUICEGATE_OUTCOME, &SLUICEGATE_CACHED], 500;
    /// What firewalls found, once per request and kind: rules by their family and by where they matched, everything
    /// else by its own kind.
    WAF_FINDINGS = "sluicegate.waf.findings", "{finding}", Counter, [], &[&SLUICEGATE_WAF, &SLUICEGATE_FAMILY, &SLUICEGATE_CLASS, &SLUICEGATE_OUTCOME], 1000;
    /// Time from sending an attempt to its end.
    GEN_AI_CLIENT_OPERATION_DURATION = "gen_ai.client.operation.duration", "s", Histogram, [MODEL_DURATION], ATTEMPT_ENDED, 2000;
    /// Time from sending an attempt to its first output-bearing event; streams only.
    GEN_AI_CLIENT_TIME_TO_FIRST_CHUNK = "gen_ai.client.operation.time_to_first_chunk", "s", Histogram, [FIRST_CHUNK], ATTEMPT, 1000;
    /// Tokens of one attempt, by type: a distribution. Totals are in the counters below.
    GEN_AI_CLIENT_TOKEN_USAGE = "gen_ai.client.token.usage", "{token}", Histogram, [TOKENS],
        &[&GEN_AI_OPERATION_NAME, &GEN_AI_PROVIDER_NAME, &GEN_AI_REQUEST_MODEL, &SERVER_ADDRESS, &SERVER_PORT,
            &SLUICEGATE_BACKEND, &SLUICEGATE_POOL, &GEN_AI_TOKEN_TYPE], 2000;
    /// Prompt tokens, cached ones included.
    GEN_AI_CLIENT_INPUT_TOKENS = "gen_ai.client.inference.usage.input_tokens", "{token}", Counter, [], ATTEMPT, 1000;
    /// Generated tokens, reasoning included.
    GEN_AI_CLIENT_OUTPUT_TOKENS = "gen_ai.client.inference.usage.output_tokens", "{token}", Counter, [], ATTEMPT, 1000;
    /// Prompt tokens read from the provider's cache; a part of the input tokens.
    GEN_AI_CLIENT_CACHE_READ_TOKENS = "gen_ai.client.inference.usage.cache_read.input_tokens", "{token}", Counter, [], ATTEMPT, 1000;
    /// Time from arrival to the end of a model answer, all attempts included.
    GEN_AI_SERVER_REQUEST_DURATION = "gen_ai.server.request.duration", "s", Histogram, [MODEL_DURATION],
        &[&GEN_AI_OPERATION_NAME, &GEN_AI_PROVIDER_NAME, &GEN_AI_REQUEST_MODEL, &SLUICEGATE_POOL, &ERROR_TYPE], 1000;
    /// Time from arrival to the first output-bearing event; successful streams only.
    GEN_AI_SERVER_TIME_TO_FIRST_TOKEN = "gen_ai.server.time_to_first_token", "s", Histogram, [FIRST_TOKEN], ANSWER, 1000;
    /// Time per generated token after the first; successful streams only.
    GEN_AI_SERVER_TIME_PER_OUTPUT_TOKEN = "gen_ai.server.time_per_output_token", "s", Histogram, [PER_TOKEN], ANSWER, 1000;
    /// Attempts that failed and were followed by another, by reason and failed backend.
    FAILOVERS = "sluicegate.failovers", "{attempt}", Counter, [], &[&SLUICEGATE_REASON, &SLUICEGATE_BACKEND], 2000;
    /// Money spent, failed attempts included.
    COST = "sluicegate.cost", "{USD}", Counter, [],
        &[&GEN_AI_PROVIDER_NAME, &GEN_AI_REQUEST_MODEL, &SLUICEGATE_BACKEND, &SLUICEGATE_POOL, &SLUICEGATE_COST_COMPONENT], 2000;
    /// Share of a pool's recent requests that went to a member.
    POOL_SHARE = "sluicegate.pool.share", "1", Gauge, [], &[&SLUICEGATE_POOL, &SLUICEGATE_BACKEND], 1000;
    /// What an adaptive pool pays to avoid one missed objective.
    POOL_LAMBDA = "sluicegate.pool.lambda", "{USD}", Gauge, [], &[&SLUICEGATE_POOL], 200;
    /// 1 when a backend takes traffic, 0 when it is unhealthy, ejected, cooling down or out of quota.
    BACKEND_READY = "sluicegate.backend.ready", "{ready}", Gauge, [], &[&SLUICEGATE_BACKEND], 1000;
    /// 1 when what counts are kept in works, 0 when it does not: a disk that is full, a server that is away.
    STORE_AVAILABLE = "sluicegate.store.available", "{available}", Gauge, [], &[&SLUICEGATE_STORE], 2;
    /// Policies accepted since the first start.
    CONFIG_GENERATION = "sluicegate.config.generation", "{generation}", Gauge, [], &[], 1;
    /// Policies offered, by result.
    CONFIG_RELOADS = "sluicegate.config.reloads", "{reload}", Counter, [], &[&SLUICEGATE_RESULT], 2;
    /// Telemetry given up so that requests were not held up.
    TELEMETRY_DROPPED = "sluicegate.telemetry.dropped", "{item}", Counter, [], &[&SLUICEGATE_SIGNAL], 8;
    /// Stories of failed requests that `why` does not have, since they were not kept.
    STORIES_DROPPED = "sluicegate.stories.dropped", "{story}", Counter, [], &[&SLUICEGATE_CAUSE], 2;
    /// Always 1; its absence means that a gateway is gone.
    BUILD_INFO = "sluicegate.build_info", "{build}", Gauge, [], &[&SLUICEGATE_VERSION], 1;
}
