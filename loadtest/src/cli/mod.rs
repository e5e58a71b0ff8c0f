//! The command line. It owns arguments, help and exit codes; it refuses to measure.

mod drive;
mod output;
mod quickstart;
mod replay;
mod run;
mod target;

use std::io::{self, Write};
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::{Error, Exit};

const EXAMPLES: &str = "\
Examples:
  sluicegate-loadtest quickstart
  sluicegate-loadtest run --url http://127.0.0.1:8080 --model gpt-4o --rate 50 --for 30s
  sluicegate-loadtest replay trace.csv --window 10m --url http://127.0.0.1:8080 --model gpt-4o

Exit codes:
  0 the run was made   1 internal error       2 bad usage or trace   3 target unreachable
  4 the run was made, but this machine spoilt its figures            130 interrupted";

/// Open-loop load tester for model traffic.
///
/// Requests are sent when they are due, however slow the server is, and latencies count from that
/// moment: a server that stalls cannot hide it.
#[derive(Debug, Parser)]
#[command(name = "sluicegate-loadtest", version, about, after_help = EXAMPLES, arg_required_else_help = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Send requests at random, at a given average rate
    Run(run::Args),
    /// Send the requests of a recorded trace when they were sent
    Replay(replay::Args),
    /// Watch the gateway steer real traffic among four simulated backends
    Quickstart(quickstart::Args),
}

/// Parses the command line, does what it says, and says how that went.
#[must_use]
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    let done = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(Error::from)
        .and_then(|runtime| runtime.block_on(carry_out(cli.command)));
    let exit = done.unwrap_or_else(|error| {
        // Nobody to tell when standard error is closed.
        let _ = writeln!(io::stderr(), "error: {error}");
        error.exit()
    });
    ExitCode::from(exit as u8)
}

async fn carry_out(command: Command) -> Result<Exit, Error> {
    match command {
        Command::Run(args) => run::carry_out(args).await,
        Command::Replay(args) => replay::carry_out(args).await,
        Command::Quickstart(args) => quickstart::carry_out(args).await,
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_well_formed() {
        Cli::command().debug_assert();
    }

    #[test]
    fn every_command_shows_examples_in_its_help() {
        for command in Cli::command().get_subcommands() {
            let help = command.get_after_help().map(ToString::to_string).unwrap_or_default();
            assert!(help.contains("Examples:"), "{}", command.get_name());
        }
    }
}
