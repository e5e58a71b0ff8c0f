//! What usage costs at a deployment: by its tokens' prices, and with its share of capacity that is paid by the
//! hour. It owns that arithmetic; it refuses to add requests up (the ledger and the account of costs do).
//!
//! # The share of capacity
//! A deployment that costs by the hour has a quota of tokens, and a request takes a part of it: its input and
//! weighted output over what the quota gives in an hour. That part of the hour's cost is the request's. It is
//! known when the request is over, and does not depend on others: idle capacity is nobody's.

use rule_table::Deployment;
use vocabulary::{Prices, Usage, Usd};

const NANOS_PER_HOUR: u128 = 3_600_000_000_000;

/// By prices; nothing where none are stated.
pub(crate) fn marginal(deployment: &Deployment, usage: &Usage) -> Option<Usd> {
    Some(deployment.prices?.cost(usage))
}

/// The most it costs by prices, however the input is cached.
pub(crate) fn at_most(deployment: &Deployment, usage: &Usage) -> Option<Usd> {
    let prices = deployment.prices?;
    let kinds = [prices.input, prices.cached_input, prices.cache_write, prices.cache_write_1h];
    let dearest = kinds.into_iter().max().unwrap_or_default();
    // Four kinds are rounded for themselves, each by less than a nano-dollar.
    let rounding = Usd { nanos: 4 };
    let plain = Usage { input: usage.input, output: usage.output, ..Usage::default() };
    Some(Prices { input: dearest, ..prices }.cost(&plain) + rounding)
}

/// By prices and capacity.
pub(crate) fn amortised(deployment: &Deployment, usage: &Usage) -> Option<Usd> {
    sum(marginal(deployment, usage), capacity(deployment, usage))
}

/// The most it costs by prices and capacity.
pub(crate) fn amortised_at_most(deployment: &Deployment, usage: &Usage) -> Option<Usd> {
    sum(at_most(deployment, usage), capacity(deployment, usage))
}

fn sum(a: Option<Usd>, b: Option<Usd>) -> Option<Usd> {
    match (a, b) {
        (Some(a), Some(b)) => Some(a + b),
        (one, other) => one.or(other),
    }
}

/// The part of an hour's cost that usage takes, rounded up to the nano-dollar.
fn capacity(deployment: &Deployment, usage: &Usage) -> Option<Usd> {
    let hour = u128::from(deployment.hourly?.nanos_per_hour);
    let quota = deployment.quota.as_ref()?;
    let rate = quota.tokens?;
    let weighted =
        u128::from(usage.output) * u128::from(quota.output_weight.max(1)) + u128::from(usage.input);
    // Tokens over tokens an hour, as one fraction: amount per window, windows an hour.
    let share = hour.saturating_mul(weighted).saturating_mul(rate.per.as_nanos());
    let whole = u128::from(rate.amount).saturating_mul(NANOS_PER_HOUR).max(1);
    Some(Usd { nanos: u64::try_from(share.div_ceil(whole)).unwrap_or(u64::MAX) })
}
