//! `sluicegate limits`: how far limits are used. It owns flags and who is left out; the gateway counts.

use vocabulary::admin::Status;
use vocabulary::admin::limits::LimitStandings;

use super::asking::{Asking, Question};
use super::status;

const EXAMPLES: &str = "\
Examples:
  sluicegate limits
  sluicegate limits --at-least 80
  sluicegate limits --output json | jq '.limits.counters[] | select(.unit == \"nano_usd\")'

The ones nearest their ceiling come first. Counts are those of the replica that is asked.";

#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Args {
    /// Only those used this far, in percent
    #[arg(long, default_value_t = 0.0, value_name = "PERCENT")]
    at_least: f64,
    /// How many at most
    #[arg(long, default_value_t = 50)]
    limit: usize,
    #[command(flatten)]
    asking: Asking,
}

pub(super) fn run(args: &Args) -> u8 {
    let path = format!("/v1/status?limits={}", args.limit);
    args.asking.show(Question::get(&path), |status: &Status| {
        let LimitStandings { counters, others, unknown, .. } = &status.limits;
        let near =
            counters.iter().filter(|one| one.share * 100.0 >= args.at_least).cloned().collect::<Vec<_>>();
        if near.is_empty() {
            return "no limit is used that far\n".to_owned();
        }
        // With some of those asked for left out, whoever is less full is not missing.
        let (others, unknown) = if near.len() < counters.len() { (0, 0) } else { (*others, *unknown) };
        status::limits(&LimitStandings { counters: near, others, unknown, ..status.limits.clone() })
    })
}
