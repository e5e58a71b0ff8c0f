//! What a server charges, and from when. It owns the effective-dated list; it refuses arithmetic of its
//! own: costs come from `vocabulary::Prices`, to the nano-dollar.

use vocabulary::{Moment, Prices, Usage, Usd};

/// Prices with the moments they take effect.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct PriceList {
    first: Prices,
    changes: Vec<(Moment, Prices)>,
}

impl From<Prices> for PriceList {
    fn from(first: Prices) -> Self {
        Self { first, changes: Vec::new() }
    }
}

impl PriceList {
    /// The same list with `prices` from `at` on.
    #[must_use]
    pub fn with_change(mut self, at: Moment, prices: Prices) -> Self {
        self.changes.push((at, prices));
        self.changes.sort_by_key(|change| change.0);
        self
    }

    /// The prices in force at `now`.
    #[must_use]
    pub fn at(&self, now: Moment) -> Prices {
        self.changes.iter().rev().find(|change| change.0 <= now).map_or(self.first, |change| change.1)
    }

    /// The exact cost of a request that arrived at `arrival`: a request keeps the price it came in at.
    #[must_use]
    pub fn cost(&self, arrival: Moment, usage: &Usage) -> Usd {
        self.at(arrival).cost(usage)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_of_price_holds_from_its_moment_on() {
        let price = |input: &str| Prices { input: input.parse().unwrap(), ..Prices::default() };
        let list =
            PriceList::from(price("1 USD/1M")).with_change(Moment::from_secs_f64(10.0), price("5 USD/1M"));
        let usage = Usage { input: 1_000_000, ..Usage::default() };
        assert_eq!(list.cost(Moment::from_secs_f64(9.999), &usage).to_string(), "1 USD");
        assert_eq!(list.cost(Moment::from_secs_f64(10.0), &usage).to_string(), "5 USD");
    }
}
