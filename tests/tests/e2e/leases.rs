//! Replicas that share ceilings through a real Redis.

mod replicas;
mod script;
