//! `sluicegate expand`: every effective value of a manifest and where it comes from.

use std::path::PathBuf;

use policy_compiler::{Finding, expand};

use super::output::{Overlays, read_manifest, show_findings};
use super::{BAD_INPUT, Output, say};

const EXAMPLES: &str = "\
Examples:
  sluicegate expand gateway.yaml
  sluicegate expand gateway.yaml --output json | jq '.pools'";

/// Print effective values.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Args {
    /// Manifest in YAML or JSON; `-` reads standard input
    manifest: PathBuf,
    #[command(flatten)]
    overlays: Overlays,
    /// How to write them
    #[arg(long, value_enum, default_value_t)]
    output: Output,
}

pub(super) fn run(args: &Args) -> u8 {
    let source = match read_manifest(&args.manifest, &args.overlays) {
        Ok(source) => source,
        Err(code) => return code,
    };
    let expanded = expand(&source);
    let text = match args.output {
        Output::Text => expanded.yaml(),
        Output::Json => expanded.json().map(|values| format!("{values:#}\n")),
    };
    let broken = expanded.findings.iter().any(Finding::is_error);
    if broken || text.is_none() {
        // On the findings' usual channel, so that what is printed is still only the values.
        show_findings(&expanded.findings, &source, Output::Text);
    }
    say(&text.unwrap_or_default());
    if broken { BAD_INPUT } else { 0 }
}
