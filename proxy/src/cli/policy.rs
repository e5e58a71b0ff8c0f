//! Policies as they are named on the command line: a manifest or a bundle. It owns telling them apart and what is
//! said where one cannot be read; it refuses to go on with one that has errors.

use std::io::Read;
use std::path::Path;

use policy_compiler::{Finding, compile};
use rule_table::Bundle;

use super::output::{Overlays, read_manifest, show_findings};
use super::{BAD_INPUT, Output, complain};

/// How a bundle begins.
const BUNDLE: &[u8] = b"sluicegate-bundle";

/// A bundle, or a manifest with its overlays, whose errors are shown.
pub(super) fn read_policy(path: &Path, overlays: &Overlays) -> Result<Bundle, u8> {
    let mut head = Vec::new();
    if let Ok(file) = std::fs::File::open(path)
        && file.take(BUNDLE.len() as u64).read_to_end(&mut head).is_ok()
        && head == BUNDLE
    {
        return read_bundle(path);
    }
    let source = read_manifest(path, overlays)?;
    let outcome = compile(&source);
    outcome.bundle.filter(|_| !outcome.findings.iter().any(Finding::is_error)).ok_or_else(|| {
        show_findings(&outcome.findings, &source, Output::Text);
        BAD_INPUT
    })
}

fn read_bundle(path: &Path) -> Result<Bundle, u8> {
    let wrong = |what: String| {
        complain(&format!("sluicegate: {} cannot be read: {what}\n", path.display()));
        BAD_INPUT
    };
    let bytes = std::fs::read(path).map_err(|error| wrong(error.to_string()))?;
    Bundle::from_bytes(&bytes).map_err(|error| wrong(error.to_string()))
}
