//! `sluicegate schema`: the JSON Schema that validates manifests, for editors and other tools.

use super::say;

const EXAMPLES: &str = "\
Example:
  sluicegate schema > gateway.schema.json
  # then, as the first line of the manifest:
  # yaml-language-server: $schema=./gateway.schema.json";

/// Print the schema.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Args {}

pub(super) fn run(_: &Args) -> u8 {
    say(&policy_compiler::schema_text());
    0
}
