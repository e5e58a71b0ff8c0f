//! Quantities that carry their units, as people write them in a manifest: durations, sizes, shares and
//! rates. It owns their grammar, exact integer values and canonical spelling; it refuses bare numbers.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

/// A quantity that does not follow its grammar.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{given}` is not {expected}")]
pub struct UnitError {
    /// What was written.
    pub given: String,
    /// What would have been right, with an example.
    pub expected: &'static str,
}

impl UnitError {
    /// An error that quotes `given` and says what was `expected`.
    #[must_use]
    pub fn new(given: &str, expected: &'static str) -> Self {
        Self { given: given.to_owned(), expected }
    }
}

/// Parses a non-negative decimal into an integer scaled by `10^digits`, exactly. `None` when it is not
/// a decimal, has more fractional digits than that, or overflows.
#[must_use]
pub fn decimal(text: &str, digits: u32) -> Option<u64> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let all_digits = |s: &str| s.bytes().all(|b| b.is_ascii_digit());
    if whole.is_empty() || !all_digits(whole) || !all_digits(fraction) || text.ends_with('.') {
        return None;
    }
    let fraction = fraction.trim_end_matches('0');
    let padding = digits.checked_sub(u32::try_from(fraction.len()).ok()?)?;
    let whole: u64 = whole.parse().ok()?;
    let tail: u64 = if fraction.is_empty() { 0 } else { fraction.parse().ok()? };
    whole
        .checked_mul(10_u64.checked_pow(digits)?)?
        .checked_add(tail.checked_mul(10_u64.checked_pow(padding)?)?)
}

/// Writes an integer scaled by `10^digits` as the shortest decimal.
#[must_use]
pub fn decimal_text(value: u64, digits: u32) -> String {
    let Some(scale) = 10_u64.checked_pow(digits).filter(|s| *s > 1) else { return value.to_string() };
    let (whole, tail) = (value / scale, value % scale);
    if tail == 0 {
        return whole.to_string();
    }
    let tail = format!("{tail:0width$}", width = digits as usize);
    format!("{whole}.{}", tail.trim_end_matches('0'))
}

/// Splits `12.5ms` into `12.5` and `ms`.
fn split_number(text: &str) -> (&str, &str) {
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, unit) = text.split_at(end);
    (number, unit.trim_start())
}

macro_rules! textual {
    ($type:ident, $name:literal, $pattern:literal, $doc:literal, $example:literal) => {
        impl TryFrom<String> for $type {
            type Error = UnitError;
            fn try_from(text: String) -> Result<Self, UnitError> {
                text.parse()
            }
        }
        impl From<$type> for String {
            fn from(value: $type) -> Self {
                value.to_string()
            }
        }
        impl JsonSchema for $type {
            fn schema_name() -> Cow<'static, str> {
                $name.into()
            }
            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                json_schema!({"type": "string", "pattern": $pattern, "description": $doc, "examples": [$example]})
            }
        }
    };
}
pub(crate) use textual;

/// A span of time, written `250ms`, `2s`, `1.5m`, `1h` or `30d`; canonical in the largest whole unit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Span(pub Duration);

const SPAN_UNITS: [(&str, u64); 6] = [
    ("d", 86_400_000_000_000),
    ("h", 3_600_000_000_000),
    ("m", 60_000_000_000),
    ("s", 1_000_000_000),
    ("ms", 1_000_000),
    ("us", 1_000),
];

impl FromStr for Span {
    type Err = UnitError;
    fn from_str(text: &str) -> Result<Self, UnitError> {
        let error = || UnitError::new(text, "a duration such as `250ms`, `2s`, `1m`, `1h` or `30d`");
        let (number, unit) = split_number(text);
        let nanos = SPAN_UNITS.iter().find(|(name, _)| *name == unit).ok_or_else(error)?.1;
        let thousandths = decimal(number, 3).ok_or_else(error)?;
        let value = u128::from(thousandths) * u128::from(nanos) / 1000;
        Ok(Self(Duration::from_nanos(u64::try_from(value).map_err(|_| error())?)))
    }
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let nanos = u64::try_from(self.0.as_nanos()).unwrap_or(u64::MAX);
        if nanos == 0 {
            return f.write_str("0s");
        }
        let (unit, size) =
            SPAN_UNITS.iter().find(|(_, size)| nanos.is_multiple_of(*size)).copied().unwrap_or(("us", 1_000));
        write!(f, "{}{unit}", nanos / size)
    }
}

