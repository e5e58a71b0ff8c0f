//! What avoiding one miss is worth. It owns λ and the misses of the last minute; it refuses to know members.
//!
//! Dual ascent on the miss ratio: λ is the price of the constraint "at most so many misses". Its ceiling is
//! the operator's, so an objective that cannot be met costs a bounded amount instead of winding up.

use vocabulary::Moment;

use crate::Objective;

/// λ aims below the misses the objective allows: the integral only settles on average.
const SET_POINT: f64 = 0.8;
/// Growth of ln λ per second for an error of 100 % of the set-point, and the bounds of that error.
const GAIN: f64 = 0.06;
const ERROR_BOUNDS: (f64, f64) = (-0.5, 1.0);
/// Fewer answers than this in a minute say nothing.
const ENOUGH: u32 = 20;
/// λ's floor as fractions of the price spread and of its ceiling. It is above nought, because λ moves by
/// factors.
const FLOOR_OF_SPREAD: f64 = 0.05;
const FLOOR_OF_CEILING: f64 = 0.001;
/// λ's start as a fraction of its ceiling, where all members cost the same.
const START_OF_CEILING: f64 = 0.02;
const SECONDS: usize = 60;

/// λ and what drives it.
#[derive(Clone, Debug)]
pub(crate) struct Controller {
    lambda: f64,
    floor: f64,
    ceiling: f64,
    /// Misses the objective allows, as a ratio.
    allowed: f64,
    seconds: [Second; SECONDS],
}

#[derive(Clone, Copy, Debug, Default)]
struct Second {
    stamp: u64,
    answers: u32,
    misses: u32,
}

impl Controller {
    /// λ starts at the price `spread`: what a typical request costs more on the dearest member than on the
    /// cheapest, in USD, for that is what choosing speed over price costs.
    pub(crate) fn new(objective: &Objective, spread: f64) -> Self {
        let start = if spread > 0.0 { spread } else { objective.max_cost_per_miss_usd * START_OF_CEILING };
        let mut controller = Self {
            lambda: start,
            floor: 0.0,
            ceiling: 0.0,
            allowed: 0.0,
            seconds: [Second::default(); SECONDS],
        };
        controller.reconfigure(objective, spread);
        controller
    }

    /// Takes a new objective and price spread; λ is kept within its new bounds.
    pub(crate) fn reconfigure(&mut self, objective: &Objective, spread: f64) {
        self.ceiling = finite(objective.max_cost_per_miss_usd);
        self.floor = self.ceiling * FLOOR_OF_CEILING;
        if spread > 0.0 {
            self.floor = self.floor.min(spread * FLOOR_OF_SPREAD);
        }
        self.allowed = (1.0 - objective.attainment).clamp(1e-4, 1.0);
        self.lambda = finite(self.lambda).clamp(self.floor, self.ceiling);
    }

    /// USD per miss.
    pub(crate) fn lambda(&self) -> f64 {
        self.lambda
    }

    pub(crate) fn at_ceiling(&self) -> bool {
        self.lambda >= self.ceiling
    }

    /// A request met its objective or missed it.
    pub(crate) fn record(&mut self, now: Moment, missed: bool) {
        let stamp = second(now);
        let Some(slot) = self.seconds.get_mut(slot(stamp)) else { return };
        if slot.stamp != stamp {
            *slot = Second { stamp, ..Second::default() };
        }
        slot.answers = slot.answers.saturating_add(1);
        slot.misses = slot.misses.saturating_add(u32::from(missed));
    }

    /// Share of misses in the last minute; nothing when there were no answers.
    pub(crate) fn miss_ratio(&self, now: Moment) -> Option<f64> {
        let (answers, misses) = self.last_minute(now);
        (answers > 0).then(|| f64::from(misses) / f64::from(answers))
    }

    /// False when λ is at its ceiling and the objective is still missed.
    pub(crate) fn feasible(&self, now: Moment) -> bool {
        let (answers, misses) = self.last_minute(now);
        !(self.at_ceiling() && answers >= ENOUGH && f64::from(misses) > self.allowed * f64::from(answers))
    }

