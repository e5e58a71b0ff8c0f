//! Moments of the calendar as people write them: RFC 3339 in UTC, to the second. It owns the text; it refuses
//! time zones, since whoever reads a policy elsewhere should not have to compute.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use jiff::SignedDuration;
use jiff::civil::{Date, DateTime, Time, datetime};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

/// Seconds since 1970, written `2027-01-31T12:00:00Z`, or `2027-01-31` for its first second.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct UnixTime(pub u64);

/// Why a text is no such moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a date since 1970 such as `2027-01-31` or `2027-01-31T12:00:00Z`")]
pub struct DateError;

const EPOCH: DateTime = datetime(1970, 1, 1, 0, 0, 0, 0);
/// What is later is written as this.
const LAST: DateTime = datetime(9999, 12, 31, 23, 59, 59, 0);

impl FromStr for UnixTime {
    type Err = DateError;

    /// Reads what [`fmt::Display`] writes, or the date alone, and none of the other spellings there are.
    fn from_str(text: &str) -> Result<Self, DateError> {
        let moment = match text.strip_suffix('Z') {
            Some(moment) => moment.parse::<DateTime>().map_err(|_| DateError)?,
            None => text.parse::<Date>().map_err(|_| DateError)?.to_datetime(Time::midnight()),
        };
        let read = Self(u64::try_from(moment.duration_since(EPOCH).as_secs()).map_err(|_| DateError)?);
        let written = read.to_string();
        if written == text || written.strip_suffix("T00:00:00Z") == Some(text) {
            Ok(read)
        } else {
            Err(DateError)
        }
    }
}

impl fmt::Display for UnixTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let since = i64::try_from(self.0).map(SignedDuration::from_secs);
        let moment = since.ok().and_then(|since| EPOCH.checked_add(since).ok()).unwrap_or(LAST);
        write!(f, "{moment}Z")
    }
}

impl TryFrom<String> for UnixTime {
    type Error = DateError;
    fn try_from(text: String) -> Result<Self, DateError> {
        text.parse()
    }
}

impl From<UnixTime> for String {
    fn from(time: UnixTime) -> Self {
        time.to_string()
    }
}

impl JsonSchema for UnixTime {
    fn schema_name() -> Cow<'static, str> {
        "UnixTime".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string",
            "pattern": r"^[0-9]{4}-[0-9]{2}-[0-9]{2}(T[0-9]{2}:[0-9]{2}:[0-9]{2}Z)?$",
            "description": "A date or a moment in UTC (RFC 3339).",
            "examples": ["2027-01-31", "2027-01-31T12:00:00Z"],
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn dates_are_seconds_since_1970() {
        for (text, seconds) in [
            ("1970-01-01", 0),
            ("2000-02-29T23:59:59Z", 951_868_799),
            ("2026-11-22T23:04:59Z", 1_795_388_699),
            ("2100-03-01T00:00:00Z", 4_107_542_400),
        ] {
            assert_eq!(text.parse(), Ok(UnixTime(seconds)), "{text}");
        }
    }

    #[test]
    fn what_is_no_date_is_refused() {
        for text in [
            "",
            "2027",
            "2027-02-29",
            "2027-13-01",
            "2027-00-10",
            "1969-12-31",
            "2027-1-1",
            "2027-01-01T00:00:00",
            "2027-01-01T24:00:00Z",
            "2027-01-01T00:00:00+01:00",
            "2027-01-01-01",
            "2027-01-01 00:00:00Z",
            "2027-01-01t00:00:00Z",
            "2027-01-01T00:00:00z",
            "2027-01-01T00:00:60Z",
            "2027-01-01T00:00:00.5Z",
            "2027-01-01T00:00Z",
            "20270101",
            "+002027-01-01",
            "2027-01-01T00:00:00[UTC]Z",
            "２027-01-01",
        ] {
            assert_eq!(text.parse::<UnixTime>(), Err(DateError), "{text}");
        }
    }

    #[test]
    fn what_is_after_the_last_year_of_four_digits_is_written_as_its_end() {
        assert_eq!("9999-12-31".parse(), Ok(UnixTime(253_402_214_400)));
        for late in [253_402_300_799, 253_402_300_800, u64::MAX] {
            assert_eq!(UnixTime(late).to_string(), "9999-12-31T23:59:59Z");
        }
    }

    proptest! {
        #[test]
        fn every_moment_of_four_digit_years_is_read_as_it_is_written(seconds in 0_u64..253_402_300_800) {
            let written = UnixTime(seconds).to_string();
            prop_assert_eq!(written.parse::<UnixTime>(), Ok(UnixTime(seconds)), "{}", written);
        }

        #[test]
        fn any_text_is_a_moment_or_an_error(text in ".{0,30}") {
            let _ = text.parse::<UnixTime>();
        }
    }
}
