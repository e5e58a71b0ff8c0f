//! Whether a hook that keeps failing is asked at all. It owns the count and the pause, so that a dead hook
//! costs its callers no time; it refuses to know what a failure was.

use std::time::Duration;

use vocabulary::Moment;

/// Failures in a row after which it is left alone.
const FAILURES: u32 = 5;
/// For how long, in policy time.
const PAUSE: Duration = Duration::from_secs(1);

/// The state of one hook.
#[derive(Debug, Default)]
pub(super) struct Circuit {
    failures: u32,
    closed_again: Moment,
}

impl Circuit {
    /// Whether the hook may be asked now. After a pause one request tries it, and the others wait for what
    /// becomes of that, at most for as long as it may take.
    pub(super) fn lets_through(&mut self, now: Moment, timeout: Duration) -> bool {
        if self.failures < FAILURES {
            return true;
        }
        if now < self.closed_again {
            return false;
        }
        self.closed_again = now + timeout;
        true
    }

    /// It answered.
    pub(super) fn answered(&mut self) {
        self.failures = 0;
    }

    /// It did not.
    pub(super) fn failed(&mut self, now: Moment) {
        self.failures = self.failures.saturating_add(1);
        self.closed_again = now + PAUSE;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TIMEOUT: Duration = Duration::from_millis(200);

    fn at(millis: u64) -> Moment {
        Moment(millis * 1_000_000)
    }

    #[test]
    fn after_five_failures_it_is_left_alone_for_a_second_and_then_tried_by_one() {
        let mut circuit = Circuit::default();
        for _ in 0..FAILURES {
            assert!(circuit.lets_through(at(0), TIMEOUT));
            circuit.failed(at(0));
        }
        assert!(!circuit.lets_through(at(999), TIMEOUT));
        assert!(circuit.lets_through(at(1000), TIMEOUT));
        assert!(!circuit.lets_through(at(1001), TIMEOUT), "one at a time");
        circuit.failed(at(1100));
        assert!(!circuit.lets_through(at(2099), TIMEOUT));
        assert!(circuit.lets_through(at(2100), TIMEOUT));
        circuit.answered();
        assert!((0..3).all(|_| circuit.lets_through(at(2101), TIMEOUT)));
    }

    #[test]
    fn a_caller_that_leaves_while_trying_it_does_not_keep_it_shut() {
        let mut circuit = Circuit::default();
        (0..FAILURES).for_each(|_| circuit.failed(at(0)));
        assert!(circuit.lets_through(at(1000), TIMEOUT));
        assert!(circuit.lets_through(at(1200), TIMEOUT), "nothing was heard of the first");
    }
}
