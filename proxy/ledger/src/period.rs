//! When a counter starts anew: windows of a length, calendar periods in UTC, or never. It owns where they
//! begin and end; it refuses to know what is counted.

use std::time::Duration;

use vocabulary::Moment;

/// A calendar period, in UTC. Leap seconds are not counted, as in Unix time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Calendar {
    /// From midnight.
    Day,
    /// From Monday (ISO 8601).
    Week,
    /// From the first.
    Month,
}

/// How long a counter counts before it starts anew.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Period {
    /// Windows of this length. A key's hash sets their phase, so that not all turn at one instant.
    Window(Duration),
    /// A period of the calendar.
    Calendar(Calendar),
    /// Never: what is under way at once.
    Concurrent,
}

/// Which window a moment falls into.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// Counts up from the Unix epoch; equal on every machine for equal key, period and time.
    pub index: u64,
    /// When the next one begins; the end of time for what never turns.
    pub ends: Moment,
}

const DAY: u64 = 86_400 * 1_000_000_000;

impl Period {
    /// The window of `key` that `now`, in nanoseconds since the Unix epoch, falls into.
    #[must_use]
    pub fn place(self, key: u64, now: Moment) -> Place {
        match self {
            Self::Window(length) => window(key, nanos(length), now),
            Self::Calendar(calendar) => calendar.place(now),
            Self::Concurrent => Place { index: 0, ends: Moment(u64::MAX) },
        }
    }

    /// When a window of `key` ends.
    #[must_use]
    pub fn ends(self, key: u64, index: u64) -> Moment {
        match self {
            Self::Window(length) => {
                let per = nanos(length);
                let end = (u128::from(index) + 1) * u128::from(per) - u128::from(phase(key, per));
                Moment(u64::try_from(end).unwrap_or(u64::MAX))
            }
            Self::Calendar(calendar) => Moment(calendar.next(index).saturating_mul(DAY)),
            Self::Concurrent => Moment(u64::MAX),
        }
    }
}

impl Calendar {
    fn place(self, now: Moment) -> Place {
        let days = now.0 / DAY;
        let index = match self {
            Self::Day => days,
            // The epoch was a Thursday: the week it lies in began three days before it.
            Self::Week => (days + 3) / 7,
            Self::Month => month_of(days),
        };
        Place { index, ends: Moment(self.next(index).saturating_mul(DAY)) }
    }

    /// The first day, since the epoch, after a period.
    fn next(self, index: u64) -> u64 {
        // No period of the clock's range comes near; what a damaged file says must not overflow.
        let index = index.min(u64::from(u32::MAX));
        match self {
            Self::Day => index + 1,
            Self::Week => index * 7 + 4,
            Self::Month => first_day(index + 1),
        }
    }
}

/// Days from 1 March of the year 0 to the epoch: years that begin in March end with their leap day.
const EPOCH: u64 = 719_468;
/// Days of the 400 years after which the calendar repeats.
const ERA: u64 = 146_097;

/// Months since January 1970 of a day since the epoch (the Gregorian calendar, proleptic).
fn month_of(days: u64) -> u64 {
    let (era, day) = ((days + EPOCH) / ERA, (days + EPOCH) % ERA);
    let year = (day - day / 1_460 + day / 36_524 - day / 146_096) / 365;
    let of_year = day - (365 * year + year / 4 - year / 100);
    let from_march = (5 * of_year + 2) / 153;
    // March of the year 0 is month 2 counted from its January.
    ((era * 400 + year) * 12 + from_march + 2) - 1970 * 12
}

/// The first day, since the epoch, of a month since January 1970.
fn first_day(month: u64) -> u64 {
    let from_march = month + 1970 * 12 - 2;
    let (year, of_year) = (from_march / 12, from_march % 12);
    let (era, of_era) = (year / 400, year % 400);
    era * ERA + of_era * 365 + of_era / 4 - of_era / 100 + (153 * of_year + 2) / 5 - EPOCH
}

fn window(key: u64, per: u64, now: Moment) -> Place {
    // Widened, so that no clock value can wrap.
    let shifted = u128::from(now.0) + u128::from(phase(key, per));
    let index = u64::try_from(shifted / u128::from(per)).unwrap_or(u64::MAX);
    let left = u64::try_from(u128::from(per) - shifted % u128::from(per)).unwrap_or(per);
    Place { index, ends: now + Duration::from_nanos(left) }
}

fn nanos(length: Duration) -> u64 {
    u64::try_from(length.as_nanos()).unwrap_or(u64::MAX).max(1)
}

