//! Four backends that differ in price, speed, quota and queueing, and what befalls them.

use std::time::Duration;

use feedback_loop::{EjectionSpec, MemberSpec, Objective, PoolSpec, QuotaShape, QuotaSpec, Strategy};
use vocabulary::{Prices, TokenPrice};

/// A value that changes at given times, in seconds.
#[derive(Clone, Debug)]
pub(crate) struct Steps<T>(pub(crate) Vec<(f64, T)>);

impl<T: Copy> Steps<T> {
    pub(crate) fn constant(value: T) -> Self {
        Self(vec![(0.0, value)])
    }

    /// Another value from `at` on.
    pub(crate) fn then(mut self, at: f64, value: T) -> Self {
        self.0.push((at, value));
        self
    }

    pub(crate) fn at(&self, seconds: f64) -> T {
        self.0.iter().rev().find(|(from, _)| *from <= seconds).unwrap_or(&self.0[0]).1
    }
}

/// How a backend serves.
#[derive(Clone, Debug)]
pub(crate) enum Kind {
    /// A hosted API: never queues, slows down beyond `soft` in flight.
    Api { base: f64, prefill_rate: f64, sigma: f64, tail: f64, per_token: f64, soft: Option<f64> },
    /// One GPU: slots, serial prefill, decoding shared by those in a slot.
    Gpu { prefill_rate: f64, slots: usize, step: f64, step_per_slot: f64, sigma: f64, network: f64 },
}

/// One backend, and its whole life.
#[derive(Clone, Debug)]
pub(crate) struct Backend {
    pub(crate) member: MemberSpec,
    pub(crate) kind: Kind,
    /// USD per million tokens, in and out.
    pub(crate) prices: Steps<(f64, f64)>,
    pub(crate) failing: Steps<f64>,
    pub(crate) slowness: Steps<f64>,
    pub(crate) capacity: Steps<f64>,
}

pub(crate) const PTU: usize = 0;
pub(crate) const PAYG: usize = 1;
pub(crate) const BUDGET: usize = 2;
pub(crate) const VLLM: usize = 3;

/// Provisioned, pay as you go, budget, self-hosted.
pub(crate) fn four() -> Vec<Backend> {
    let api = |base, prefill_rate, sigma, tail, per_token, soft| Kind::Api {
        base,
        prefill_rate,
        sigma,
        tail,
        per_token,
        soft,
    };
    vec![
        Backend {
            member: MemberSpec { quota: Some(provisioned()), ..member("ptu", 0.4) },
            ..backend(api(0.25, 9000.0, 0.25, 0.005, 0.018, None), (0.0, 0.0), 0.001)
        },
        Backend {
            member: MemberSpec { quota: Some(per_minute()), ..member("payg", 0.6) },
            ..backend(api(0.45, 7000.0, 0.40, 0.015, 0.022, None), (2.5, 10.0), 0.003)
        },
        Backend {
            member: member("budget", 1.2),
            ..backend(api(0.95, 3000.0, 0.42, 0.02, 0.032, Some(40.0)), (0.6, 2.4), 0.008)
        },
        Backend {
            member: MemberSpec { concurrency: Some(16), ..member("vllm", 0.5) },
            ..backend(
                Kind::Gpu {
                    prefill_rate: 5000.0,
                    slots: 16,
                    step: 0.020,
                    step_per_slot: 0.0012,
                    sigma: 0.10,
                    network: 0.08,
                },
                (0.05, 0.05),
                0.001,
            )
        },
    ]
}

/// A brown-out of the provisioned one, a fivefold price on the budget one, a slow GPU.
pub(crate) fn eventful() -> Vec<Backend> {
    let mut fleet = four();
    fleet[PTU].slowness = Steps::constant(1.0).then(900.0, 6.0).then(1500.0, 1.0);
    fleet[PTU].capacity = Steps::constant(1.0).then(900.0, 0.5).then(1500.0, 1.0);
    fleet[PTU].failing = Steps::constant(0.001).then(900.0, 0.05).then(1500.0, 0.001);
    fleet[BUDGET].prices = Steps::constant((0.6, 2.4)).then(2000.0, (3.0, 12.0));
    fleet[VLLM].slowness = Steps::constant(1.0).then(2600.0, 2.2).then(2900.0, 1.0);
    fleet
}

/// The pool over a fleet, as of `seconds`.
pub(crate) fn pool(fleet: &[Backend], strategy: Strategy, seconds: f64) -> PoolSpec {
    PoolSpec {
        name: "chat".to_owned(),
        strategy,
        objective: Objective { ttft: Duration::from_secs(2), attainment: 0.95, max_cost_per_miss_usd: 0.2 },
        ejection: EjectionSpec {
            consecutive_failures: 5,
            base: Duration::from_secs(30),
            max_share: 0.5,
            breaker: None,
            ramp: Duration::from_secs(8),
        },
        members: fleet
            .iter()
            .map(|b| MemberSpec { prices: prices(b.prices.at(seconds)), ..b.member.clone() })
            .collect(),
    }
}

/// USD per million tokens, in and out.
pub(crate) fn prices((input, output): (f64, f64)) -> Prices {
    let price = |usd: f64| TokenPrice { nanos_per_million: (usd * 1e9).round() as u64 };
    Prices { input: price(input), cached_input: price(input), output: price(output), ..Prices::default() }
}

pub(crate) fn member(name: &str, expected_ttft: f64) -> MemberSpec {
    MemberSpec {
        name: name.to_owned(),
        weight: 1,
        prices: Prices::default(),
        quota: None,
        concurrency: None,
        expected_ttft: Duration::from_secs_f64(expected_ttft),
        first_token_timeout: Duration::from_secs(20),
    }
}

fn backend(kind: Kind, usd: (f64, f64), failing: f64) -> Backend {
    Backend {
        member: member("", 1.0),
        kind,
        prices: Steps::constant(usd),
        failing: Steps::constant(failing),
        slowness: Steps::constant(1.0),
        capacity: Steps::constant(1.0),
    }
}

fn provisioned() -> QuotaSpec {
    QuotaSpec {
        tokens: Some((3_600, Duration::from_secs(1))),
        requests: None,
        shape: QuotaShape::LeakyBucket,
        burst: Duration::from_secs(10),
        output_weight: 4,
    }
}

fn per_minute() -> QuotaSpec {
    QuotaSpec {
        tokens: Some((300_000, Duration::from_secs(60))),
        requests: Some((1_800, Duration::from_secs(60))),
        shape: QuotaShape::FixedWindow,
        burst: Duration::ZERO,
        output_weight: 1,
    }
}
