//! The command line: one file per subcommand. It owns flags, exit codes and what people see; it refuses to
//! do the work itself.

mod asking;
mod audit;
mod check;
mod compile;
mod costs;
mod diff;
mod expand;
mod explain;
mod fmt;
mod hold;
mod import;
mod init;
mod key;
mod keygen;
mod keys;
mod limits;
mod migrate;
mod output;
mod policy;
mod publish;
mod reconcile;
mod run;
mod schema;
mod shadow;
mod stats;
mod status;
mod waf;
mod why;

use std::process::ExitCode;

use clap::{Parser, Subcommand, ValueEnum};

pub(crate) use output::{complain, say};

const EXAMPLES: &str = "\
Examples:
  sluicegate init --output gateway.yaml     write a first manifest
  sluicegate check gateway.yaml             find what is wrong with it
  sluicegate run --manifest gateway.yaml    serve
  sluicegate why 0198c5d2…                  tell why a request failed or went elsewhere
  sluicegate drain eastus --for 30m --reason \"browns out\"
  sluicegate rollback                       put the policy before in force again

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
    /// Format manifests, comments included
    Fmt(fmt::Args),
    /// Write a first manifest from a few questions
    Init(init::Args),
    /// Make a manifest from another gateway's configuration
    Import(import::Args),
    /// Bring a manifest to the current version of the language
    Migrate(migrate::Args),
    /// Explain a finding's code
    Explain(explain::Args),
    /// Show what a change of policy does to requests
    Diff(diff::Args),
    /// Read rule sets of the web application firewall and try them
    Waf(waf::Args),
    /// Make a pair of keys to sign bundles with
    Keygen(keygen::Args),
    /// Make an API key for a consumer
    Key(key::Args),
    /// Tell why a request failed, was refused or went elsewhere
    Why(why::Args),
    /// Verify or show an audit log
    Audit(audit::Args),
    /// Export what everything cost
    Costs(costs::Args),
    /// Compare our account with a provider's
    Reconcile(reconcile::Args),
    /// Issue, list, rotate and revoke API keys of a running gateway
    Keys(keys::Args),
    /// Show how far limits are used
    Limits(limits::Args),
    /// Put a manifest in force on a running gateway, for good or for a time
    Publish(publish::PublishArgs),
    /// Make the policy on trial permanent
    Promote(publish::PromoteArgs),
    /// Compare a second policy with the one in force, on live traffic
    Shadow(shadow::Args),
    /// Put an earlier generation in force again
    Rollback(publish::RollbackArgs),
    /// Show the policy in force, the pools and where limits stand
    Status(status::Args),
    /// List the generations that can be rolled back to
    Generations(publish::GenerationsArgs),
    /// Send no new requests to a backend or deployment for a time
    Drain(hold::DrainArgs),
    /// Use one member of a pool only for a time
    Pin(hold::PinArgs),
    /// Keep an adaptive pool's weights as they are for a time
    Freeze(hold::FreezeArgs),
    /// List what operators hold
    Holds(hold::ListArgs),
    /// End a hold before its time
    Release(hold::ReleaseArgs),
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
        Command::Fmt(args) => fmt::run(&args),
        Command::Init(args) => init::run(&args),
        Command::Import(args) => import::run(&args),
        Command::Migrate(args) => migrate::run(&args),
        Command::Diff(args) => diff::run(&args),
        Command::Explain(args) => explain::run(&args),
        Command::Waf(args) => waf::run(&args),
        Command::Keygen(args) => keygen::run(&args),
        Command::Key(args) => key::run(&args),
        Command::Why(args) => why::run(&args),
        Command::Audit(args) => audit::run(&args),
        Command::Costs(args) => costs::run(&args),
        Command::Reconcile(args) => reconcile::run(&args),
        Command::Keys(args) => keys::run(&args),
        Command::Limits(args) => limits::run(&args),
        Command::Publish(args) => publish::publish(&args),
        Command::Promote(args) => publish::promote(&args),
        Command::Shadow(args) => shadow::run(&args),
        Command::Rollback(args) => publish::roll_back(&args),
        Command::Status(args) => status::run(&args),
        Command::Generations(args) => publish::generations(&args),
        Command::Drain(args) => hold::drain(&args),
        Command::Pin(args) => hold::pin(&args),
        Command::Freeze(args) => hold::freeze(&args),
        Command::Holds(args) => hold::list(&args),
        Command::Release(args) => hold::release(&args),
    };
    ExitCode::from(code)
}
