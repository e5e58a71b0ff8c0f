//! `sluicegate status`: the policy in force, the pools and where limits stand, over the admin API.

use vocabulary::Usd;
use vocabulary::admin::limits::{LimitStanding, LimitStandings};
use vocabulary::admin::{PoolStatus, Status};

use super::asking::{Asking, Question};
use crate::clock::wall_time;

const EXAMPLES: &str = "\
Examples:
  sluicegate status
  sluicegate status --limits 200
  sluicegate status --output json";

/// Characters of a bar that is full.
const BAR: usize = 10;

#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Args {
    /// How many counters of limits, the fullest first
    #[arg(long, default_value_t = 20)]
    limits: usize,
    #[command(flatten)]
    asking: Asking,
}

pub(super) fn run(args: &Args) -> u8 {
    args.asking.show(Question::get(&format!("/v1/status?limits={}", args.limits)), rendered)
}

fn rendered(status: &Status) -> String {
    let Status { state, generation, in_flight, digest, version, .. } = status;
    let mut text =
        format!("{state}  generation {generation}  {in_flight} in flight  version {version}\n{digest}\n");
    status.pools.iter().for_each(|one| pool(one, &mut text));
    let limits = limits(&status.limits);
    if !limits.is_empty() {
        text.push_str(&format!("\nlimits\n{limits}"));
    }
    text
}

fn pool(pool: &PoolStatus, text: &mut String) {
    text.push_str(&format!("\npool {}  {}\n", pool.pool, pool.strategy));
    for member in &pool.members {
        let share = 100.0 * member.share;
        text.push_str(&format!(
            "  {:<32} {share:>5.1} %  {}  {} in flight\n",
            member.member, member.standing, member.in_flight
        ));
    }
}

/// Counters in columns, a line each; nothing where there are none.
pub(super) fn limits(limits: &LimitStandings) -> String {
    let mut text = String::new();
    if limits.counters.is_empty() {
        return text;
    }
    let rows: Vec<[String; 6]> = limits.counters.iter().map(row).collect();
    let width = |column: usize| {
        rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max().unwrap_or(0)
    };
    let widths: [usize; 6] = std::array::from_fn(width);
    for row in &rows {
        let cells = row.iter().zip(widths).map(|(cell, width)| format!("{cell:<width$}"));
        text.push_str(format!("  {}", cells.collect::<Vec<_>>().join("  ")).trim_end());
        text.push('\n');
    }
    if limits.others > 0 {
        text.push_str(&format!("  and {} that are less full\n", limits.others));
    }
    if limits.unknown > 0 {
        let whose = "of limits that are gone, or of token callers not seen since the start";
        text.push_str(&format!("  and {} {whose}\n", limits.unknown));
    }
    text
}

fn row(one: &LimitStanding) -> [String; 6] {
    let subject = match &one.team {
        Some(team) => format!("{} {} of {team}", one.scope, one.subject),
        None => format!("{} {}", one.scope, one.subject),
    };
    let per = one.per.as_ref().map_or(String::new(), |per| format!("/{per}"));
    let amount = |amount: u64| match one.unit.as_str() {
        "nano_usd" => Usd { nanos: amount }.to_string().trim_end_matches(" USD").to_owned(),
        _ => amount.to_string(),
    };
    let unit = if one.unit == "nano_usd" { "USD" } else { &one.unit };
    let held = if one.reserved > 0 { format!(" + {} held", amount(one.reserved)) } else { String::new() };
    let mut terms = one.resets_at_ms.map_or(String::new(), |at| format!("resets {}", wall_time(at)));
    for (word, said) in
        [("hard", one.hard), ("shadow", one.mode == "shadow"), ("shared", one.granted.is_some())]
    {
        if said {
            terms.push_str(&format!(" {word}"));
        }
    }
    [
        one.limit.clone(),
        subject,
        bar(one.share),
        format!("{:>5.1} %", 100.0 * one.share),
        format!("{}{held} of {} {unit}{per}", amount(one.used), amount(one.ceiling)),
        terms.trim().to_owned(),
    ]
}

fn bar(share: f64) -> String {
    // Rounded down: a full bar is a limit that is used up.
    let full = ((share * BAR as f64) as usize).min(BAR);
    format!("[{}{}]", "#".repeat(full), "-".repeat(BAR - full))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn standing(unit: &str, per: Option<&str>, ceiling: u64, used: u64, reserved: u64) -> LimitStanding {
        LimitStanding {
            limit: "few".to_owned(),
            scope: "consumer".to_owned(),
            subject: "acme".to_owned(),
            team: None,
            unit: unit.to_owned(),
            per: per.map(str::to_owned),
            ceiling,
            used,
            reserved,
            remaining: ceiling.saturating_sub(used + reserved),
            share: (used + reserved) as f64 / ceiling as f64,
            resets_at_ms: per.map(|_| 1_795_388_400_000),
            hard: per.is_some(),
            mode: "enforce".to_owned(),
            granted: None,
        }
    }

    #[test]
    fn limits_are_told_in_columns_with_their_share_and_unit() {
        let budget = LimitStanding {
            scope: "each".to_owned(),
            subject: "3f9a10c2".to_owned(),
            team: Some("ml".to_owned()),
            ..standing("nano_usd", Some("month"), 40_000_000_000, 10_500_000_000, 0)
        };
        let counters = vec![
            standing("tokens", Some("min"), 1_000, 500, 250),
            budget,
            standing("streams", None, 8, 0, 0),
        ];
        let text = limits(&LimitStandings { counters, others: 3, held: 1, unknown: 2 });
        assert_eq!(
            text,
            "  \
             few  consumer acme        [#######---]   75.0 %  500 + 250 held of 1000 tokens/min  resets 2026-11-22T23:00:00Z hard\n  \
             few  each 3f9a10c2 of ml  [##--------]   26.2 %  10.5 of 40 USD/month               resets 2026-11-22T23:00:00Z hard\n  \
             few  consumer acme        [----------]    0.0 %  0 of 8 streams\n  \
             and 3 that are less full\n  \
             and 2 of limits that are gone, or of token callers not seen since the start\n"
        );
    }

    #[test]
    fn a_bar_is_full_at_the_ceiling_and_no_longer_beyond() {
        assert_eq!(
            [bar(0.0), bar(0.99), bar(1.0), bar(7.3)].map(|bar| bar.matches('#').count()),
            [0, 9, 10, 10]
        );
    }
}
