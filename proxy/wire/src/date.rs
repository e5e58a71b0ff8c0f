//! RFC 3339 dates and times, to the second. It owns the calendar arithmetic; it refuses to read a clock.

const SECONDS_PER_DAY: i64 = 86_400;

/// Unix seconds of a date and time such as `2026-11-22T19:00:00Z`, with any offset; fractions are cut
/// off. Leap seconds count as the second before. Nothing before 1970.
pub(crate) fn parse_rfc3339(text: &str) -> Option<u64> {
    let number = |from: usize, to: usize| -> Option<i64> {
        let digits = text.get(from..to)?;
        if digits.bytes().all(|byte| byte.is_ascii_digit()) { digits.parse().ok() } else { None }
    };
    let mark = |at: usize, marks: &[u8]| text.as_bytes().get(at).is_some_and(|byte| marks.contains(byte));
    if !(mark(4, b"-") && mark(7, b"-") && mark(10, b"Tt ") && mark(13, b":") && mark(16, b":")) {
        return None;
    }
    let (year, month, day) = (number(0, 4)?, number(5, 7)?, number(8, 10)?);
    let (hour, minute, second) = (number(11, 13)?, number(14, 16)?, number(17, 19)?);
    if !(1..=12).contains(&month) || !(1..=31).contains(&day) || hour > 23 || minute > 59 || second > 60 {
        return None;
    }
    let offset = offset(text.get(19..)?)?;
    let time = hour * 3600 + minute * 60 + second.min(59);
    u64::try_from(days(year, month, day) * SECONDS_PER_DAY + time - offset).ok()
}

/// Seconds east of UTC of what follows the seconds: a fraction, then `Z` or `+hh:mm`.
fn offset(text: &str) -> Option<i64> {
    let text = match text.strip_prefix('.') {
        Some(fraction) => {
            let rest = fraction.trim_start_matches(|digit: char| digit.is_ascii_digit());
            (rest.len() < fraction.len()).then_some(rest)?
        }
        None => text,
    };
    if matches!(text, "Z" | "z") {
        return Some(0);
    }
    let sign = match text.as_bytes().first()? {
        b'+' => 1,
        b'-' => -1,
        _ => return None,
    };
    let (hours, minutes) = text.get(1..)?.split_once(':')?;
    let two = |digits: &str| -> Option<i64> {
        let plain = digits.len() == 2 && digits.bytes().all(|byte| byte.is_ascii_digit());
        if plain { digits.parse().ok() } else { None }
    };
    Some(sign * (two(hours)? * 3600 + two(minutes)? * 60))
}

/// Unix seconds as `2026-11-22T19:00:00Z`.
pub(crate) fn rfc3339(unix_secs: u64) -> String {
    let (days, time) = (unix_secs / 86_400, unix_secs % 86_400);
    let (year, month, day) = date(i64::try_from(days).unwrap_or(i64::MAX / 2));
    let (hour, minute, second) = (time / 3600, time / 60 % 60, time % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
}

/// Days since 1970-01-01 of a date in the proleptic Gregorian calendar. Years begin in March here, so
/// that the leap day is the last of its year.
fn days(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let (era, of_era) = (year.div_euclid(400), year.rem_euclid(400));
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468
}

/// The inverse of [`days`].
fn date(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let (era, of_era) = (days.div_euclid(146_097), days.rem_euclid(146_097));
    let year = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    (year + era * 400 + i64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn known_dates_are_read_and_written() {
        for (text, seconds) in [
            ("1970-01-01T00:00:00Z", 0),
            ("2000-02-29T23:59:59Z", 951_868_799),
            ("2026-11-22T19:00:00Z", 1_795_374_000),
        ] {
            assert_eq!(parse_rfc3339(text), Some(seconds), "{text}");
            assert_eq!(rfc3339(seconds), text);
        }
        assert_eq!(parse_rfc3339("2026-11-22t20:30:00.250+01:30"), Some(1_795_374_000));
    }

    #[test]
    fn what_is_no_date_is_nothing() {
        for text in [
            "",
            "2026-11-22",
            "2026-11-22T19:00:00",
            "2026-13-22T19:00:00Z",
            "2026-11-22T24:00:00Z",
            "2026-11-22T19:00:00.Z",
            "2026-11-22T19:00:00+1:00",
            "+026-11-22T19:00:00Z",
            "1969-12-31T23:59:59Z",
            "-1",
        ] {
            assert_eq!(parse_rfc3339(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn a_written_date_is_read_back(seconds in 0_u64..253_402_300_800) {
            prop_assert_eq!(parse_rfc3339(&rfc3339(seconds)), Some(seconds));
        }

        #[test]
        fn any_text_is_read_without_a_panic(text: String, seconds: u64) {
            let _ = (parse_rfc3339(&text), rfc3339(seconds));
        }
    }
}
