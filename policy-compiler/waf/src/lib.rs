//! The web application firewall: rules, transformations, automata, scores and what leaves in a prompt. It owns
//! how a request is inspected; it refuses reading files, the language rules are written in, and sockets.

pub mod bots;
pub mod jailbreak;
pub mod leak;
pub mod output;
pub mod program;
pub mod shape;

pub use program::Program;
