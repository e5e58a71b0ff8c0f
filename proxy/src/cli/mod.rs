//! The command line: one file per subcommand. It owns flags, exit codes and what people see; it refuses to
//! do the work itself.

mod audit;
mod check;
mod compile;
mod costs;
mod expand;
mod explain;
mod init;
mod key;
mod keys;
mod output;
mod reconcile;
mod remote;
mod run;
mod schema;

use std::process::ExitCode;

use clap::{Parser, Subcommand, ValueEnum};

pub(crate) use output::{complain, say};

const EXAMPLES: &str = "\
Examples:
  sluicegate init --output gateway.yaml     write a first manifest
  sluicegate check gateway.yaml             find what is wrong with it
  sluicegate run --manifest gateway.yaml    serve

Exit codes: 0 success, 1 a failure of the gateway or the system, 2 bad input.";

/// The gate that regulates what flows to AI backends.
#[derive(Debug, Parser)]
#[command(name = "sluicegate", version, after_help = EXAMPLES, max_term_width = 100)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Serve a manifest
    Run(run::Args),
    /// Check a manifest and show all findings
    Check(check::Args),
    /// Compile a manifest into a bundle
    Compile(compile::Args),
    /// Print the JSON Schema of the manifest
    Schema(schema::Args),
    /// Print every effective value with its origin
    Expand(expand::Args),
    /// Write a first manifest from a few questions
    Init(init::Args),
    /// Explain a finding's code
    Explain(explain::Args),
    /// Make an API key for a consumer
    Key(key::Args),
    /// Verify or show an audit log
    Audit(audit::Args),
    /// Export what everything cost
    Costs(costs::Args),
    /// Compare our account with a provider's
    Reconcile(reconcile::Args),
    /// Issue, list, rotate and revoke API keys of a running gateway
    Keys(keys::Args),
}

/// How results are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Output {
    /// For people.
    #[default]
    Text,
    /// For programs.
    Json,
}

/// Bad input: a manifest with errors, a file that cannot be read, flags that do not fit.
pub(crate) const BAD_INPUT: u8 = 2;
/// A failure of the gateway or of the system.
pub(crate) const FAILURE: u8 = 1;

/// Runs the command line.
#[must_use]
pub fn main() -> ExitCode {
    let code = match Cli::parse().command {
        Command::Run(args) => run::run(&args),
        Command::Check(args) => check::run(&args),
        Command::Compile(args) => compile::run(&args),
        Command::Schema(args) => schema::run(&args),
        Command::Expand(args) => expand::run(&args),
        Command::Init(args) => init::run(&args),
        Command::Explain(args) => explain::run(&args),
        Command::Key(args) => key::run(&args),
        Command::Audit(args) => audit::run(&args),
        Command::Costs(args) => costs::run(&args),
        Command::Reconcile(args) => reconcile::run(&args),
        Command::Keys(args) => keys::run(&args),
    };
    ExitCode::from(code)
}
