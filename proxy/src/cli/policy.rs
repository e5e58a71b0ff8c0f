//! Policies as they are named on the command line: a manifest or a bundle. It owns telling them apart and what is
//! said where one cannot be read; it refuses to go on with one that has errors.

use std::path::Path;

use policy_compiler::{Finding, compile};
use rule_table::Bundle;

use super::output::{Overlays, read_manifest, show_findings};
use super::{BAD_INPUT, Output, complain};
use crate::policy::{bundle_in, refusal};

/// A bundle, or a manifest with its overlays, whose errors are shown.
pub(super) fn read_policy(path: &Path, overlays: &Overlays) -> Result<Bundle, u8> {
    if path != Path::new("-")
        && let Ok(Some(written)) = bundle_in(path)
    {
        return Bundle::from_bytes(written.bytes()).map_err(|error| {
            complain(&format!("sluicegate: {} cannot be read: {}\n", path.display(), refusal(&error)));
            BAD_INPUT
        });
    }
    let source = read_manifest(path, overlays)?;
    let outcome = compile(&source);
    outcome.bundle.filter(|_| !outcome.findings.iter().any(Finding::is_error)).ok_or_else(|| {
        show_findings(&outcome.findings, &source, Output::Text);
        BAD_INPUT
    })
}
