//! Time of one look-up of an address by the number of networks; the target is 200 ns with 10,000.

#![expect(missing_docs, reason = "criterion_group makes a public function without a comment")]

use std::hint::black_box;
use std::net::{IpAddr, Ipv4Addr};

use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use decision::Networks;

/// `count` networks that do not touch: every other /24.
fn networks(count: u32) -> Networks {
    let texts: Vec<String> =
        (0..count).map(|index| format!("{}/24", Ipv4Addr::from_bits((index * 2) << 8))).collect();
    Networks::new(texts.iter().map(String::as_str))
}

fn look_up(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("access/look-up");
    for count in [10, 1_000, 10_000] {
        let networks = networks(count);
        // Spread over all of them, so that no branch is learnt.
        let addresses: Vec<IpAddr> = (0..4096_u32)
            .map(|index| Ipv4Addr::from_bits(index.wrapping_mul(2_654_435_761) % (count << 9)).into())
            .collect();
        let mut next = addresses.iter().copied().cycle();
        group.bench_function(BenchmarkId::from_parameter(count), |bencher| {
            bencher.iter(|| next.next().is_some_and(|address| networks.contains(black_box(address))));
        });
    }
    group.finish();
}

criterion_group!(benches, look_up);
criterion_main!(benches);
