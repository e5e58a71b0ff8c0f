//! Moments of the calendar as people write them: RFC 3339 in UTC, to the second. It owns the text; it refuses
//! time zones, since whoever reads a policy elsewhere should not have to compute.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

/// Seconds in a day, as Unix time counts them.
const DAY: u64 = 86_400;

/// Seconds since 1970, written `2027-01-31T12:00:00Z`, or `2027-01-31` for its first second.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct UnixTime(pub u64);

/// Why a text is no such moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a date since 1970 such as `2027-01-31` or `2027-01-31T12:00:00Z`")]
pub struct DateError;

impl FromStr for UnixTime {
    type Err = DateError;

    fn from_str(text: &str) -> Result<Self, DateError> {
        let (date, time) = match text.split_once('T') {
            Some((date, time)) => (date, time.strip_suffix('Z').ok_or(DateError)?),
            None => (text, "00:00:00"),
        };
        let [year, month, day] = numbers(date, '-', [4, 2, 2])?;
        let [hour, minute, second] = numbers(time, ':', [2, 2, 2])?;
        let sound = year >= 1970
            && (1..=12).contains(&month)
            && (1..=days_in(year, month)).contains(&day)
            && hour < 24
            && minute < 60
            && second < 60;
        if !sound {
            return Err(DateError);
        }
        let seconds = hour * 3600 + minute * 60 + second;
        Ok(Self(days_since_1970(year, month, day) * DAY + seconds))
    }
}

impl fmt::Display for UnixTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (mut days, seconds) = (self.0 / DAY, self.0 % DAY);
        // Four hundred years have the same number of days everywhere in the calendar.
        let mut year = 1970 + days / 146_097 * 400;
        days %= 146_097;
        while days >= days_in_year(year) {
            days -= days_in_year(year);
            year += 1;
        }
        let mut month = 1;
        while days >= days_in(year, month) {
            days -= days_in(year, month);
            month += 1;
        }
        let (hour, minute, second) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
        write!(f, "{year:04}-{month:02}-{:02}T{hour:02}:{minute:02}:{second:02}Z", days + 1)
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

/// Three numbers of so many digits each.
fn numbers(text: &str, between: char, digits: [usize; 3]) -> Result<[u64; 3], DateError> {
    let mut parts = text.split(between);
    let mut next = |count: usize| {
        let part =
            parts.next().filter(|part| part.len() == count && part.bytes().all(|b| b.is_ascii_digit()));
        part.and_then(|part| part.parse().ok()).ok_or(DateError)
    };
    let [a, b, c] = digits;
    let found = [next(a)?, next(b)?, next(c)?];
    if parts.next().is_none() { Ok(found) } else { Err(DateError) }
}

const fn is_leap(year: u64) -> bool {
    year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400))
}

const fn days_in_year(year: u64) -> u64 {
    if is_leap(year) { 366 } else { 365 }
}

const fn days_in(year: u64, month: u64) -> u64 {
    match month {
        2 if is_leap(year) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

fn days_since_1970(year: u64, month: u64, day: u64) -> u64 {
    let leap_days = |year: u64| year / 4 - year / 100 + year / 400;
    let years = (year - 1970) * 365 + leap_days(year - 1) - leap_days(1969);
    years + (1..month).map(|month| days_in(year, month)).sum::<u64>() + day - 1
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
            "２027-01-01",
        ] {
            assert_eq!(text.parse::<UnixTime>(), Err(DateError), "{text}");
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
