//! Findings as people and programs read them. It owns the styles and hiding secrets in shown
//! source lines; it refuses to decide what is an error.

mod github;
mod graphical;
mod json;
mod plain;
mod sarif;

use std::borrow::Cow;

use super::{Finding, Severity};
use crate::source::{Source, Span};

/// How to write findings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Style {
    /// For a person at a terminal.
    Terminal {
        /// With ANSI colours.
        colour: bool,
    },
    /// For logs and pipes: no colour, ASCII frame, `file:line:column` that editors understand.
    Plain,
    /// One JSON object per finding and line, for programs.
    Json,
    /// One log of SARIF 2.1.0, for code scanning.
    Sarif,
    /// One workflow command of GitHub Actions per finding and line.
    Github,
}

/// Writes findings, each with the lines it is about, and for people a closing count. Secrets that a
/// finding warns of are masked.
#[must_use]
pub fn render(findings: &[Finding], source: &Source, style: Style) -> String {
    match style {
        Style::Json => return findings.iter().map(|finding| json::render(finding, source)).collect(),
        Style::Github => return findings.iter().map(|finding| github::render(finding, source)).collect(),
        Style::Sarif => return sarif::render(findings, source),
        Style::Terminal { .. } | Style::Plain => {}
    }
    let shown = masked(findings, source);
    let mut text = String::new();
    for finding in findings {
        match style {
            Style::Terminal { colour } => graphical::render(finding, &shown, colour, &mut text),
            _ => plain::render(finding, &shown, &mut text),
        }
        text.push('\n');
    }
    text.push_str(&summary(findings, &source.name));
    text
}

/// `gateway.yaml: 2 errors, 1 warning`, or that nothing was found.
fn summary(findings: &[Finding], name: &str) -> String {
    let mut parts = Vec::new();
    for (severity, one, many) in [
        (Severity::Error, "error", "errors"),
        (Severity::Warning, "warning", "warnings"),
        (Severity::Note, "note", "notes"),
    ] {
        match findings.iter().filter(|finding| finding.severity() == severity).count() {
            0 => {}
            1 => parts.push(format!("1 {one}")),
            n => parts.push(format!("{n} {many}")),
        }
    }
    if parts.is_empty() {
        parts.push("no findings".to_owned());
    }
    format!("{name}: {}\n", parts.join(", "))
}

/// The source with every secret overwritten, byte for byte, so that spans stay true.
pub(crate) fn masked<'s>(findings: &[Finding], source: &'s Source) -> Cow<'s, Source> {
    let hidden: Vec<Span> = findings.iter().flat_map(|finding| finding.redact.iter().copied()).collect();
    if hidden.is_empty() {
        return Cow::Borrowed(source);
    }
    let mut text = String::with_capacity(source.text.len());
    for (at, character) in source.text.char_indices() {
        let secret = hidden.iter().any(|span| (span.start..span.end).contains(&at));
        if secret && character != '\n' {
            text.extend(std::iter::repeat_n('*', character.len_utf8()));
        } else {
            text.push(character);
        }
    }
    Cow::Owned(source.with_text(text))
}
