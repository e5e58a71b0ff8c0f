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

fn labelled(label: &Label, primary: bool) -> LabeledSpan {
    let text = (!label.text.is_empty()).then(|| label.text.clone());
    let span = (label.span.start, label.span.end - label.span.start);
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
        let help = self.finding.help.as_deref()?;
        Some(match &self.finding.witness {
            Some(witness) => Box::new(format!("{help}\nfor example: {witness}")),
            None => Box::new(help),
        })
    }

    fn source_code(&self) -> Option<&dyn SourceCode> {
        self.finding.primary.is_some().then_some(&self.source as &dyn SourceCode)
    }

    fn labels(&self) -> Option<Box<dyn Iterator<Item = LabeledSpan> + '_>> {
        let primary = self.finding.primary.as_ref()?;
        let secondary = self.finding.secondary.iter().map(|label| labelled(label, false));
        Some(Box::new(std::iter::once(labelled(primary, true)).chain(secondary)))
    }
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
    let report = Report { finding, source: NamedSource::new(&source.name, source.text.clone()) };
    if handler.render_report(text, &report).is_err() {
        // Only a span outside the text could do that; the finding is still worth its line.
        text.push_str(&finding.one_line());
        text.push('\n');
    }
}
