//! Drives a run from the terminal. It owns Ctrl-C and the rhythm of looking on; it refuses to know what
//! kind of run it is.

use std::time::Duration;

use tokio::time::MissedTickBehavior;

use super::output::print;
use super::target::TargetArgs;
use crate::interrupts::Interrupts;
use crate::load::{Plan, Report, Run};
use crate::terminal::{LOOK, Line, Progress, Screen, Tone};
use crate::{Error, Exit};

/// What a live view looks back on, in policy time.
const WINDOW: Duration = Duration::from_secs(10);

/// Runs `plan`, shows it, prints the report.
pub(super) async fn drive(
    plan: Plan,
    args: &TargetArgs,
    title: Line,
    length: Option<Duration>,
) -> Result<Exit, Error> {
    let interrupts = Interrupts::listen()?;
    let run = Run::start(plan).await?;
    let progress = Progress::new(Screen::stderr(args.plain), title, length);
    let (report, interrupted) = watch(run, interrupts, progress).await?;
    print(&report, args.output, args.plain)?;
    Ok(match (interrupted, report.validity.valid) {
        (true, _) => Exit::Interrupted,
        (false, true) => Exit::Pass,
        (false, false) => Exit::Invalid,
    })
}

/// Ctrl-C once stops arrivals and drains, twice cuts off what is in flight.
async fn watch(
    mut run: Run,
    mut interrupts: Interrupts,
    mut progress: Progress,
) -> Result<(Report, bool), Error> {
    let stopper = run.stopper();
    let mut looks = tokio::time::interval(LOOK);
    looks.set_missed_tick_behavior(MissedTickBehavior::Skip);
    let mut interruptions = 0_u32;
    loop {
        tokio::select! {
            report = run.ended() => {
                progress.end();
                return Ok((report?, interruptions > 0));
            }
            _ = looks.tick() => progress.show(&run.live(WINDOW)),
            () = interrupts.next() => {
                interruptions += 1;
                if interruptions == 1 {
                    stopper.stop_arrivals();
                    progress.say(&Line::new().with(Tone::Warn, "no more arrivals; waiting for what is in flight (Ctrl-C again to cut it off)"));
                } else {
                    stopper.abort();
                }
            }
        }
    }
}
