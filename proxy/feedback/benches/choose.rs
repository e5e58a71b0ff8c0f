//! Time of one pick by size of the pool; the target is 5 µs with 16 members.

#![expect(missing_docs, reason = "criterion_group makes a public function without a comment")]

use std::hint::black_box;
use std::time::Duration;

use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use feedback_loop::{
    Ask, EjectionSpec, MemberSet, MemberSpec, Objective, Pool, PoolSpec, QuotaShape, QuotaSpec, Strategy,
};
use vocabulary::{Moment, Prices, TokenPrice, Usage};

fn member(index: u64) -> MemberSpec {
    let price = TokenPrice { nanos_per_million: index * 100_000_000 };
    MemberSpec {
        name: format!("member-{index}"),
        weight: 1,
        prices: Prices { input: price, cached_input: price, output: price, ..Prices::default() },
        quota: Some(QuotaSpec {
            tokens: Some((1_000_000_000, Duration::from_secs(60))),
            requests: Some((1_000_000, Duration::from_secs(60))),
            shape: QuotaShape::FixedWindow,
            burst: Duration::ZERO,
            output_weight: 1,
        }),
        concurrency: Some(64),
        expected_ttft: Duration::from_millis(500),
        first_token_timeout: Duration::from_secs(20),
    }
}

fn pool(members: u64) -> Pool {
    let spec = PoolSpec {
        name: "bench".to_owned(),
        strategy: Strategy::Adaptive,
        objective: Objective { ttft: Duration::from_secs(2), attainment: 0.95, max_cost_per_miss_usd: 0.2 },
        ejection: EjectionSpec {
            consecutive_failures: 5,
            base: Duration::from_secs(30),
            max_share: 0.5,
            breaker: None,
            ramp: Duration::from_secs(8),
        },
        members: (0..members).map(member).collect(),
    };
    Pool::new(spec, 1, Moment::ZERO)
}

/// One request from pick to settlement, a millisecond after the last.
fn request(pool: &mut Pool, count: u64, eligible: MemberSet) {
    let now = Moment(count * 1_000_000);
    let ask = Ask {
        request_id: "01890a5d-ac96-774b-bcce-b302099a8057",
        attempt: 1,
        arrived: now,
        prompt_tokens: 100 + count % 3_000,
        max_output_tokens: Some(256),
        streamed: true,
        eligible,
    };
    let Ok(pick) = pool.choose(now, black_box(&ask)) else { return };
    let answered = now + Duration::from_millis(300 + count % 400);
    pool.first_token(answered, &pick.ticket);
    pool.finished(answered, pick.ticket, Some(Usage { input: 1_000, output: 100, ..Usage::default() }));
}

fn choose(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("pick and settle");
    for members in [4, 16, 64] {
        let mut pool = pool(members);
        let mut count = 0;
        // Fills every member's residuals, so that the tail is counted over full rings.
        for index in 0..members {
            for _ in 0..200 {
                count += 1;
                request(&mut pool, count, MemberSet::EMPTY.with(usize::try_from(index).unwrap_or(0)));
            }
        }
        group.bench_function(BenchmarkId::from_parameter(members), |bencher| {
            bencher.iter(|| {
                count += 1;
                request(&mut pool, count, MemberSet::ALL);
            });
        });
    }
    group.finish();
}

criterion_group!(benches, choose);
criterion_main!(benches);
