//! Sends each request on its way when it is due. It owns the run's clock and a thread of its own, since
//! an event loop's timers are late by up to a millisecond; it refuses to wait for anything but the time:
//! a slow server never slows the arrivals.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use tokio::sync::mpsc::UnboundedSender;

use super::Arrivals;
use super::request::{Prepared, RequestTemplate};
use crate::Error;

/// How soon a sleeping pacer notices that it shall stop.
const NAP: Duration = Duration::from_millis(20);
/// Head start of the workers before the first arrival can be due.
const HEAD_START: Duration = Duration::from_millis(20);

/// A request that is due now.
pub(crate) struct Due {
    /// Due since the run's start, in policy time.
    pub(crate) at: Duration,
    /// Due by the clock.
    pub(crate) intended: Instant,
    pub(crate) prepared: Prepared,
}

/// What the pacer, the workers and onlookers share.
#[derive(Debug)]
pub(crate) struct Gauges {
    pub(crate) started: Instant,
    pub(crate) time_scale: f64,
    pub(crate) stop: AtomicBool,
    pub(crate) offered: AtomicU64,
    pub(crate) not_sent: AtomicU64,
    pub(crate) in_flight: AtomicUsize,
}

impl Gauges {
    pub(crate) fn new(time_scale: f64) -> Self {
        Self {
            started: Instant::now() + HEAD_START,
            time_scale,
            stop: AtomicBool::new(false),
            offered: AtomicU64::new(0),
            not_sent: AtomicU64::new(0),
            in_flight: AtomicUsize::new(0),
        }
    }

    /// Wall-clock time as policy time.
    pub(crate) fn policy(&self, wall: Duration) -> Duration {
        wall.mul_f64(self.time_scale)
    }

    /// Policy time since the run's start.
    pub(crate) fn now(&self) -> Duration {
        self.policy(self.started.elapsed())
    }
}

/// How the arrivals ended.
#[derive(Debug, Default)]
pub(crate) struct Paced {
    /// Policy time over which requests were offered.
    pub(crate) window: Duration,
    /// Whether someone stopped them early.
    pub(crate) stopped: bool,
    /// What went wrong, if they could not be read to their end.
    pub(crate) failure: Option<Error>,
}

/// Hands out `arrivals` in turn to `workers` until they end or are stopped.
pub(crate) fn pace(
    arrivals: Arrivals,
    template: &RequestTemplate,
    max_in_flight: usize,
    gauges: &Arc<Gauges>,
    workers: &[UnboundedSender<Due>],
) -> Paced {
    let mut paced = Paced::default();
    for ((index, entry), worker) in (0_u64..).zip(arrivals).zip(workers.iter().cycle()) {
        // Prepared before it is due, in time the pacer would otherwise sleep through.
        let due =
            entry.map_err(Error::from).and_then(|entry| Ok((entry.at, template.prepare(index, &entry)?)));
        let (at, prepared) = match due {
            Ok(due) => due,
            Err(error) => {
                paced.failure = Some(error);
                break;
            }
        };
        let intended = gauges.started + at.div_f64(gauges.time_scale);
        if !wait_until(intended, &gauges.stop) {
            paced.stopped = true;
            paced.window = gauges.now();
            break;
        }
        paced.window = at;
        gauges.offered.fetch_add(1, Ordering::Relaxed);
        if gauges.in_flight.load(Ordering::Relaxed) >= max_in_flight {
            gauges.not_sent.fetch_add(1, Ordering::Relaxed);
            continue;
        }
        gauges.in_flight.fetch_add(1, Ordering::Relaxed);
        if worker.send(Due { at, intended, prepared }).is_err() {
            paced.failure = Some(Error::Internal("a worker ended before its requests".to_owned()));
            break;
        }
    }
    paced
}

/// Sleeps until `moment`; false when told to stop before.
fn wait_until(moment: Instant, stop: &AtomicBool) -> bool {
    loop {
        if stop.load(Ordering::Relaxed) {
            return false;
        }
        let left = moment.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return true;
        }
        thread::sleep(left.min(NAP));
    }
}
