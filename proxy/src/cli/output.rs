//! Writing to the terminal. It owns when colour is used and what a closed pipe means; it refuses to decide
//! what is said.

use std::io::{IsTerminal, Write, stderr, stdout};
use std::path::Path;

use policy_compiler::{Finding, Source, Style, render};

use super::{BAD_INPUT, Output};

/// Writes to standard output. A reader that has gone away (`| head`) is no error.
pub(crate) fn say(text: &str) {
    let _ = stdout().lock().write_all(text.as_bytes()).and_then(|()| stdout().lock().flush());
}

/// Writes to standard error.
pub(crate) fn complain(text: &str) {
    let _ = stderr().lock().write_all(text.as_bytes());
}

/// Whether a stream takes colour: a terminal, and nobody asked for none (<https://no-color.org>).
pub(crate) fn colour(terminal: bool) -> bool {
    terminal && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}

/// Findings for people go to standard error as it is; for programs to standard output.
pub(crate) fn show_findings(findings: &[Finding], source: &Source, output: Output) {
    match output {
        Output::Json => say(&render(findings, source, Style::Json)),
        Output::Text if stderr().is_terminal() => {
            complain(&render(findings, source, Style::Terminal { colour: colour(true) }));
        }
        Output::Text => complain(&render(findings, source, Style::Plain)),
    }
}

/// Reads a manifest, `-` being standard input.
pub(crate) fn read_manifest(path: &Path) -> Result<Source, u8> {
    let text = if path == Path::new("-") {
        std::io::read_to_string(std::io::stdin())
    } else {
        std::fs::read_to_string(path)
    };
    match text {
        Ok(text) => Ok(Source::new(path.display().to_string(), text)),
        Err(error) => {
            complain(&format!("sluicegate: {} cannot be read: {error}\n", path.display()));
            Err(BAD_INPUT)
        }
    }
}
