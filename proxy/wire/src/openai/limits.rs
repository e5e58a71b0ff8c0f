//! When a backend wants to be asked again, and what it has left. It owns the headers' grammars; it
//! refuses to read a clock and to bound what a backend asks for (policy does).

use std::time::{Duration, UNIX_EPOCH};

/// What a backend's headers say about its limits. Absent, malformed and negative values are unknown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct BackendLimits {
    /// The backend's explicit wish: `retry-after-ms`, else `retry-after`.
    pub retry_after: Option<Duration>,
    /// `x-ratelimit-remaining-requests`
    pub remaining_requests: Option<u64>,
    /// `x-ratelimit-remaining-tokens`
    pub remaining_tokens: Option<u64>,
    /// `x-ratelimit-reset-requests`: until the request limit is whole again.
    pub reset_requests: Option<Duration>,
    /// `x-ratelimit-reset-tokens`: until the token limit is whole again.
    pub reset_tokens: Option<Duration>,
}

impl BackendLimits {
    /// How long to leave a backend alone after a 429 or 503: its explicit wish; else the reset of the
    /// limit that is spent; else, when it does not say which is, the longer reset.
    #[must_use]
    pub fn cool_down(&self) -> Option<Duration> {
        let spent = |remaining: Option<u64>, reset: Option<Duration>| reset.filter(|_| remaining == Some(0));
        self.retry_after
            .or_else(|| {
                let requests = spent(self.remaining_requests, self.reset_requests);
                requests.max(spent(self.remaining_tokens, self.reset_tokens))
            })
            .or_else(|| self.reset_requests.max(self.reset_tokens))
    }
}

/// Reads the limits. `header` gives a header's value by lower-case name; `now_unix_secs` is needed for
/// a `retry-after` that is a date.
#[must_use]
pub fn backend_limits<'h>(header: impl Fn(&str) -> Option<&'h str>, now_unix_secs: u64) -> BackendLimits {
    let count = |name| header(name)?.trim().parse().ok();
    let reset = |name| duration(header(name)?.trim());
    let milliseconds = || Duration::try_from_secs_f64(decimal(header("retry-after-ms")?.trim())? / 1e3).ok();
    BackendLimits {
        retry_after: milliseconds().or_else(|| seconds_or_date(header("retry-after")?.trim(), now_unix_secs)),
        remaining_requests: count("x-ratelimit-remaining-requests"),
        remaining_tokens: count("x-ratelimit-remaining-tokens"),
        reset_requests: reset("x-ratelimit-reset-requests"),
        reset_tokens: reset("x-ratelimit-reset-tokens"),
    }
}

/// How long to leave a backend alone after a 429 or 503, if its headers say so: see
/// [`BackendLimits::cool_down`].
#[must_use]
pub fn retry_after<'h>(header: impl Fn(&str) -> Option<&'h str>, now_unix_secs: u64) -> Option<Duration> {
    backend_limits(header, now_unix_secs).cool_down()
}

/// `Retry-After` (RFC 9110 §10.2.3): seconds, or an HTTP date. A date in the past is no time at all.
fn seconds_or_date(value: &str, now_unix_secs: u64) -> Option<Duration> {
    if let Some(seconds) = decimal(value) {
        return Duration::try_from_secs_f64(seconds).ok();
    }
    let date = httpdate::parse_http_date(value).ok()?;
    let at = date.duration_since(UNIX_EPOCH).ok()?;
    Some(at.saturating_sub(Duration::from_secs(now_unix_secs)))
}

/// A duration as `x-ratelimit-reset-*` spells it: `12ms`, `1s`, `7.66s`, `6m0s`, `1h2m3s`; a bare number
/// is in seconds.
fn duration(text: &str) -> Option<Duration> {
    if let Some(seconds) = decimal(text) {
        return Duration::try_from_secs_f64(seconds).ok();
    }
    let mut total = Duration::ZERO;
    let mut rest = text;
    while !rest.is_empty() {
        let number = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let (amount, tail) = rest.split_at_checked(number)?;
        let unit = tail.find(|c: char| c.is_ascii_digit()).unwrap_or(tail.len());
        let (unit, tail) = tail.split_at_checked(unit)?;
        let seconds = match unit {
            "d" => 86_400.0,
            "h" => 3_600.0,
            "m" => 60.0,
            "s" => 1.0,
            "ms" => 1e-3,
            "us" | "µs" => 1e-6,
            "ns" => 1e-9,
            _ => return None,
        };
        total = total.checked_add(Duration::try_from_secs_f64(decimal(amount)? * seconds).ok()?)?;
        rest = tail;
    }
    (!text.is_empty()).then_some(total)
}

/// Digits with at most one point among them; no sign, exponent, `inf` or `nan`.
fn decimal(text: &str) -> Option<f64> {
    let plain = text.starts_with(|c: char| c.is_ascii_digit())
        && text.bytes().all(|b| b.is_ascii_digit() || b == b'.');
    if plain { text.parse().ok() } else { None }
}
