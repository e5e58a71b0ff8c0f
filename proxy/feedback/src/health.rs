//! Whether a member is sound and willing. It owns ejection, cooling down, the probe's verdict and the ramp
//! after a return; it refuses to know other members (the share that may be out is the pool's).

use std::time::Duration;

use vocabulary::Moment;

use crate::standing::Standing;

/// An ejection is at most this many doublings of the first.
const DOUBLINGS: u32 = 3;
/// Cooling down when a member says no time: doubles from the first to the last.
const COOL_FIRST: Duration = Duration::from_secs(1);
const COOL_LAST: Duration = Duration::from_secs(30);
/// A longer Retry-After is cut to this, so that a wrong one cannot bury a member.
const COOL_LONGEST: Duration = Duration::from_secs(3600);
/// Share of picks a returning member may take at first; it grows by the same factor each second.
const RAMP_START: f64 = 0.05;
/// Unused room of the ramp is kept up to this many picks.
const RAMP_CREDIT: f64 = 2.0;

/// One member's health.
#[derive(Clone, Debug)]
pub(crate) struct Health {
    probe_passes: bool,
    /// Failures in a row before a first token, and after one (broken streams). Two counts: a stream that
    /// began proves the former wrong, only one that ended proves the latter wrong.
    unanswered: u32,
    broken: u32,
    ejection: Option<Ejection>,
    /// Ejections since the member last proved itself.
    ejections: u32,
    /// When it last came back.
    returned: Option<Moment>,
    cool_until: Moment,
    /// Refusals for quota in a row.
    refusals: u32,
    ramp_credit: f64,
}

#[derive(Clone, Copy, Debug)]
struct Ejection {
    from: Moment,
    until: Moment,
}

impl Health {
    pub(crate) const fn new() -> Self {
        Self {
            probe_passes: true,
            unanswered: 0,
            broken: 0,
            ejection: None,
            ejections: 0,
            returned: None,
            cool_until: Moment::ZERO,
            refusals: 0,
            ramp_credit: 0.0,
        }
    }

    /// A member that joins a running pool starts slowly.
    pub(crate) const fn joining(now: Moment) -> Self {
        let mut health = Self::new();
        health.returned = Some(now);
        health
    }

    /// Never [`Standing::Ramping`]: see [`Self::ramp`].
    pub(crate) fn standing(&self, now: Moment) -> Standing {
        if self.cool_until > now {
            Standing::CoolingDown
        } else if !self.probe_passes {
            Standing::Unhealthy
        } else if self.is_ejected(now) {
            Standing::Ejected
        } else {
            Standing::Ready
        }
    }

    pub(crate) fn is_ejected(&self, now: Moment) -> bool {
        self.ejection.is_some_and(|ejection| ejection.until > now)
    }

    /// When the member will take requests again, if that is known.
    pub(crate) fn back_at(&self, now: Moment) -> Option<Moment> {
        let ejected = self.ejection.map_or(Moment::ZERO, |ejection| ejection.until);
        let back = self.cool_until.max(ejected);
        (self.probe_passes && back > now).then_some(back)
    }

    /// A pick is about to be made, and this member could take it. Returns whether its ramp has room.
    pub(crate) fn ramp(&mut self, now: Moment, length: Duration) -> bool {
        let returned = self.ejection.map(|ejection| ejection.until).max(self.returned);
        let since = returned.map_or(length, |returned| now.since(returned));
        if since >= length {
            return true;
        }
        let share = RAMP_START.powf(1.0 - since.div_duration_f64(length));
        self.ramp_credit = (self.ramp_credit + share).min(RAMP_CREDIT);
        self.ramp_credit >= 1.0
    }

    pub(crate) fn picked(&mut self) {
        self.ramp_credit = (self.ramp_credit - 1.0).max(0.0);
    }

    /// A request sent at `sent` got its first token, or its answer.
    pub(crate) fn answered(&mut self, now: Moment, sent: Moment) {
        self.unanswered = 0;
        self.refusals = 0;
        let Some(ejection) = self.ejection else { return };
        if ejection.until > now {
            // Used for want of a better one, and it answered: no need to wait for the end.
            if sent > ejection.from {
                self.come_back(now);
            }
        } else if now.since(ejection.until) > ejection.until.since(ejection.from) {
            // In for as long as it had been out: the next ejection is a first one again.
            self.come_back(ejection.until);
            self.ejections = 0;
        }
    }

    /// An answer came to its end.
    pub(crate) fn completed(&mut self) {
        self.broken = 0;
    }

    /// The member failed a request. Returns whether it has now failed `threshold` times in a row.
    pub(crate) fn failed(&mut self, after_first_token: bool, threshold: u32) -> bool {
        let count = if after_first_token { &mut self.broken } else { &mut self.unanswered };
        *count = count.saturating_add(1);
        threshold > 0 && *count >= threshold
    }

    /// Takes the member out. A single further failure after its return does so again.
    pub(crate) fn eject(&mut self, now: Moment, base: Duration, threshold: u32) {
        if self.is_ejected(now) {
            return;
        }
        let length = base.saturating_mul(1 << self.ejections.min(DOUBLINGS));
        self.ejections = self.ejections.saturating_add(1);
        self.ejection = Some(Ejection { from: now, until: now + length });
        self.unanswered = threshold.saturating_sub(1);
        self.broken = 0;
        self.ramp_credit = 0.0;
    }

