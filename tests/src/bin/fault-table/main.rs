//! `fault-table`: every fault of a backend against a running gateway, and what came of it, as the table of
//! docs/faults.md. It owns the command line; faults and figures are the library's.

use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use e2e::faults::{between_marks, list, measure, page};
use futures_util::{StreamExt as _, stream};

/// Measures what a backend's faults do to callers.
#[derive(Debug, Parser)]
#[command(name = "fault-table")]
struct Cli {
    /// Requests per fault
    #[arg(long, default_value_t = 80)]
    requests: usize,
    /// Faults measured at once, each with a gateway of its own
    #[arg(long, default_value_t = 4)]
    at_once: usize,
    /// The page whose table is replaced; without it the table goes to standard output
    #[arg(long)]
    markdown: Option<PathBuf>,
}

#[tokio::main]
async fn main() -> ExitCode {
    let cli = Cli::parse();
    let measured = stream::iter(list()).map(async |fault| {
        let measured = measure(&fault, cli.requests).await;
        (fault, measured)
    });
    let rows: Vec<_> = measured.buffered(cli.at_once.max(1)).collect().await;
    let table = page(&rows);
    let written = match &cli.markdown {
        None => std::io::stdout().write_all(table.as_bytes()),
        Some(file) => std::fs::read_to_string(file).and_then(|text| {
            let text = between_marks(&text, &table)
                .ok_or_else(|| std::io::Error::other("it has no marks around its table"))?;
            std::fs::write(file, text)
        }),
    };
    match written {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let _ = writeln!(std::io::stderr(), "fault-table: {:?}: {error}", cli.markdown);
            ExitCode::FAILURE
        }
    }
}
