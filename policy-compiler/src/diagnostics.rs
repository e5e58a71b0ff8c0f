//! What the compiler has to say: findings with a code, a place and a fix. It owns their shape and the
//! registry of codes; it refuses to know why any of them arises.

pub mod codes;
mod levels;
pub mod render;
pub mod suggest;
mod witness;

pub use codes::{Code, Severity};
pub use levels::{LevelFault, Levels};
pub use render::{Style, render};
pub use witness::{Request, Witness};

use crate::source::{Document, Span};

/// A place and what to say there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Label {
    /// Bytes of the source.
    pub span: Span,
    /// A few words; may be empty.
    pub text: String,
}

/// One thing the compiler found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// What kind of thing; decides the severity.
    pub code: Code,
    /// One sentence without a full stop. Never holds a secret.
    pub message: String,
    /// Names from the root to the field, for findings about a field.
    pub path: Vec<String>,
    /// Where it is. Absent only for findings about a policy whose text is not at hand.
    pub primary: Option<Label>,
    /// Other places that matter.
    pub secondary: Vec<Label>,
    /// How to fix it.
    pub help: Option<String>,
    /// A case in which it can be seen.
    pub witness: Option<Box<Witness>>,
    /// Its severity where that is not its code's own.
    pub(crate) level: Option<Severity>,
    /// Places that must not be shown, because a secret stands there.
    pub redact: Vec<Span>,
}

impl Finding {
    /// A finding without a place yet.
    #[must_use]
    pub fn new(code: Code, message: impl Into<String>) -> Self {
        Self {
            code,
            message: message.into(),
            path: Vec::new(),
            primary: None,
            secondary: Vec::new(),
            help: None,
            witness: None,
            level: None,
            redact: Vec::new(),
        }
    }

    /// Points at a span.
    #[must_use]
    pub fn at(mut self, span: Span, text: impl Into<String>) -> Self {
        self.primary = Some(Label { span, text: text.into() });
        self
    }

    /// Points at the value at a path.
    #[must_use]
    pub fn at_value<S: AsRef<str>>(self, document: &Document, path: &[S], text: impl Into<String>) -> Self {
        self.about(path).at(document.value_span(path), text)
    }

    /// Points at the key at a path.
    #[must_use]
    pub fn at_key<S: AsRef<str>>(self, document: &Document, path: &[S], text: impl Into<String>) -> Self {
        self.about(path).at(document.key_span(path), text)
    }

    /// Replaces the words at the place it points at.
    #[must_use]
    pub fn labelled(mut self, text: impl Into<String>) -> Self {
        if let Some(label) = self.primary.as_mut() {
            label.text = text.into();
        }
        self
    }

    /// Says which field it is about, without pointing.
    #[must_use]
    pub fn about<S: AsRef<str>>(mut self, path: &[S]) -> Self {
        self.path = path.iter().map(|segment| segment.as_ref().to_owned()).collect();
        self
    }

    /// Points at another place as well.
    #[must_use]
    pub fn also(mut self, span: Span, text: impl Into<String>) -> Self {
        self.secondary.push(Label { span, text: text.into() });
        self
    }

    /// Says how to fix it.
    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// Shows a case.
    #[must_use]
    pub fn witness(mut self, witness: Witness) -> Self {
        self.witness = Some(Box::new(witness));
        self
    }

    /// Hides what stands at a span wherever the source is shown.
    #[must_use]
    pub fn redacting(mut self, span: Span) -> Self {
        self.redact.push(span);
        self
    }

    /// The same, `by` bytes further on in the text.
    pub(crate) fn moved(mut self, by: usize) -> Self {
        for label in self.primary.iter_mut().chain(&mut self.secondary) {
            label.span = label.span.moved(by);
        }
        for span in &mut self.redact {
            *span = span.moved(by);
        }
        self
    }

    /// How bad it is.
    #[must_use]
    pub fn severity(&self) -> Severity {
        self.level.unwrap_or(self.code.severity())
    }

    /// Whether it keeps a bundle from being made.
    #[must_use]
    pub fn is_error(&self) -> bool {
        self.severity() == Severity::Error
    }

    /// Code and message in one line, for logs and the admin API.
    #[must_use]
    pub fn one_line(&self) -> String {
        format!("{}: {}", self.code, self.message)
    }
}

/// Puts findings in the order of the text, errors before the rest at the same place, and drops a
/// schema's complaint about a scalar that could not be read in the first place.
pub(crate) fn settle(findings: &mut Vec<Finding>) {
    let start = |finding: &Finding| {
        finding.primary.as_ref().map_or((0, 0), |label| (label.span.start, label.span.end))
    };
    let unread: Vec<_> = findings.iter().filter(|f| f.code.is_syntax()).map(start).collect();
    findings.retain(|finding| finding.code.is_syntax() || !unread.contains(&start(finding)));
    findings.sort_by_cached_key(|finding| (start(finding), finding.severity(), finding.code));
    findings.dedup_by_key(|finding| (finding.code, start(finding)));
}
