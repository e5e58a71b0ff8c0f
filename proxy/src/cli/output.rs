//! Writing to the terminal. It owns when colour is used and what a closed pipe means; it refuses to decide
//! what is said.

use std::io::{IsTerminal, Write, stderr, stdout};
use std::path::{Path, PathBuf};

use policy_compiler::{Finding, Source, Style, compile, flatten, render};

use super::{BAD_INPUT, Output};
use crate::policy::{ManifestFiles, Written, bundle_in};

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

/// Flags of every command that reads a manifest.
#[derive(Clone, Debug, Default, clap::Args)]
pub(crate) struct Overlays {
    /// Change the manifest by this file; can be repeated, the last one wins
    #[arg(long = "overlay", value_name = "FILE")]
    pub(crate) files: Vec<PathBuf>,
}

/// Reads a manifest with the files it includes and overlays, `-` being standard input.
pub(crate) fn read_manifest(path: &Path, overlays: &Overlays) -> Result<Source, u8> {
    let result = if path == Path::new("-") {
        std::io::read_to_string(std::io::stdin()).map_err(|source| (path.to_owned(), source)).and_then(
            |text| {
                ManifestFiles::new(Path::new("manifest.yaml"), &overlays.files).join(Source::new("-", text))
            },
        )
    } else {
        ManifestFiles::new(path, &overlays.files).read()
    };
    result.map_err(|(file, error)| {
        complain(&format!("sluicegate: {} cannot be read: {error}\n", file.display()));
        BAD_INPUT
    })
}

/// A bundle, or a manifest as one text, as a running gateway takes it; a manifest's findings are shown when its
/// files do not fit together.
pub(crate) fn read_joined(path: &Path, overlays: &Overlays) -> Result<Written, u8> {
    if path != Path::new("-")
        && overlays.files.is_empty()
        && let Ok(Some(bundle)) = bundle_in(path)
    {
        return Ok(bundle);
    }
    let source = read_manifest(path, overlays)?;
    flatten(&source).map(Written::Manifest).ok_or_else(|| {
        show_findings(&compile(&source).findings, &source, Output::Text);
        BAD_INPUT
    })
}
