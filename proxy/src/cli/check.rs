//! `sluicegate check`: all findings of a manifest, whether it would serve and, with `--live`, whether what
//! it leads to is there.

mod live;
mod report;

use std::path::{Path, PathBuf};

use policy_compiler::{Finding, compile_at};

use self::report::{LevelArgs, Report, show};
use super::output::{Overlays, read_manifest};
use super::{BAD_INPUT, Output, complain};
use crate::policy::missing_resources;

const EXAMPLES: &str = "\
Examples:
  sluicegate check gateway.yaml
  sluicegate check gateway.yaml --output json | jq .code
  sluicegate check gateway.yaml --output sarif > findings.sarif
  sluicegate check gateway.yaml --deny warnings --allow SG0208
  cat gateway.yaml | sluicegate check - --no-resources
  sluicegate check gateway.yaml --live                    secrets, names, TLS, tokens, health paths
  sluicegate check gateway.yaml --live --spend-tokens     and one token from every deployment

Exit codes: 0 all is well, 1 the manifest is but something live is not, 2 the manifest is not.";

/// Check a manifest.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Args {
    /// Manifest in YAML or JSON; `-` reads standard input
    manifest: PathBuf,
    #[command(flatten)]
    overlays: Overlays,
    /// Leave out secrets and files the manifest refers to, which may exist on another machine only
    #[arg(long, conflicts_with = "live")]
    no_resources: bool,
    /// Ask every backend as well: secrets, names, TLS handshakes, tokens, health paths
    #[arg(long)]
    live: bool,
    /// Have every deployment generate one token, which costs money
    #[arg(long, requires = "live")]
    spend_tokens: bool,
    #[command(flatten)]
    levels: LevelArgs,
    /// How to write findings
    #[arg(long, value_enum, default_value_t)]
    output: Report,
}

pub(super) fn run(args: &Args) -> u8 {
    let source = match read_manifest(&args.manifest, &args.overlays) {
        Ok(source) => source,
        Err(code) => return code,
    };
    let levels = match args.levels.levels() {
        Ok(levels) => levels,
        Err(fault) => {
            complain(&fault);
            return BAD_INPUT;
        }
    };
    let mut outcome = compile_at(&source, &levels);
    let base = args.manifest.parent().unwrap_or(Path::new(""));
    if let Some(bundle) = outcome.bundle.as_ref().filter(|_| !args.no_resources) {
        let missing = missing_resources(bundle.policy(), base);
        outcome.findings.extend(outcome.locate(missing));
    }
    show(&outcome.findings, &source, args.output);
    let mut code = if outcome.findings.iter().any(Finding::is_error) { BAD_INPUT } else { 0 };
    // A missing secret is one backend's; the others can still be asked.
    if let Some(bundle) = outcome.bundle.as_ref().filter(|_| args.live) {
        let output = if args.output == Report::Human { Output::Text } else { Output::Json };
        code = code.max(live::run(bundle.policy(), base, args.spend_tokens, output));
    }
    code
}
