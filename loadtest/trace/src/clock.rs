//! Timestamps as nanoseconds. It owns calendar arithmetic for `2023-11-16 18:15:46.6805900` and its
//! relatives; it refuses zones other than UTC, since only differences matter and no trace mixes zones.

use crate::columns::nanos_of_seconds;

/// Nanoseconds since the Unix epoch. Takes a blank or `T` before the time, any number of fractional
/// digits, and `Z` or `+00:00` or nothing at the end.
pub(crate) fn nanos_of_timestamp(text: &str) -> Option<u64> {
    let text = text.strip_suffix('Z').or_else(|| text.strip_suffix("+00:00")).unwrap_or(text);
    let (date, time) = text.split_once([' ', 'T'])?;
    let [year, month, day] = parts(date, '-')?;
    let [hour, minute, second] = parts(time, ':')?;
    let number = |digits: &str| -> Option<u64> {
        let plain = (1..=4).contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_digit());
        if plain { digits.parse().ok() } else { None }
    };
    let days = days_since_epoch(number(year)?, number(month)?, number(day)?)?;
    let (hour, minute) = (number(hour)?, number(minute)?);
    let nanos = nanos_of_seconds(second)?;
    if hour > 23 || minute > 59 || nanos > 60_999_999_999 {
        return None;
    }
    let seconds = days.checked_mul(86_400)? + hour * 3_600 + minute * 60;
    seconds.checked_mul(1_000_000_000)?.checked_add(nanos)
}

fn parts(text: &str, separator: char) -> Option<[&str; 3]> {
    let mut parts = text.split(separator);
    let three = [parts.next()?, parts.next()?, parts.next()?];
    parts.next().is_none().then_some(three)
}

fn days_since_epoch(year: u64, month: u64, day: u64) -> Option<u64> {
    let leap = |year: u64| year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    let lengths = [31, if leap(year) { 29 } else { 28 }, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
    let month = usize::try_from(month.checked_sub(1)?).ok()?;
    if year < 1970 || day == 0 || day > *lengths.get(month)? {
        return None;
    }
    let before_month: u64 = lengths.iter().take(month).sum();
    // Leap days of all years before this one, less those before 1970.
    let leap_days = |year: u64| year / 4 - year / 100 + year / 400;
    Some((year - 1970) * 365 + leap_days(year - 1) - leap_days(1969) + before_month + day - 1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn timestamps_are_nanoseconds_since_the_epoch() {
        for (text, nanos) in [
            ("1970-01-01 00:00:00", Some(0)),
            ("2023-11-16 18:15:46.6805900", Some(1_700_158_546_680_590_000)),
            ("2024-05-10 00:00:00.009930+00:00", Some(1_715_299_200_009_930_000)),
            ("2024-02-29T12:00:00Z", Some(1_709_208_000_000_000_000)),
            ("2000-03-01 00:00:00", Some(951_868_800_000_000_000)),
            ("2023-02-29 00:00:00", None),
            ("2023-13-01 00:00:00", None),
            ("2023-11-16", None),
            ("2023-11-16 24:00:00", None),
            ("2023-11-16 18:15:46.", None),
        ] {
            assert_eq!(nanos_of_timestamp(text), nanos, "{text}");
        }
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in "[0-9TZ:. +-]{0,40}") {
            let _ = nanos_of_timestamp(&text);
        }
    }
}