    /// One second passed. Without `alternatives` a higher λ could not have changed any pick, so it does not
    /// grow.
    pub(crate) fn tick(&mut self, now: Moment, alternatives: bool) {
        let (answers, misses) = self.last_minute(now);
        if answers < ENOUGH {
            return;
        }
        let target = SET_POINT * self.allowed;
        let ratio = f64::from(misses) / f64::from(answers);
        let error = ((ratio - target) / target).clamp(ERROR_BOUNDS.0, ERROR_BOUNDS.1);
        if error <= 0.0 || alternatives {
            self.lambda = (self.lambda * (GAIN * error).exp()).clamp(self.floor, self.ceiling);
        }
    }

    fn last_minute(&self, now: Moment) -> (u32, u32) {
        let current = second(now);
        let recent = self.seconds.iter().filter(|s| s.stamp <= current && current - s.stamp < SECONDS as u64);
        recent.fold((0, 0), |(answers, misses), second| {
            (answers.saturating_add(second.answers), misses.saturating_add(second.misses))
        })
    }
}

fn second(now: Moment) -> u64 {
    now.0 / 1_000_000_000
}

fn slot(stamp: u64) -> usize {
    usize::try_from(stamp % SECONDS as u64).unwrap_or(0)
}

fn finite(usd: f64) -> f64 {
    if usd.is_finite() { usd.max(0.0) } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::time::Duration;

    fn objective(attainment: f64, ceiling: f64) -> Objective {
        Objective { ttft: Duration::from_secs(2), attainment, max_cost_per_miss_usd: ceiling }
    }

    fn at(seconds: u64) -> Moment {
        Moment::ZERO + Duration::from_secs(seconds)
    }

    /// Runs `seconds` of 100 answers each, `misses` of them late.
    fn run(controller: &mut Controller, from: u64, seconds: u64, misses: u32) {
        for second in from..from + seconds {
            (0..100).for_each(|k| controller.record(at(second), k < misses));
            controller.tick(at(second), true);
        }
    }

    #[test]
    fn misses_raise_lambda_to_its_ceiling_and_the_objective_is_then_out_of_reach() {
        let mut controller = Controller::new(&objective(0.95, 0.2), 0.004);
        run(&mut controller, 0, 200, 30);
        assert!((controller.lambda() - 0.2).abs() < 1e-12);
        assert!(!controller.feasible(at(200)));
        run(&mut controller, 200, 120, 0);
        assert!(controller.feasible(at(320)) && controller.lambda() < 0.2);
    }

    #[test]
    fn at_the_ceiling_the_objective_is_feasible_while_it_is_met() {
        let mut controller = Controller::new(&objective(0.95, 0.2), 0.2);
        run(&mut controller, 0, 60, 4);
        assert!(controller.feasible(at(59)));
    }

    #[test]
    fn slack_lowers_lambda_slower_than_misses_raise_it() {
        let mut up = Controller::new(&objective(0.95, 1.0), 0.01);
        let mut down = up.clone();
        run(&mut up, 0, 10, 50);
        run(&mut down, 0, 10, 0);
        assert!(up.lambda() / 0.01 > 0.01 / down.lambda());
    }

    #[test]
    fn lambda_does_not_grow_while_there_is_nothing_to_choose() {
        let mut controller = Controller::new(&objective(0.95, 0.2), 0.004);
        (0..100).for_each(|_| controller.record(at(0), true));
        controller.tick(at(0), false);
        assert!((controller.lambda() - 0.004).abs() < 1e-12);
    }

    #[test]
    fn a_minute_later_a_miss_is_forgotten() {
        let mut controller = Controller::new(&objective(0.95, 0.2), 0.004);
        controller.record(at(0), true);
        assert_eq!(controller.miss_ratio(at(59)), Some(1.0));
        assert_eq!(controller.miss_ratio(at(60)), None);
    }

    #[test]
    fn members_of_equal_price_are_told_apart_by_speed_from_the_start() {
        let mut controller = Controller::new(&objective(0.95, 0.2), 0.0);
        assert!(controller.lambda() > 0.0);
        run(&mut controller, 0, 600, 0);
        assert!(controller.lambda() > 0.0);
    }

    proptest! {
        #[test]
        fn lambda_stays_within_its_bounds(ceiling in 0.0..10.0_f64, start in 0.0..10.0_f64, attainment in 0.0..=1.0_f64,
            misses in prop::collection::vec(0_u32..=100, 1..300)) {
            let mut controller = Controller::new(&objective(attainment, ceiling), start);
            for (second, misses) in (0..).zip(misses) {
                run(&mut controller, second, 1, misses);
                prop_assert!((0.0..=ceiling).contains(&controller.lambda()));
            }
        }
    }
}
