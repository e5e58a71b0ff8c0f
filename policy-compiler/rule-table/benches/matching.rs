//! Time from a request's head to its verdict and its route, by the number of rules and routes, for requests
//! of which few are frequent (Zipf). The target is 400 ns with 10 and at most four times that with 100,000.
//! Beside it, the plain interpreter: what asking each in turn costs.

#![expect(missing_docs, reason = "criterion_group makes a public function without a comment")]

#[path = "matching/population.rs"]
mod population;

use std::hint::black_box;
use std::time::{Duration, Instant};

use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use population::{decide, decide_plainly, policy, requests};
use rule_table::{AclTable, RouteTable};

/// Calls timed together.
const BATCH: u64 = 64;

/// The time of so many calls by the median of their batches, so that a pause of this thread does not count.
fn by_median(times: u64, mut call: impl FnMut() -> bool) -> Duration {
    let mut batches = Vec::new();
    for _ in 0..times.div_ceil(BATCH) {
        let start = Instant::now();
        for _ in 0..BATCH {
            black_box(call());
        }
        batches.push(start.elapsed());
    }
    batches.sort_unstable();
    let median = batches.get(batches.len() / 2).copied().unwrap_or_default();
    median.mul_f64(times as f64 / BATCH as f64)
}

fn matching(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("rule-table/route-and-acl");
    for count in [10, 1_000, 100_000] {
        let policy = policy(count);
        let (acl, routes) = (AclTable::build(&policy), RouteTable::build(&policy));
        let requests = requests(count);
        let mut next = requests.iter().cycle();
        group.bench_function(BenchmarkId::new("indexed", count), |bencher| {
            bencher.iter_custom(|times| {
                by_median(times, || next.next().is_some_and(|request| decide(&acl, &routes, request)))
            });
        });
        if count > 1_000 {
            group.sample_size(10);
            group.bench_function(BenchmarkId::new("build", count), |bencher| {
                bencher.iter(|| (AclTable::build(black_box(&policy)), RouteTable::build(&policy)));
            });
            continue;
        }
        let mut next = requests.iter().cycle();
        group.bench_function(BenchmarkId::new("one by one", count), |bencher| {
            bencher.iter(|| next.next().is_some_and(|request| decide_plainly(&policy, request)));
        });
    }
    group.finish();
}

criterion_group!(benches, matching);
criterion_main!(benches);
