//! One way to write a manifest. It owns order, indentation, quotes and where comments stand; it changes
//! nothing that a manifest means and loses no comment.
//!
//! Sections come in the order of the schema, and names and fields stay in the order written. A map or list
//! is on one line where it was and still fits, and where no comment stands in it. Blank lines separate
//! sections and stay where they separate entries, one at most. What cannot be read as YAML is not touched.

mod comments;
mod layout;

use comments::Comments;
use layout::Layout;

use crate::diagnostics::Finding;
use crate::source::{Kind, Node, Source, read_part};

/// The order of the sections: the schema's.
const SECTIONS: [&str; 22] = [
    "$schema",
    "apiVersion",
    "include",
    "listeners",
    "admin",
    "identities",
    "backends",
    "pools",
    "routes",
    "consumers",
    "teams",
    "models",
    "issuers",
    "limits",
    "hooks",
    "overload",
    "acl",
    "access",
    "countries",
    "waf",
    "store",
    "telemetry",
];

/// Formats one file of a manifest.
///
/// # Errors
/// What keeps it from being read as YAML; then there is nothing to format.
pub fn format(source: &Source) -> Result<String, Vec<Finding>> {
    let mut findings = Vec::new();
    let Some(first) = source.files().next() else { return Err(findings) };
    let root = read_part(first, &mut findings);
    let Some(root) = root.filter(|_| !findings.iter().any(Finding::is_error)) else { return Err(findings) };
    if !matches!(root.kind, Kind::Map(_)) || root.entries().is_empty() || is_json(first.text) {
        return Ok(source.text.clone());
    }
    let text = first.text.replace("\r\n", "\n");
    if text != first.text {
        // Positions count bytes: read again what has fewer of them.
        return format(&Source::new(source.name.clone(), text));
    }
    Ok(Layout::new(&text, Comments::of(&text, &root)).write(&root))
}

/// JSON has a way to be written of its own, without comments.
fn is_json(text: &str) -> bool {
    text.trim_start().starts_with('{')
}

/// The sections in their order; those the schema does not know come last, in theirs.
fn ordered(root: &Node) -> Vec<usize> {
    let mut places: Vec<usize> = (0..root.entries().len()).collect();
    let rank = |at: &usize| {
        let key = root.entries().get(*at).map_or("", |entry| entry.key.as_str());
        SECTIONS.iter().position(|section| *section == key).unwrap_or(SECTIONS.len())
    };
    places.sort_by_key(rank);
    places
}
