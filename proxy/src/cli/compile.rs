//! `sluicegate compile`: a manifest into a bundle, the form that is signed, stored and shipped.

use std::path::PathBuf;

use policy_compiler::{Finding, compile};
use rule_table::Bundle;

use super::output::{Overlays, read_manifest, show_findings};
use super::stats::Stats;
use super::{BAD_INPUT, FAILURE, Output, complain, say};
use crate::policy::signing_key;

const EXAMPLES: &str = "\
Examples:
  sluicegate compile gateway.yaml --bundle gateway.bundle
  sluicegate compile gateway.yaml --bundle gateway.bundle --sign signing.pem
  sluicegate compile gateway.yaml --stats
  sluicegate compile gateway.yaml --output json | jq -r .digest";

/// Compile a manifest.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Args {
    /// Manifest in YAML or JSON; `-` reads standard input
    manifest: PathBuf,
    #[command(flatten)]
    overlays: Overlays,
    /// Write the bundle to this file
    #[arg(long, short)]
    bundle: Option<PathBuf>,
    /// Sign the bundle with this private key in a PEM file (`sluicegate keygen` makes one); can be repeated
    #[arg(long, value_name = "FILE", requires = "bundle")]
    sign: Vec<PathBuf>,
    /// Tell what was shared and dropped, and what the bundle's sections take
    #[arg(long)]
    stats: bool,
    /// How to write the result
    #[arg(long, value_enum, default_value_t)]
    output: Output,
}

pub(super) fn run(args: &Args) -> u8 {
    let keys: Result<Vec<_>, _> = args.sign.iter().map(|file| signing_key(file)).collect();
    let keys = match keys {
        Ok(keys) => keys,
        Err(why) => {
            complain(&format!("sluicegate: {why}\n"));
            return BAD_INPUT;
        }
    };
    let source = match read_manifest(&args.manifest, &args.overlays) {
        Ok(source) => source,
        Err(code) => return code,
    };
    let outcome = compile(&source);
    let Some(bundle) = outcome.bundle.filter(|_| !outcome.findings.iter().any(Finding::is_error)) else {
        show_findings(&outcome.findings, &source, args.output);
        return BAD_INPUT;
    };
    if let Some(file) = &args.bundle
        && let Err(error) = std::fs::write(file, bundle.to_signed_bytes(&keys))
    {
        complain(&format!("sluicegate: {} cannot be written: {error}\n", file.display()));
        return FAILURE;
    }
    if args.output == Output::Text && !outcome.findings.is_empty() {
        show_findings(&outcome.findings, &source, Output::Text);
    }
    let stats = args.stats.then(|| Stats::of(&bundle));
    say(&match args.output {
        Output::Json => format!("{}\n", told(&bundle, &outcome.findings, stats.as_ref())),
        Output::Text => summary(&bundle) + &stats.map_or(String::new(), |stats| stats.to_string()),
    });
    0
}

fn told(bundle: &Bundle, findings: &[Finding], stats: Option<&Stats>) -> serde_json::Value {
    let policy = bundle.policy();
    let mut told = serde_json::json!({
        "digest": bundle.digest().to_string(),
        "routes": policy.routes.len(),
        "pools": policy.pools.len(),
        "deployments": policy.deployments.len(),
        "consumers": policy.consumers.len(),
        "warnings": findings.iter().map(Finding::one_line).collect::<Vec<_>>(),
    });
    if let (Some(stats), Some(told)) = (stats, told.as_object_mut()) {
        told.insert("stats".to_owned(), serde_json::json!(stats));
    }
    told
}

fn summary(bundle: &Bundle) -> String {
    let policy = bundle.policy();
    format!(
        "{}\n{} routes, {} pools, {} deployments, {} consumers\n",
        bundle.digest(),
        policy.routes.len(),
        policy.pools.len(),
        policy.deployments.len(),
        policy.consumers.len()
    )
}
