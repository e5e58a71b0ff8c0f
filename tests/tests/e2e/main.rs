//! The gateway from its sockets inwards: a module per subject, against fake and simulated backends. It owns
//! what only shows when all crates work together; what one crate can show alone is tested there.
//!
//! Tests whose name begins with `long_` take minutes, those with `live_` need other people's programs.
#![cfg(test)]

mod acl;
mod azure_trace;
mod bodies;
mod bundles;
mod canary;
mod compared;
mod conformance;
mod containers;
mod costs;
mod doors;
mod entra;
mod failover;
mod faults;
mod feedback;
mod foretold;
mod health;
mod heartbeats;
mod hook_examples;
mod hooks;
mod hostile;
mod identity;
mod images;
mod incident;
mod industry;
mod leases;
mod limits;
mod meters;
mod operations;
mod overload;
mod passing_through;
mod piping;
mod protocols;
mod redis;
mod refusals;
mod reload;
mod residency;
mod rewrites;
mod rotations;
mod shutdown;
mod smuggling;
mod soak;
mod start;
mod store_health;
mod streaming;
mod streams_broken;
mod telemetry;
mod waf;
mod waf_live;
mod ways_in;
