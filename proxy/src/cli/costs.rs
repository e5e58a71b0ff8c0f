//! `sluicegate costs export`: what everything cost, for finance.

use std::path::PathBuf;

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;

use super::{BAD_INPUT, FAILURE, complain, say};
use crate::costs;

const EXAMPLES: &str = "\
Examples:
  sluicegate costs export --state-dir /var/lib/sluicegate --from 2026-11-01 --to 2026-12-01
  sluicegate costs export --state-dir a --state-dir b --from 2026-11-01 --to 2026-12-01 --by team --format focus-json

Several state directories are those of several replicas. Days are in UTC; the last one is not included.";

/// Costs.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Write the charges of a period in FOCUS 1.2
    Export(ExportArgs),
}

#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
struct ExportArgs {
    #[command(flatten)]
    period: Period,
    /// How to write them
    #[arg(long, value_enum, default_value = "focus-csv")]
    format: Format,
    /// Leave consumers out and sum up days
    #[arg(long, value_enum)]
    by: Option<By>,
}

/// Which hours of which gateways.
#[derive(Debug, clap::Args)]
pub(super) struct Period {
    /// State directory of a gateway; several for several replicas
    #[arg(long = "state-dir", env = "SLUICEGATE_STATE_DIR", required = true)]
    pub(super) state_dirs: Vec<PathBuf>,
    /// First day, or hour such as 2026-11-01T08:00:00Z
    #[arg(long, value_parser = moment)]
    pub(super) from: u64,
    /// Day or hour after the last
    #[arg(long, value_parser = moment)]
    pub(super) to: u64,
}

#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum Format {
    /// Comma-separated values
    FocusCsv,
    /// A JSON array
    FocusJson,
}

#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum By {
    /// Team
    Team,
}

/// Unix seconds of a day or a time in UTC.
fn moment(text: &str) -> Result<u64, String> {
    let midnight = |date: Date| date.to_zoned(TimeZone::UTC).map(|at| at.timestamp());
    let at = match text.parse::<Date>() {
        Ok(date) if text.len() == 10 => midnight(date),
        _ => text.parse::<Timestamp>(),
    };
    let at = at.map_err(|_| "write a day such as 2026-11-01, or a time such as 2026-11-01T08:00:00Z")?;
    u64::try_from(at.as_second()).map_err(|_| "before 1970 there was no gateway".to_owned())
}

pub(super) fn run(args: &Args) -> u8 {
    let Command::Export(args) = &args.command;
    let Period { state_dirs, from, to } = &args.period;
    if from >= to {
        complain("sluicegate: --from is not before --to\n");
        return BAD_INPUT;
    }
    let hours = match costs::read(state_dirs, *from, *to) {
        Ok(hours) => hours,
        Err(error) => {
            complain(&format!("sluicegate: {error}\n"));
            return FAILURE;
        }
    };
    let charges = costs::charges(&hours, matches!(args.by, Some(By::Team)));
    match args.format {
        Format::FocusJson => say(&costs::focus_json(&charges)),
        Format::FocusCsv => match costs::focus_csv(&charges) {
            Ok(text) => say(&text),
            Err(error) => {
                complain(&format!("sluicegate: {error}\n"));
                return FAILURE;
            }
        },
    }
    0
}

#[cfg(test)]
mod tests {
    use super::moment;

    #[test]
    fn a_day_is_midnight_in_utc_and_a_time_says_its_zone() {
        assert_eq!(moment("2026-11-01"), Ok(1_793_491_200));
        assert_eq!(moment("2026-11-01T01:00:00+01:00"), Ok(1_793_491_200));
        assert!(
            moment("yesterday").is_err() && moment("2026-13-01").is_err() && moment("1960-01-01").is_err()
        );
    }
}
