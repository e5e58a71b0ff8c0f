//! The web application firewall: rules, transformations, automata, scores and what leaves in a prompt. It owns
//! how a request is inspected; it refuses reading files, the language rules are written in, and sockets.

pub mod bots;
pub mod fields;
mod gate;
pub mod jailbreak;
pub mod leak;
pub mod operator;
pub mod output;
pub mod program;
pub mod request;
pub mod run;
pub mod shape;
pub mod transform;

pub use program::Program;
