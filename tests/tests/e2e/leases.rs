//! Limits and orders of several replicas, over a real server of the kind they share.

mod holds;
mod replica;
mod replicas;
mod script;
mod secured;
