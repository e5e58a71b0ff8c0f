//! `sluicegate reconcile`: our account beside a provider's own.

use std::collections::BTreeSet;
use std::path::PathBuf;

use serde_json::json;

use super::costs::Period;
use super::{BAD_INPUT, FAILURE, Output, complain, say};
use crate::costs::{self, Drift, Format};

const EXAMPLES: &str = "\
Examples:
  sluicegate reconcile --state-dir DIR --from 2026-11-01 --to 2026-12-01 --usage usage.json --format openai --backend openai
  sluicegate reconcile --state-dir DIR --from 2026-11-01 --to 2026-12-01 --usage costs.csv --format azure --tolerance 2

Exit codes: 0 within the tolerance, 1 beyond it or a file that cannot be read, 2 bad input.";

/// Compare.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Args {
    #[command(flatten)]
    period: Period,
    /// The provider's export
    #[arg(long)]
    usage: PathBuf,
    /// Whose it is
    #[arg(long, value_enum)]
    format: Format,
    /// Count only what went to this backend; several for several
    #[arg(long = "backend")]
    backends: Vec<String>,
    /// Largest difference per day and model, in percent
    #[arg(long, default_value_t = 0.5)]
    tolerance: f64,
    /// How to write the comparison
    #[arg(long, value_enum, default_value_t)]
    output: Output,
}

pub(super) fn run(args: &Args) -> u8 {
    if !(0.0..=100.0).contains(&args.tolerance) {
        complain("sluicegate: --tolerance is a percentage\n");
        return BAD_INPUT;
    }
    let drifts = match compare(args) {
        Ok(drifts) => drifts,
        Err((code, why)) => {
            complain(&format!("sluicegate: {why}\n"));
            return code;
        }
    };
    let beyond = |drift: &Drift| drift.share() * 100.0 > args.tolerance;
    match args.output {
        Output::Text => say(&table(&drifts, args.tolerance)),
        Output::Json => say(&format!("{:#}\n", drifts.iter().map(row).collect::<serde_json::Value>())),
    }
    if drifts.iter().any(beyond) { FAILURE } else { 0 }
}

fn compare(args: &Args) -> Result<Vec<Drift>, (u8, String)> {
    let text = std::fs::read_to_string(&args.usage)
        .map_err(|error| (BAD_INPUT, format!("{} cannot be read: {error}", args.usage.display())))?;
    let Period { state_dirs, from, to } = &args.period;
    let hours = costs::read(state_dirs, *from, *to).map_err(|error| (FAILURE, error.to_string()))?;
    let models: BTreeSet<String> =
        hours.values().flat_map(|hour| hour.sums.keys()).filter_map(|key| key.model.clone()).collect();
    let models: Vec<String> = models.into_iter().collect();
    let theirs = costs::read_provider(args.format, &text, &models)
        .map_err(|error| (BAD_INPUT, format!("{}: {error}", args.usage.display())))?;
    let of = |deployment: &str| {
        let backend = deployment.split('/').next().unwrap_or(deployment);
        args.backends.is_empty() || args.backends.iter().any(|name| name == backend)
    };
    Ok(costs::reconcile(&hours, &theirs, of))
}

fn row(drift: &Drift) -> serde_json::Value {
    let side = |side: &costs::Reported| json!({"input_tokens": side.input, "output_tokens": side.output, "cost_usd": side.cost_usd});
    json!({
        "day": drift.day.to_string(),
        "model": drift.model,
        "ours": side(&drift.ours),
        "estimated_tokens": drift.estimated,
        "theirs": side(&drift.theirs),
        "drift_percent": drift.share() * 100.0,
    })
}

fn table(drifts: &[Drift], tolerance: f64) -> String {
    let mut text = format!(
        "{:10}  {:24}  {:>14}  {:>14}  {:>12}  {:>12}  {:>8}\n",
        "day", "model", "input, ours", "theirs", "output, ours", "theirs", "drift"
    );
    for drift in drifts {
        let percent = drift.share() * 100.0;
        let mark = if percent > tolerance { "  beyond" } else { "" };
        text.push_str(&format!(
            "{:10}  {:24}  {:>14}  {:>14}  {:>12}  {:>12}  {percent:>6.2} %{mark}\n",
            drift.day.to_string(),
            drift.model,
            drift.ours.input,
            drift.theirs.input,
            drift.ours.output,
            drift.theirs.output,
        ));
    }
    let estimated: u64 = drifts.iter().map(|drift| drift.estimated).sum();
    if estimated > 0 {
        text.push_str(&format!(
            "{estimated} of our tokens are the gateway's own count, since no backend sent one\n"
        ));
    }
    text
}