textual!(
    Span,
    "Duration",
    r"^[0-9]{1,9}(\.[0-9]{1,3})? ?(us|ms|s|m|h|d)$",
    "A duration with its unit: us, ms, s, m, h or d.",
    "2s"
);

/// A number of bytes, written `512B`, `64KiB`, `8MiB`, `1GiB`, `10kB` or `1MB`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ByteSize(pub u64);

const SIZE_UNITS: [(&str, u64); 7] = [
    ("GiB", 1 << 30),
    ("MiB", 1 << 20),
    ("KiB", 1 << 10),
    ("GB", 1_000_000_000),
    ("MB", 1_000_000),
    ("kB", 1_000),
    ("B", 1),
];

impl FromStr for ByteSize {
    type Err = UnitError;
    fn from_str(text: &str) -> Result<Self, UnitError> {
        let error = || UnitError::new(text, "a size such as `512B`, `64KiB` or `8MiB`");
        let (number, unit) = split_number(text);
        let size = SIZE_UNITS.iter().find(|(name, _)| *name == unit).ok_or_else(error)?.1;
        let thousandths = decimal(number, 3).ok_or_else(error)?;
        u64::try_from(u128::from(thousandths) * u128::from(size) / 1000).map(Self).map_err(|_| error())
    }
}

impl fmt::Display for ByteSize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (unit, size) = SIZE_UNITS
            .iter()
            .find(|(_, size)| self.0 >= *size && self.0.is_multiple_of(*size))
            .copied()
            .unwrap_or(("B", 1));
        write!(f, "{}{unit}", self.0 / size)
    }
}

textual!(
    ByteSize,
    "ByteSize",
    r"^[0-9]{1,9}(\.[0-9]{1,3})? ?(B|kB|MB|GB|KiB|MiB|GiB)$",
    "A size with its unit: B, kB, MB, GB, KiB, MiB or GiB.",
    "8MiB"
);

/// A share of a whole, written `95%`; held in parts per million, at most 100 %.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Share {
    /// Parts per million, 0 to 1,000,000.
    pub ppm: u32,
}

impl Share {
    /// As a fraction between 0 and 1.
    #[must_use]
    pub fn fraction(self) -> f64 {
        f64::from(self.ppm) / 1e6
    }
}

impl FromStr for Share {
    type Err = UnitError;
    fn from_str(text: &str) -> Result<Self, UnitError> {
        let error = || UnitError::new(text, "a share between `0%` and `100%`, such as `95%`");
        let (number, unit) = split_number(text);
        let ppm = decimal(number, 4).filter(|ppm| unit == "%" && *ppm <= 1_000_000).ok_or_else(error)?;
        Ok(Self { ppm: u32::try_from(ppm).map_err(|_| error())? })
    }
}

impl fmt::Display for Share {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}%", decimal_text(u64::from(self.ppm), 4))
    }
}

textual!(
    Share,
    "Share",
    r"^(100(\.0{1,4})?|[0-9]{1,2}(\.[0-9]{1,4})?) ?%$",
    "A share of a whole in percent, 0% to 100%.",
    "95%"
);

/// What a rate counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RateUnit {
    /// Requests.
    Requests,
    /// Tokens, input and output together.
    Tokens,
}

/// An amount per window, written `600 requests/min` or `450k tokens/min`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Rate {
    /// How many per window.
    pub amount: u64,
    /// Of what.
    pub unit: RateUnit,
    /// The window: one second, minute, hour or day.
    pub per: Duration,
}

const WINDOWS: [(&str, u64); 4] = [("s", 1), ("min", 60), ("hour", 3600), ("day", 86_400)];

impl Rate {
    /// Average amount per second.
    #[must_use]
    pub fn per_second(&self) -> f64 {
        self.amount as f64 / self.per.as_secs_f64().max(1e-9)
    }
}

