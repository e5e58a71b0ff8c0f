//! A finding for a terminal, drawn by miette. It owns the theme; it refuses to ask the terminal
//! anything: the caller knows whether colour is wanted.

use std::fmt;

use miette::{
    Diagnostic, GraphicalReportHandler, GraphicalTheme, LabeledSpan, NamedSource, SourceCode,
    ThemeCharacters, ThemeStyles,
};

use crate::diagnostics::{Finding, Label, Severity};
use crate::source::Source;

const WIDTH: usize = 100;

struct Report<'f> {
    finding: &'f Finding,
    source: NamedSource<String>,
    /// Where the file that is shown begins in the source.
    start: usize,
    /// What to do, and places in other files.
    help: Option<String>,
}

impl fmt::Debug for Report<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.finding.code.as_str())
    }
}

impl fmt::Display for Report<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.finding.message)
    }
}

impl std::error::Error for Report<'_> {}

fn labelled(label: &Label, start: usize, primary: bool) -> LabeledSpan {
    let text = (!label.text.is_empty()).then(|| label.text.clone());
    let span = (label.span.start - start, label.span.end - label.span.start);
    if primary {
        LabeledSpan::new_primary_with_span(text, span)
    } else {
        LabeledSpan::new_with_span(text, span)
    }
}

impl Diagnostic for Report<'_> {
    fn code<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        Some(Box::new(format!("{} {}", self.finding.code, self.finding.code.title())))
    }

    fn severity(&self) -> Option<miette::Severity> {
        Some(match self.finding.severity() {
            Severity::Error => miette::Severity::Error,
            Severity::Warning => miette::Severity::Warning,
            Severity::Note => miette::Severity::Advice,
        })
    }

    fn help<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        self.help.as_ref().map(|help| Box::new(help) as Box<dyn fmt::Display>)
    }

    fn source_code(&self) -> Option<&dyn SourceCode> {
        self.finding.primary.is_some().then_some(&self.source as &dyn SourceCode)
    }

    fn labels(&self) -> Option<Box<dyn Iterator<Item = LabeledSpan> + '_>> {
        let primary = self.finding.primary.as_ref()?;
        let shown = self.start..self.start + self.source.inner().len() + 1;
        let secondary = self.finding.secondary.iter().filter(move |label| shown.contains(&label.span.start));
        let secondary = secondary.map(|label| labelled(label, self.start, false));
        Some(Box::new(std::iter::once(labelled(primary, self.start, true)).chain(secondary)))
    }
}

/// How to fix it; and what is in other files, which the drawing cannot show.
fn help(finding: &Finding, source: &Source, start: usize) -> Option<String> {
    let example = finding.witness.as_ref().map(|witness| format!("for example: {witness}"));
    let parts: Vec<String> = finding.help.iter().cloned().chain(example).collect();
    let mut help = (!parts.is_empty()).then(|| parts.join("\n"));
    for label in &finding.secondary {
        let file = source.file_at(label.span.start);
        if file.start != start {
            let place = source.position(label.span.start);
            let line = format!("{}:{}:{}: {}", file.name, place.line, place.column, label.text);
            help = Some(help.map_or(line.clone(), |help| format!("{help}\n{line}")));
        }
    }
    help
}

pub(super) fn render(finding: &Finding, source: &Source, colour: bool, text: &mut String) {
    let theme = GraphicalTheme {
        characters: ThemeCharacters::unicode(),
        styles: if colour { ThemeStyles::ansi() } else { ThemeStyles::none() },
    };
    let handler = GraphicalReportHandler::new_themed(theme)
        .with_width(WIDTH)
        .with_links(false)
        .with_context_lines(1)
        .without_syntax_highlighting();
    let file = source.file_at(finding.primary.as_ref().map_or(0, |label| label.span.start));
    let report = Report {
        finding,
        source: NamedSource::new(file.name, file.text.to_owned()),
        start: file.start,
        help: help(finding, source, file.start),
    };
    if handler.render_report(text, &report).is_err() {
        // Only a span outside the text could do that; the finding is still worth its line.
        text.push_str(&finding.one_line());
        text.push('\n');
    }
}
