//! Sluicegate, the gate that regulates what flows to AI backends. This crate owns everything that does
//! IO: sockets, files, clocks, secrets, signals. It refuses to decide about requests: `decision` and the
//! cores below it do, without IO.

pub mod audit;
pub mod cli;
pub mod clock;
pub mod costs;
pub mod countries;
pub mod edge;
pub mod gateway;
pub mod hooks;
pub mod live;
pub mod live_check;
pub mod overload;
pub mod policy;
pub mod settlement;
pub mod store;
pub mod trace_ids;
pub mod upstream;
pub mod why;

mod admin;
pub mod doors;
pub(crate) mod observability;
mod rule_files;

pub use admin::AdminError;
pub use gateway::{Gateway, Options, StartError};
