//! Attribute keys of metrics and spans. It owns their spelling and what their values may be; it refuses
//! keys whose values a caller could choose freely to stand on a metric.

/// An attribute.
#[derive(Debug, PartialEq, Eq, serde::Serialize)]
pub struct Attribute {
    /// Key, as OTLP carries it.
    pub key: &'static str,
    /// What its values are and what bounds them.
    pub description: &'static str,
}

macro_rules! attributes {
    ($($name:ident = $key:literal, $description:literal;)*) => {
        $(
            #[doc = concat!("`", $key, "`: ", $description)]
            pub static $name: Attribute = Attribute { key: $key, description: $description };
        )*

        /// Every attribute of a metric or a span.
        pub static ALL: &[&Attribute] = &[$(&$name,)*];
    };
}

attributes! {
    ERROR_TYPE = "error.type", "Reason code; absent when nothing failed.";
    HTTP_REQUEST_METHOD = "http.request.method", "Method, `_OTHER` outside RFC 9110 and RFC 5789.";
    HTTP_REQUEST_RESEND_COUNT = "http.request.resend_count", "Attempts made before this one.";
    HTTP_RESPONSE_STATUS_CODE = "http.response.status_code", "Status sent; 499 when the caller left first.";
    HTTP_ROUTE = "http.route", "Path template of the matched route, never the path.";
    URL_SCHEME = "url.scheme", "`http` or `https`.";
    SERVER_ADDRESS = "server.address", "Host name of the backend as configured.";
    SERVER_PORT = "server.port", "TCP port of the backend.";
    GEN_AI_OPERATION_NAME = "gen_ai.operation.name", "`chat`, `text_completion`, `embeddings` or `list_models`.";
    GEN_AI_PROVIDER_NAME = "gen_ai.provider.name", "Provider of the backend; `sluicegate` when none answered.";
    GEN_AI_REQUEST_MODEL = "gen_ai.request.model", "Model, as the manifest names it.";
    GEN_AI_REQUEST_STREAM = "gen_ai.request.stream", "Whether a stream was asked for.";
    GEN_AI_RESPONSE_FINISH_REASONS = "gen_ai.response.finish_reasons", "Why generation ended, per choice.";
    GEN_AI_RESPONSE_MODEL = "gen_ai.response.model", "Model the backend says it used; spans only.";
    GEN_AI_TOKEN_TYPE = "gen_ai.token.type", "`input` or `output`.";
    GEN_AI_USAGE_INPUT_TOKENS = "gen_ai.usage.input_tokens", "Prompt tokens, cached ones included.";
    GEN_AI_USAGE_OUTPUT_TOKENS = "gen_ai.usage.output_tokens", "Generated tokens, reasoning included.";
    GEN_AI_USAGE_CACHE_READ = "gen_ai.usage.cache_read.input_tokens", "Prompt tokens read from the provider's cache.";
    GEN_AI_USAGE_REASONING = "gen_ai.usage.reasoning.output_tokens", "Generated tokens spent on reasoning.";
    SLUICEGATE_ATTEMPT = "sluicegate.attempt", "1 for the first attempt.";
    SLUICEGATE_BACKEND = "sluicegate.backend", "`backend/deployment` of the manifest.";
    SLUICEGATE_BUNDLE = "sluicegate.bundle", "Digest of the policy that decided.";
    SLUICEGATE_CACHED = "sluicegate.cached", "Whether a remembered decision was used.";
    SLUICEGATE_CAUSE = "sluicegate.cause", "`queue_full` or `not_written`.";
    SLUICEGATE_CLASS = "sluicegate.class", "Where a rule matched (`args`, `request_cookies`, …), or the kind of what was found.";
    SLUICEGATE_CONSUMER = "sluicegate.consumer", "Consumer's name in the manifest.";
    SLUICEGATE_COST_COMPONENT = "sluicegate.cost.component", "`input`, `output` or `cache_read`.";
    SLUICEGATE_COST_USD = "sluicegate.cost.usd", "Cost in USD.";
    SLUICEGATE_DIFFERENCE = "sluicegate.difference", "`would_refuse`, `would_allow`, `other_reason`, `other_route`, `other_pool` or `other_members`.";
    SLUICEGATE_FAMILY = "sluicegate.family", "Family of the rule (`sqli`, `xss`, …), or `bot`, `shape`, `jailbreak`, `leak`, `answer`.";
    SLUICEGATE_HOOK = "sluicegate.hook", "Hook's name in the manifest.";
    SLUICEGATE_OUTCOME = "sluicegate.outcome", "`allow`, `deny`, or why there was no decision: `timeout`, `unreached`, `status`, `too_long`, `malformed`, `resting`. Of a firewall: `noted`, `masked`, `would_refuse` or `refused`.";
    SLUICEGATE_OVERHEAD = "sluicegate.overhead", "The gateway's own share of the time, in seconds.";
    SLUICEGATE_POOL = "sluicegate.pool", "Pool's name in the manifest.";
    SLUICEGATE_PROCESSING = "sluicegate.processing", "Where the backend processes data: a zone, a country or `global`; spans only.";
    SLUICEGATE_REASON = "sluicegate.reason", "Reason code.";
    SLUICEGATE_REQUEST_ID = "sluicegate.request_id", "Request id, as in the `x-request-id` response header.";
    SLUICEGATE_RESULT = "sluicegate.result", "`accepted` or `rejected`.";
    SLUICEGATE_SIGNAL = "sluicegate.signal", "`traces`, `metrics` or `access_log`.";
    SLUICEGATE_SLI = "sluicegate.sli", "`good`, `bad` (backend or gateway failed) or `excluded` (caller's mistake, policy, departure).";
    SLUICEGATE_STORE = "sluicegate.store", "`journal` (counts on this replica's disk) or `shared` (what replicas share).";
    SLUICEGATE_VERSION = "sluicegate.version", "Product version.";
    SLUICEGATE_WAF = "sluicegate.waf", "Firewall's name in the manifest.";
}
