//! What can be wrong with a trace. It owns the wording: which file, which line, which column, what, and
//! how to put it right; it refuses to quote more than a short piece of the line.

use std::path::PathBuf;

/// A trace that cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum TraceError {
    /// The file cannot be opened or read.
    #[error("{}: cannot be read after line {line}: {source}", file.display())]
    Io {
        /// The file.
        file: PathBuf,
        /// Lines read so far.
        line: u64,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// The first line fits no format.
    #[error(
        "{}: the format is not one of {}; name it with --format, or give the file the header of one of them",
        file.display(),
        crate::Format::names()
    )]
    UnknownFormat {
        /// The file.
        file: PathBuf,
    },
    /// A line is wrong.
    #[error("{}:{line}: {problem}", file.display())]
    Line {
        /// The file.
        file: PathBuf,
        /// The line, from 1.
        line: u64,
        /// What is wrong with it.
        #[source]
        problem: Problem,
    },
}

/// What is wrong with one line.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("column `{column}`: {what}; {fix}")]
pub struct Problem {
    /// The column or field.
    pub column: String,
    /// What is wrong.
    pub what: String,
    /// How to put it right.
    pub fix: String,
}

impl Problem {
    pub(crate) fn new(column: impl Into<String>, what: impl Into<String>, fix: impl Into<String>) -> Self {
        Self { column: column.into(), what: what.into(), fix: fix.into() }
    }

    /// `given` is not what the column holds.
    pub(crate) fn value(column: &str, given: &str, expected: &str) -> Self {
        Self::new(column, format!("`{}` is not {expected}", excerpt(given)), format!("write {expected}"))
    }
}

/// The beginning of a text, without control characters, for an error message.
fn excerpt(text: &str) -> String {
    let mut short: String =
        text.chars().take(40).map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect();
    if text.chars().nth(40).is_some() {
        short.push('…');
    }
    short
}
