//! A finding as one line of JSON. It owns the field names, which programs rely on.

use serde::Serialize;

use crate::diagnostics::{Finding, Label, Witness};
use crate::source::{Position, Source};

#[derive(Serialize)]
struct Line<'f> {
    code: &'static str,
    severity: &'static str,
    message: &'f str,
    path: &'f [String],
    #[serde(skip_serializing_if = "Option::is_none")]
    help: Option<&'f str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    witness: Option<&'f Witness>,
    file: &'f str,
    #[serde(flatten)]
    place: Option<Place<'f>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    related: Vec<Related<'f>>,
}

/// A place that may be in another file.
#[derive(Serialize)]
struct Related<'f> {
    #[serde(skip_serializing_if = "Option::is_none")]
    file: Option<&'f str>,
    #[serde(flatten)]
    place: Place<'f>,
}

/// Lines and columns from 1, columns in characters, the end exclusive.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Place<'f> {
    line: usize,
    column: usize,
    end_line: usize,
    end_column: usize,
    #[serde(skip_serializing_if = "str::is_empty")]
    label: &'f str,
}

fn place<'f>(label: &'f Label, source: &Source) -> Place<'f> {
    let Position { line, column } = source.position(label.span.start);
    let end = source.position(label.span.end);
    Place { line, column, end_line: end.line, end_column: end.column, label: &label.text }
}

pub(super) fn render(finding: &Finding, source: &Source) -> String {
    let file_of = |label: &Label| source.file_at(label.span.start).name;
    let file = finding.primary.as_ref().map_or(source.name.as_str(), file_of);
    let related = |label| {
        let other = Some(file_of(label)).filter(|other| *other != file);
        Related { file: other, place: place(label, source) }
    };
    let line = Line {
        code: finding.code.as_str(),
        severity: finding.severity().name(),
        message: &finding.message,
        path: &finding.path,
        help: finding.help.as_deref(),
        witness: finding.witness.as_deref(),
        file,
        place: finding.primary.as_ref().map(|label| place(label, source)),
        related: finding.secondary.iter().map(related).collect(),
    };
    // Plain data with string keys cannot fail to serialise.
    let mut text = serde_json::to_string(&line).unwrap_or_default();
    text.push('\n');
    text
}
