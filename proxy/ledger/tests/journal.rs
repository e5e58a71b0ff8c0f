//! The journal read back: whatever a crash leaves, counts are never below the truth, and damage is named.

#![cfg(test)]

use std::sync::Arc;
use std::time::Duration;

use ledger::journal::{Damage, FileHeader, HEADER_BYTES, Log, Reader, Record, Replay, Tail, Unrecorded};
use ledger::{Calendar, Claim, Ledger, Meter, Period, Refused, Reservation, Standing, Timekeeper, Took};
use parking_lot::Mutex;
use proptest::prelude::*;
use vocabulary::Moment;

const NOW: Moment = Moment(1_795_388_400_000_000_000);
const KEYS: u64 = 3;

/// A file in memory. What is buffered reaches it with the next write, as in the real one.
#[derive(Debug, Default)]
struct Tape {
    held: Mutex<(Vec<u8>, Vec<u8>)>,
    full: std::sync::atomic::AtomicBool,
}

impl Tape {
    fn new() -> Arc<Self> {
        let tape = Self::default();
        tape.held.lock().0 = FileHeader { number: 7, time: NOW }.encode();
        Arc::new(tape)
    }

    fn bytes(&self) -> Vec<u8> {
        self.held.lock().0.clone()
    }
}

impl Log for Tape {
    fn write(&self, record: &[u8]) -> Result<(), Unrecorded> {
        if self.full.load(std::sync::atomic::Ordering::SeqCst) {
            return Err(Unrecorded);
        }
        let mut held = self.held.lock();
        let (file, buffer) = &mut *held;
        file.append(buffer);
        file.extend_from_slice(record);
        Ok(())
    }

    fn buffer(&self, record: &[u8]) {
        self.held.lock().1.extend_from_slice(record);
    }
}

fn ledger(tape: &Arc<Tape>) -> Ledger {
    let log: Arc<dyn Log> = Arc::<Tape>::clone(tape);
    Ledger::new(Timekeeper::new(Moment::ZERO, NOW, Moment::ZERO), Some(log))
}

fn claim(key: u64, asked: u64) -> Claim {
    let (meter, period) = match key % KEYS {
        0 => (Meter::Tokens, Period::Window(Duration::from_secs(60))),
        1 => (Meter::Spend, Period::Calendar(Calendar::Month)),
        _ => (Meter::Streams, Period::Concurrent),
    };
    Claim {
        key,
        group: 0,
        meter,
        ceiling: u64::MAX / 4,
        period,
        asked,
        shadow: false,
        shared: false,
        closed: true,
    }
}

fn read(bytes: &[u8]) -> Result<(Vec<Record>, Tail), Damage> {
    let (mut reader, _) = Reader::new(bytes)?;
    let records = reader.by_ref().collect::<Result<_, _>>()?;
    Ok((records, reader.tail()))
}

fn replayed(bytes: &[u8]) -> (Vec<Standing>, Moment) {
    let mut replay = Replay::default();
    read(bytes).unwrap().0.iter().for_each(|record| replay.apply(record));
    replay.finish()
}

fn used(standings: &[Standing], key: u64) -> u64 {
    standings.iter().find(|standing| standing.key == key).map_or(0, Standing::taken)
}

#[derive(Clone, Debug)]
enum Event {
    Reserve { asked: u64 },
    Settle { which: usize, took: u64 },
    Release { which: usize },
    Wait { seconds: u64 },
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        4 => (0_u64..500).prop_map(|asked| Event::Reserve { asked }),
        3 => (any::<usize>(), 0_u64..900).prop_map(|(which, took)| Event::Settle { which, took }),
        1 => any::<usize>().prop_map(|which| Event::Release { which }),
        1 => (0_u64..50).prop_map(|seconds| Event::Wait { seconds }),
    ]
}

/// Runs the events; afterwards every key's truth in its last window: what ended plus what is open.
fn run(ledger: &Ledger, events: Vec<Event>, open: &mut Vec<Reservation>) -> Moment {
    let mut now = NOW;
    for event in events {
        match event {
            Event::Reserve { asked } => {
                let claims: Vec<Claim> = (0..KEYS).map(|key| claim(key, asked)).collect();
                open.push(ledger.reserve(now, &claims).unwrap());
            }
            Event::Settle { which, took } if !open.is_empty() => {
                let held = open.swap_remove(which % open.len());
                ledger.settle(now, held, &Took { tokens: took, spend_nanos: took, ..Took::default() });
            }
            Event::Release { which } if !open.is_empty() => {
                let held = open.swap_remove(which % open.len());
                ledger.release(now, held);
            }
            Event::Wait { seconds } => now = now + Duration::from_secs(seconds),
            Event::Settle { .. } | Event::Release { .. } => {}
        }
    }
    now
}

