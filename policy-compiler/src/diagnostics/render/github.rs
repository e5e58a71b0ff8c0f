//! A finding as a workflow command of GitHub Actions, which shows it beside the changed lines. It owns that
//! form and its escapes (docs.github.com, workflow commands; `%`, line ends, and in properties `:` and `,`).

use crate::diagnostics::{Finding, Severity};
use crate::source::Source;

pub(super) fn render(finding: &Finding, source: &Source) -> String {
    let command = match finding.severity() {
        Severity::Error => "error",
        Severity::Warning => "warning",
        Severity::Note => "notice",
    };
    let start = finding.primary.as_ref().map_or(0, |label| label.span.start);
    let mut properties = format!("file={}", property(source.file_at(start).name));
    if let Some(label) = &finding.primary {
        let (from, to) = (source.position(label.span.start), source.position(label.span.end));
        properties.push_str(&format!(",line={},endLine={},col={}", from.line, to.line, from.column));
        // An end column is understood within one line only.
        if from.line == to.line {
            properties.push_str(&format!(",endColumn={}", to.column));
        }
    }
    let title = property(&format!("{} {}", finding.code, finding.code.title()));
    let mut message = finding.message.clone();
    for more in [
        finding.witness.as_ref().map(|witness| format!("for example: {witness}")),
        finding.help.as_ref().map(|help| format!("help: {help}")),
    ] {
        message.extend(more.map(|more| format!("\n{more}")));
    }
    format!("::{command} {properties},title={title}::{}\n", data(&message))
}

fn data(text: &str) -> String {
    text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

fn property(text: &str) -> String {
    data(text).replace(':', "%3A").replace(',', "%2C")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnostics::{Code, Witness};
    use crate::source::Span;

    #[test]
    fn what_ends_a_command_or_property_is_escaped() {
        let finding = Finding::new(Code::OpenRoute, "50% of\nall")
            .at(Span { start: 3, end: 5 }, "")
            .witness(Witness::values([("a", "1")]))
            .help("mend: it");
        let text = render(&finding, &Source::new("a,b:c.yaml", "x:\nyz: 1\n"));
        assert_eq!(
            text,
            "::warning file=a%2Cb%3Ac.yaml,line=2,endLine=2,col=1,endColumn=3,title=SG0504 route open to anyone\
             ::50%25 of%0Aall%0Afor example: a 1%0Ahelp: mend: it\n"
        );
    }
}
