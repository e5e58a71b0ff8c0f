//! Whether too large a share of a member's answers were failures. It owns a sliding count of answers and
//! failures; it refuses to eject: the member's health does.

use std::time::Duration;

use vocabulary::Moment;

use crate::spec::BreakerSpec;

/// Parts of the window that are forgotten one by one.
const SLOTS: usize = 10;

/// Answers and failures of the latest window.
#[derive(Clone, Debug, Default)]
pub(crate) struct Breaker {
    slots: [Slot; SLOTS],
}

#[derive(Clone, Copy, Debug, Default)]
struct Slot {
    turn: u64,
    answers: u32,
    failures: u32,
}

impl Breaker {
    /// Counts an answer or a failure. Returns whether the share of failures is now too large.
    pub(crate) fn record(&mut self, now: Moment, spec: &BreakerSpec, failed: bool) -> bool {
        let turn = turn(now, spec.window);
        let index = usize::try_from(turn % SLOTS as u64).unwrap_or(0);
        if let Some(slot) = self.slots.get_mut(index) {
            if slot.turn != turn {
                *slot = Slot { turn, ..Slot::default() };
            }
            slot.answers = slot.answers.saturating_add(1);
            slot.failures = slot.failures.saturating_add(u32::from(failed));
        }
        let oldest = turn.saturating_sub(SLOTS as u64 - 1);
        let counted = self.slots.iter().filter(|slot| slot.turn >= oldest);
        let (answers, failures) = counted
            .fold((0_u64, 0_u64), |(a, f), slot| (a + u64::from(slot.answers), f + u64::from(slot.failures)));
        let too_many = failures as f64 >= spec.error_share * answers as f64;
        failed && answers >= u64::from(spec.min_requests) && too_many
    }

    /// What happened before an ejection says nothing of the time after it.
    pub(crate) fn forget(&mut self) {
        *self = Self::default();
    }
}

/// Which part of a window `now` falls into, counted from the origin.
fn turn(now: Moment, window: Duration) -> u64 {
    let slot = (window.as_nanos() / SLOTS as u128).max(1);
    u64::try_from(now.since(Moment::ZERO).as_nanos() / slot).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SPEC: BreakerSpec =
        BreakerSpec { error_share: 0.5, window: Duration::from_secs(10), min_requests: 10 };

    fn at(millis: u64) -> Moment {
        Moment::ZERO + Duration::from_millis(millis)
    }

    #[test]
    fn half_of_ten_answers_failing_trips_and_fewer_conclude_nothing() {
        let mut breaker = Breaker::default();
        let outcomes = [false, true, false, true, false, true, false, true, false, true];
        let trips: Vec<bool> = outcomes.iter().map(|failed| breaker.record(at(0), &SPEC, *failed)).collect();
        assert_eq!(trips.iter().filter(|tripped| **tripped).count(), 1);
        assert_eq!(trips.last(), Some(&true));
    }

    #[test]
    fn what_left_the_window_no_longer_counts() {
        let mut breaker = Breaker::default();
        (0..20).for_each(|_| {
            breaker.record(at(0), &SPEC, true);
        });
        let later: Vec<bool> = (0..10).map(|n| breaker.record(at(10_000 + n), &SPEC, n % 3 == 0)).collect();
        assert!(!later.contains(&true), "{later:?}");
    }
}
