//! Quantities with their units, as fields hold them. It owns their patterns in the schema, each of
//! which accepts exactly what the exact parser in `vocabulary` takes and means something above zero
//! where zero would mean nothing.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};
use vocabulary::{
    ByteSize, DateError, HourlyCost, Rate, Share, Span, SpendRate, TokenPrice, UnitError, UnixTime, Usd,
};

macro_rules! quantity {
    ($(#[$doc:meta])* $name:ident($inner:ty), $title:literal, $pattern:expr, $description:literal, $example:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(pub $inner);

        impl TryFrom<String> for $name {
            type Error = UnitError;
            fn try_from(text: String) -> Result<Self, UnitError> {
                text.parse().map(Self)
            }
        }

        impl From<$name> for String {
            fn from(quantity: $name) -> Self {
                quantity.0.to_string()
            }
        }

        impl JsonSchema for $name {
            fn schema_name() -> Cow<'static, str> {
                stringify!($name).into()
            }
            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                json_schema!({
                    "type": "string",
                    "title": $title,
                    "pattern": $pattern,
                    "description": $description,
                    "examples": [$example],
                })
            }
        }
    };
}

quantity!(
    /// A duration above zero.
    Duration(Span),
    "duration",
    // The number of digits keeps each unit within 64 bits of nanoseconds.
    "^([1-9][0-9]{0,8} ?us\
     |([1-9][0-9]{0,8}(\\.[0-9]{1,3})?|0\\.([1-9][0-9]{0,2}|0[1-9][0-9]?|00[1-9])) ?(ms|s)\
     |([1-9][0-9]{0,7}(\\.[0-9]{1,3})?|0\\.([1-9][0-9]{0,2}|0[1-9][0-9]?|00[1-9])) ?m\
     |([1-9][0-9]{0,5}(\\.[0-9]{1,3})?|0\\.([1-9][0-9]{0,2}|0[1-9][0-9]?|00[1-9])) ?h\
     |([1-9][0-9]{0,4}(\\.[0-9]{1,3})?|0\\.([1-9][0-9]{0,2}|0[1-9][0-9]?|00[1-9])) ?d)$",
    "A duration above zero with its unit: `us`, `ms`, `s`, `m`, `h` or `d`.",
    "2s"
);

impl Duration {
    /// This many seconds.
    pub(crate) const fn seconds(count: u64) -> Self {
        Self(Span(std::time::Duration::from_secs(count)))
    }
}

quantity!(
    /// A size above zero.
    Bytes(ByteSize),
    "size",
    "^([1-9][0-9]{0,8} ?B|[1-9][0-9]{0,8}(\\.[0-9]{1,3})? ?(kB|MB|GB|KiB|MiB|GiB))$",
    "A size above zero with its unit: `B`, `kB`, `MB`, `GB`, `KiB`, `MiB` or `GiB`.",
    "8MiB"
);

quantity!(
    /// A share of a whole.
    Percent(Share),
    "share",
    "^(100(\\.0{1,4})?|[0-9]{1,2}(\\.[0-9]{1,4})?) ?%$",
    "A share of a whole, between `0%` and `100%`.",
    "95%"
);

quantity!(
    /// An amount of money.
    Money(Usd),
    "amount of money",
    "^[0-9]{1,9}(\\.[0-9]{1,9})? ?USD$",
    "An amount of money in US dollars.",
    "0.02 USD"
);

quantity!(
    /// Money above zero per calendar period.
    Budget(SpendRate),
    "money per calendar period",
    "^([1-9][0-9]{0,8}(\\.[0-9]{1,9})?|0\\.[0-9]{0,7}[1-9][0-9]?) ?USD/(day|week|month)$",
    "An amount of money in US dollars per calendar `day`, `week` (from Monday) or `month`, in UTC.",
    "4000 USD/month"
);

quantity!(
    /// A price per million tokens.
    UnitPrice(TokenPrice),
    "price per million tokens",
    "^[0-9]{1,9}(\\.[0-9]{1,9})? ?USD/1M( tokens)?$",
    "A price in US dollars per million tokens.",
    "2.50 USD/1M"
);

quantity!(
    /// A cost per hour.
    Cost(HourlyCost),
    "cost per hour",
    "^[0-9]{1,9}(\\.[0-9]{1,9})? ?USD/hour$",
    "A fixed cost in US dollars per hour, spent whether or not requests come.",
    "9.80 USD/hour"
);

quantity!(
    /// Tokens per window.
    TokenRate(Rate),
    "number of tokens per time",
    "^([1-9][0-9]{0,8}(\\.[0-9]{1,3})?[kM]?|0\\.([1-9][0-9]{0,2}|0[1-9][0-9]?|00[1-9])[kM]) tokens?/(s|min|hour|day)$",
    "A number of tokens, input and output together, per `s`, `min`, `hour` or `day`; `k` is a thousand, `M` a million.",
    "450k tokens/min"
);

quantity!(
    /// Requests per window.
    RequestRate(Rate),
    "number of requests per time",
    "^([1-9][0-9]{0,8}(\\.[0-9]{1,3})?[kM]?|0\\.([1-9][0-9]{0,2}|0[1-9][0-9]?|00[1-9])[kM]) requests?/(s|min|hour|day)$",
    "A number of requests per `s`, `min`, `hour` or `day`; `k` is a thousand, `M` a million.",
    "600 requests/min"
);

/// A moment of the calendar, in UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Date(pub UnixTime);

impl TryFrom<String> for Date {
    type Error = DateError;
    fn try_from(text: String) -> Result<Self, DateError> {
        text.parse().map(Self)
    }
}

impl From<Date> for String {
    fn from(date: Date) -> Self {
        date.0.to_string()
    }
}

impl JsonSchema for Date {
    fn schema_name() -> Cow<'static, str> {
        "Date".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        // Days by the length of their month, and the 29th of February in leap years.
        json_schema!({
            "type": "string",
            "title": "date",
            "pattern": "^(2[0-9]{3}-((0[13578]|1[02])-(0[1-9]|[12][0-9]|3[01])\
                |(0[469]|11)-(0[1-9]|[12][0-9]|30)\
                |02-(0[1-9]|1[0-9]|2[0-8]))\
                |(2[0-9](0[48]|[2468][048]|[13579][26])|2[048]00)-02-29)\
                (T([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]Z)?$",
            "description": "A date from 2000 on, or a second of it, in UTC.",
            "examples": ["2027-01-31", "2027-01-31T12:00:00Z"],
        })
    }
}