    /// The member asked to be left alone, for `retry_after` if it said so.
    pub(crate) fn cool_down(&mut self, now: Moment, retry_after: Option<Duration>) {
        let wait = retry_after.map_or_else(
            || {
                let wait = COOL_FIRST.saturating_mul(1 << self.refusals.min(16)).min(COOL_LAST);
                self.refusals = self.refusals.saturating_add(1);
                wait
            },
            |wait| wait.min(COOL_LONGEST),
        );
        self.cool_until = self.cool_until.max(now + wait);
    }

    /// The verdict of the active probe. A passing probe does not end an ejection: it says nothing of real
    /// requests.
    pub(crate) fn probed(&mut self, now: Moment, passes: bool) {
        if passes && !self.probe_passes {
            self.returned = Some(now);
            self.ramp_credit = 0.0;
        }
        self.probe_passes = passes;
    }

    fn come_back(&mut self, at: Moment) {
        self.ejection = None;
        self.returned = Some(at);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BASE: Duration = Duration::from_secs(30);
    const RAMP: Duration = Duration::from_secs(8);

    fn at(seconds: u64) -> Moment {
        Moment::ZERO + Duration::from_secs(seconds)
    }

    #[test]
    fn ejections_double_up_to_eight_times_the_first() {
        let mut health = Health::new();
        let mut now = at(0);
        for expected in [30, 60, 120, 240, 240] {
            health.eject(now, BASE, 5);
            let back = health.back_at(now).unwrap();
            assert_eq!(back.since(now), Duration::from_secs(expected));
            now = back;
        }
    }

    #[test]
    fn an_ejection_is_not_prolonged_by_what_was_already_under_way() {
        let mut health = Health::new();
        health.eject(at(0), BASE, 5);
        health.eject(at(20), BASE, 5);
        assert_eq!(health.standing(at(29)), Standing::Ejected);
        assert_eq!(health.standing(at(30)), Standing::Ready);
    }

    #[test]
    fn one_failure_after_the_return_ejects_again_and_one_answer_clears_it() {
        let mut health = Health::new();
        health.eject(at(0), BASE, 5);
        assert!(health.clone().failed(false, 5));
        health.answered(at(31), at(30));
        assert!(!health.failed(false, 5));
    }

    #[test]
    fn a_member_that_stayed_in_as_long_as_it_was_out_starts_afresh() {
        let mut health = Health::new();
        health.eject(at(0), BASE, 5);
        health.answered(at(61), at(60));
        health.eject(at(100), BASE, 5);
        assert_eq!(health.back_at(at(100)), Some(at(130)));
    }

    #[test]
    fn an_answer_while_ejected_ends_the_ejection_only_if_it_was_asked_for_since() {
        let mut health = Health::new();
        health.eject(at(10), BASE, 5);
        health.answered(at(12), at(9));
        assert_eq!(health.standing(at(12)), Standing::Ejected);
        health.answered(at(15), at(13));
        assert_eq!(health.standing(at(15)), Standing::Ready);
    }

    #[test]
    fn streams_that_begin_and_break_are_counted_although_each_began() {
        let mut health = Health::new();
        let mut out = false;
        for second in 0..5 {
            health.answered(at(second), at(second));
            out = health.failed(true, 5);
        }
        assert!(out);
    }

    #[test]
    fn a_refusal_without_a_time_waits_longer_each_time_and_an_answer_resets_it() {
        let mut health = Health::new();
        let mut waits = Vec::new();
        let mut now = at(0);
        for _ in 0..7 {
            health.cool_down(now, None);
            let back = health.back_at(now).unwrap();
            waits.push(back.since(now).as_secs());
            now = back;
        }
        assert_eq!(waits, [1, 2, 4, 8, 16, 30, 30]);
        health.answered(now, now);
        health.cool_down(now, None);
        assert_eq!(health.back_at(now).unwrap().since(now), COOL_FIRST);
    }

    #[test]
    fn a_stated_wait_is_kept_within_an_hour_and_never_shortened() {
        let mut health = Health::new();
        health.cool_down(at(0), Some(Duration::from_secs(20)));
        health.cool_down(at(1), Some(Duration::from_secs(2)));
        assert_eq!(health.back_at(at(1)), Some(at(20)));
        health.cool_down(at(1), Some(Duration::from_secs(86_400)));
        assert_eq!(health.back_at(at(1)), Some(at(3_601)));
    }

    #[test]
    fn a_returning_member_takes_a_growing_share() {
        let mut health = Health::new();
        health.probed(at(0), false);
        health.probed(at(10), true);
        let mut taken_in = |second: u64| {
            let picks = (0..1_000).filter(|_| {
                let room = health.ramp(at(10 + second), RAMP);
                if room {
                    health.picked();
                }
                room
            });
            picks.count()
        };
        let shares: Vec<usize> = (0..9).map(&mut taken_in).collect();
        assert!((45..=55).contains(&shares[0]), "{shares:?}");
        assert!(shares.windows(2).all(|pair| pair[1] as f64 <= pair[0] as f64 * 1.6 + 2.0), "{shares:?}");
        assert_eq!(shares[8], 1_000);
    }

    #[test]
    fn a_green_probe_does_not_end_an_ejection() {
        let mut health = Health::new();
        health.eject(at(0), BASE, 5);
        health.probed(at(1), true);
        assert_eq!(health.standing(at(2)), Standing::Ejected);
    }
}
