//! How many retries a pool allows. It owns one sliding window of requests and retries; it refuses to
//! decide whether a retry makes sense.
//!
//! A budget keeps retries from multiplying an outage: attempts beyond a share of the traffic are not
//! made, however many requests fail.

use rule_table::Retry;
use vocabulary::Moment;

/// Whole seconds that count.
const WINDOW: usize = 10;

/// Requests and retries of the last ten seconds, by second.
#[derive(Clone, Debug, Default)]
pub(crate) struct RetryBudget {
    seconds: [Second; WINDOW],
}

#[derive(Clone, Copy, Debug, Default)]
struct Second {
    /// Which second of policy time these are the counts of.
    at: u64,
    requests: u32,
    retries: u32,
}

impl RetryBudget {
    /// A request has made its first attempt.
    pub(crate) fn request(&mut self, now: Moment) {
        self.with(now, |second| second.requests = second.requests.saturating_add(1));
    }

    /// Takes room for one retry, if there is some.
    pub(crate) fn take(&mut self, now: Moment, retry: &Retry) -> bool {
        let (requests, retries) = self.counted(now);
        let share = (requests as f64 * retry.budget.fraction()).floor();
        let allowed = f64::from(retry.budget_floor) * WINDOW as f64 + share;
        if f64::from(u32::try_from(retries).unwrap_or(u32::MAX)) >= allowed {
            return false;
        }
        self.with(now, |second| second.retries = second.retries.saturating_add(1));
        true
    }

    fn counted(&self, now: Moment) -> (u64, u64) {
        let oldest = second_of(now).saturating_sub(WINDOW as u64 - 1);
        self.seconds.iter().filter(|second| second.at >= oldest).fold(
            (0, 0),
            |(requests, retries), second| {
                (requests + u64::from(second.requests), retries + u64::from(second.retries))
            },
        )
    }

    fn with(&mut self, now: Moment, count: impl FnOnce(&mut Second)) {
        let at = second_of(now);
        let slot = usize::try_from(at % WINDOW as u64).unwrap_or(0);
        if let Some(second) = self.seconds.get_mut(slot) {
            if second.at != at {
                *second = Second { at, ..Second::default() };
            }
            count(second);
        }
    }
}

fn second_of(now: Moment) -> u64 {
    now.since(Moment::ZERO).as_secs()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use vocabulary::Share;

    use super::*;

    fn retry(budget_ppm: u32, budget_floor: u32) -> Retry {
        Retry { max_attempts: 3, ambiguous: false, budget: Share { ppm: budget_ppm }, budget_floor }
    }

    fn at(seconds: u64) -> Moment {
        Moment::ZERO + Duration::from_secs(seconds)
    }

    #[test]
    fn retries_are_a_share_of_the_requests_of_ten_seconds() {
        let mut budget = RetryBudget::default();
        (0..100).for_each(|_| budget.request(at(5)));
        let granted = (0..100).filter(|_| budget.take(at(6), &retry(200_000, 0))).count();
        assert_eq!(granted, 20);
        assert!(!budget.take(at(14), &retry(200_000, 0)));
        assert!(!budget.take(at(15), &retry(200_000, 0)), "the requests have left the window");
    }

    #[test]
    fn a_quiet_pool_has_its_floor() {
        let mut budget = RetryBudget::default();
        let granted = (0..100).filter(|_| budget.take(at(0), &retry(0, 1))).count();
        assert_eq!(granted, 10);
        assert!(budget.take(at(10), &retry(0, 1)), "a new window has begun");
    }
}
