//! `sluicegate expand`: every effective value of a manifest and where it comes from.

use std::path::PathBuf;

use super::output::{read_manifest, show_findings};
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
    /// How to write them
    #[arg(long, value_enum, default_value_t)]
    output: Output,
}

pub(super) fn run(args: &Args) -> u8 {
    let source = match read_manifest(&args.manifest) {
        Ok(source) => source,
        Err(code) => return code,
    };
    match policy_compiler::expand(&source) {
        Ok(expanded) => {
            say(&match args.output {
                Output::Text => expanded.to_yaml(),
                Output::Json => format!("{:#}\n", expanded.to_json()),
            });
            0
        }
        Err(findings) => {
            show_findings(&findings, &source, args.output);
            BAD_INPUT
        }
    }
}
