//! What goes wrong, and when. It owns the script, its JSON form and the draw that decides whether a
//! fault strikes a request; it refuses to act on the wire: the server does that.

use std::str::FromStr;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize};
use vocabulary::Moment;

use crate::engine::Condition;
use crate::random::Draws;

#[cfg(test)]
mod tests;

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
        }
    }
}

/// A fault of the script.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Fault {
    /// Policy seconds after the script was set.
    pub at: f64,
    /// Policy seconds it lasts; for good when absent.
    #[serde(rename = "for", skip_serializing_if = "Option::is_none")]
    pub lasting: Option<f64>,
    /// Share of requests it strikes, by a draw per request. Always 1 for `slow`, `brown_out` and
    /// `unhealthy_probe`, which strike the server.
    pub fraction: f64,
    /// What goes wrong, with its own fields beside these.
    #[serde(flatten)]
    pub kind: FaultKind,
}

impl Fault {
    /// A fault that strikes every request from `at` for `lasting`, both in policy seconds.
    #[must_use]
    pub const fn new(at: f64, lasting: f64, kind: FaultKind) -> Self {
        Self { at, lasting: Some(lasting), fraction: 1.0, kind }
    }

    fn ends(&self) -> f64 {
        self.lasting.map_or(f64::INFINITY, |lasting| self.at + lasting)
    }

    fn is_active(&self, since: f64) -> bool {
        self.at <= since && since < self.ends()
    }

    fn check(&self) -> Result<(), String> {
        let not_negative = |name: &str, value: f64| {
            if value.is_finite() && value >= 0.0 {
                Ok(())
            } else {
                Err(format!("`{name}` must be 0 or more"))
            }
        };
        not_negative("at", self.at)?;
        not_negative("for", self.lasting.unwrap_or(0.0))?;
        if !(0.0..=1.0).contains(&self.fraction) {
            return Err("`fraction` must lie between 0 and 1".to_owned());
        }
        if self.fraction < 1.0 && self.kind.strikes_the_server() {
            return Err(format!("`{}` strikes the whole server: leave `fraction` out", self.kind.name()));
        }
        self.kind.check()
    }
}

// By hand, because `flatten` and `deny_unknown_fields` do not go together and a misspelt field must not
// pass in silence.
impl<'de> Deserialize<'de> for Fault {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut map = serde_json::Map::deserialize(deserializer)?;
        let mut number = |name: &str| match map.remove(name) {
            None => Ok(None),
            Some(value) => {
                value.as_f64().map(Some).ok_or_else(|| D::Error::custom(format!("`{name}` must be a number")))
            }
        };
        let at = number("at")?.ok_or_else(|| D::Error::missing_field("at"))?;
        let (lasting, fraction) = (number("for")?, number("fraction")?.unwrap_or(1.0));
        let kind = FaultKind::deserialize(serde_json::Value::Object(map)).map_err(D::Error::custom)?;
        let fault = Self { at, lasting, fraction, kind };
        fault.check().map_err(D::Error::custom)?;
        Ok(fault)
    }
}

impl FaultKind {
    const fn strikes_the_server(&self) -> bool {
        matches!(self, Self::Slow { .. } | Self::BrownOut { .. } | Self::UnhealthyProbe)
    }

    fn check(&self) -> Result<(), String> {
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
            Self::ServerError { status } if !(400..600).contains(&status) => {
                Err("`status` must lie between 400 and 599".to_owned())
            }
            _ => Ok(()),
        }
    }
}

/// A fault asked for by one request, `<kind>[:<number>]`: `server_error:503`, `rate_limited:2`,
/// `drop_mid_stream:3`. The number is the field the kind has; events default to 1, the status to 500.
impl FromStr for FaultKind {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (kind, number) = text.split_once(':').map_or((text, None), |(kind, number)| (kind, Some(number)));
        let integer = |default: u64| match number {
            None => Ok(default),
            Some(n) => n.parse().map_err(|_| format!("`{n}` in fault `{text}` is not a whole number")),
        };
        let fault = match kind {
            "rate_limited" => {
                let seconds =
                    number.map(|n| n.parse().map_err(|_| format!("`{n}` in fault `{text}` is not a number")));
                Self::RateLimited { retry_after: seconds.transpose()? }
            }
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
            "slow" | "brown_out" | "unhealthy_probe" => {
                return Err(format!("`{kind}` strikes the whole server: set it with POST /sim/faults"));
            }
            _ => return Err(format!("unknown fault `{kind}`")),
        };
        fault.check().map(|()| fault)
    }
}

/// Faults in time.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct FaultScript {
    /// In any order; where several strike one request, the first of them does.
    pub faults: Vec<Fault>,
}

/// Separates the fault draws of a request from the engine's.
const FAULT_DRAW: u64 = 0xFA;

impl FaultScript {
    /// Reads a JSON array of faults: `[{"at": 60, "for": 20, "kind": "brown_out", "factor": 6}]`.
    ///
    /// # Errors
    /// What is wrong and where, for the one who wrote the script.
    pub fn parse(json: &str) -> Result<Self, String> {
        serde_json::from_str(json).map_err(|error| format!("fault script: {error}"))
    }

    /// The state of the server `since` seconds after the script was set: factors multiply.
    #[must_use]
    pub fn condition(&self, since: f64) -> Condition {
        let mut condition = Condition::default();
        for fault in self.faults.iter().filter(|fault| fault.is_active(since)) {
            match fault.kind {
                FaultKind::Slow { factor } => {
                    condition.first_token *= factor;
                    condition.decode *= factor;
                }
                FaultKind::BrownOut { factor, capacity, .. } => {
                    condition.first_token *= factor;
                    condition.capacity *= capacity;
                }
                _ => {}
            }
        }
        condition
    }

    /// The next second after `since` at which a fault begins or ends.
    #[must_use]
    pub fn next_change(&self, since: f64) -> Option<f64> {
        let edges = self.faults.iter().flat_map(|fault| [fault.at, fault.ends()]);
        edges.filter(|edge| edge.is_finite() && *edge > since).min_by(f64::total_cmp)
    }

    /// The fault that strikes the request of draw key `key`, if one does.
    #[must_use]
    pub fn strike(&self, since: f64, seed: u64, key: u64) -> Option<FaultKind> {
        let active = self.faults.iter().enumerate().filter(|(_, fault)| fault.is_active(since));
        for (index, fault) in active {
            let mut draws = Draws::keyed(seed, &[FAULT_DRAW, key, index as u64]);
            match fault.kind {
                FaultKind::BrownOut { error_ratio, .. } if draws.chance(error_ratio) => {
                    return Some(FaultKind::ServerError { status: 503 });
                }
                _ if fault.kind.strikes_the_server() => {}
                _ if draws.chance(fault.fraction) => return Some(fault.kind.clone()),
                _ => {}
            }
        }
        None
    }

    /// Whether the health probe is green.
    #[must_use]
    pub fn is_probe_green(&self, since: f64) -> bool {
        !self.faults.iter().any(|fault| fault.is_active(since) && fault.kind == FaultKind::UnhealthyProbe)
    }

    /// Seconds from the moment the script was set to `now`.
    #[must_use]
    pub fn since(set_at: Moment, now: Moment) -> f64 {
        now.since(set_at).as_secs_f64()
    }
}
