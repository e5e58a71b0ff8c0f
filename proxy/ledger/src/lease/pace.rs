//! How much to want, and when. It owns the size of a piece, from how fast a counter is spent; it refuses
//! to ask for it.

use std::time::Duration;

use vocabulary::Moment;

/// A piece should last this long, so that one round trip is far shorter than what is left of it.
const PIECE: Duration = Duration::from_millis(250);
/// Weight of the newest sample of the rate is `1 / SMOOTHING`.
const SMOOTHING: u64 = 4;
/// Samples closer than this tell more about the sampling than about the load.
const SAMPLE: Duration = Duration::from_millis(20);
/// A replica's piece of a quiet counter is this part of its even share.
const PARTS: u64 = 32;

/// What shapes a counter's pieces besides its pace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shape {
    /// What all replicas together may spend in a window.
    pub ceiling: u64,
    /// How many replicas share it, at least 1.
    pub replicas: u32,
}

/// How fast a counter is being spent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pace {
    at: Moment,
    spent: u64,
    /// Per [`PIECE`].
    rate: u64,
}

impl Pace {
    /// A counter seen for the first time, of which `spent` is gone.
    #[must_use]
    pub fn new(now: Moment, spent: u64) -> Self {
        Self { at: now, spent, rate: 0 }
    }

    /// Takes a sample. `spent` is what is gone of the window in all; less than before begins a window.
    pub fn observe(&mut self, now: Moment, spent: u64) {
        let elapsed = now.since(self.at);
        if elapsed < SAMPLE {
            return;
        }
        let used = if spent < self.spent { spent } else { spent - self.spent };
        let per_piece = u128::from(used) * PIECE.as_nanos() / elapsed.as_nanos().max(1);
        let newest = u64::try_from(per_piece).unwrap_or(u64::MAX);
        // A load that rises is believed at once: a piece too small costs a round trip on a request.
        self.rate = if newest > self.rate { newest } else { self.rate - (self.rate - newest) / SMOOTHING };
        (self.at, self.spent) = (now, spent);
    }

    /// How much to want when a request needs `least` and `room` was left for all when last heard. Near the
    /// end, pieces shrink, so that no replica sits on the last of it.
    #[must_use]
    pub fn piece(&self, shape: Shape, least: u64, room: u64) -> u64 {
        let replicas = u64::from(shape.replicas.max(1));
        let quiet = shape.ceiling / replicas / PARTS;
        let fair = (room / replicas / 2).max(1);
        self.rate.max(quiet).min(fair).max(least)
    }

    /// When less than this is left of what is held, it is time to ask.
    #[must_use]
    pub fn low_water(&self, shape: Shape) -> u64 {
        let replicas = u64::from(shape.replicas.max(1));
        self.rate.max(shape.ceiling / replicas / PARTS) / 2
    }

    /// What to keep of a lease that is not being spent: what the present pace takes until the next beat.
    #[must_use]
    pub fn keep(&self, beat: Duration) -> u64 {
        let kept = u128::from(self.rate) * beat.as_nanos() / PIECE.as_nanos();
        u64::try_from(kept).unwrap_or(u64::MAX)
    }
}

/// One replica's even share of `ceiling`. Shares of all replicas together never exceed it.
#[must_use]
pub fn share(shape: Shape) -> u64 {
    shape.ceiling / u64::from(shape.replicas.max(1))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SHAPE: Shape = Shape { ceiling: 6400, replicas: 2 };

    fn at(millis: u64) -> Moment {
        Moment::ZERO + Duration::from_millis(millis)
    }

    #[test]
    fn a_quiet_counter_asks_for_a_small_part_of_its_share() {
        let pace = Pace::new(at(0), 0);
        assert_eq!(pace.piece(SHAPE, 1, 6400), 100);
        assert_eq!(pace.low_water(SHAPE), 50);
    }

    #[test]
    fn a_piece_lasts_a_quarter_of_a_second_at_the_present_pace() {
        let mut pace = Pace::new(at(0), 0);
        pace.observe(at(100), 400);
        assert_eq!(pace.piece(SHAPE, 1, 6400), 1000);
    }

    #[test]
    fn near_the_end_pieces_shrink_but_never_below_what_a_request_needs() {
        let mut pace = Pace::new(at(0), 0);
        pace.observe(at(100), 400);
        assert_eq!(pace.piece(SHAPE, 1, 200), 50);
        assert_eq!(pace.piece(SHAPE, 300, 200), 300);
        assert_eq!(pace.piece(SHAPE, 1, 0), 1);
    }

    #[test]
    fn a_pace_that_falls_is_believed_slowly_and_one_that_rises_at_once() {
        let mut pace = Pace::new(at(0), 0);
        pace.observe(at(250), 800);
        pace.observe(at(500), 800);
        assert_eq!(pace.keep(PIECE), 600);
        pace.observe(at(750), 1800);
        assert_eq!(pace.keep(PIECE), 1000);
    }

    #[test]
    fn a_window_that_turned_is_no_negative_pace() {
        let mut pace = Pace::new(at(0), 5000);
        pace.observe(at(250), 10);
        assert_eq!(pace.keep(PIECE), 10);
    }

    proptest! {
        #[test]
        fn shares_of_all_replicas_fit_under_the_ceiling(ceiling: u64, replicas in 1_u32..1000) {
            let share = share(Shape { ceiling, replicas });
            prop_assert!(u128::from(share) * u128::from(replicas) <= u128::from(ceiling));
        }

        #[test]
        fn a_piece_is_never_less_than_what_a_request_needs(
            ceiling: u64, replicas in 0_u32..100, least: u64, room: u64, spent: u64, millis in 0_u64..10_000,
        ) {
            let mut pace = Pace::new(at(0), 0);
            pace.observe(at(millis), spent);
            let piece = pace.piece(Shape { ceiling, replicas }, least, room);
            prop_assert!(piece >= least);
        }
    }
}
