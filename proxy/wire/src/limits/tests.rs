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

#[test]
fn anthropic_s_resets_are_times_of_day() {
    let limits = limits(&[
        ("anthropic-ratelimit-requests-limit", "50"),
        ("anthropic-ratelimit-requests-remaining", "49"),
        ("anthropic-ratelimit-requests-reset", "2000-01-01T00:00:01Z"),
        ("anthropic-ratelimit-tokens-remaining", "0"),
        ("anthropic-ratelimit-tokens-reset", "2000-01-01T01:00:30+01:00"),
        ("anthropic-ratelimit-input-tokens-remaining", "7"),
    ]);
    let expected = BackendLimits {
        retry_after: None,
        remaining_requests: Some(49),
        remaining_tokens: Some(0),
        reset_requests: Some(Duration::from_secs(1)),
        reset_tokens: Some(Duration::from_secs(30)),
    };
    assert_eq!(limits, expected);
    assert_eq!(limits.cool_down(), Some(Duration::from_secs(30)));
}

#[test]
fn the_scarcer_of_input_and_output_stands_for_tokens_that_are_not_told() {
    let scarcer = |input, output| {
        let limits = limits(&[
            ("anthropic-ratelimit-input-tokens-remaining", input),
            ("anthropic-ratelimit-input-tokens-reset", "2000-01-01T00:00:10Z"),
            ("anthropic-ratelimit-output-tokens-remaining", output),
            ("anthropic-ratelimit-output-tokens-reset", "2000-01-01T00:00:20Z"),
        ]);
        (limits.remaining_tokens, limits.reset_tokens.map(|reset| reset.as_secs()))
    };
    assert_eq!(scarcer("5", "9"), (Some(5), Some(10)));
    assert_eq!(scarcer("9", "5"), (Some(5), Some(20)));
    assert_eq!(scarcer("-1", "5"), (Some(5), Some(20)));
}

#[test]
fn a_reset_in_the_past_is_now_and_one_that_is_no_date_unknown() {
    let reset = |value| limits(&[("anthropic-ratelimit-tokens-reset", value)]).reset_tokens;
    assert_eq!(reset("1999-12-31T23:59:00Z"), Some(Duration::ZERO));
    for nonsense in ["", "60", "soon", "2000-01-01"] {
        assert_eq!(reset(nonsense), None, "{nonsense}");
    }
}

#[test]
fn azure_s_nonsense_is_no_wish_to_be_asked_again_at_once() {
    let azure = limits(&[
        ("x-ratelimit-remaining-requests", "-1"),
        ("x-ratelimit-remaining-tokens", "-1"),
        ("x-ratelimit-reset-tokens", "0"),
    ]);
    assert_eq!(azure, BackendLimits::default());
    assert_eq!(limits(&[("x-ratelimit-reset-tokens", "0")]).cool_down(), None);
}
