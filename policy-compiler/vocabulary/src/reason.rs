//! The closed list of why a request was refused, retried, failed over or cut. It owns the code, status
//! and class of each; it refuses to render a body (the caller's dialect in `wire` does) and carries no
//! request data, so it can stand in a metric label.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Who is at fault, for service-level accounting.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ReasonKind {
    /// The caller's request cannot be served as sent.
    Request,
    /// A policy of the operator refused it.
    Policy,
    /// A backend failed.
    Backend,
    /// The gateway itself failed or is shutting down.
    Gateway,
    /// The caller went away.
    Caller,
}

macro_rules! reasons {
    ($($(#[$doc:meta])* $name:ident = $code:literal, $status:literal, $kind:ident, $openai_type:literal;)*) => {
        /// Why a request was refused, retried, failed over or cut short.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
        #[serde(rename_all = "snake_case")]
        #[non_exhaustive]
        pub enum Reason { $($(#[$doc])* $name,)* }

        impl Reason {
            /// Every reason, in declaration order: for tables, metrics initialised at zero, and docs.
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];

            /// The code used in metrics, audit, access log and error bodies.
            #[must_use]
            pub const fn code(self) -> &'static str {
                match self { $(Self::$name => $code,)* }
            }

            /// The HTTP status (RFC 9110 §15) a caller sees when this ends the request.
            #[must_use]
            pub const fn status(self) -> u16 {
                match self { $(Self::$name => $status,)* }
            }

            /// Who is at fault.
            #[must_use]
            pub const fn kind(self) -> ReasonKind {
                match self { $(Self::$name => ReasonKind::$kind,)* }
            }

            /// The `type` of an OpenAI error object.
            #[must_use]
            pub const fn openai_type(self) -> &'static str {
                match self { $(Self::$name => $openai_type,)* }
            }
        }
    };
}

reasons! {
    /// The request breaks HTTP, or could be read in two ways.
    MalformedRequest = "malformed_request", 400, Request, "invalid_request_error";
    /// The body is not the JSON object the operation needs.
    InvalidJson = "invalid_json", 400, Request, "invalid_request_error";
    /// A required field is missing or has the wrong type.
    InvalidField = "invalid_field", 400, Request, "invalid_request_error";
    /// `Content-Type` is not `application/json`.
    UnsupportedMediaType = "unsupported_media_type", 415, Request, "invalid_request_error";
    /// `Content-Encoding` other than identity.
    UnsupportedEncoding = "unsupported_encoding", 415, Request, "invalid_request_error";
    /// The body is larger than the listener allows.
    BodyTooLarge = "body_too_large", 413, Request, "invalid_request_error";
    /// The body did not arrive in time.
    BodyTimeout = "body_timeout", 408, Request, "invalid_request_error";
    /// No route has this host and path.
    UnknownRoute = "unknown_route", 404, Request, "invalid_request_error";
    /// A route has this path, but not this method.
    MethodNotAllowed = "method_not_allowed", 405, Request, "invalid_request_error";
    /// No route serves this model for this caller.
    UnknownModel = "unknown_model", 404, Request, "invalid_request_error";
    /// The request uses what the chosen backend's API has no place for.
    Untranslatable = "untranslatable", 400, Request, "invalid_request_error";
    /// No backend of the route offers this operation.
    OperationUnsupported = "operation_unsupported", 404, Request, "invalid_request_error";
    /// The response this one continues is unknown here, or its backend is gone.
    UnknownResponse = "unknown_response", 404, Request, "invalid_request_error";
    /// The prompt and the asked output exceed every candidate's context window.
    ContextWindowExceeded = "context_window_exceeded", 400, Request, "invalid_request_error";
    /// No API key was presented.
    MissingKey = "missing_key", 401, Policy, "invalid_request_error";
    /// The presented API key is unknown.
    InvalidKey = "invalid_key", 401, Policy, "invalid_request_error";
    /// The presented API key has expired or was revoked.
    ExpiredKey = "expired_key", 401, Policy, "invalid_request_error";
    /// The presented token is not one of a believed issuer, or was tampered with.
    InvalidToken = "invalid_token", 401, Policy, "invalid_request_error";
    /// The presented token is not valid yet or not any more.
    ExpiredToken = "expired_token", 401, Policy, "invalid_request_error";
    /// The presented token lacks a scope, a role or a team.
    InsufficientScope = "insufficient_scope", 403, Policy, "invalid_request_error";
    /// The issuer's keys cannot be had, so that no token can be verified.
    IssuerUnavailable = "issuer_unavailable", 503, Gateway, "server_error";
    /// The client certificate belongs to nobody known.
    InvalidCertificate = "invalid_certificate", 403, Policy, "invalid_request_error";
    /// The client's address may not come in.
    AddressForbidden = "address_forbidden", 403, Policy, "invalid_request_error";
    /// The client's country may not come in, or is unknown.
    CountryForbidden = "country_forbidden", 403, Policy, "invalid_request_error";
    /// A required header is missing or has another value.
    HeaderRequired = "header_required", 403, Policy, "invalid_request_error";
    /// A rule of the access control list refuses the request; its status is the rule's.
    AclBlocked = "acl_blocked", 403, Policy, "invalid_request_error";
    /// A rule of the web application firewall refuses the request or its answer; its status is the rule's.
    WafBlocked = "waf_blocked", 403, Policy, "invalid_request_error";
    /// The firewall's rules cannot be used, and the manifest says closed.
    WafUnavailable = "waf_unavailable", 503, Gateway, "server_error";
    /// The body can be read in more than one way.
    AmbiguousBody = "ambiguous_body", 400, Request, "invalid_request_error";
    /// The request holds more than the firewall allows.
    ShapeExceeded = "shape_exceeded", 413, Policy, "invalid_request_error";
    /// The kind of client is not served.
    BotBlocked = "bot_blocked", 403, Policy, "invalid_request_error";
    /// The address has shown too many wrong keys.
    KeyFailures = "key_failures", 429, Policy, "requests";
    /// The prompt wants the model to break its instructions.
    JailbreakBlocked = "jailbreak_blocked", 403, Policy, "invalid_request_error";
    /// The prompt holds secrets or personal data that may not leave.
    LeakBlocked = "leak_blocked", 403, Policy, "invalid_request_error";
    /// The answer held what may not be passed on.
    AnswerBlocked = "answer_blocked", 403, Policy, "invalid_request_error";
    /// The connection's TLS is older than the listener takes.
    TlsVersion = "tls_version", 426, Policy, "invalid_request_error";
    /// No backend may process the caller's data where its team wants it processed.
    Residency = "residency", 403, Policy, "invalid_request_error";
    /// The policy hook refused the request.
    HookRefused = "hook_refused", 403, Policy, "invalid_request_error";
    /// The policy hook did not answer, and the manifest says closed.
    HookUnavailable = "hook_unavailable", 503, Gateway, "server_error";
    /// The consumer may not use this route.
    RouteForbidden = "route_forbidden", 403, Policy, "invalid_request_error";
    /// Requests per window are spent.
    RequestLimit = "request_limit", 429, Policy, "requests";
    /// Tokens per window are spent.
    TokenLimit = "token_limit", 429, Policy, "tokens";
    /// As many requests as may be are under way.
    StreamLimit = "stream_limit", 429, Policy, "requests";
    /// The money of this calendar period is spent.
    BudgetExhausted = "budget_exhausted", 429, Policy, "insufficient_quota";
    /// The stream was cut because its hard ceiling was reached.
    CeilingReached = "ceiling_reached", 429, Policy, "insufficient_quota";
    /// Counts cannot be had or kept, and the manifest says closed.
    StoreUnavailable = "store_unavailable", 503, Gateway, "server_error";
    /// Shed, since requests of higher priority need the room.
    Overloaded = "overloaded", 503, Gateway, "server_error";
    /// Connecting to the backend failed.
    BackendConnect = "backend_connect", 502, Backend, "server_error";
    /// The TLS handshake with the backend failed.
    BackendTls = "backend_tls", 502, Backend, "server_error";
    /// The backend sent no response header, or no first event, in time.
    BackendTimeout = "backend_timeout", 504, Backend, "server_error";
    /// The backend closed or reset the connection before it answered.
    BackendReset = "backend_reset", 502, Backend, "server_error";
    /// The backend answered 429.
    BackendRateLimited = "backend_rate_limited", 429, Backend, "requests";
    /// The backend says the account's quota is gone; retrying does not help.
    BackendQuota = "backend_quota", 429, Backend, "insufficient_quota";
    /// The backend answered 5xx.
    BackendError = "backend_error", 502, Backend, "server_error";
    /// The backend refused the gateway's own credential (401 or 403).
    BackendAuth = "backend_auth", 502, Backend, "server_error";
    /// The backend's credential could not be read.
    BackendCredential = "backend_credential", 502, Backend, "server_error";
    /// The backend's answer breaks HTTP, JSON or SSE.
    BackendProtocol = "backend_protocol", 502, Backend, "server_error";
    /// The backend refused the request itself (other 4xx); passed through.
    BackendRefused = "backend_refused", 400, Backend, "invalid_request_error";
    /// The stream broke after its first event had been relayed.
    StreamBroken = "stream_broken", 502, Backend, "server_error";
    /// The stream fell silent for longer than the idle limit.
    StreamIdle = "stream_idle", 504, Backend, "server_error";
    /// Every member of the pool is ejected, spent or cooling down.
    NoBackend = "no_backend", 503, Backend, "server_error";
    /// The pool's retries are used up for now, so a failed attempt was not followed by another.
    RetryBudget = "retry_budget", 503, Backend, "server_error";
    /// The request's deadline passed before any backend answered.
    DeadlineExceeded = "deadline_exceeded", 504, Backend, "server_error";
    /// The caller closed the connection.
    ClientClosed = "client_closed", 499, Caller, "server_error";
    /// The gateway is shutting down.
    Draining = "draining", 503, Gateway, "server_error";
    /// A fault of the gateway.
    Internal = "internal", 500, Gateway, "server_error";
}

impl Reason {
    /// Whether the service-level objective counts a request that ended so as bad: backend and gateway
    /// faults are, refusals by request or policy and departed callers are not.
    #[must_use]
    pub const fn is_bad(self) -> bool {
        matches!(self.kind(), ReasonKind::Backend | ReasonKind::Gateway)
            && !matches!(self, Self::BackendRefused)
    }
}

impl std::fmt::Display for Reason {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.code())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn serde_spells_a_reason_as_its_code() {
        for reason in Reason::ALL {
            assert_eq!(serde_json::to_value(reason).unwrap(), reason.code());
        }
    }

    #[test]
    fn every_status_is_an_error_status() {
        assert!(Reason::ALL.iter().all(|r| (400..600).contains(&r.status())));
    }
}
