//! What limits cost a request: reserved under four of them and settled, without a journal, with one in memory,
//! and with one in a file, as a gateway keeps it.

#![expect(missing_docs, reason = "criterion_group makes a public function without a comment")]

use std::fs::File;
use std::io::Write as _;
use std::sync::Arc;
use std::time::Duration;

use criterion::{Criterion, criterion_group, criterion_main};
use ledger::journal::{Log, Unrecorded};
use ledger::{Calendar, Claim, Ledger, Meter, Period, Timekeeper, Took};
use parking_lot::Mutex;
use vocabulary::Moment;

const NOW: Moment = Moment(1_795_388_400_000_000_000);

/// A journal in memory, so that the figure is the processor's and not the disk's.
#[derive(Debug, Default)]
struct Memory(Mutex<Vec<u8>>);

impl Log for Memory {
    fn write(&self, record: &[u8]) -> Result<(), Unrecorded> {
        self.buffer(record);
        Ok(())
    }

    fn buffer(&self, record: &[u8]) {
        let mut held = self.0.lock();
        if held.len() > 1 << 20 {
            held.clear();
        }
        held.extend_from_slice(record);
    }
}

/// A journal in a file that nobody syncs: each reservation is one write, which takes what was buffered along.
#[derive(Debug)]
struct InFile(Mutex<(File, Vec<u8>)>);

impl InFile {
    fn begin() -> std::io::Result<Self> {
        let path = std::env::temp_dir().join(format!("sluicegate-bench-{}", std::process::id()));
        let file = File::create(&path)?;
        // It lives as long as it is open.
        std::fs::remove_file(path)?;
        Ok(Self(Mutex::new((file, Vec::new()))))
    }
}

impl Log for InFile {
    fn write(&self, record: &[u8]) -> Result<(), Unrecorded> {
        let mut held = self.0.lock();
        let (file, buffer) = &mut *held;
        buffer.extend_from_slice(record);
        file.write_all(buffer).map_err(|_| Unrecorded)?;
        buffer.clear();
        Ok(())
    }

    fn buffer(&self, record: &[u8]) {
        self.0.lock().1.extend_from_slice(record);
    }
}

fn claims() -> [Claim; 4] {
    let minute = Period::Window(Duration::from_secs(60));
    let claim = |key, meter, period, asked| Claim {
        key,
        group: 0,
        meter,
        ceiling: u64::MAX / 4,
        period,
        asked,
        shadow: false,
        shared: false,
        closed: true,
    };
    [
        claim(1, Meter::Requests, minute, 1),
        claim(2, Meter::Tokens, minute, 900),
        claim(3, Meter::Streams, Period::Concurrent, 1),
        claim(4, Meter::Spend, Period::Calendar(Calendar::Month), 2_000_000),
    ]
}

fn reserve(criterion: &mut Criterion) {
    let took = Took { tokens: 700, spend_nanos: 1_500_000, ..Took::default() };
    let log: Arc<dyn Log> = Arc::new(Memory::default());
    let file: Option<Arc<dyn Log>> = InFile::begin().ok().map(|log| Arc::new(log) as _);
    assert!(file.is_some(), "the temporary directory cannot be written");
    let logs = [("in memory", None), ("journalled in memory", Some(log)), ("journalled in a file", file)];
    for (name, log) in logs {
        let ledger = Ledger::new(Timekeeper::new(Moment::ZERO, NOW, Moment::ZERO), log);
        let claims = claims();
        criterion.bench_function(&format!("reserve and settle four limits, {name}"), |bencher| {
            bencher.iter(|| {
                let now = ledger.time().at(Moment(1));
                if let Ok(held) = ledger.reserve(now, &claims) {
                    ledger.settle(now, held, &took);
                }
            });
        });
    }
}

criterion_group!(benches, reserve);
criterion_main!(benches);
