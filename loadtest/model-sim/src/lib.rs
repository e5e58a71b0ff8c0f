//! Simulated model servers. It owns an engine that computes when each token comes out, quotas, faults,
//! prices, exact token counts and a log of what was sent when; with feature `server` also a real HTTP
//! server that speaks the APIs model servers are sold with, one [`Flavour`] each. It refuses to share a parser or encoder with the gateway it tests,
//! so that a bug in the gateway's own code shows as a difference.
//!
//! Everything outside `server` is sans-IO and deterministic: time is a [`vocabulary::Moment`] on the
//! policy clock, and every draw is a function of a seed and of what it is drawn for.

pub mod backend;
pub mod cache;
pub mod config;
pub mod engine;
pub mod faults;
pub mod log;
pub mod presets;
pub mod prices;
pub mod profile;
pub mod quota;
pub mod random;
#[cfg(feature = "server")]
pub mod server;
pub mod tokens;

pub use backend::{Arrival, Backend, Ending, Verdict};
pub use config::{ApiKey, Flavour, Keys, ModelConfig, SimConfig, TlsConfig};
pub use engine::{Condition, Emission, Engine, Job, SeqId};
pub use faults::{Fault, FaultKind, FaultScript};
pub use log::{Exchange, Outcome, Record, Totals};
pub use prices::PriceList;
pub use profile::Profile;
pub use quota::{Quota, QuotaConfig};
#[cfg(feature = "server")]
pub use server::{SimHandle, serve, spawn_thread};
