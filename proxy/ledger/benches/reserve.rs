//! What limits cost a request: reserved under four of them and settled, with and without a journal.

#![expect(missing_docs, reason = "criterion_group makes a public function without a comment")]

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
    let took = Took { tokens: 700, spend_nanos: 1_500_000 };
    let log: Arc<dyn Log> = Arc::new(Memory::default());
    for (name, log) in [("in memory", None), ("journalled", Some(log))] {
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
