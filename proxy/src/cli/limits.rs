//! `sluicegate limits`: how far limits are used. It owns flags and what people see; the gateway counts.

use vocabulary::admin::limits::{LimitStanding, Limits, Unit};

use super::asking::{Asking, Question};
use crate::clock::wall_time;

const EXAMPLES: &str = "\
Examples:
  sluicegate limits
  sluicegate limits --at-least 80
  sluicegate limits --output json | jq '.limits[] | select(.unit == \"USD\")'

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
    let path = format!("/v1/limits?limit={}", args.limit);
    args.asking.show(Question::get(&path), |limits: &Limits| {
        let near = |one: &&LimitStanding| one.used_ratio * 100.0 >= args.at_least;
        let text: String = limits.limits.iter().filter(near).map(rendered).collect();
        if text.is_empty() { "no limit is used that far\n".to_owned() } else { text }
    })
}

fn rendered(one: &LimitStanding) -> String {
    let LimitStanding { limit, counted_for, name, unit, used, under_way, ceiling, used_ratio, ends_at_ms } =
        one;
    let amount = |amount: f64| match unit {
        Unit::Usd => format!("{amount:.2}"),
        Unit::Requests | Unit::Tokens | Unit::Streams => format!("{amount:.0}"),
    };
    let held = if *under_way > 0.0 { format!(", {} under way", amount(*under_way)) } else { String::new() };
    let until = ends_at_ms.map_or(String::new(), |ends| format!("  until {}", wall_time(ends)));
    format!(
        "{:>4.0} %  {limit}  {} {name}  {} of {} {}{held}{until}\n",
        used_ratio * 100.0,
        counted_for.name(),
        amount(*used),
        amount(*ceiling),
        unit.name()
    )
}
