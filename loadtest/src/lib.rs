//! Open-loop load tester for model traffic, and the quickstart. It owns the measurement of a caller's
//! experience; it refuses to know how the system under test is built: whatever speaks OpenAI's API over
//! HTTP can be tested.
//!
//! ```no_run
//! # async fn example(entries: Vec<trace::Entry>) -> Result<(), loadtest::Error> {
//! let target = "http://127.0.0.1:8080".parse()?;
//! let mut plan = loadtest::Plan::of_entries(target, "gpt-4o", entries);
//! plan.time_scale = 5.0;
//! let report = loadtest::replay(plan).await?;
//! assert_eq!(report.lost(), 0);
//! # Ok(())
//! # }
//! ```

pub mod cli;
mod error;
mod interrupts;
mod load;
mod quickstart;
mod terminal;

pub use error::{Error, Exit};
pub use load::{
    ApiKey, Arrivals, Attainment, Bend, Lengths, LengthsError, Live, Money, Outcome, OutcomeCounts, Part,
    Phase, Plan, Poisson, PriceList, REPORT_VERSION, Recently, Report, Run, SlowRequest, Stopper, Summary,
    Target, TargetError, Unreachable, Validity, WithFailures, bend,
};

/// Replays `plan` to its end and reports.
///
/// # Errors
/// When the plan cannot be carried out, the target does not answer at all, or the arrivals cannot be
/// read to their end. Requests that fail are not errors: the report counts them.
pub async fn replay(plan: Plan) -> Result<Report, Error> {
    Run::start(plan).await?.ended().await
}
