//! Any bytes as a journal: read, summed up, and written again as a checkpoint that says the same.
#![no_main]

use ledger::journal::{Reader, Record, Replay};

fn summed(bytes: &[u8]) -> Vec<ledger::Standing> {
    let mut replay = Replay::default();
    Reader::of_records(bytes).flatten().for_each(|record| replay.apply(&record));
    replay.finish().0
}

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    if let Ok((reader, _)) = Reader::new(bytes) {
        reader.for_each(drop);
    }
    let once = summed(bytes);
    let records = once.iter().flat_map(|standing| Record::of_standing(standing, Default::default()));
    let again: Vec<u8> = records.flat_map(|record| record.encode()).collect();
    let twice = summed(&again);
    let taken = |all: &[ledger::Standing]| {
        all.iter().map(|one| (one.key, one.window_index, one.taken(), one.granted)).collect::<Vec<_>>()
    };
    assert_eq!(taken(&once), taken(&twice));
});
