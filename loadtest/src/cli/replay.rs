//! `replay`: the requests of a recorded trace, when they were sent.

use std::path::PathBuf;

use clap::Args as ClapArgs;
use trace::Format;
use vocabulary::Span;

use super::drive::drive;
use super::target::TargetArgs;
use crate::load::{Bend, bend};
use crate::terminal::{Line, Tone};
use crate::{Error, Exit};

const EXAMPLES: &str = "\
Examples:
  sluicegate-loadtest replay azure2023_conv.csv --window 10m --url http://127.0.0.1:8080 --model gpt-4o
  sluicegate-loadtest replay access.jsonl --speed 4 --url http://127.0.0.1:8080 --model gpt-4o
  sluicegate-loadtest replay trace.csv --rate-scale 0.1 --time-scale 5 --url http://127.0.0.1:8080 --model sim-chat

Formats are told by the first line: Azure's CSV, `t_s,prompt_tokens,output_tokens`, BurstGPT's CSV,
Mooncake's JSON lines, and the gateway's own access log.";

/// Arguments of `replay`.
#[derive(Debug, ClapArgs)]
#[command(after_help = EXAMPLES)]
pub(super) struct Args {
    /// Trace to replay
    trace: PathBuf,
    /// Format of the trace, when its first line does not tell
    #[arg(long, value_name = "FORMAT")]
    format: Option<Format>,
    /// Replay this many times as fast; the load grows with it
    #[arg(long, value_name = "N", default_value_t = 1.0)]
    speed: f64,
    /// Keep this share of the requests, or repeat them when above 1; their times stay
    #[arg(long, value_name = "N", default_value_t = 1.0)]
    rate_scale: f64,
    /// Only the first part of the trace, by its own time
    #[arg(long, value_name = "DURATION")]
    window: Option<Span>,
    #[command(flatten)]
    target: TargetArgs,
}

pub(super) async fn carry_out(args: Args) -> Result<Exit, Error> {
    for (name, value) in [("--speed", args.speed), ("--rate-scale", args.rate_scale)] {
        if !(value.is_finite() && value > 0.0 && value <= 10_000.0) {
            return Err(Error::Usage(format!("{name}: {value} is not a factor above 0")));
        }
    }
    let window = args.window.map(|span| span.0);
    let recorded = trace::open(&args.trace, args.format)?;
    let how = Bend { speed: args.speed, rate_scale: args.rate_scale, window, seed: args.target.seed };
    let plan = args.target.plan(bend(Box::new(recorded), how))?;
    let title = Line::new()
        .with(Tone::Accent, "sluicegate-loadtest")
        .text(format!("  {}  ", plan.target))
        .with(Tone::Quiet, format!("{} from {} at speed {}", plan.model, args.trace.display(), args.speed));
    drive(plan, &args.target, title, window.map(|window| window.div_f64(args.speed))).await
}
