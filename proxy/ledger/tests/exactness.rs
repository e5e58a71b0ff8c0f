//! The ledger against a brute-force model, and against itself under contention.

use std::collections::HashMap;
use std::sync::Barrier;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use ledger::{Claim, Ledger, Meter, Period, Refused, Reservation, Took};
use proptest::prelude::*;
use vocabulary::Moment;

const MINUTE: Period = Period::Window(Duration::from_secs(60));
const CEILING: u64 = 120;

/// Key 3 is a shadow limit.
fn claim(key: u64, ceiling: u64, asked: u64) -> Claim {
    Claim {
        key,
        group: 0,
        meter: Meter::Tokens,
        ceiling,
        period: MINUTE,
        asked,
        shadow: key == 3,
        shared: false,
        closed: true,
    }
}

#[derive(Clone, Debug)]
enum Event {
    Reserve { keys: Vec<u64>, tokens: u64 },
    Settle { which: usize, used: u64 },
    Release { which: usize },
    Wait { millis: u64 },
    Sweep,
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        4 => (prop::collection::vec(0_u64..4, 1..3), 0_u64..60).prop_map(|(keys, tokens)| Event::Reserve { keys, tokens }),
        2 => (any::<usize>(), 0_u64..80).prop_map(|(which, used)| Event::Settle { which, used }),
        1 => any::<usize>().prop_map(|which| Event::Release { which }),
        2 => (0_u64..40_000).prop_map(|millis| Event::Wait { millis }),
        1 => Just(Event::Sweep),
    ]
}

/// Every reservation ever made, kept forever; sums are recomputed from scratch each time.
#[derive(Default)]
struct BruteForce {
    entries: Vec<Entry>,
}

struct Entry {
    id: usize,
    key: u64,
    window: u64,
    tokens: u64,
}

impl BruteForce {
    fn used(&self, key: u64, now: Moment) -> u64 {
        let window = MINUTE.place(key, now).index;
        let here = self.entries.iter().filter(|entry| entry.key == key && entry.window == window);
        here.map(|entry| entry.tokens).sum()
    }

    fn expected(&self, now: Moment, keys: &[u64], tokens: u64) -> Result<Vec<u64>, u64> {
        let mut taken: HashMap<u64, u64> = HashMap::new();
        let mut counted = Vec::new();
        for key in keys {
            let used = self.used(*key, now) + taken.get(key).copied().unwrap_or(0);
            match (used <= CEILING && used + tokens <= CEILING, *key == 3) {
                (true, _) => {
                    *taken.entry(*key).or_default() += tokens;
                    counted.push(*key);
                }
                (false, true) => {}
                (false, false) => return Err(*key),
            }
        }
        Ok(counted)
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn every_answer_agrees_with_counting_from_scratch(events in prop::collection::vec(event(), 1..80)) {
        let (ledger, mut model, mut now) = (Ledger::default(), BruteForce::default(), Moment(1));
        let mut open: Vec<(usize, Reservation)> = Vec::new();
        for (id, event) in events.into_iter().enumerate() {
            match event {
                Event::Reserve { keys, tokens } => {
                    let expected = model.expected(now, &keys, tokens);
                    let claims: Vec<Claim> = keys.iter().map(|key| claim(*key, CEILING, tokens)).collect();
                    match (ledger.reserve(now, &claims), expected) {
                        (Ok(held), Ok(counted)) => {
                            prop_assert_eq!(held.would_refuse().count(), keys.len() - counted.len());
                            for key in counted {
                                let window = MINUTE.place(key, now).index;
                                model.entries.push(Entry { id, key, window, tokens });
                            }
                            open.push((id, held));
                        }
                        (Err(Refused::Exhausted(refused)), Err(key)) => prop_assert_eq!(refused.key, key),
                        (got, wanted) => prop_assert!(false, "got {got:?}, wanted {wanted:?}"),
                    }
                }
                Event::Settle { which, used } if !open.is_empty() => {
                    let (id, held) = open.swap_remove(which % open.len());
                    ledger.settle(now, held, &Took { tokens: used, spend_nanos: 0, ..Took::default() });
                    model.entries.iter_mut().filter(|entry| entry.id == id).for_each(|entry| entry.tokens = used);
                }
                Event::Release { which } if !open.is_empty() => {
                    let (id, held) = open.swap_remove(which % open.len());
                    ledger.release(now, held);
                    model.entries.retain(|entry| entry.id != id);
                }
                Event::Wait { millis } => now = now + Duration::from_millis(millis),
                Event::Sweep => ledger.sweep(now),
                Event::Settle { .. } | Event::Release { .. } => {}
            }
            for key in 0..3 {
                let left = ledger.remaining(now, &[claim(key, CEILING, 0)]).unwrap().tokens.unwrap();
                prop_assert_eq!(left.remaining, CEILING.saturating_sub(model.used(key, now)));
            }
        }
    }
}

#[test]
fn sixty_four_threads_never_pass_a_ceiling_and_leave_nothing_behind() {
    const THREADS: u64 = 64;
    const ROUNDS: u64 = 200;
    const CEILING: u64 = 1_000;
    let ledger = Ledger::default();
    let (in_use, highest, granted) = (AtomicU64::new(0), AtomicU64::new(0), AtomicU64::new(0));
    let start = Barrier::new(64);
    let now = Moment(1);
    std::thread::scope(|scope| {
        for thread in 0..THREADS {
            let (ledger, in_use, highest, granted, start) = (&ledger, &in_use, &highest, &granted, &start);
            scope.spawn(move || {
                start.wait();
                for round in 0..ROUNDS {
                    let tokens = 1 + (thread * 31 + round * 17) % 97;
                    // All threads share one limit; each also has its own, in another shard and in either order.
                    let common = claim(1, CEILING, tokens);
                    let own = claim(1_000 + thread, u64::MAX, tokens);
                    let claims = if thread % 2 == 0 { [common, own] } else { [own, common] };
                    let Ok(held) = ledger.reserve(now, &claims) else { continue };
                    let used = in_use.fetch_add(tokens, Ordering::SeqCst) + tokens;
                    highest.fetch_max(used, Ordering::SeqCst);
                    granted.fetch_add(1, Ordering::SeqCst);
                    std::thread::yield_now();
                    in_use.fetch_sub(tokens, Ordering::SeqCst);
                    ledger.release(now, held);
                }
            });
        }
    });
    assert!(highest.load(Ordering::SeqCst) <= CEILING, "{} of {CEILING}", highest.load(Ordering::SeqCst));
    assert!(granted.load(Ordering::SeqCst) > 0);
    let left = ledger.remaining(now, &[claim(1, CEILING, 0)]).unwrap();
    assert_eq!(left.tokens.unwrap().remaining, CEILING);
}

#[test]
fn threads_that_only_reserve_share_out_exactly_the_ceiling() {
    let ledger = Ledger::default();
    let granted = AtomicU64::new(0);
    std::thread::scope(|scope| {
        for _ in 0..64 {
            scope.spawn(|| {
                let won = (0..100).filter(|_| ledger.reserve(Moment(1), &[claim(1, 777, 1)]).is_ok()).count();
                granted.fetch_add(won as u64, Ordering::SeqCst);
            });
        }
    });
    assert_eq!(granted.load(Ordering::SeqCst), 777);
}
