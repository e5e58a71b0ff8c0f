//! Prices that change on a day. It owns which of a deployment's prices hold at a time; it refuses to watch the
//! clock: a policy is asked again when the time has come.

use serde::{Deserialize, Serialize};
use vocabulary::{Prices, UnixTime};

use crate::bundle::Bundle;
use crate::sections::{Deployment, Policy};

/// Prices from a time on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PriceChange {
    /// When they begin to hold.
    pub from: UnixTime,
    /// Marginal prices.
    pub prices: Prices,
}

impl Deployment {
    /// The prices that hold at `now`.
    #[must_use]
    pub fn prices_at(&self, now: UnixTime) -> Option<Prices> {
        let due = self.price_changes.iter().rev().find(|change| change.from <= now);
        due.map_or(self.prices, |change| Some(change.prices))
    }
}

impl Policy {
    /// Whether prices have changed by `now` since they were set.
    #[must_use]
    pub fn has_outdated_prices(&self, now: UnixTime) -> bool {
        self.deployments.iter().any(|deployment| deployment.prices_at(now) != deployment.prices)
    }
}

impl Bundle {
    /// The bundle with the prices that hold at `now` set, those of later days still to come. Its digest stays
    /// that of what was compiled.
    #[must_use]
    pub fn as_of(mut self, now: UnixTime) -> Self {
        for deployment in &mut self.policy_mut().deployments {
            deployment.prices = deployment.prices_at(now);
        }
        self
    }
}

#[cfg(test)]
mod tests {
    use vocabulary::{TokenPrice, Usage};

    use super::*;
    use crate::sample::policy;

    fn at(nanos_per_million: u64) -> Prices {
        Prices { output: TokenPrice { nanos_per_million }, ..Prices::default() }
    }

    fn deployment() -> Deployment {
        Deployment {
            name: "vllm/m".to_owned(),
            backend: 0,
            model: None,
            upstream_name: "m".to_owned(),
            context_window: None,
            max_output: None,
            prices: None,
            price_changes: Vec::new(),
            prices_until: None,
            hourly: None,
            quota: None,
            concurrency: None,
            expected_ttft: std::time::Duration::ZERO,
            processing: None,
        }
    }

    #[test]
    fn a_price_holds_until_the_next_one_begins() {
        let mut policy = policy(Vec::new());
        let changes = [(100, 2), (200, 3)];
        let changes = changes.map(|(from, price)| PriceChange { from: UnixTime(from), prices: at(price) });
        policy.deployments.push(Deployment {
            prices: Some(at(1)),
            price_changes: changes.to_vec(),
            ..deployment()
        });
        let bundle = Bundle::new(policy);
        for (now, price) in [(0, 1), (99, 1), (100, 2), (199, 2), (200, 3), (u64::MAX, 3)] {
            let then = bundle.clone().as_of(UnixTime(now));
            assert_eq!(then.policy().deployments.last().unwrap().prices, Some(at(price)), "at {now}");
            assert_eq!(then.digest(), bundle.digest());
            assert!(!then.policy().has_outdated_prices(UnixTime(now)));
            assert_eq!(then.policy().has_outdated_prices(UnixTime(now.saturating_add(100))), now < 200);
        }
        let usage = Usage { output: 1_000_000, ..Usage::default() };
        assert_eq!(at(3).cost(&usage).nanos, 3);
    }
}
