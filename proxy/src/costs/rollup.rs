//! What was consumed, rolled up: the key of a line, its sums, and the fixed costs of an hour. It owns adding
//! up; it refuses to know where a line is kept or how it is shown.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use vocabulary::Usage;

/// Seconds in an hour.
pub(super) const HOUR: u64 = 3600;

/// Who consumed what where, within one hour.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Key {
    /// Name of the caller's team.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub team: Option<String>,
    /// Name of the consumer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub consumer: Option<String>,
    /// The model, as the caller named it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// `backend/deployment`.
    pub deployment: String,
    /// What OTel calls the provider.
    pub provider: String,
    /// Whether the tokens were counted by the gateway, since the backend sent no count.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub estimated: bool,
}

/// Sums of one key.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sums {
    /// Attempts that consumed something.
    pub requests: u64,
    /// Prompt tokens, cached ones and cache writes included.
    pub input: u64,
    /// Prompt tokens read from the cache.
    pub cached: u64,
    /// Prompt tokens written to the cache.
    pub cache_writes: u64,
    /// Generated tokens.
    pub output: u64,
    /// Marginal cost in nano-dollars.
    pub cost_nanos: u64,
}

impl Sums {
    /// One attempt's.
    #[must_use]
    pub fn of(usage: &Usage, cost_nanos: u64) -> Self {
        Self {
            requests: 1,
            input: usage.input,
            cached: usage.cached_input,
            cache_writes: usage.cache_write_input.saturating_add(usage.cache_write_1h_input),
            output: usage.output,
            cost_nanos,
        }
    }

    /// Input and output.
    #[must_use]
    pub fn tokens(&self) -> u64 {
        self.input.saturating_add(self.output)
    }

    /// Adds another's.
    pub fn add(&mut self, other: &Self) {
        self.requests = self.requests.saturating_add(other.requests);
        self.input = self.input.saturating_add(other.input);
        self.cached = self.cached.saturating_add(other.cached);
        self.cache_writes = self.cache_writes.saturating_add(other.cache_writes);
        self.output = self.output.saturating_add(other.output);
        self.cost_nanos = self.cost_nanos.saturating_add(other.cost_nanos);
    }
}

/// A deployment that costs by the hour.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fixed {
    /// What OTel calls the provider.
    pub provider: String,
    /// Nano-dollars an hour.
    pub nanos_per_hour: u64,
}

/// One hour of one or several gateways.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Hour {
    /// By key.
    pub sums: BTreeMap<Key, Sums>,
    /// By deployment.
    pub fixed: BTreeMap<String, Fixed>,
}

impl Hour {
    /// Adds consumption.
    pub fn consume(&mut self, key: Key, sums: &Sums) {
        self.sums.entry(key).or_default().add(sums);
    }

    /// Takes another gateway's account of the same hour. What costs by the hour costs once, however many
    /// gateways use it.
    pub fn merge(&mut self, other: Self) {
        for (key, sums) in other.sums {
            self.consume(key, &sums);
        }
        for (deployment, fixed) in other.fixed {
            let known = self.fixed.entry(deployment).or_insert_with(|| fixed.clone());
            known.nanos_per_hour = known.nanos_per_hour.max(fixed.nanos_per_hour);
        }
    }

    /// Each key's share of what its deployment cost by the hour, in proportion to tokens, to the last
    /// nano-dollar: what rounding leaves goes to the first keys. A deployment without any tokens has none.
    #[must_use]
    pub fn shares(&self, deployment: &str) -> BTreeMap<&Key, u64> {
        let Some(fixed) = self.fixed.get(deployment) else { return BTreeMap::new() };
        let of = || self.sums.iter().filter(|(key, sums)| key.deployment == deployment && sums.tokens() > 0);
        let total: u128 = of().map(|(_, sums)| u128::from(sums.tokens())).sum();
        let mut left = fixed.nanos_per_hour;
        let mut shares = BTreeMap::new();
        for (key, sums) in of() {
            let exact = u128::from(fixed.nanos_per_hour) * u128::from(sums.tokens()) / total.max(1);
            let share = u64::try_from(exact).unwrap_or(left).min(left);
            left -= share;
            shares.insert(key, share);
        }
        // Fewer than there are keys.
        for share in shares.values_mut() {
            if left == 0 {
                break;
            }
            *share += 1;
            left -= 1;
        }
        shares
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn key(consumer: usize, deployment: &str) -> Key {
        Key { consumer: Some(consumer.to_string()), deployment: deployment.to_owned(), ..Key::default() }
    }

    #[test]
    fn an_hours_cost_is_counted_once_however_many_gateways_ran() {
        let fixed = Fixed { provider: "vllm".to_owned(), nanos_per_hour: 7 };
        let one = Hour { fixed: [("gpu".to_owned(), fixed)].into(), ..Hour::default() };
        let mut both = one.clone();
        both.merge(one.clone());
        assert_eq!(both, one);
    }

    proptest! {
        #[test]
        fn shares_of_an_hour_sum_to_its_cost(
            tokens in prop::collection::vec(0_u64..1_000_000, 1..20),
            nanos_per_hour in 0_u64..1_000_000_000_000,
        ) {
            let mut hour = Hour::default();
            let fixed = Fixed { provider: "vllm".to_owned(), nanos_per_hour };
            hour.fixed.insert("gpu".to_owned(), fixed);
            for (consumer, input) in tokens.iter().enumerate() {
                hour.consume(key(consumer, "gpu"), &Sums { input: *input, ..Sums::default() });
                hour.consume(key(consumer, "other"), &Sums { input: 5, ..Sums::default() });
            }
            let shares = hour.shares("gpu");
            let whole = if tokens.iter().any(|tokens| *tokens > 0) { nanos_per_hour } else { 0 };
            prop_assert_eq!(shares.values().sum::<u64>(), whole);
            prop_assert!(shares.keys().all(|key| key.deployment == "gpu"));
        }
    }
}
