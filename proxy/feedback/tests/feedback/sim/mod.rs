//! A small deterministic simulation of four backends behind one pool: a discrete-event engine, its servers,
//! fleets and traces. It exercises the crate; the product's own simulator is another crate.

mod engine;
pub(crate) mod fleet;
mod noise;
mod report;
mod server;
pub(crate) mod trace;

pub(crate) use engine::{Change, Sim};
pub(crate) use fleet::Backend;
pub(crate) use report::Report;