proptest! {
    #[test]
    fn counts_put_back_after_a_kill_are_never_below_the_truth(events in prop::collection::vec(event(), 1..60)) {
        let tape = Tape::new();
        let ledger = ledger(&tape);
        let mut open = Vec::new();
        run(&ledger, events, &mut open);
        let mut truth = Vec::new();
        ledger.standings(|standing| truth.push(*standing));
        // What was buffered is lost with the process.
        let (recorded, _) = replayed(&tape.bytes());
        for key in 0..2 {
            prop_assert!(used(&recorded, key) >= used(&truth, key), "{recorded:?} {truth:?}");
        }
        prop_assert!(recorded.iter().all(|standing| standing.meter != Meter::Streams));
    }

    #[test]
    fn counts_put_back_after_an_orderly_end_are_the_truth(events in prop::collection::vec(event(), 1..60)) {
        let tape = Tape::new();
        let ledger = ledger(&tape);
        let mut open = Vec::new();
        let now = run(&ledger, events, &mut open);
        let held = ledger.reserve(now, &[claim(0, 0), claim(1, 0)]).unwrap();
        let mut truth = Vec::new();
        ledger.standings(|standing| truth.push(*standing));
        let (recorded, latest) = replayed(&tape.bytes());
        for key in 0..2 {
            prop_assert_eq!(used(&recorded, key), used(&truth, key));
        }
        prop_assert_eq!(latest, now);
        drop(held);
    }

    #[test]
    fn a_file_cut_anywhere_gives_its_whole_records_and_says_where_it_ends(
        events in prop::collection::vec(event(), 1..20), cut in any::<prop::sample::Index>(), zeros in 0_usize..40,
    ) {
        let tape = Tape::new();
        let ledger = ledger(&tape);
        run(&ledger, events, &mut Vec::new());
        let whole = tape.bytes();
        let (all, tail) = read(&whole).unwrap();
        prop_assert_eq!(tail, Tail::Whole);
        let mut bytes = whole[..cut.index(whole.len())].to_vec();
        let cut_at = bytes.len();
        let (some, tail) = read(&bytes).unwrap();
        prop_assert_eq!(&all[..some.len()], &some[..]);
        if let Tail::Torn { at } = tail {
            prop_assert!(at as usize <= cut_at);
            prop_assert!(cut_at < HEADER_BYTES || read(&whole[..at as usize]).unwrap().1 == Tail::Whole);
        }
        // A disk that lost power may have kept the length and not the bytes.
        if matches!(tail, Tail::Whole) && cut_at > 0 {
            bytes.resize(cut_at + zeros, 0);
            prop_assert_eq!(read(&bytes).unwrap().0, some);
        }
    }

    #[test]
    fn any_flipped_bit_is_found(
        events in prop::collection::vec(event(), 1..20), at in any::<prop::sample::Index>(), bit in 0_u8..8,
    ) {
        let tape = Tape::new();
        let ledger = ledger(&tape);
        run(&ledger, events, &mut Vec::new());
        let mut bytes = tape.bytes();
        let at = at.index(bytes.len());
        bytes[at] ^= 1 << bit;
        prop_assert!(read(&bytes).is_err(), "bit {bit} of byte {at}");
    }

    #[test]
    fn no_bytes_make_a_reader_fall(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let _ = read(&bytes);
        let mut after_header = FileHeader { number: 1, time: NOW }.encode();
        after_header.extend_from_slice(&bytes);
        let _ = read(&after_header);
        let mut replay = Replay::default();
        Reader::of_records(&bytes).flatten().for_each(|record| replay.apply(&record));
    }

    #[test]
    fn a_checkpoint_and_the_journal_after_it_say_what_one_journal_says(
        before in prop::collection::vec(event(), 0..30), after in prop::collection::vec(event(), 0..30),
    ) {
        let (one, two) = (Tape::new(), Tape::new());
        let mut open = Vec::new();
        let ledger_one = ledger(&one);
        let ledger_two = ledger(&two);
        run(&ledger_one, before.clone(), &mut Vec::new());
        run(&ledger_two, before, &mut open);
        let (kept, ()) = ledger_two.checkpoint(|| {
            let mut held = two.held.lock();
            held.0.truncate(HEADER_BYTES);
            held.1.clear();
        });
        let mut replay = Replay::default();
        kept.iter().flat_map(|standing| Record::of_standing(standing, NOW)).for_each(|record| replay.apply(&record));
        run(&ledger_one, after.clone(), &mut Vec::new());
        run(&ledger_two, after, &mut Vec::new());
        two.write(&[]).unwrap();
        one.write(&[]).unwrap();
        read(&two.bytes()).unwrap().0.iter().for_each(|record| replay.apply(record));
        let (standings, _) = replay.finish();
        let (whole, _) = replayed(&one.bytes());
        for key in 0..2 {
            prop_assert_eq!(used(&standings, key), used(&whole, key));
        }
    }
}

#[test]
fn another_version_and_another_file_are_refused_by_name() {
    let mut newer = FileHeader { number: 1, time: NOW }.encode();
    newer[8] = 2;
    let check = crc32fast::hash(&newer[..32]).to_le_bytes();
    newer[32..].copy_from_slice(&check);
    assert_eq!(Reader::new(&newer).unwrap_err(), Damage::Version { found: 2 });
    let other = Reader::new(b"PK\x03\x04 something else entirely, and long enough").unwrap_err();
    assert_eq!(other, Damage::NotAJournal);
    assert!(Damage::Record { at: 99 }.to_string().contains("byte 99"));
}

#[test]
fn a_limit_that_cannot_be_recorded_refuses_where_it_is_closed_and_holds_nothing() {
    let tape = Tape::new();
    let ledger = ledger(&tape);
    tape.full.store(true, std::sync::atomic::Ordering::SeqCst);
    let closed = claim(0, 10);
    assert_eq!(ledger.reserve(NOW, &[closed]), Err(Refused::Unrecorded));
    let open = Claim { closed: false, ..closed };
    let held = ledger.reserve(NOW, &[open]).unwrap();
    let left = ledger.remaining(NOW, &[Claim { ceiling: 100, ..open }]).unwrap().tokens.unwrap();
    assert_eq!(left.remaining, 90, "the refused one holds nothing");
    tape.full.store(false, std::sync::atomic::Ordering::SeqCst);
    ledger.settle(NOW, held, &Took { tokens: 4, spend_nanos: 0, ..Took::default() });
    let (recorded, _) = replayed(&tape.bytes());
    assert_eq!(used(&recorded, 0), 4, "what was never recorded as held is recorded as used");
}
