//! Hours of the week in a time zone. It owns when a window is open; it refuses to know what time it is, which
//! is handed in, and to read the host's zones: those of the program decide.

use std::sync::LazyLock;

use jiff::Timestamp;
use jiff::tz::{TimeZone, TimeZoneDatabase};

use crate::sections::TimeWindow;

/// The zones that come with the program; each is read once.
static ZONES: LazyLock<TimeZoneDatabase> = LazyLock::new(TimeZoneDatabase::bundled);

const SECONDS_A_DAY: i64 = 86_400;
/// 1970-01-01 was a Thursday; Monday is day 0.
const FIRST_WEEKDAY: i64 = 3;

/// A window made ready to ask.
#[derive(Clone, Debug)]
pub(crate) struct Hours {
    days: u8,
    from: i64,
    until: i64,
    zone: TimeZone,
}

impl Hours {
    /// `None` for a zone that the IANA database does not have, which the compiler refuses.
    pub(crate) fn of(window: &TimeWindow) -> Option<Self> {
        let zone = ZONES.get(&window.zone).ok()?;
        Some(Self { days: window.days, from: window.from.into(), until: window.until.into(), zone })
    }

    /// Whether the window is open at a time, in seconds since 1970 in UTC.
    pub(crate) fn hold(&self, unix_seconds: u64) -> bool {
        let Some(at) = i64::try_from(unix_seconds).ok().and_then(|at| Timestamp::from_second(at).ok()) else {
            return false;
        };
        let local = at.as_second().saturating_add(self.zone.to_offset(at).seconds().into());
        let minute = local.rem_euclid(SECONDS_A_DAY).div_euclid(60);
        let weekday = local.div_euclid(SECONDS_A_DAY).saturating_add(FIRST_WEEKDAY).rem_euclid(7);
        if self.from < self.until {
            return self.begins_on(weekday) && (self.from..self.until).contains(&minute);
        }
        // Into the next day: its evening belongs to today's window, its morning to yesterday's.
        let yesterday = weekday.saturating_add(6).rem_euclid(7);
        (self.begins_on(weekday) && minute >= self.from) || (self.begins_on(yesterday) && minute < self.until)
    }

    fn begins_on(&self, weekday: i64) -> bool {
        self.days.checked_shr(u32::try_from(weekday).unwrap_or(u32::MAX)).unwrap_or_default() & 1 == 1
    }
}

impl TimeWindow {
    /// Whether it is open at a time, in seconds since 1970 in UTC. A zone that nobody knows is never open.
    #[must_use]
    pub fn is_open(&self, unix_seconds: u64) -> bool {
        Hours::of(self).is_some_and(|hours| hours.hold(unix_seconds))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seconds(text: &str) -> u64 {
        text.parse::<Timestamp>().unwrap().as_second().try_into().unwrap()
    }

    fn window(days: u8, from: u16, until: u16, zone: &str) -> TimeWindow {
        TimeWindow { days, from, until, zone: zone.to_owned() }
    }

    #[test]
    fn office_hours_follow_the_zone_through_summer_time() {
        let office = window(0b1_1111, 9 * 60, 17 * 60, "Europe/Berlin");
        // A Monday in winter (UTC+1) and one in summer (UTC+2).
        for (at, open) in [
            ("2026-01-05T07:59:59Z", false),
            ("2026-01-05T08:00:00Z", true),
            ("2026-01-05T15:59:59Z", true),
            ("2026-01-05T16:00:00Z", false),
            ("2026-07-06T06:59:59Z", false),
            ("2026-07-06T07:00:00Z", true),
            ("2026-07-04T08:00:00Z", false),
        ] {
            assert_eq!(office.is_open(seconds(at)), open, "{at}");
        }
    }

    #[test]
    fn a_night_belongs_to_the_day_it_begins_on() {
        // Sunday, 22:00 to 06:00.
        let night = window(0b100_0000, 22 * 60, 6 * 60, "UTC");
        for (at, open) in [
            ("2026-01-04T21:59:59Z", false),
            ("2026-01-04T22:00:00Z", true),
            ("2026-01-05T05:59:59Z", true),
            ("2026-01-05T06:00:00Z", false),
            ("2026-01-05T22:00:00Z", false),
            ("2026-01-04T05:00:00Z", false),
        ] {
            assert_eq!(night.is_open(seconds(at)), open, "{at}");
        }
        let all_day = window(0b1, 0, 0, "UTC");
        assert!(all_day.is_open(seconds("2026-01-05T23:59:59Z")));
        assert!(!all_day.is_open(seconds("2026-01-06T00:00:00Z")));
    }

    #[test]
    fn an_unknown_zone_is_never_open() {
        assert!(!window(0x7f, 0, 0, "Mars/Olympus").is_open(0));
    }
}
