//! `run`: requests at random, at a given average rate.

use clap::Args as ClapArgs;
use vocabulary::Span;

use super::drive::drive;
use super::target::TargetArgs;
use crate::load::{Lengths, Poisson};
use crate::terminal::{Line, Tone};
use crate::{Error, Exit};

const EXAMPLES: &str = "\
Examples:
  sluicegate-loadtest run --url http://127.0.0.1:8080 --model gpt-4o --rate 50 --for 30s
  sluicegate-loadtest run --url http://127.0.0.1:8080 --model gpt-4o --rate 5 --for 10m \\
      --prompt-tokens 'lognormal(600, 1.1)' --output-tokens 'uniform(20, 400)' --objective 2s \\
      --key-env SLUICEGATE_KEY --output json > result.json";

/// Arguments of `run`.
#[derive(Debug, ClapArgs)]
#[command(after_help = EXAMPLES)]
pub(super) struct Args {
    /// Requests per second on average; their gaps are exponential
    #[arg(long, value_name = "PER_SECOND")]
    rate: f64,
    /// How long requests arrive
    #[arg(long = "for", value_name = "DURATION", default_value = "30s")]
    length: Span,
    /// Tokens of a prompt: a number, `uniform(low, high)` or `lognormal(median, sigma)`
    #[arg(long, value_name = "TOKENS", default_value = "lognormal(600, 1.1)")]
    prompt_tokens: Lengths,
    /// Tokens of an answer, in the same forms
    #[arg(long, value_name = "TOKENS", default_value = "lognormal(150, 0.8)")]
    output_tokens: Lengths,
    #[command(flatten)]
    target: TargetArgs,
}

pub(super) async fn carry_out(args: Args) -> Result<Exit, Error> {
    if !(args.rate.is_finite() && args.rate > 0.0) {
        return Err(Error::Usage(format!("--rate: {} is not a rate above 0", args.rate)));
    }
    let length = args.length.0;
    let arrivals = Poisson::new(args.rate, length, args.prompt_tokens, args.output_tokens, args.target.seed);
    let plan = args.target.plan(Box::new(arrivals.map(Ok)))?;
    let title = Line::new()
        .with(Tone::Accent, "sluicegate-loadtest")
        .text(format!("  {}  ", plan.target))
        .with(Tone::Quiet, format!("{} at {}/s for {}", plan.model, args.rate, args.length));
    drive(plan, &args.target, title, Some(length)).await
}
