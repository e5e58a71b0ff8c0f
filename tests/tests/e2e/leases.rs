//! Replicas that share ceilings through a real Redis.

mod script;
