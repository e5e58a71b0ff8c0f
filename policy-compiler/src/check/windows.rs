//! Hours of the week as sets of minutes. It owns whether windows meet and what they leave of a week, each
//! within one time zone; it refuses to compare zones, whose difference changes with the seasons.

use rule_table::TimeWindow;

const DAY: u16 = 1440;
const WEEK: u16 = 7 * DAY;

/// Whether two windows have a time in common.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Meeting {
    Never,
    /// At this minute of the week, in the zone of either; `None` where both are open at any time.
    At(Option<u16>),
    /// They are of two zones.
    Unknown,
}

/// The stretches of a week, in minutes after Monday's midnight, the end exclusive, none over Sunday's.
fn stretches(window: &TimeWindow) -> Vec<(u16, u16)> {
    let mut all = Vec::new();
    for day in (0..7).filter(|day| window.days & 1 << day != 0) {
        let from = day * DAY + window.from;
        let until = day * DAY + window.until + if window.until <= window.from { DAY } else { 0 };
        all.push((from, until.min(WEEK)));
        if until > WEEK {
            all.push((0, until - WEEK));
        }
    }
    all
}

pub(super) fn meeting(a: Option<&TimeWindow>, b: Option<&TimeWindow>) -> Meeting {
    let (a, b) = match (a, b) {
        (None, None) => return Meeting::At(None),
        (Some(one), None) | (None, Some(one)) => {
            return stretches(one).first().map_or(Meeting::Never, |(from, _)| Meeting::At(Some(*from)));
        }
        (Some(a), Some(b)) => (a, b),
    };
    if a.zone != b.zone {
        let whole = [a, b].iter().any(|window| whole_week([*window].into_iter()));
        return if whole { Meeting::At(None) } else { Meeting::Unknown };
    }
    let others = stretches(b);
    let both = stretches(a).into_iter().find_map(|(from, until)| {
        others.iter().find_map(|(f, u)| Some(from.max(*f)).filter(|at| *at < until.min(*u)))
    });
    both.map_or(Meeting::Never, |at| Meeting::At(Some(at)))
}

/// Whether windows of some one zone are open at every minute between them.
pub(super) fn whole_week<'w>(windows: impl Iterator<Item = &'w TimeWindow>) -> bool {
    let mut by_zone: std::collections::BTreeMap<&str, Vec<(u16, u16)>> = std::collections::BTreeMap::new();
    for window in windows {
        by_zone.entry(&window.zone).or_default().extend(stretches(window));
    }
    by_zone.values_mut().any(|stretches| {
        stretches.sort_unstable();
        let covered = stretches.iter().fold(
            0,
            |so_far, (from, until)| {
                if *from <= so_far { so_far.max(*until) } else { so_far }
            },
        );
        covered >= WEEK
    })
}

/// `Mon 08:30 Europe/Berlin`.
pub(super) fn spelt(minute: u16, zone: &str) -> String {
    const DAYS: [&str; 7] = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"];
    let day = DAYS.get(usize::from(minute / DAY)).copied().unwrap_or_default();
    format!("{day} {:02}:{:02} {zone}", minute % DAY / 60, minute % 60)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn is_open(window: &TimeWindow, minute: u16) -> bool {
        let on = |day: u16| window.days & 1 << (day % 7) != 0;
        let (day, at) = (minute / DAY, minute % DAY);
        if window.until > window.from {
            on(day) && (window.from..window.until).contains(&at)
        } else {
            on(day) && at >= window.from || on(day + 6) && at < window.until
        }
    }

    fn window() -> impl Strategy<Value = TimeWindow> {
        let hour = || prop::sample::select(vec![0, 1, 480, 720, 1020, 1439]);
        (1u8..128, hour(), hour()).prop_map(|(days, from, until)| TimeWindow {
            days,
            from,
            until,
            zone: "UTC".to_owned(),
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(10_000))]
        #[test]
        fn windows_meet_where_some_minute_is_open_in_both(a in window(), b in window()) {
            let both: Vec<u16> = (0..WEEK).filter(|m| is_open(&a, *m) && is_open(&b, *m)).collect();
            match meeting(Some(&a), Some(&b)) {
                Meeting::At(Some(minute)) => prop_assert!(both.contains(&minute)),
                found => prop_assert!(both.is_empty() && found == Meeting::Never),
            }
        }

        #[test]
        fn a_week_is_whole_where_every_minute_is_open_in_some(a in window(), b in window(), c in window()) {
            let all = [a, b, c];
            let whole = (0..WEEK).all(|minute| all.iter().any(|window| is_open(window, minute)));
            prop_assert_eq!(whole_week(all.iter()), whole);
        }
    }

    #[test]
    fn windows_of_two_zones_are_not_compared() {
        let office = |zone: &str| TimeWindow { days: 31, from: 480, until: 1020, zone: zone.to_owned() };
        assert_eq!(meeting(Some(&office("UTC")), Some(&office("Europe/Berlin"))), Meeting::Unknown);
        let always = TimeWindow { days: 127, from: 0, until: 0, zone: "UTC".to_owned() };
        assert_eq!(meeting(Some(&always), Some(&office("Europe/Berlin"))), Meeting::At(None));
        assert_eq!(spelt(1950, "UTC"), "Tue 08:30 UTC");
    }
}