impl FromStr for Rate {
    type Err = UnitError;
    fn from_str(text: &str) -> Result<Self, UnitError> {
        let error = || UnitError::new(text, "a rate such as `600 requests/min` or `450k tokens/min`");
        let (number, rest) = split_number(text);
        let (factor, rest) = match rest.as_bytes().first() {
            Some(b'k') => (1_000, rest.trim_start_matches('k')),
            Some(b'M') => (1_000_000, rest.trim_start_matches('M')),
            _ => (1, rest),
        };
        let (unit, window) = rest.trim_start().split_once('/').ok_or_else(error)?;
        let unit = match unit {
            "requests" | "request" => RateUnit::Requests,
            "tokens" | "token" => RateUnit::Tokens,
            _ => return Err(error()),
        };
        let seconds = WINDOWS.iter().find(|(name, _)| *name == window).ok_or_else(error)?.1;
        let thousandths = decimal(number, 3).ok_or_else(error)?;
        let amount = thousandths.checked_mul(factor).ok_or_else(error)? / 1000;
        if amount == 0 {
            return Err(error());
        }
        Ok(Self { amount, unit, per: Duration::from_secs(seconds) })
    }
}

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let window = WINDOWS.iter().find(|(_, s)| *s == self.per.as_secs()).map_or("s", |w| w.0);
        let unit = match self.unit {
            RateUnit::Requests => "requests",
            RateUnit::Tokens => "tokens",
        };
        let (amount, suffix) = match self.amount {
            n if n >= 1_000_000 && n.is_multiple_of(1_000_000) => (n / 1_000_000, "M"),
            n if n >= 1_000 && n.is_multiple_of(1_000) => (n / 1_000, "k"),
            n => (n, ""),
        };
        write!(f, "{amount}{suffix} {unit}/{window}")
    }
}

textual!(
    Rate,
    "Rate",
    r"^[0-9]{1,12}(\.[0-9]{1,3})?[kM]? (requests?|tokens?)/(s|min|hour|day)$",
    "An amount per window: requests or tokens per s, min, hour or day; k and M multiply by 1,000 and 1,000,000.",
    "450k tokens/min"
);

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn quantities_print_canonically() {
        for (given, printed) in [("1500ms", "1500ms"), ("60s", "1m"), ("24h", "1d"), ("1.5s", "1500ms")] {
            assert_eq!(given.parse::<Span>().unwrap().to_string(), printed);
        }
        assert_eq!("8192KiB".parse::<ByteSize>().unwrap().to_string(), "8MiB");
        assert_eq!("99.90%".parse::<Share>().unwrap().to_string(), "99.9%");
        assert_eq!("450000 tokens/min".parse::<Rate>().unwrap().to_string(), "450k tokens/min");
    }

    #[test]
    fn quantities_without_units_are_refused() {
        assert!("2".parse::<Span>().is_err());
        assert!("8".parse::<ByteSize>().is_err());
        assert!("0.95".parse::<Share>().is_err());
        assert!("101%".parse::<Share>().is_err());
        assert!("600/min".parse::<Rate>().is_err());
        assert!("0 requests/min".parse::<Rate>().is_err());
    }

    proptest! {
        #[test]
        fn printing_and_parsing_agree(ms in 0_u64..10_000_000, bytes: u32, ppm in 0_u32..=1_000_000, amount in 1_u64..1_000_000_000) {
            let span = Span(Duration::from_millis(ms));
            prop_assert_eq!(span.to_string().parse::<Span>().unwrap(), span);
            let size = ByteSize(u64::from(bytes));
            prop_assert_eq!(size.to_string().parse::<ByteSize>().unwrap(), size);
            let share = Share { ppm };
            prop_assert_eq!(share.to_string().parse::<Share>().unwrap(), share);
            let rate = Rate { amount, unit: RateUnit::Tokens, per: Duration::from_secs(60) };
            prop_assert_eq!(rate.to_string().parse::<Rate>().unwrap(), rate);
        }

        #[test]
        fn no_text_makes_a_parser_panic(text in "\\PC*") {
            let _ = text.parse::<Span>();
            let _ = text.parse::<ByteSize>();
            let _ = text.parse::<Share>();
            let _ = text.parse::<Rate>();
        }
    }
}
