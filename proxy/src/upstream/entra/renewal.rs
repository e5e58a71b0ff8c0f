//! When a token is asked for: early, once at a time, and more and more patiently while that fails. It owns
//! the timing alone, with time and chance as arguments; it refuses to know tokens or to ask for one.

use std::time::Duration;

use vocabulary::Moment;

/// The most that chance brings a renewal forward, so that gateways started together do not ask together.
const SPREAD: f64 = 0.1;
/// A token is not presented this shortly before its end: the backend's clock may be ahead of ours.
const CLOCKS_DIFFER: Duration = Duration::from_secs(5);
/// The first pause after a failure; it doubles with each further one.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
/// The longest pause we choose.
const LONGEST_PAUSE: Duration = Duration::from_secs(60);
/// The longest pause the other side may choose.
const LONGEST_WAIT: Duration = Duration::from_secs(10 * 60);
/// How soon a token that a backend refused is asked for again.
const REFUSED_AGAIN: Duration = Duration::from_secs(30);

/// One token's life.
#[derive(Debug)]
pub(super) struct Renewal {
    /// When the token in hand is of no more use.
    ends: Option<Moment>,
    /// When to ask next.
    next: Moment,
    /// When the last answer came.
    renewed: Option<Moment>,
    failures: u32,
    asking: bool,
}

impl Renewal {
    /// No token yet: one is due at once.
    pub(super) fn new() -> Self {
        Self { ends: None, next: Moment::ZERO, renewed: None, failures: 0, asking: false }
    }

    /// Whether a token is to be asked for now. Says so once, until the outcome is told.
    pub(super) fn begin(&mut self, now: Moment) -> bool {
        let begins = !self.asking && now >= self.next;
        self.asking |= begins;
        begins
    }

    /// A token that lives for `lifetime` came. `chance` is uniform in 0..1.
    pub(super) fn obtained(&mut self, now: Moment, lifetime: Duration, chance: f64) {
        // Half of its life is left to get through an outage of whoever gives tokens.
        let half = (lifetime / 2).mul_f64(1.0 - SPREAD * chance.clamp(0.0, 1.0)).max(FIRST_PAUSE);
        *self = Self {
            ends: Some(now + lifetime.saturating_sub(CLOCKS_DIFFER.min(lifetime / 10))),
            next: now + half,
            renewed: Some(now),
            failures: 0,
            asking: false,
        };
    }

    /// None came. `retry_after` is the other side's own word; `chance` is uniform in 0..1.
    pub(super) fn failed(&mut self, now: Moment, retry_after: Option<Duration>, chance: f64) {
        let doubled = FIRST_PAUSE.saturating_mul(1 << self.failures.min(10)).min(LONGEST_PAUSE);
        // Half of it is certain, half is chance.
        let pause = doubled.mul_f64(0.5 + 0.5 * chance.clamp(0.0, 1.0));
        let asked = retry_after.unwrap_or_default().min(LONGEST_WAIT);
        self.next = now + pause.max(asked);
        self.failures = self.failures.saturating_add(1);
        self.asking = false;
    }

    /// The request was given up without an outcome: another may begin.
    pub(super) fn abandoned(&mut self) {
        self.asking = false;
    }

    /// A backend refused the token: asks for another soon, unless that one is fresh. It stays in use, for
    /// other backends may take it.
    pub(super) fn refused(&mut self, now: Moment) {
        if self.failures == 0 {
            let soonest = self.renewed.map_or(now, |renewed| renewed + REFUSED_AGAIN);
            self.next = self.next.min(soonest.max(now));
        }
    }

    /// Whether the token in hand is still of use.
    pub(super) fn is_usable(&self, now: Moment) -> bool {
        self.ends.is_some_and(|ends| now < ends)
    }

