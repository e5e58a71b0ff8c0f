//! `sluicegate check`: all findings of a manifest, and whether it would serve.

use std::path::{Path, PathBuf};

use policy_compiler::{Finding, compile};

use super::output::{read_manifest, show_findings};
use super::{BAD_INPUT, Output};
use crate::policy::missing_resources;

const EXAMPLES: &str = "\
Examples:
  sluicegate check gateway.yaml
  sluicegate check gateway.yaml --output json | jq .code
  cat gateway.yaml | sluicegate check - --no-resources";

/// Check a manifest.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Args {
    /// Manifest in YAML or JSON; `-` reads standard input
    manifest: PathBuf,
    /// Leave out secrets and files the manifest refers to, which may exist on another machine only
    #[arg(long)]
    no_resources: bool,
    /// How to write findings; `json` writes one object per line
    #[arg(long, value_enum, default_value_t)]
    output: Output,
}

pub(super) fn run(args: &Args) -> u8 {
    let source = match read_manifest(&args.manifest) {
        Ok(source) => source,
        Err(code) => return code,
    };
    let mut outcome = compile(&source);
    if let Some(bundle) = outcome.bundle.as_ref().filter(|_| !args.no_resources) {
        let base = args.manifest.parent().unwrap_or(Path::new(""));
        let missing = missing_resources(bundle.policy(), base);
        outcome.findings.extend(outcome.locate(missing));
    }
    show_findings(&outcome.findings, &source, args.output);
    if outcome.findings.iter().any(Finding::is_error) { BAD_INPUT } else { 0 }
}
