//! What tokens cost, by backend. It owns the price file; it refuses to own money arithmetic
//! (`vocabulary` does) and to guess a price nobody stated.

use std::collections::BTreeMap;

use serde::Deserialize;
use vocabulary::{Prices, TokenPrice, Usage, Usd};

/// The name in a price file that stands for every backend it does not name.
const ANY_BACKEND: &str = "*";

/// Prices by backend, as `backend/deployment`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PriceList {
    named: BTreeMap<String, Prices>,
    other: Option<Prices>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Row {
    input: TokenPrice,
    cached_input: Option<TokenPrice>,
    output: TokenPrice,
}

impl PriceList {
    /// Reads the JSON form: an object from backend to its prices, with `*` for all others.
    ///
    /// `{"payg/chat": {"input": "2.50 USD/1M", "cachedInput": "1.25 USD/1M", "output": "10 USD/1M"}}`
    pub fn from_json(text: &str) -> Result<Self, serde_json::Error> {
        let rows: BTreeMap<String, Row> = serde_json::from_str(text)?;
        let prices = |row: Row| Prices {
            input: row.input,
            cached_input: row.cached_input.unwrap_or(row.input),
            cache_write: row.input,
            cache_write_1h: row.input,
            output: row.output,
        };
        Ok(rows.into_iter().map(|(backend, row)| (backend, prices(row))).collect())
    }

    /// The cost of `usage` on `backend`, when its price is known.
    #[must_use]
    pub fn cost(&self, backend: Option<&str>, usage: &Usage) -> Option<Usd> {
        let named = backend.and_then(|name| self.named.get(name));
        named.or(self.other.as_ref()).map(|prices| prices.cost(usage))
    }

    /// Whether no price is known at all.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.named.is_empty() && self.other.is_none()
    }
}

impl FromIterator<(String, Prices)> for PriceList {
    fn from_iter<I: IntoIterator<Item = (String, Prices)>>(rows: I) -> Self {
        let mut named: BTreeMap<String, Prices> = rows.into_iter().collect();
        let other = named.remove(ANY_BACKEND);
        Self { named, other }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const USAGE: Usage = Usage {
        input: 1_000,
        cached_input: 0,
        cache_write_input: 0,
        cache_write_1h_input: 0,
        output: 100,
        reasoning_output: 0,
    };

    #[test]
    fn a_backend_costs_its_own_price_and_others_the_star() {
        let prices = PriceList::from_json(
            r#"{"payg": {"input": "2.50 USD/1M", "output": "10 USD/1M"}, "*": {"input": "1 USD/1M", "output": "0 USD/1M"}}"#,
        )
        .unwrap();
        assert_eq!(prices.cost(Some("payg"), &USAGE).unwrap().to_string(), "0.0035 USD");
        assert_eq!(prices.cost(Some("other"), &USAGE).unwrap().to_string(), "0.001 USD");
        assert_eq!(prices.cost(None, &USAGE).unwrap().to_string(), "0.001 USD");
    }

    #[test]
    fn a_price_nobody_stated_is_not_zero() {
        assert_eq!(PriceList::default().cost(Some("payg"), &USAGE), None);
    }

    #[test]
    fn a_misspelt_price_file_is_refused_with_its_place() {
        let error =
            PriceList::from_json("{\n \"payg\": {\"inputs\": \"1 USD/1M\"}}").unwrap_err().to_string();
        assert!(error.contains("inputs") && error.contains("line 2"), "{error}");
    }
}
