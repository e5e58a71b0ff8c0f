//! From older versions of the language to the current one. It owns the table of what changed; each step is
//! applied to the text, so that comments and order stay.
//!
//! `sluicegate/v1alpha1` is what drafts before the first release were written in. They may have the fields
//! that moved since, which the current version refuses by name (SG0110); a draft without them differs in its
//! `apiVersion` alone.

use crate::diagnostics::Finding;
use crate::source::{Document, Source, Span, read_part};

/// The version this build reads.
pub const CURRENT: &str = "sluicegate/v1";

/// A version and how it becomes the next one.
struct Step {
    from: &'static str,
    to: &'static str,
    /// Fields that have another name: the path to them, `*` being any name, and the name they have now.
    renamed: &'static [(&'static [&'static str], &'static str)],
}

/// Oldest first.
const STEPS: [Step; 1] = [Step {
    from: "sluicegate/v1alpha1",
    to: CURRENT,
    renamed: &[(&["pools", "*", "maxAttempts"], "retry: {maxAttempts}")],
}];

/// What became of a manifest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Migrated {
    /// The manifest in the current version.
    pub manifest: String,
    /// What was changed, a line each; nothing when it was current.
    pub changes: Vec<String>,
}

/// Why a manifest stays as it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NotMigrated {
    /// It cannot be read.
    Unreadable(Vec<Finding>),
    /// It is of a version that this build does not know; or of none.
    Unknown(Option<String>),
}

/// Brings one file of a manifest to the current version.
///
/// # Errors
/// When it cannot be read, or is of no version that this build knows.
pub fn migrate(source: &Source) -> Result<Migrated, NotMigrated> {
    let mut text = source.text.clone();
    let mut changes = Vec::new();
    loop {
        let document = read(&source.name, &text)?;
        let written = document.value(&["apiVersion"]);
        let version = written.and_then(|node| node.text()).map(str::to_owned);
        if version.as_deref() == Some(CURRENT) {
            return Ok(Migrated { manifest: text, changes });
        }
        let step = STEPS.iter().find(|step| Some(step.from) == version.as_deref());
        let (Some(step), Some(written)) = (step, written) else { return Err(NotMigrated::Unknown(version)) };
        let mut edits = vec![(written.span, step.to.to_owned())];
        changes.push(format!("`apiVersion`: {} is {} now", step.from, step.to));
        for (path, now) in step.renamed {
            rename(&document, path, now, &mut edits, &mut changes);
        }
        text = edited(&text, edits);
    }
}

fn read(name: &str, text: &str) -> Result<Document, NotMigrated> {
    let source = Source::new(name, text);
    let mut findings = Vec::new();
    let root = source.files().next().and_then(|file| read_part(file, &mut findings));
    match root {
        Some(root) if !findings.iter().any(Finding::is_error) => Ok(Document { source, root }),
        _ => Err(NotMigrated::Unreadable(findings)),
    }
}

/// Gives the fields at `path` their new name. One in braces wraps the value: `retry: {maxAttempts}`.
fn rename(
    document: &Document,
    path: &[&str],
    now: &str,
    edits: &mut Vec<(Span, String)>,
    changes: &mut Vec<String>,
) {
    let [section, _, field] = path else { return };
    for entry in document.value(&[*section]).map_or(&[][..], |node| node.entries()) {
        let Some(old) = entry.value.entry(field) else { continue };
        let outer = now.split(':').next().unwrap_or(now);
        if entry.value.get(outer).is_some() {
            changes.push(format!(
                "`{section}.{}.{field}` stays: move it into `{outer}`, which is there already",
                entry.key
            ));
            continue;
        }
        let value = document.source.slice(old.value.span);
        let whole = Span { start: old.key_span.start, end: old.value.span.end.max(old.key_span.end) };
        let new = match now.split_once(": {") {
            Some((outer, inner)) => format!("{outer}: {{{}: {value}}}", inner.trim_end_matches('}')),
            None => format!("{now}: {value}"),
        };
        changes.push(format!("`{section}.{}.{field}` is `{new}` now", entry.key));
        edits.push((whole, new));
    }
}

/// The text with other words at some places, none of which overlap.
fn edited(text: &str, mut edits: Vec<(Span, String)>) -> String {
    edits.sort_by_key(|(span, _)| span.start);
    let mut out = String::new();
    let mut from = 0;
    for (span, new) in edits {
        out.push_str(text.get(from..span.start).unwrap_or_default());
        out.push_str(&new);
        from = span.end;
    }
    out.push_str(text.get(from..).unwrap_or_default());
    out
}
