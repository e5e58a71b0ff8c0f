//! The gateway's one clock: wall time in, policy time out. It owns the time scale; it refuses to be read
//! by cores, which take a [`Moment`] instead.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::time::Instant;
use vocabulary::{Moment, UnixTime};

/// A monotonic clock that runs `scale` policy seconds per wall-clock second.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    origin: Instant,
    scale: f64,
}

impl Clock {
    /// A clock that begins now. Scales that are not positive and finite count as 1.
    #[must_use]
    pub fn new(scale: f64) -> Self {
        let scale = if scale.is_finite() && scale > 0.0 { scale } else { 1.0 };
        Self { origin: Instant::now(), scale }
    }

    /// Policy seconds per wall-clock second.
    #[must_use]
    pub fn scale(&self) -> f64 {
        self.scale
    }

    /// Policy time.
    #[must_use]
    pub fn now(&self) -> Moment {
        Moment((self.origin.elapsed().as_nanos() as f64 * self.scale) as u64)
    }

    /// How long a span of policy time takes on the wall clock.
    #[must_use]
    pub fn wall(&self, policy: Duration) -> Duration {
        policy.div_f64(self.scale)
    }
}

/// Nanoseconds since the Unix epoch; 0 on a clock set before it.
#[must_use]
pub fn unix_nanos() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| u64::try_from(since.as_nanos()).unwrap_or(u64::MAX))
}

/// Seconds since the Unix epoch.
#[must_use]
pub fn unix_time() -> UnixTime {
    UnixTime(unix_nanos() / 1_000_000_000)
}

/// Milliseconds since the Unix epoch as people read them, in UTC to the second.
#[must_use]
pub fn wall_time(at_ms: u64) -> String {
    let at = i64::try_from(at_ms / 1000).ok().and_then(|seconds| jiff::Timestamp::from_second(seconds).ok());
    at.map_or_else(|| format!("{at_ms} ms"), |at| at.to_string())
}

/// Adds up the time a request spends inside the gateway, pausing while it waits for others.
#[derive(Debug)]
pub struct Stopwatch {
    busy: Duration,
    running_since: Option<Instant>,
}

impl Default for Stopwatch {
    fn default() -> Self {
        Self { busy: Duration::ZERO, running_since: Some(Instant::now()) }
    }
}

impl Stopwatch {
    /// Stops counting: what follows is somebody else's time.
    pub fn pause(&mut self) {
        if let Some(since) = self.running_since.take() {
            self.busy += since.elapsed();
        }
    }

    /// Counts again.
    pub fn resume(&mut self) {
        self.running_since.get_or_insert_with(Instant::now);
    }

    /// Counted so far, in whole microseconds.
    #[must_use]
    pub fn busy_us(&self) -> u64 {
        let busy = self.busy + self.running_since.map_or(Duration::ZERO, |since| since.elapsed());
        u64::try_from(busy.as_micros()).unwrap_or(u64::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn policy_time_runs_at_the_scale() {
        let clock = Clock::new(20.0);
        tokio::time::advance(Duration::from_secs(3)).await;
        assert_eq!(clock.now().since(Moment::ZERO).as_secs(), 60);
        assert_eq!(clock.wall(Duration::from_secs(60)), Duration::from_secs(3));
    }

    #[tokio::test(start_paused = true)]
    async fn a_paused_stopwatch_does_not_count() {
        let mut watch = Stopwatch::default();
        tokio::time::advance(Duration::from_micros(30)).await;
        watch.pause();
        tokio::time::advance(Duration::from_secs(1)).await;
        watch.resume();
        tokio::time::advance(Duration::from_micros(12)).await;
        assert_eq!(watch.busy_us(), 42);
    }
}
