//! Ledger time: nanoseconds since the Unix epoch that never run backwards, whatever the wall clock does. It
//! owns the rule; it refuses to read a clock.
//!
//! # The rule
//! It starts at the later of the wall clock and the last time that was recorded. It then runs with the
//! monotonic clock. Where the wall clock is ahead (a step forward, a machine that slept), it follows at
//! once: windows turn early, and none twice. Where the wall clock is behind (a step back), it runs at half
//! speed until the wall clock has caught up: a window then lasts longer, and none is given again.

use parking_lot::Mutex;
use vocabulary::Moment;

/// Converts the policy clock to ledger time.
#[derive(Debug, Default)]
pub struct Timekeeper {
    line: Mutex<Line>,
}

/// Ledger time as a line over policy time, from the last look at the wall clock on.
#[derive(Clone, Copy, Debug, Default)]
struct Line {
    policy: Moment,
    ledger: Moment,
    behind: bool,
}

impl Line {
    fn at(&self, policy: Moment) -> Moment {
        let elapsed = policy.0.saturating_sub(self.policy.0);
        Moment(self.ledger.0.saturating_add(if self.behind { elapsed / 2 } else { elapsed }))
    }
}

impl Timekeeper {
    /// A clock that shows the later of `wall` and `recorded` at `policy`.
    #[must_use]
    pub fn new(policy: Moment, wall: Moment, recorded: Moment) -> Self {
        let ledger = wall.max(recorded);
        Self { line: Mutex::new(Line { policy, ledger, behind: wall < ledger }) }
    }

    /// Ledger time at a point of the policy clock. One before the last look at the wall clock counts as
    /// that look.
    #[must_use]
    pub fn at(&self, policy: Moment) -> Moment {
        self.line.lock().at(policy)
    }

    /// Takes note of the wall clock, in nanoseconds since the Unix epoch.
    pub fn look(&self, policy: Moment, wall: Moment) {
        let mut line = self.line.lock();
        let shown = line.at(policy);
        *line = Line { policy: policy.max(line.policy), ledger: shown.max(wall), behind: wall < shown };
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::time::Duration;

    const HOUR: Duration = Duration::from_secs(3_600);
    const MINUTE: Duration = Duration::from_secs(60);
    const NOON: Moment = Moment(1_795_000_000_000_000_000);

    #[test]
    fn an_hour_back_lasts_two_hours_at_half_speed_and_then_the_clocks_agree() {
        let time = Timekeeper::new(Moment::ZERO, NOON, Moment::ZERO);
        let (mut policy, mut wall) = (Moment::ZERO, NOON - HOUR);
        for _ in 0..120 {
            time.look(policy, wall);
            (policy, wall) = (policy + MINUTE, wall + MINUTE);
        }
        assert_eq!(time.at(policy), NOON + HOUR);
        assert_eq!(wall, NOON + HOUR);
        time.look(policy, wall);
        assert_eq!(time.at(policy + MINUTE), NOON + HOUR + MINUTE);
    }

    #[test]
    fn a_restart_after_a_step_back_goes_on_from_what_was_recorded() {
        let time = Timekeeper::new(Moment::ZERO, NOON - HOUR, NOON);
        assert_eq!(time.at(Moment::ZERO), NOON);
        assert_eq!(time.at(Moment::ZERO + MINUTE), NOON + MINUTE / 2);
    }

    #[test]
    fn a_step_forward_is_followed_at_once() {
        let time = Timekeeper::new(Moment::ZERO, NOON, Moment::ZERO);
        time.look(Moment::ZERO + MINUTE, NOON + HOUR);
        assert_eq!(time.at(Moment::ZERO + MINUTE), NOON + HOUR);
    }

    proptest! {
        #[test]
        fn time_never_runs_backwards(steps in prop::collection::vec((0_u64..10_000_000_000, any::<i32>()), 1..60)) {
            let time = Timekeeper::new(Moment::ZERO, NOON, Moment::ZERO);
            let (mut policy, mut before) = (Moment::ZERO, NOON);
            for (elapsed, stray) in steps {
                policy = Moment(policy.0 + elapsed);
                time.look(policy, Moment(NOON.0.saturating_add_signed(i64::from(stray) * 1_000_000)));
                prop_assert!(time.at(policy) >= before);
                before = time.at(policy);
            }
        }
    }
}
