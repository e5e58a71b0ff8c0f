//! The kinds of fault, their fields and their two written forms. It owns what each may be set to; it
//! refuses to know when one strikes, which is the script's.

use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// Longest event a fault makes, in bytes.
const MOST_BYTES: u64 = 256 << 20;

/// A kind of fault. Counts of events include the first one, which carries only the role.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum FaultKind {
    /// The whole server works `factor` times as slowly: prefill and decode.
    Slow {
        /// 2.0 takes twice as long.
        factor: f64,
    },
    /// The whole server is short of capacity: the first token takes `factor` times as long, quota and
    /// slots shrink to `capacity`, and a share of requests fails with 503.
    BrownOut {
        /// Factor on the wait for the first token.
        factor: f64,
        /// Share of quota and slots that is left.
        #[serde(default = "one")]
        capacity: f64,
        /// Share of requests that fail.
        #[serde(default)]
        error_ratio: f64,
    },
    /// 429 whatever the quota says.
    RateLimited {
        /// Seconds for `retry-after`; no such header when absent.
        #[serde(default)]
        retry_after: Option<f64>,
    },
    /// An error status with an OpenAI error object.
    ServerError {
        /// 400 to 599.
        status: u16,
    },
    /// The request is taken and never answered.
    HangBeforeHeaders,
    /// The stream stops without ending.
    HangMidStream {
        /// Events sent before.
        after_events: u64,
    },
    /// The connection is reset before any byte of the answer.
    ResetBeforeHeaders,
    /// The connection is closed in the middle of the stream, between two events.
    DropMidStream {
        /// Events sent before.
        after_events: u64,
    },
    /// The connection is reset in the middle of the stream.
    ResetMidStream {
        /// Events sent before.
        after_events: u64,
    },
    /// The connection is closed inside a chunk of the transfer encoding.
    TruncatedChunk {
        /// Events sent before the one that is cut.
        after_events: u64,
    },
    /// One event that is not JSON; the stream then goes on.
    MalformedSse {
        /// Events sent before.
        after_events: u64,
    },
    /// An error object as an event inside a stream of status 200, after which the stream ends.
    ErrorEvent {
        /// Events sent before.
        after_events: u64,
    },
    /// The stream ends without `[DONE]`.
    MissingDone,
    /// No `usage` anywhere, though it was asked for.
    MissingUsage,
    /// Every event is sent in two pieces, cut between any two bytes.
    SplitEvents,
    /// `GET /health` answers 503; requests are served.
    UnhealthyProbe,
    /// 429 that no waiting mends: the account's money is gone. Anthropic says it with 402.
    InsufficientQuota,
    /// The provider has no capacity: 529 from Anthropic, 503 from others.
    Overloaded {
        /// Say it as the first event of a stream of status 200 instead.
        #[serde(default)]
        in_stream: bool,
    },
    /// The first token comes later than it would have.
    SlowFirstToken {
        /// Policy seconds later.
        by: f64,
    },
    /// The first token is one word of this length, in one event.
    HugeEvent {
        /// Length of the word, in bytes.
        bytes: u64,
    },
    /// The usage reported is not the usage that was: each count is multiplied. The log keeps the truth.
    WrongUsage {
        /// 0.5 reports half.
        factor: f64,
    },
    /// The server ends its side of the connection in the middle of the answer and keeps reading.
    HalfClose {
        /// Events sent before.
        after_events: u64,
    },
    /// 400: prompt and ceiling do not fit the model's window.
    ContextLengthExceeded,
    /// The content filter strikes: 400 for the prompt, or the answer ends early as filtered.
    ContentFilter {
        /// Output tokens before it strikes, per choice; the prompt is refused when absent.
        #[serde(default)]
        after_tokens: Option<u64>,
    },
    /// 401, whatever key is shown.
    Unauthorized,
    /// The request is read and the connection closed without an answer.
    CloseAfterRequest,
    /// The listener is closed: connections are refused, those there are served on.
    RefuseConnection,
    /// Connections are accepted and never read; requests on those there hang.
    Blackhole,
    /// The TLS handshake fails. Without TLS it does nothing.
    TlsFailure,
}

const fn one() -> f64 {
    1.0
}

impl FaultKind {
    /// The name in scripts and logs.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Slow { .. } => "slow",
            Self::BrownOut { .. } => "brown_out",
            Self::RateLimited { .. } => "rate_limited",
            Self::ServerError { .. } => "server_error",
            Self::HangBeforeHeaders => "hang_before_headers",
            Self::HangMidStream { .. } => "hang_mid_stream",
            Self::ResetBeforeHeaders => "reset_before_headers",
            Self::DropMidStream { .. } => "drop_mid_stream",
            Self::ResetMidStream { .. } => "reset_mid_stream",
            Self::TruncatedChunk { .. } => "truncated_chunk",
            Self::MalformedSse { .. } => "malformed_sse",
            Self::ErrorEvent { .. } => "error_event",
            Self::MissingDone => "missing_done",
            Self::MissingUsage => "missing_usage",
            Self::SplitEvents => "split_events",
            Self::UnhealthyProbe => "unhealthy_probe",
            Self::InsufficientQuota => "insufficient_quota",
            Self::Overloaded { .. } => "overloaded",
            Self::SlowFirstToken { .. } => "slow_first_token",
            Self::HugeEvent { .. } => "huge_event",
            Self::WrongUsage { .. } => "wrong_usage",
            Self::HalfClose { .. } => "half_close",
            Self::ContextLengthExceeded => "context_length_exceeded",
            Self::ContentFilter { .. } => "content_filter",
            Self::Unauthorized => "unauthorized",
            Self::CloseAfterRequest => "close_after_request",
            Self::RefuseConnection => "refuse_connection",
            Self::Blackhole => "blackhole",
            Self::TlsFailure => "tls_failure",
        }
    }
}