/// Spreads the boundaries of different keys over the window (`SplitMix64`'s finaliser, public domain).
fn phase(key: u64, per: u64) -> u64 {
    let mut mixed = key.wrapping_add(0x9E37_79B9_7F4A_7C15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    (mixed ^ (mixed >> 31)) % per
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::civil::{Date, date};
    use jiff::{ToSpan, Unit, Zoned, tz::TimeZone};
    use proptest::prelude::*;

    const MINUTE: Period = Period::Window(Duration::from_secs(60));

    fn utc(text: &str) -> Moment {
        let time: jiff::Timestamp = text.parse().unwrap();
        Moment(u64::try_from(time.as_nanosecond()).unwrap())
    }

    fn ends(calendar: Calendar, at: &str) -> Moment {
        Period::Calendar(calendar).place(7, utc(at)).ends
    }

    #[test]
    fn months_end_where_the_calendar_says_leap_years_included() {
        for (at, end) in [
            ("2026-01-31T23:59:59Z", "2026-02-01T00:00:00Z"),
            ("2027-02-28T12:00:00Z", "2027-03-01T00:00:00Z"),
            ("2028-02-28T23:59:59Z", "2028-03-01T00:00:00Z"),
            ("2028-02-29T23:59:59Z", "2028-03-01T00:00:00Z"),
            ("2100-02-28T23:59:59Z", "2100-03-01T00:00:00Z"),
            ("2000-02-29T00:00:00Z", "2000-03-01T00:00:00Z"),
            ("2026-12-31T23:59:59.999Z", "2027-01-01T00:00:00Z"),
            ("1970-01-01T00:00:00Z", "1970-02-01T00:00:00Z"),
        ] {
            assert_eq!(ends(Calendar::Month, at), utc(end), "{at}");
        }
    }

    #[test]
    fn weeks_begin_on_monday_across_the_year() {
        for (at, end) in [
            ("1970-01-01T00:00:00Z", "1970-01-05T00:00:00Z"),
            ("2026-11-22T23:59:59Z", "2026-11-23T00:00:00Z"),
            ("2026-11-23T00:00:00Z", "2026-11-30T00:00:00Z"),
            ("2026-12-31T10:00:00Z", "2027-01-04T00:00:00Z"),
        ] {
            assert_eq!(ends(Calendar::Week, at), utc(end), "{at}");
        }
    }

    fn reference(calendar: Calendar, day: Date) -> (Date, Date) {
        match calendar {
            Calendar::Day => (day, day + 1.day()),
            Calendar::Week => {
                let since_monday = i64::from(day.weekday().since(jiff::civil::Weekday::Monday));
                let monday = day.checked_sub(since_monday.days()).unwrap();
                (monday, monday + 7.days())
            }
            Calendar::Month => (day.first_of_month(), day.first_of_month() + 1.month()),
        }
    }

    fn midnight(day: Date) -> Moment {
        let zoned: Zoned = day.to_zoned(TimeZone::UTC).unwrap();
        Moment(u64::try_from(zoned.timestamp().as_nanosecond()).unwrap())
    }

    proptest! {
        #[test]
        fn every_moment_lies_in_the_period_that_a_calendar_library_gives(days in 31_i64..200_000, nanos in 0..DAY) {
            let day = date(1970, 1, 1).checked_add(days.days()).unwrap();
            for calendar in [Calendar::Day, Calendar::Week, Calendar::Month] {
                let (first, next) = reference(calendar, day);
                let here = Period::Calendar(calendar);
                let place = here.place(0, Moment(midnight(day).0 + nanos));
                prop_assert_eq!(place.ends, midnight(next));
                prop_assert_eq!(here.ends(0, place.index), place.ends);
                prop_assert_eq!(here.place(0, midnight(first)).index, place.index);
                prop_assert_eq!(here.place(0, Moment(midnight(first).0 - 1)).index + 1, place.index);
            }
            let span = day.since((Unit::Day, date(1970, 1, 1))).unwrap();
            prop_assert_eq!(i64::from(span.get_days()), days);
        }
    }

    #[test]
    fn a_window_turns_exactly_when_it_said_it_would() {
        let now = utc("2026-11-22T23:00:00Z");
        let here = MINUTE.place(7, now);
        assert_eq!(MINUTE.ends(7, here.index), here.ends);
        assert!(here.ends > now && here.ends <= now + Duration::from_secs(60));
        assert_eq!(MINUTE.place(7, Moment(here.ends.0 - 1)).index, here.index);
        let next = MINUTE.place(7, here.ends);
        assert_eq!((next.index, next.ends), (here.index + 1, here.ends + Duration::from_secs(60)));
    }

    #[test]
    fn keys_turn_at_different_times() {
        let turns: std::collections::BTreeSet<u64> =
            (0..100).map(|key| MINUTE.place(key, Moment(1)).ends.0).collect();
        assert!(turns.len() > 95, "only {} different boundaries", turns.len());
    }

    #[test]
    fn the_end_of_the_clock_does_not_overflow() {
        let last = Moment(u64::MAX);
        assert_eq!(Period::Window(Duration::MAX).place(u64::MAX, last).ends, last);
        for calendar in [Calendar::Day, Calendar::Week, Calendar::Month] {
            assert!(Period::Calendar(calendar).place(0, last).ends >= Moment(u64::MAX - DAY * 32));
        }
    }
}
