//! Three simulated servers, what a manifest says of them, and the faults that strike one of them at a time.

use std::time::Duration;

use model_sim::random::Draws;
use model_sim::{Fault, FaultKind, FaultScript, Flavour, Profile, Record, SimConfig, SimHandle};
use serde_json::json;

use crate::backend::simulate;
use crate::manifest::{MODEL, Manifest};

/// Requests a second that the fleet can serve when it is sound: 8 sequences on each of three servers, each
/// taking about 0.68 s for `OUTPUT_TOKENS` at 28 ms.
pub const CAPACITY_PER_S: f64 = 35.0;
/// How much of that is asked for.
pub const LOAD: f64 = 0.7;
/// Tokens of every answer.
pub(super) const OUTPUT_TOKENS: u64 = 24;
/// Limits that count every token.
pub(super) const WIDE: [&str; 2] = ["wide", "wider"];
/// A fault is drawn for every such stretch of time.
const STRETCH_S: u64 = 10;
/// How long it then lasts, in seconds.
const LASTS_S: f64 = 6.0;

/// The servers.
#[derive(Debug)]
pub struct Fleet {
    sims: Vec<SimHandle>,
}

impl Fleet {
    pub(super) fn start() -> Self {
        let profile = Profile::self_hosted(8, 20_000.0, Duration::from_millis(20), Duration::from_millis(1));
        let sims = ["a", "b", "c"].into_iter().zip(1..).map(|(name, seed)| {
            let config = SimConfig::new(name, MODEL, profile.clone());
            simulate(SimConfig { flavour: Flavour::Vllm, seed, prompt_cache: true, ..config })
        });
        Self { sims: sims.collect() }
    }

    /// A gateway in front of them, with limits that never refuse, so that there is something to leak. Two of
    /// them count alike: their windows turn at different times, so one of them turns in no soak.
    pub(super) fn manifest(&self) -> Manifest {
        let mut manifest = Manifest::new()
            .set(&format!("/limits/{}", WIDE[0]), json!({"tokens": "900M tokens/day", "streams": 2000}))
            .set(
                &format!("/limits/{}", WIDE[1]),
                json!({"tokens": "900M tokens/day", "requests": "100k requests/min", "budget": "1000 USD/month"}),
            )
            .set("/routes/chat/limit", json!(WIDE))
            .set(
                "/routes/chat/rewrite/request/headers/set",
                json!({"x-sim-output-tokens": OUTPUT_TOKENS.to_string()}),
            )
            .set("/overload", json!({"maxInFlight": 2000, "maxBuffered": "256MiB"}))
            .set("/pools/chat/ejection", json!({"consecutiveFailures": 8, "base": "2s"}));
        for (name, sim) in ["a", "b", "c"].into_iter().zip(&self.sims) {
            manifest = manifest
                .backend_of(name, "vllm", &format!("http://{}", sim.addr()))
                .member("chat", name)
                .set(&format!("/backends/{name}/timeouts"), json!({"firstToken": "10s", "idle": "2s"}));
        }
        manifest
    }

    /// What every server generated.
    pub(super) fn log(&self) -> Vec<Record> {
        self.sims.iter().flat_map(SimHandle::log).collect()
    }

    /// Puts the fault in force that begins with this second, if one does; its name.
    pub(super) fn fault(&self, seed: u64, second: u64) -> Option<&'static str> {
        let (server, fault) = drawn(seed, second).filter(|_| second.is_multiple_of(STRETCH_S))?;
        let name = fault.kind.name();
        self.sims[server % self.sims.len()].set_faults(FaultScript { faults: vec![fault] });
        Some(name)
    }

    /// The fault in force at this second.
    pub(super) fn faulty(&self, second: u64, seed: u64) -> Option<&'static str> {
        let since = second % STRETCH_S;
        drawn(seed, second - since).filter(|_| (since as f64) < LASTS_S).map(|(_, fault)| fault.kind.name())
    }

    /// Ends every fault.
    pub(super) fn heal(&self) {
        for sim in &self.sims {
            sim.set_faults(FaultScript::default());
        }
    }
}

/// Which server, and what happens to it, in the stretch that begins at `second`. Faults are those after which
/// it is clear to the token what was generated.
fn drawn(seed: u64, second: u64) -> Option<(usize, Fault)> {
    let mut draws = Draws::keyed(seed, &[u64::MAX, second / STRETCH_S]);
    if second < STRETCH_S || !draws.chance(0.8) {
        return None;
    }
    let server = (draws.bits() % 3) as usize;
    let (kind, fraction) = match draws.bits() % 9 {
        0 => (FaultKind::ServerError { status: 503 }, 0.5),
        1 => (FaultKind::RateLimited { retry_after: Some(1.0) }, 0.5),
        2 => (FaultKind::BrownOut { factor: 3.0, capacity: 0.5, error_ratio: 0.3 }, 1.0),
        3 => (FaultKind::DropMidStream { after_events: 6 }, 0.3),
        4 => (FaultKind::HangMidStream { after_events: 6 }, 0.1),
        5 => (FaultKind::ResetBeforeHeaders, 0.5),
        6 => (FaultKind::Slow { factor: 2.0 }, 1.0),
        7 => (FaultKind::MissingDone, 0.5),
        _ => (FaultKind::SlowFirstToken { by: 1.0 }, 0.5),
    };
    Some((server, Fault { fraction, ..Fault::new(0.0, LASTS_S, kind) }))
}