    /// Whether asking has come to nothing since the last token.
    pub(super) fn is_failing(&self) -> bool {
        self.failures > 0
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const HOUR: Duration = Duration::from_secs(3600);

    fn at(seconds: u64) -> Moment {
        Moment::ZERO + Duration::from_secs(seconds)
    }

    /// A renewal with a token that came at `now`.
    fn renewed(now: Moment, lifetime: Duration) -> Renewal {
        let mut renewal = Renewal::new();
        assert!(renewal.begin(now));
        renewal.obtained(now, lifetime, 0.0);
        renewal
    }

    /// The second at which the next request begins.
    fn begins(renewal: &mut Renewal, from: u64) -> u64 {
        (from..from + 200_000).find(|second| renewal.begin(at(*second))).unwrap()
    }

    #[test]
    fn the_first_token_is_due_at_once_and_only_one_is_asked_for_at_a_time() {
        let mut renewal = Renewal::new();
        assert!(!renewal.is_usable(at(0)));
        assert!(renewal.begin(at(0)));
        assert!(!renewal.begin(at(0)) && !renewal.begin(at(999)));
        renewal.abandoned();
        assert!(renewal.begin(at(999)), "a request that was cut off is made again");
    }

    #[test]
    fn a_token_is_renewed_at_half_its_life() {
        for minutes in [2, 60, 24 * 60] {
            let mut renewal = renewed(at(0), Duration::from_secs(minutes * 60));
            assert_eq!(begins(&mut renewal, 0), minutes * 30, "a token of {minutes} minutes");
        }
    }

    #[test]
    fn chance_brings_a_renewal_forward_by_at_most_a_tenth() {
        let mut renewal = Renewal::new();
        renewal.obtained(at(0), HOUR, 1.0);
        assert_eq!(begins(&mut renewal, 0), 27 * 60);
    }

    #[test]
    fn an_outage_of_ten_minutes_is_survived_on_the_token_in_hand() {
        let mut renewal = renewed(at(0), HOUR);
        let mut asked = Vec::new();
        let mut now = begins(&mut renewal, 0);
        assert_eq!(now, 30 * 60);
        while now < 30 * 60 + 600 {
            asked.push(now);
            renewal.failed(at(now), None, 1.0);
            assert!(renewal.is_usable(at(now)) && renewal.is_failing());
            now = begins(&mut renewal, now);
        }
        assert!(asked.len() < 20, "{} requests to a service that is down", asked.len());
        renewal.obtained(at(now), HOUR, 0.0);
        assert!(!renewal.is_failing() && renewal.is_usable(at(now)));
        assert_eq!(begins(&mut renewal, now), now + 30 * 60);
    }

    #[test]
    fn a_token_is_not_presented_past_its_end() {
        let mut renewal = renewed(at(0), HOUR);
        assert!(renewal.is_usable(at(3594)) && !renewal.is_usable(at(3595)));
        renewal.failed(at(3590), None, 0.0);
        assert!(!renewal.is_usable(at(3600)), "failing keeps nothing alive");
        let short = renewed(at(0), Duration::from_secs(10));
        assert!(short.is_usable(at(8)) && !short.is_usable(at(9)));
    }

    #[test]
    fn pauses_double_up_to_a_minute() {
        let mut renewal = Renewal::new();
        let mut now = begins(&mut renewal, 0);
        let pauses: Vec<u64> = std::iter::repeat_with(|| {
            renewal.failed(at(now), None, 1.0);
            let next = begins(&mut renewal, now);
            std::mem::replace(&mut now, next).abs_diff(next)
        })
        .take(9)
        .collect();
        assert_eq!(pauses, [1, 2, 4, 8, 16, 32, 60, 60, 60]);
    }

    #[test]
    fn the_other_sides_own_pause_is_honoured_within_reason() {
        for (said, expected) in [(90, 90), (0, 1), (86_400, 600)] {
            let mut renewal = Renewal::new();
            assert!(renewal.begin(at(0)));
            renewal.failed(at(0), Some(Duration::from_secs(said)), 1.0);
            assert_eq!(begins(&mut renewal, 0), expected, "Retry-After: {said}");
        }
    }

    #[test]
    fn a_refused_token_is_renewed_soon_but_not_again_and_again() {
        let mut renewal = renewed(at(0), HOUR);
        renewal.refused(at(10));
        assert!(renewal.is_usable(at(10)), "other backends may take it");
        assert_eq!(begins(&mut renewal, 10), 30);
        renewal.obtained(at(30), HOUR, 0.0);
        renewal.refused(at(500));
        assert_eq!(begins(&mut renewal, 500), 500);
        renewal.failed(at(500), Some(Duration::from_secs(100)), 0.0);
        renewal.refused(at(501));
        assert_eq!(begins(&mut renewal, 501), 600, "a refusal does not cut a pause short");
    }

    #[derive(Clone, Debug)]
    enum Event {
        Pass(u64),
        Obtain(u64),
        Fail(Option<u64>),
        Refuse,
    }

    fn event() -> impl Strategy<Value = Event> {
        prop_oneof![
            (0_u64..4000).prop_map(Event::Pass),
            (1_u64..100_000).prop_map(Event::Obtain),
            prop::option::of(any::<u64>()).prop_map(Event::Fail),
            Just(Event::Refuse),
        ]
    }

    proptest! {
        #[test]
        fn whatever_happens_somebody_asks_again_within_bounds(events in prop::collection::vec(event(), 1..40), chance in 0.0..1.0_f64) {
            let (mut renewal, mut now) = (Renewal::new(), at(0));
            let mut lifetime = Duration::ZERO;
            for event in events {
                match event {
                    Event::Pass(seconds) => now = now + Duration::from_secs(seconds),
                    Event::Obtain(seconds) if renewal.begin(now) => {
                        lifetime = Duration::from_secs(seconds);
                        renewal.obtained(now, lifetime, chance);
                    }
                    Event::Fail(after) if renewal.begin(now) => {
                        renewal.failed(now, after.map(Duration::from_secs), chance);
                    }
                    Event::Refuse => renewal.refused(now),
                    Event::Obtain(_) | Event::Fail(_) => {}
                }
                prop_assert!(!renewal.asking);
                prop_assert!(renewal.next <= now + lifetime.max(LONGEST_WAIT));
                if renewal.is_usable(now) && !renewal.is_failing() {
                    prop_assert!(renewal.next <= renewal.ends.unwrap().max(now + FIRST_PAUSE));
                }
            }
        }
    }
}
