//! `quickstart`: the gateway among four simulated backends, live.

use clap::Args as ClapArgs;

use crate::quickstart::{Options, show};
use crate::{Error, Exit};

const EXAMPLES: &str = "\
Examples:
  sluicegate-loadtest quickstart
  sluicegate-loadtest quickstart --keep                 # stays up, to send requests of your own
  sluicegate-loadtest quickstart --base-port 28080      # when 18080 is taken";

/// Arguments of `quickstart`.
#[derive(Debug, ClapArgs)]
#[command(after_help = EXAMPLES)]
pub(super) struct Args {
    /// Leave gateway and backends running until Ctrl-C
    #[arg(long)]
    keep: bool,
    /// Seconds of traffic, both strategies together
    #[arg(long, value_name = "SECONDS", default_value_t = 75, value_parser = clap::value_parser!(u32).range(20..=1200))]
    seconds: u32,
    /// Decides the trace and the backends' moods
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// First port: the gateway listens on it, its admin API on the next, the backends 21 to 24 above
    #[arg(long, value_name = "PORT", default_value_t = 18080, value_parser = clap::value_parser!(u16).range(1024..=65_000))]
    base_port: u16,
    /// No colour, no redrawing
    #[arg(long)]
    plain: bool,
}

pub(super) async fn carry_out(args: Args) -> Result<Exit, Error> {
    let options = Options {
        keep: args.keep,
        seconds: args.seconds,
        seed: args.seed,
        base_port: args.base_port,
        plain: args.plain,
    };
    show(options).await
}