impl FaultKind {
    /// Whether it strikes the server as a whole, not one request.
    #[must_use]
    pub const fn strikes_the_server(&self) -> bool {
        matches!(
            self,
            Self::Slow { .. }
                | Self::BrownOut { .. }
                | Self::UnhealthyProbe
                | Self::RefuseConnection
                | Self::Blackhole
                | Self::TlsFailure
        )
    }

    /// The position in the stream at which an error takes an event's place, if this fault is one.
    #[must_use]
    pub const fn error_position(&self) -> Option<u64> {
        match self {
            Self::ErrorEvent { after_events } => Some(*after_events),
            Self::Overloaded { in_stream: true } => Some(0),
            _ => None,
        }
    }

    /// # Errors
    /// Which field is out of its range.
    pub(super) fn check(&self) -> Result<(), String> {
        let share = |name: &str, value: f64| {
            if (0.0..=1.0).contains(&value) {
                Ok(())
            } else {
                Err(format!("`{name}` must lie between 0 and 1"))
            }
        };
        let factor = |value: f64| {
            if value.is_finite() && value > 0.0 {
                Ok(())
            } else {
                Err("`factor` must be more than 0".to_owned())
            }
        };
        match *self {
            Self::Slow { factor: by } => factor(by),
            Self::BrownOut { factor: by, capacity, error_ratio } => {
                factor(by)?;
                share("capacity", capacity)?;
                share("error_ratio", error_ratio)
            }
            Self::RateLimited { retry_after: Some(s) } if !(s.is_finite() && s >= 0.0) => {
                Err("`retry_after` must be 0 or more".to_owned())
            }
            Self::WrongUsage { factor: by } => {
                if by.is_finite() && by >= 0.0 {
                    Ok(())
                } else {
                    Err("`factor` must be 0 or more".to_owned())
                }
            }
            Self::SlowFirstToken { by } if !(by.is_finite() && (0.0..=1e6).contains(&by)) => {
                Err("`by` must lie between 0 and 1,000,000 seconds".to_owned())
            }
            Self::HugeEvent { bytes } if bytes > MOST_BYTES => {
                Err(format!("`bytes` must be at most {MOST_BYTES}"))
            }
            Self::ServerError { status } if !(400..600).contains(&status) => {
                Err("`status` must lie between 400 and 599".to_owned())
            }
            _ => Ok(()),
        }
    }
}

/// A fault asked for by one request, `<kind>[:<number>]`: `server_error:503`, `rate_limited:2`,
/// `drop_mid_stream:3`. The number is the field the kind has; events default to 1, the status to 500,
/// `slow_first_token` to 1 second, `wrong_usage` to twofold, `huge_event` to 1 MiB. `overloaded:1` says so
/// in the stream; `content_filter` without a number refuses the prompt.
impl FromStr for FaultKind {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (kind, number) = text.split_once(':').map_or((text, None), |(kind, number)| (kind, Some(number)));
        let integer = |default: u64| match number {
            None => Ok(default),
            Some(n) => n.parse().map_err(|_| format!("`{n}` in fault `{text}` is not a whole number")),
        };
        let real = || {
            let wrong = |n| format!("`{n}` in fault `{text}` is not a number");
            number.map(|n: &str| n.parse::<f64>().map_err(|_| wrong(n))).transpose()
        };
        let fault = match kind {
            "rate_limited" => Self::RateLimited { retry_after: real()? },
            "server_error" => Self::ServerError { status: u16::try_from(integer(500)?).unwrap_or(0) },
            "hang_before_headers" => Self::HangBeforeHeaders,
            "hang_mid_stream" => Self::HangMidStream { after_events: integer(1)? },
            "reset_before_headers" => Self::ResetBeforeHeaders,
            "drop_mid_stream" => Self::DropMidStream { after_events: integer(1)? },
            "reset_mid_stream" => Self::ResetMidStream { after_events: integer(1)? },
            "truncated_chunk" => Self::TruncatedChunk { after_events: integer(1)? },
            "malformed_sse" => Self::MalformedSse { after_events: integer(1)? },
            "error_event" => Self::ErrorEvent { after_events: integer(1)? },
            "missing_done" => Self::MissingDone,
            "missing_usage" => Self::MissingUsage,
            "split_events" => Self::SplitEvents,
            "insufficient_quota" => Self::InsufficientQuota,
            "overloaded" => Self::Overloaded { in_stream: integer(0)? > 0 },
            "slow_first_token" => Self::SlowFirstToken { by: real()?.unwrap_or(1.0) },
            "huge_event" => Self::HugeEvent { bytes: integer(1 << 20)? },
            "wrong_usage" => Self::WrongUsage { factor: real()?.unwrap_or(2.0) },
            "half_close" => Self::HalfClose { after_events: integer(1)? },
            "context_length_exceeded" => Self::ContextLengthExceeded,
            "content_filter" => Self::ContentFilter { after_tokens: number.map(|_| integer(0)).transpose()? },
            "unauthorized" => Self::Unauthorized,
            "close_after_request" => Self::CloseAfterRequest,
            "slow" | "brown_out" | "unhealthy_probe" | "refuse_connection" | "blackhole" | "tls_failure" => {
                return Err(format!("`{kind}` strikes the whole server: set it with POST /sim/faults"));
            }
            _ => return Err(format!("unknown fault `{kind}`")),
        };
        fault.check().map(|()| fault)
    }
}
