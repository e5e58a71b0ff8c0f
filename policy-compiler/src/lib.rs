//! Manifest to findings, or to a bundle. It owns the manifest's language from text to rule table; it
//! refuses IO: secrets stay references, and whoever calls reads the files.
//!
//! ```
//! use policy_compiler::{Source, Style, compile, render};
//!
//! let source = Source::new("gateway.yaml", "apiVersion: sluicegate/v1\n");
//! let outcome = compile(&source);
//! assert!(outcome.bundle.is_none());
//! assert!(render(&outcome.findings, &source, Style::Plain).contains("lacks the field `listeners`"));
//! ```

mod check;
mod compile;
pub mod diagnostics;
mod examples;
mod expand;
pub mod init;
mod lower;
pub mod manifest;
mod reference;
mod resolve;
mod schema;
pub mod source;

pub use check::check_resources;
pub use compile::{Outcome, compile, compile_at};
pub use diagnostics::{Code, Finding, LevelFault, Levels, Severity, Style, Witness, render};
pub use examples::{Example, example, explain};
pub use expand::{Expanded, Origin, expand};
pub use reference::reference;
pub use schema::{schema, schema_text};
pub use source::Source;
