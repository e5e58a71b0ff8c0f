//! When a backend wants to be asked again, and what it has left. It owns the headers' grammars; it
//! refuses to read a clock and to bound what a backend asks for (policy does).

#[cfg(test)]
mod tests;

use std::time::{Duration, UNIX_EPOCH};

use crate::date::parse_rfc3339;

/// What a backend's headers say about its limits. Absent, malformed and negative values are unknown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct BackendLimits {
    /// The backend's explicit wish: `retry-after-ms`, else `retry-after`.
    pub retry_after: Option<Duration>,
    /// Requests left in the window.
    pub remaining_requests: Option<u64>,
    /// Tokens left in the window.
    pub remaining_tokens: Option<u64>,
    /// Until the request limit is whole again.
    pub reset_requests: Option<Duration>,
    /// Until the token limit is whole again.
    pub reset_tokens: Option<Duration>,
}

impl BackendLimits {
    /// How long to leave a backend alone after a 429 or 503: its explicit wish; else the reset of the
    /// limit that is spent; else, when it does not say which is, the longer reset, unless that is none.
    #[must_use]
    pub fn cool_down(&self) -> Option<Duration> {
        let spent = |remaining: Option<u64>, reset: Option<Duration>| reset.filter(|_| remaining == Some(0));
        self.retry_after
            .or_else(|| {
                let requests = spent(self.remaining_requests, self.reset_requests);
                requests.max(spent(self.remaining_tokens, self.reset_tokens))
            })
            .or_else(|| self.reset_requests.max(self.reset_tokens).filter(|reset| !reset.is_zero()))
    }
}

/// Reads the limits. `header` gives a header's value by lower-case name; `now_unix_secs` is needed where
/// a backend names a time of day.
///
/// - `retry-after-ms` (Azure), else `retry-after`: seconds or an HTTP date.
/// - OpenAI, Azure and vLLM: `x-ratelimit-remaining-{requests,tokens}`; `x-ratelimit-reset-*` is a
///   duration. A reset beside a remainder that makes no sense (Azure has sent -1) is unknown too.
/// - Anthropic: `anthropic-ratelimit-{requests,tokens}-remaining`; `*-reset` is a time (RFC 3339). Where it
///   gives no `tokens`, the scarcer of `input-tokens` and `output-tokens` stands for them.
#[must_use]
pub fn backend_limits<'h>(header: impl Fn(&str) -> Option<&'h str>, now_unix_secs: u64) -> BackendLimits {
    let headers = Headers { header, now_unix_secs };
    let requests = headers.openai("x-ratelimit-remaining-requests", "x-ratelimit-reset-requests");
    let requests = requests.or_else(|| {
        headers.anthropic("anthropic-ratelimit-requests-remaining", "anthropic-ratelimit-requests-reset")
    });
    let tokens = headers.openai("x-ratelimit-remaining-tokens", "x-ratelimit-reset-tokens");
    let tokens = tokens.or_else(|| headers.anthropic_tokens());
    let (requests, tokens) = (requests.unwrap_or_default(), tokens.unwrap_or_default());
    BackendLimits {
        retry_after: headers.retry_after(),
        remaining_requests: requests.remaining,
        remaining_tokens: tokens.remaining,
        reset_requests: requests.reset,
        reset_tokens: tokens.reset,
    }
}

/// One limit, as far as it is told.
#[derive(Clone, Copy, Default)]
struct Limit {
    remaining: Option<u64>,
    reset: Option<Duration>,
}

struct Headers<F> {
    header: F,
    now_unix_secs: u64,
}

impl<'h, F: Fn(&str) -> Option<&'h str>> Headers<F> {
    fn get(&self, name: &str) -> Option<&'h str> {
        (self.header)(name).map(str::trim)
    }

    fn retry_after(&self) -> Option<Duration> {
        let milliseconds = || Duration::try_from_secs_f64(decimal(self.get("retry-after-ms")?)? / 1e3).ok();
        milliseconds().or_else(|| seconds_or_date(self.get("retry-after")?, self.now_unix_secs))
    }

    fn openai(&self, remaining: &str, reset: &str) -> Option<Limit> {
        self.limit(remaining, reset, duration)
    }

    fn anthropic(&self, remaining: &str, reset: &str) -> Option<Limit> {
        self.limit(remaining, reset, |time| {
            let at = parse_rfc3339(time)?;
            Some(Duration::from_secs(at.saturating_sub(self.now_unix_secs)))
        })
    }

    fn anthropic_tokens(&self) -> Option<Limit> {
        let whole =
            self.anthropic("anthropic-ratelimit-tokens-remaining", "anthropic-ratelimit-tokens-reset");
        whole.or_else(|| {
            let input = self.anthropic(
                "anthropic-ratelimit-input-tokens-remaining",
                "anthropic-ratelimit-input-tokens-reset",
            );
            let output = self.anthropic(
                "anthropic-ratelimit-output-tokens-remaining",
                "anthropic-ratelimit-output-tokens-reset",
            );
            let left = |limit: &Limit| limit.remaining.unwrap_or(u64::MAX);
            input.into_iter().chain(output).min_by_key(left)
        })
    }

    /// Nothing where neither header is there.
    fn limit(&self, remaining: &str, reset: &str, time: impl Fn(&str) -> Option<Duration>) -> Option<Limit> {
        let (remaining, reset) = (self.get(remaining), self.get(reset));
        if remaining.is_none() && reset.is_none() {
            return None;
        }
        let count: Option<u64> = remaining.and_then(|count| count.parse().ok());
        let sensible = remaining.is_none() || count.is_some();
        Some(Limit { remaining: count, reset: reset.filter(|_| sensible).and_then(time) })
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
