//! What goes wrong, and when. It owns the script, its JSON form and the draw that decides whether a
//! fault strikes a request; it refuses to act on the wire: the server does that.

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize};
use vocabulary::Moment;

use crate::engine::Condition;
use crate::random::Draws;

mod kind;
#[cfg(test)]
mod tests;

pub use kind::FaultKind;

/// A fault of the script.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Fault {
    /// Policy seconds after the script was set.
    pub at: f64,
    /// Policy seconds it lasts; for good when absent.
    #[serde(rename = "for", skip_serializing_if = "Option::is_none")]
    pub lasting: Option<f64>,
    /// Share of requests it strikes, by a draw per request. Always 1 for those that strike the server:
    /// `slow`, `brown_out`, `unhealthy_probe`, `refuse_connection`, `blackhole`, `tls_failure`.
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

/// How a server takes connections.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Door {
    /// As it should.
    #[default]
    Open,
    /// Nothing listens.
    Shut,
    /// Connections are taken and never read.
    Blackhole,
    /// TLS handshakes fail.
    NoHandshake,
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

    /// How the server takes connections `since` seconds after the script was set.
    #[must_use]
    pub fn door(&self, since: f64) -> Door {
        let mut active = self.faults.iter().filter(|fault| fault.is_active(since));
        let door = active.find_map(|fault| match fault.kind {
            FaultKind::RefuseConnection => Some(Door::Shut),
            FaultKind::Blackhole => Some(Door::Blackhole),
            FaultKind::TlsFailure => Some(Door::NoHandshake),
            _ => None,
        });
        door.unwrap_or_default()
    }

    /// Seconds from the moment the script was set to `now`.
    #[must_use]
    pub fn since(set_at: Moment, now: Moment) -> f64 {
        now.since(set_at).as_secs_f64()
    }
}
