//! When repeated work is due: every so often, sooner when somebody asks, never twice at once. It owns the
//! bookkeeping; it refuses to do the work or to read a clock.

use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::Instant;

/// A piece of work that is done again and again.
#[derive(Clone, Debug)]
pub(super) struct Chore {
    every: Duration,
    /// How soon after it began it may begin again because it was asked for.
    again_after: Duration,
    state: Arc<Mutex<State>>,
}

#[derive(Debug, Default)]
struct State {
    began: Option<Instant>,
    busy: bool,
    asked: bool,
    failing: bool,
}

/// Work under way. Dropping it gives the chore back; work that was cut off is done again soon.
#[derive(Debug)]
pub(super) struct Turn {
    state: Arc<Mutex<State>>,
    ended: bool,
}

impl Chore {
    /// Due at once.
    pub(super) fn new(every: Duration, again_after: Duration) -> Self {
        Self { every, again_after, state: Arc::default() }
    }

    /// The same, just done.
    pub(super) fn done(self, now: Instant) -> Self {
        self.state.lock().began = Some(now);
        self
    }

    /// Wishes for it to be done soon.
    pub(super) fn ask(&self) {
        self.state.lock().asked = true;
    }

    /// Begins the work if it is due and nobody is at it.
    pub(super) fn take(&self, now: Instant) -> Option<Turn> {
        let mut state = self.state.lock();
        let wait = if state.asked { self.again_after } else { self.every };
        if state.busy || state.began.is_some_and(|began| now < began + wait) {
            return None;
        }
        *state = State { began: Some(now), busy: true, asked: false, failing: state.failing };
        Some(Turn { state: Arc::clone(&self.state), ended: false })
    }
}

impl Turn {
    /// Ends the work, well or not, and says whether that is another outcome than last time's. A first
    /// success is no news.
    pub(super) fn ends(mut self, well: bool) -> bool {
        self.ended = true;
        let was = std::mem::replace(&mut self.state.lock().failing, !well);
        was == well
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        let mut state = self.state.lock();
        state.busy = false;
        state.asked |= !self.ended;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn work_is_due_in_its_rhythm_and_sooner_when_asked_for() {
        let (chore, start) = (Chore::new(SECOND * 30, SECOND * 2), Instant::now());
        chore.take(start).unwrap().ends(true);
        assert!(chore.take(start + SECOND * 29).is_none());
        chore.take(start + SECOND * 30).unwrap().ends(true);
        chore.ask();
        assert!(chore.take(start + SECOND * 31).is_none(), "asking is rate limited");
        chore.take(start + SECOND * 32).unwrap().ends(true);
        assert!(chore.take(start + SECOND * 34).is_none(), "one wish is one turn");
    }

    #[test]
    fn nobody_begins_what_is_under_way_and_what_was_cut_off_is_begun_again_soon() {
        let (chore, start) = (Chore::new(SECOND * 30, SECOND), Instant::now());
        let turn = chore.take(start).unwrap();
        chore.ask();
        assert!(chore.take(start + SECOND * 9).is_none());
        drop(turn);
        drop(chore.take(start + SECOND * 9).unwrap());
        assert!(chore.take(start + SECOND * 10).is_some());
    }

    #[test]
    fn only_a_changed_outcome_is_news() {
        let (chore, mut now) = (Chore::new(SECOND, SECOND), Instant::now());
        let mut outcomes = Vec::new();
        for well in [true, false, false, true, true] {
            now += SECOND;
            outcomes.push(chore.take(now).unwrap().ends(well));
        }
        assert_eq!(outcomes, [false, true, false, true, false]);
    }
}
