//! A finding for logs: the lines it is about under a rule of carets. It owns that layout.

use std::fmt::Write as _;

use crate::diagnostics::{Finding, Label};
use crate::source::Source;

/// Longer lines are cut around the label, so that a minified JSON manifest stays readable.
const SHOWN: usize = 120;

pub(super) fn render(finding: &Finding, source: &Source, text: &mut String) {
    // Writing to a string cannot fail.
    let _ = writeln!(text, "{}[{}]: {}", finding.severity().name(), finding.code, finding.message);
    let gutter =
        labels(finding).map(|l| source.position(l.span.start).line.to_string().len()).max().unwrap_or(1);
    for (index, label) in labels(finding).enumerate() {
        let place = source.position(label.span.start);
        let file = source.file_at(label.span.start);
        let arrow = if index == 0 { "-->" } else { ":::" };
        let _ = writeln!(text, "{:gutter$}{arrow} {}:{}:{}", "", file.name, place.line, place.column);
        snippet(label, source, gutter, if index == 0 { '^' } else { '-' }, text);
    }
    if let Some(witness) = &finding.witness {
        let _ = writeln!(text, "{:gutter$} = for example: {witness}", "");
    }
    if let Some(help) = &finding.help {
        let _ = writeln!(text, "{:gutter$} = help: {help}", "");
    }
}

fn labels(finding: &Finding) -> impl Iterator<Item = &Label> {
    finding.primary.iter().chain(&finding.secondary)
}

fn snippet(label: &Label, source: &Source, gutter: usize, mark: char, text: &mut String) {
    let place = source.position(label.span.start);
    let Some(line) = source.file_at(label.span.start).text.lines().nth(place.line - 1) else { return };
    let before = place.column - 1;
    let total = line.chars().count();
    let skipped = if total > SHOWN { before.saturating_sub(SHOWN / 2) } else { 0 };
    let shown: String =
        line.chars().skip(skipped).take(SHOWN).map(|c| if c == '\t' { ' ' } else { c }).collect();
    let room = shown.chars().count().saturating_sub(before - skipped);
    let (left, right) =
        (if skipped > 0 { "..." } else { "" }, if skipped + SHOWN < total { "..." } else { "" });
    let length = source.slice(label.span).lines().next().map_or(0, |first| first.chars().count());
    let marks: String = std::iter::repeat_n(mark, length.min(room).max(1)).collect();
    let _ = writeln!(text, "{:gutter$} |", "");
    let _ = writeln!(text, "{:>gutter$} | {left}{}{right}", place.line, shown.trim_end());
    let rule = format!(
        "{:gutter$} | {:indent$}{marks} {}",
        "",
        "",
        label.text,
        indent = before - skipped + left.len()
    );
    let _ = writeln!(text, "{}", rule.trim_end());
}
