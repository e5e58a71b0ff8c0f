//! `sluicegate explain`: the long form of a finding's code, with an example and its fix.

use super::{BAD_INPUT, complain, say};

const EXAMPLES: &str = "\
Example:
  sluicegate explain SG0301";

/// Explain a code.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Args {
    /// A code such as SG0301
    code: String,
}

pub(super) fn run(args: &Args) -> u8 {
    match policy_compiler::explain(&args.code) {
        Some(text) => {
            say(&text);
            0
        }
        None => {
            complain(&format!("sluicegate: there is no finding {}; codes look like SG0301\n", args.code));
            BAD_INPUT
        }
    }
}
