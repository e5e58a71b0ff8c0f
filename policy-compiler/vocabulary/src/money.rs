//! Money and prices as integers. It owns exact arithmetic in nano-dollars; it refuses floating point and
//! any currency but USD.

use std::borrow::Cow;
use std::fmt;
use std::ops::{Add, AddAssign};
use std::str::FromStr;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

use crate::Usage;
use crate::units::{UnitError, decimal, decimal_text, textual};

/// An amount in nano-dollars (10⁻⁹ USD), written `0.02 USD`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Usd {
    /// Nano-dollars.
    pub nanos: u64,
}

impl Usd {
    /// Nothing.
    pub const ZERO: Self = Self { nanos: 0 };

    /// As floating-point dollars, for display and for the controller's arithmetic only.
    #[must_use]
    pub fn as_f64(self) -> f64 {
        self.nanos as f64 / 1e9
    }
}

impl Add for Usd {
    type Output = Self;
    fn add(self, rhs: Self) -> Self {
        Self { nanos: self.nanos.saturating_add(rhs.nanos) }
    }
}

impl AddAssign for Usd {
    fn add_assign(&mut self, rhs: Self) {
        *self = *self + rhs;
    }
}

impl FromStr for Usd {
    type Err = UnitError;
    fn from_str(text: &str) -> Result<Self, UnitError> {
        let error = || UnitError::new(text, "an amount such as `0.02 USD`");
        let number = text.strip_suffix("USD").ok_or_else(error)?.trim_end();
        decimal(number, 9).map(|nanos| Self { nanos }).ok_or_else(error)
    }
}

impl fmt::Display for Usd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} USD", decimal_text(self.nanos, 9))
    }
}

textual!(Usd, "Usd", r"^[0-9]{1,9}(\.[0-9]{1,9})? ?USD$", "An amount of money in US dollars.", "0.02 USD");

/// A price per million tokens, written `2.50 USD/1M`; held in nano-dollars per million tokens.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct TokenPrice {
    /// Nano-dollars per 1,000,000 tokens.
    pub nanos_per_million: u64,
}

impl TokenPrice {
    /// The price of `tokens`, rounded half up to the nano-dollar.
    #[must_use]
    pub fn of(self, tokens: u64) -> Usd {
        let exact = u128::from(self.nanos_per_million) * u128::from(tokens);
        Usd { nanos: u64::try_from((exact + 500_000) / 1_000_000).unwrap_or(u64::MAX) }
    }

    /// Dollars per token, for the controller's arithmetic only.
    #[must_use]
    pub fn per_token_f64(self) -> f64 {
        self.nanos_per_million as f64 / 1e15
    }
}

impl FromStr for TokenPrice {
    type Err = UnitError;
    fn from_str(text: &str) -> Result<Self, UnitError> {
        let error = || UnitError::new(text, "a price such as `2.50 USD/1M` (per million tokens)");
        let (amount, per) = text.split_once('/').ok_or_else(error)?;
        if !matches!(per, "1M" | "1M tokens") {
            return Err(error());
        }
        let usd: Usd = amount.trim_end().parse().map_err(|_| error())?;
        Ok(Self { nanos_per_million: usd.nanos })
    }
}

impl fmt::Display for TokenPrice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} USD/1M", decimal_text(self.nanos_per_million, 9))
    }
}

textual!(
    TokenPrice,
    "TokenPrice",
    r"^[0-9]{1,9}(\.[0-9]{1,9})? ?USD/1M( tokens)?$",
    "A price in US dollars per million tokens.",
    "2.50 USD/1M"
);

/// A fixed cost per hour, written `9.80 USD/hour`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct HourlyCost {
    /// Nano-dollars per hour.
    pub nanos_per_hour: u64,
}

impl FromStr for HourlyCost {
    type Err = UnitError;
    fn from_str(text: &str) -> Result<Self, UnitError> {
        let error = || UnitError::new(text, "a fixed cost such as `9.80 USD/hour`");
        let amount = text.strip_suffix("/hour").ok_or_else(error)?;
        let usd: Usd = amount.parse().map_err(|_| error())?;
        Ok(Self { nanos_per_hour: usd.nanos })
    }
}

impl fmt::Display for HourlyCost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} USD/hour", decimal_text(self.nanos_per_hour, 9))
    }
}

textual!(
    HourlyCost,
    "HourlyCost",
    r"^[0-9]{1,9}(\.[0-9]{1,9})? ?USD/hour$",
    "A fixed cost in US dollars per hour, spent whether or not requests come.",
    "9.80 USD/hour"
);

/// Marginal prices of one deployment. All zero where capacity is paid by the hour.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Prices {
    /// Uncached prompt tokens.
    pub input: TokenPrice,
    /// Prompt tokens read from cache; equal to `input` where the manifest states none.
    pub cached_input: TokenPrice,
    /// Prompt tokens written to cache; equal to `input` where the manifest states none.
    pub cache_write: TokenPrice,
    /// Prompt tokens written to cache for an hour; equal to `cache_write` where the manifest states none.
    pub cache_write_1h: TokenPrice,
    /// Generated tokens.
    pub output: TokenPrice,
}

impl Prices {
    /// What `usage` costs: each component rounded half up to the nano-dollar, then summed.
    #[must_use]
    pub fn cost(&self, usage: &Usage) -> Usd {
        self.input.of(usage.uncached_input())
            + self.cached_input.of(usage.cached_input.min(usage.input))
            + self.cache_write.of(usage.cache_write_input.min(usage.input))
            + self.cache_write_1h.of(usage.cache_write_1h_input.min(usage.input))
            + self.output.of(usage.output)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_costs_its_components() {
        let prices = Prices {
            input: "2.50 USD/1M".parse().unwrap(),
            cached_input: "1.25 USD/1M".parse().unwrap(),
            output: "10 USD/1M".parse().unwrap(),
            ..Prices::default()
        };
        let usage =
            Usage { input: 1_000, cached_input: 400, output: 100, reasoning_output: 50, ..Usage::default() };
        assert_eq!(prices.cost(&usage).to_string(), "0.003 USD");
    }

    #[test]
    fn money_prints_and_parses_exactly() {
        for text in ["0 USD", "0.000000001 USD", "260 USD"] {
            assert_eq!(text.parse::<Usd>().unwrap().to_string(), text);
        }
        assert_eq!("9.80 USD/hour".parse::<HourlyCost>().unwrap().to_string(), "9.8 USD/hour");
        assert!("2.50".parse::<TokenPrice>().is_err());
        assert!("2.50 EUR/1M".parse::<TokenPrice>().is_err());
    }
}
