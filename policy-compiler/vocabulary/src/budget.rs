//! Money per calendar period, as budgets state it. It owns the spelling; it refuses to know when a period
//! begins (`ledger` does).

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

use crate::Usd;
use crate::units::{UnitError, textual};

/// A calendar period, in UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BudgetPeriod {
    /// From midnight.
    Day,
    /// From Monday.
    Week,
    /// From the first.
    Month,
}

/// An amount per calendar period, written `4000 USD/month`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct SpendRate {
    /// How much.
    pub amount: Usd,
    /// Per what.
    pub period: BudgetPeriod,
}

impl FromStr for SpendRate {
    type Err = UnitError;
    fn from_str(text: &str) -> Result<Self, UnitError> {
        let error = || UnitError::new(text, "money per calendar period such as `4000 USD/month`");
        let (amount, period) = text.split_once('/').ok_or_else(error)?;
        let period = match period {
            "day" => BudgetPeriod::Day,
            "week" => BudgetPeriod::Week,
            "month" => BudgetPeriod::Month,
            _ => return Err(error()),
        };
        Ok(Self { amount: amount.parse().map_err(|_| error())?, period })
    }
}

impl fmt::Display for SpendRate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let period = match self.period {
            BudgetPeriod::Day => "day",
            BudgetPeriod::Week => "week",
            BudgetPeriod::Month => "month",
        };
        write!(f, "{}/{period}", self.amount)
    }
}

textual!(
    SpendRate,
    "SpendRate",
    r"^[0-9]{1,9}(\.[0-9]{1,9})? ?USD/(day|week|month)$",
    "An amount of money in US dollars per calendar `day`, `week` (from Monday) or `month`, in UTC.",
    "40 USD/month"
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_budget_prints_as_it_is_read() {
        for text in ["4000 USD/month", "0.5 USD/day", "12.75 USD/week"] {
            assert_eq!(text.parse::<SpendRate>().unwrap().to_string(), text);
        }
        for text in ["4000 USD", "4000 USD/year", "4000 EUR/month", "-1 USD/day"] {
            assert!(text.parse::<SpendRate>().is_err(), "{text}");
        }
    }
}
