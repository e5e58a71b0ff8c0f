//! `sluicegate audit`: whether a log is what was written, and what it says. It owns rendering and exit codes;
//! the chain is `audit`'s.

use std::path::{Path, PathBuf};

use clap::Subcommand;
use vocabulary::admin::audit::AuditLine;

use super::{BAD_INPUT, FAILURE, Output, complain, say};
use crate::audit::{files, verify};
use crate::clock::wall_time;

const EXAMPLES: &str = "\
Examples:
  sluicegate audit verify /var/lib/sluicegate/audit.jsonl
  sluicegate audit show /var/lib/sluicegate --last 20
  sluicegate audit verify /var/lib/sluicegate --output json | jq -r .sha256

Exit codes of verify: 0 the chain holds, 1 it is broken, 2 it cannot be read.
Whoever may write the directory can rewrite log and head together; keep the printed hash elsewhere.";

/// Verify or show an audit log.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Follow the hash chain and name the first line that breaks it
    Verify {
        /// The log, or the state directory it lies in; files put aside are read before it
        file: PathBuf,
        /// How to write the result
        #[arg(long, value_enum, default_value_t)]
        output: Output,
    },
    /// Show the latest lines
    Show {
        /// The log, or the state directory it lies in
        file: PathBuf,
        /// How many at most
        #[arg(long, default_value_t = 50)]
        last: usize,
        /// How to write them
        #[arg(long, value_enum, default_value_t)]
        output: Output,
    },
}

pub(super) fn run(args: &Args) -> u8 {
    match &args.command {
        Command::Verify { file, output } => check(file, *output),
        Command::Show { file, last, output } => show(file, *last, *output),
    }
}

fn check(file: &Path, output: Output) -> u8 {
    let verified = files(file).and_then(|files| verify(&files));
    let verified = match verified {
        Ok(verified) => verified,
        Err(error) => {
            complain(&format!("sluicegate: {} cannot be read: {error}\n", file.display()));
            return BAD_INPUT;
        }
    };
    let json = match &verified {
        Ok(whole) => serde_json::to_string(whole),
        Err(broken) => serde_json::to_string(broken),
    };
    match (output, &verified) {
        (Output::Json, _) => say(&format!("{}\n", json.unwrap_or_default())),
        (Output::Text, Ok(whole)) => {
            let head = if whole.head_checked {
                "and the head record agrees"
            } else {
                "but there is no head record: lines missing at its end would not show"
            };
            say(&format!(
                "the chain holds: lines {} to {}, {head}\nsha256 of the last line  {}\n",
                whole.first, whole.last, whole.sha256
            ));
        }
        (Output::Text, Err(broken)) => complain(&format!("sluicegate: the chain is broken at {broken}\n")),
    }
    if verified.is_ok() { 0 } else { FAILURE }
}

fn show(file: &Path, last: usize, output: Output) -> u8 {
    let read = |path: &std::path::PathBuf| std::fs::read_to_string(path);
    let texts = files(file).and_then(|files| files.iter().map(read).collect::<std::io::Result<Vec<_>>>());
    let texts = match texts {
        Ok(texts) => texts,
        Err(error) => {
            complain(&format!("sluicegate: {} cannot be read: {error}\n", file.display()));
            return BAD_INPUT;
        }
    };
    let lines: Vec<&str> = texts.iter().flat_map(|text| text.lines()).collect();
    for line in lines.iter().skip(lines.len().saturating_sub(last)) {
        match (output, serde_json::from_str::<AuditLine>(line)) {
            (Output::Text, Ok(line)) => say(&rendered(&line)),
            (Output::Json, Ok(_)) => say(&format!("{line}\n")),
            (_, Err(error)) => complain(&format!("sluicegate: not a line of an audit log: {error}\n")),
        }
    }
    0
}

/// One line for a person.
pub(super) fn rendered(line: &AuditLine) -> String {
    let mut text = format!("{:>5}  {}  {}", line.seq, wall_time(line.at_ms), line.action.name());
    let mut add = |part: String| {
        text.push_str("  ");
        text.push_str(&part);
    };
    if let Some(target) = &line.target {
        add(target.clone());
    }
    add(format!("by {} ({})", line.actor, line.how));
    if line.before == line.after {
        add(format!("generation {}", line.after.generation));
    } else {
        add(format!("generation {} -> {}", line.before.generation, line.after.generation));
    }
    if !line.changed.is_empty() {
        add(format!("changed: {}", line.changed.join(", ")));
    }
    add(line.outcome.name().to_owned());
    if let Some(detail) = &line.detail {
        add(detail.clone());
    }
    if let Some(reason) = &line.reason {
        add(format!("\"{reason}\""));
    }
    text.push('\n');
    text
}
