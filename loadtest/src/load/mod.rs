//! The load generator: open-loop arrivals, exchanges measured from their intended arrival, and the
//! report. It owns no terminal and no command line; those are the callers of its library form.

mod answer;
mod arrivals;
mod connections;
mod exchange;
mod latency;
mod lengths;
mod live;
mod outcome;
mod pacer;
mod plan;
mod prices;
mod recorder;
mod report;
mod request;
mod run;
mod sample;
mod target;
mod worker;

pub(crate) use connections::Connections;
pub(crate) use latency::Latencies;
pub(crate) use sample::Sample;

pub use arrivals::{Arrivals, Bend, Poisson, bend};
pub use latency::Summary;
pub use lengths::{Lengths, LengthsError};
pub use live::{Live, Recently};
pub use outcome::{Outcome, OutcomeCounts};
pub use plan::{ApiKey, Phase, Plan};
pub use prices::PriceList;
pub use report::{Attainment, Money, Part, REPORT_VERSION, Report, SlowRequest, Validity, WithFailures};
pub use run::{Run, Stopper};
pub use target::{Target, TargetError, Unreachable};
