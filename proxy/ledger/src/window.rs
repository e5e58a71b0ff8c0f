//! One fixed window of one counter. It owns where windows begin and what was used in the current one; it
//! refuses to know what it counts.

use std::time::Duration;

use vocabulary::{Moment, Rate};

/// A counter that starts anew at each boundary.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Window {
    /// Length in nanoseconds; zero before the first use.
    per: u64,
    /// Which window `used` belongs to.
    index: u64,
    /// Used in that window.
    used: u64,
}

impl Window {
    /// Where `now` falls among the windows of `key`: the index, and the time until the next one.
    fn place(key: u64, per: u64, now: Moment) -> (u64, Duration) {
        // Widened, so that no clock value can wrap.
        let shifted = u128::from(now.0) + u128::from(phase(key, per));
        let (index, offset) = (shifted / u128::from(per), shifted % u128::from(per));
        let left = u128::from(per) - offset;
        (u64::try_from(index).unwrap_or(u64::MAX), Duration::from_nanos(u64::try_from(left).unwrap_or(per)))
    }

    /// What is used now, and the time until the window turns.
    pub(crate) fn used(&self, key: u64, rate: &Rate, now: Moment) -> (u64, Duration) {
        let per = nanos(rate);
        let (index, left) = Self::place(key, per, now);
        (if self.per == per && self.index == index { self.used } else { 0 }, left)
    }

    /// Adds `amount`, whatever the ceiling; returns the window it was counted in.
    pub(crate) fn add(&mut self, key: u64, rate: &Rate, now: Moment, amount: u64) -> Counted {
        let (used, _) = self.used(key, rate, now);
        let per = nanos(rate);
        *self = Self { per, index: Self::place(key, per, now).0, used: used.saturating_add(amount) };
        Counted { per, index: self.index, amount }
    }

    /// Replaces what `counted` added by `amount`, if its window is still the current one.
    pub(crate) fn correct(&mut self, key: u64, now: Moment, counted: Counted, amount: u64) {
        if (self.per, self.index) == (counted.per, counted.index) && !self.is_over(key, now) {
            self.used = self.used.saturating_sub(counted.amount).saturating_add(amount);
        }
    }

    /// Whether nothing is lost by forgetting this counter at `now`.
    pub(crate) fn is_over(&self, key: u64, now: Moment) -> bool {
        self.per == 0 || Self::place(key, self.per, now).0 > self.index
    }
}

/// An addition, so that it can be corrected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Counted {
    per: u64,
    index: u64,
    amount: u64,
}

fn nanos(rate: &Rate) -> u64 {
    u64::try_from(rate.per.as_nanos()).unwrap_or(u64::MAX).max(1)
}

/// Spreads the boundaries of different keys over the window (`SplitMix64`'s finaliser, public domain).
fn phase(key: u64, per: u64) -> u64 {
    let mut mixed = key.wrapping_add(0x9E37_79B9_7F4A_7C15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    (mixed ^ (mixed >> 31)) % per
}

#[cfg(test)]
mod tests {
    use super::*;
    use vocabulary::RateUnit;

    fn per_minute(amount: u64) -> Rate {
        Rate { amount, unit: RateUnit::Tokens, per: Duration::from_secs(60) }
    }

    #[test]
    fn a_window_turns_exactly_when_it_said_it_would() {
        let rate = per_minute(10);
        let mut window = Window::default();
        window.add(7, &rate, Moment::ZERO, 4);
        let (used, left) = window.used(7, &rate, Moment::ZERO);
        assert_eq!(used, 4);
        assert!(left > Duration::ZERO && left <= Duration::from_secs(60));
        assert_eq!(window.used(7, &rate, Moment::ZERO + left - Duration::from_nanos(1)).0, 4);
        assert_eq!(window.used(7, &rate, Moment::ZERO + left), (0, Duration::from_secs(60)));
    }

    #[test]
    fn keys_turn_at_different_times() {
        let rate = per_minute(10);
        let turns: std::collections::BTreeSet<_> =
            (0..100).map(|key| Window::default().used(key, &rate, Moment::ZERO).1).collect();
        assert!(turns.len() > 95, "only {} different boundaries", turns.len());
    }

    #[test]
    fn the_end_of_the_clock_does_not_overflow() {
        let rate = Rate { amount: 1, unit: RateUnit::Tokens, per: Duration::MAX };
        let mut window = Window::default();
        let counted = window.add(u64::MAX, &rate, Moment(u64::MAX), u64::MAX);
        window.add(u64::MAX, &rate, Moment(u64::MAX), 1);
        window.correct(u64::MAX, Moment(u64::MAX), counted, 0);
        assert!(!window.is_over(u64::MAX, Moment(u64::MAX)));
    }
}
