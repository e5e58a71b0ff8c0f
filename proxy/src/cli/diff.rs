//! `sluicegate diff`: what a change of policy does to requests. It owns reading both policies and the access
//! log; the comparison is `foresight`'s.

use std::io::{BufRead, BufReader, IsTerminal, stdout};
use std::path::{Path, PathBuf};

use vocabulary::access_log::{ACCESS_LOG_VERSION, AccessLogRecord};

use super::output::{Overlays, colour};
use super::policy::read_policy;
use super::{BAD_INPUT, FAILURE, Output, complain, say};
use crate::clock::unix_nanos;

const EXAMPLES: &str = "\
Examples:
  sluicegate diff gateway.yaml next.yaml
  sluicegate diff running.bundle next.yaml --overlay prod.yaml
  sluicegate diff gateway.yaml next.yaml --traffic /var/log/sluicegate/access.jsonl
  git show HEAD:gateway.yaml | sluicegate diff - gateway.yaml --output json | jq '.classes[].requests'

Exit codes: 0 the same, 1 they differ, 2 bad input.";

/// Show what a change of policy does to requests.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Args {
    /// Manifest in YAML or JSON, or a bundle; `-` reads standard input
    old: PathBuf,
    /// Manifest or bundle
    new: PathBuf,
    #[command(flatten)]
    overlays: Overlays,
    /// An access log of the gateway: count how many recorded requests each class touches
    #[arg(long, value_name = "FILE")]
    traffic: Option<PathBuf>,
    /// How to write what differs
    #[arg(long, value_enum, default_value_t)]
    output: Output,
}

pub(super) fn run(args: &Args) -> u8 {
    compare(args).unwrap_or_else(|code| code)
}

fn compare(args: &Args) -> Result<u8, u8> {
    if args.old == Path::new("-") && args.new == Path::new("-") {
        complain("sluicegate: both policies cannot come from standard input; name a file\n");
        return Err(BAD_INPUT);
    }
    let old = read_policy(&args.old, &args.overlays)?;
    let new = read_policy(&args.new, &args.overlays)?;
    let now = unix_nanos() / 1_000_000_000;
    let mut diff = foresight::diff(old.policy(), new.policy(), now);
    if let Some(file) = &args.traffic {
        let mut fault = None;
        foresight::count(
            &mut diff,
            records(file)?.map_while(|record| match record {
                Ok(record) => Some(record),
                Err(what) => {
                    fault = Some(what);
                    None
                }
            }),
        );
        if let Some(what) = fault {
            complain(&format!("sluicegate: {} {what}\n", file.display()));
            return Err(BAD_INPUT);
        }
    }
    match args.output {
        Output::Text => say(&foresight::render_diff(&diff, colour(stdout().is_terminal()))),
        Output::Json => match serde_json::to_string(&diff) {
            Ok(json) => say(&(json + "\n")),
            Err(error) => {
                complain(&format!("sluicegate: the difference cannot be written: {error}\n"));
                return Err(FAILURE);
            }
        },
    }
    Ok(u8::from(!diff.same))
}

/// The lines of an access log, up to the first that is none.
fn records(file: &Path) -> Result<impl Iterator<Item = Result<AccessLogRecord, String>>, u8> {
    let log = std::fs::File::open(file).map_err(|error| {
        complain(&format!("sluicegate: {} cannot be read: {error}\n", file.display()));
        BAD_INPUT
    })?;
    Ok((1..).zip(BufReader::new(log).lines()).map(|(number, line): (u64, _)| {
        let line = line.map_err(|error| format!("cannot be read: {error}"))?;
        let record: AccessLogRecord = serde_json::from_str(&line).map_err(|error| {
            format!("has no access log record in line {number}: {error}; give the log that `telemetry.accessLog` names")
        })?;
        if record.v == ACCESS_LOG_VERSION {
            Ok(record)
        } else {
            Err(format!("has a record of version {} in line {number}; this program reads {ACCESS_LOG_VERSION}", record.v))
        }
    }))
}
