use std::time::Duration;

use super::*;

/// Sat, 01 Jan 2000 00:00:00 GMT.
const NOW: u64 = 946_684_800;

fn limits(headers: &[(&str, &str)]) -> BackendLimits {
    let headers: Vec<(String, String)> =
        headers.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect();
    backend_limits(|name| headers.iter().find(|header| header.0 == name).map(|header| header.1.as_str()), NOW)
}

fn after(value: &str) -> Option<Duration> {
    limits(&[("retry-after", value)]).retry_after
}

#[test]
fn retry_after_is_seconds_or_a_date() {
    assert_eq!(after("20"), Some(Duration::from_secs(20)));
    assert_eq!(after(" 1.5 "), Some(Duration::from_millis(1500)));
    assert_eq!(after("Sat, 01 Jan 2000 00:01:00 GMT"), Some(Duration::from_secs(60)));
    assert_eq!(after("Fri, 31 Dec 1999 23:59:00 GMT"), Some(Duration::ZERO));
    for nonsense in ["", "-1", "soon", "inf", "nan", "1e400", "99999999999999999999999"] {
        assert_eq!(after(nonsense), None, "{nonsense}");
    }
}

#[test]
fn milliseconds_win_over_seconds() {
    let both = limits(&[("retry-after-ms", "250"), ("retry-after", "1")]);
    assert_eq!(both.retry_after, Some(Duration::from_millis(250)));
    let broken = limits(&[("retry-after-ms", "x"), ("retry-after", "1")]);
    assert_eq!(broken.retry_after, Some(Duration::from_secs(1)));
}

#[test]
fn resets_are_durations_in_several_spellings() {
    let reset = |value: &str| limits(&[("x-ratelimit-reset-tokens", value)]).reset_tokens;
    for (value, milliseconds) in [
        ("12ms", 12),
        ("1s", 1000),
        ("6m0s", 360_000),
        ("7.66s", 7660),
        ("2m59.56s", 179_560),
        ("1h2m3s", 3_723_000),
        ("2", 2000),
    ] {
        assert_eq!(reset(value), Some(Duration::from_millis(milliseconds)), "{value}");
    }
    for nonsense in ["", "s", "1x", "1s2", "-1s", "1.2.3s", "1m s"] {
        assert_eq!(reset(nonsense), None, "{nonsense}");
    }
}

#[test]
fn a_negative_remainder_is_unknown() {
    let unknown =
        limits(&[("x-ratelimit-remaining-requests", "-1"), ("x-ratelimit-remaining-tokens", "150")]);
    assert_eq!((unknown.remaining_requests, unknown.remaining_tokens), (None, Some(150)));
}

#[test]
fn a_cool_down_is_the_wish_or_the_reset_of_what_is_spent() {
    let resets = [("x-ratelimit-reset-requests", "1s"), ("x-ratelimit-reset-tokens", "1m0s")];
    let with = |more: &[(&'static str, &'static str)]| limits(&[&resets[..], more].concat()).cool_down();
    assert_eq!(with(&[("retry-after", "3")]), Some(Duration::from_secs(3)));
    assert_eq!(with(&[("x-ratelimit-remaining-requests", "0")]), Some(Duration::from_secs(1)));
    assert_eq!(with(&[("x-ratelimit-remaining-tokens", "0")]), Some(Duration::from_secs(60)));
    assert_eq!(with(&[]), Some(Duration::from_secs(60)));
    assert_eq!(retry_after(|_| None, NOW), None);
}
