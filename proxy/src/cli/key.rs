//! `sluicegate key`: a fresh API key and the hash that goes into the manifest. It refuses to store either.

use sha2::{Digest, Sha256};

use super::{Output, say};
use crate::doors::fresh_key;

const EXAMPLES: &str = "\
Examples:
  sluicegate key
  sluicegate key --output json | jq -r .sha256";

/// Make an API key.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Args {
    /// How to write it
    #[arg(long, value_enum, default_value_t)]
    output: Output,
}

pub(super) fn run(args: &Args) -> u8 {
    let key = fresh_key();
    let sha256: String = Sha256::digest(key.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect();
    say(&match args.output {
        Output::Json => format!("{}\n", serde_json::json!({"key": key, "sha256": sha256})),
        Output::Text => format!(
            "key     {key}\n        give it to the caller; it is shown only here\n\
             sha256  {sha256}\n        put it into the manifest: consumers.<name>.keys.<key name>.sha256\n"
        ),
    });
    0
}
