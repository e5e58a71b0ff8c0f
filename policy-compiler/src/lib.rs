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
mod compose;
pub mod diagnostics;
mod examples;
mod expand;
mod fmt;
mod import;
pub mod init;
mod lower;
pub mod manifest;
mod migrate;
mod pages;
mod reference;
mod resolve;
mod ruleset;
mod schema;
pub mod seclang;
mod side_by_side;
pub mod source;
pub mod space;

pub use check::{check_resources, expired_prices};
pub use compile::{Outcome, compile, compile_at, read};
pub use compose::flatten;
pub use diagnostics::{Code, Finding, LevelFault, Levels, Severity, Style, Witness, render};
pub use examples::{Example, example, explain};
pub use expand::{Expanded, Origin, expand};
pub use fmt::format;
pub use import::{Imported, azure_waf, litellm};
pub use migrate::{CURRENT, Migrated, NotMigrated, migrate};
pub use pages::{Page, pages};
pub use reference::reference;
pub use ruleset::{Opened, opens, rule_folders};
pub use schema::{schema, schema_text};
pub use source::{Files, Source, gather};
