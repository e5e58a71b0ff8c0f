//! How much one caller may ask for. It owns fixed minute windows and the leaky bucket of provisioned
//! capacity, and the headers that tell of them; it refuses to count what was really generated: like a
//! provider, it must decide before the answer exists.
//!
//! A request counts as its prompt, counted exactly, plus the output it may ask for: its own ceiling when
//! it names one, else the length the simulator has drawn for it. Nothing is given back afterwards.

use std::time::Duration;

use vocabulary::Moment;

/// A quota. All times are policy time, so that windows keep their proportion in a compressed run.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum QuotaConfig {
    /// No limit.
    #[default]
    Unlimited,
    /// Fixed windows of one minute.
    PerMinute {
        /// Requests per window.
        requests: Option<u64>,
        /// Tokens per window, prompt and output together.
        tokens: Option<u64>,
    },
    /// A leaky bucket, as providers meter reserved capacity.
    Provisioned {
        /// Weighted tokens drained per second.
        weighted_tokens_per_s: f64,
        /// Size of the bucket, in seconds of its drain.
        burst: Duration,
        /// What one output token weighs; a prompt token weighs 1.
        output_weight: f64,
    },
}

/// The quota's word on one request.
#[derive(Clone, Debug, PartialEq)]
pub struct QuotaVerdict {
    /// When to come back, if it is refused.
    pub retry_after: Option<Duration>,
    /// When the window starts anew, for headers that say it as a time of day.
    pub resets_in: Option<Duration>,
    /// Headers for the answer, whatever its status. `retry-after` is in whole seconds, rounded up.
    pub headers: Vec<(&'static str, String)>,
}

impl QuotaVerdict {
    /// Whether the request is let in.
    #[must_use]
    pub const fn is_admitted(&self) -> bool {
        self.retry_after.is_none()
    }
}

/// The headers of a refusal: whole seconds for every client, milliseconds for those who read them.
#[must_use]
pub fn retry_headers(after: Duration) -> Vec<(&'static str, String)> {
    let millis = after.as_nanos().div_ceil(1_000_000);
    vec![
        ("retry-after", after.as_nanos().div_ceil(1_000_000_000).to_string()),
        ("retry-after-ms", millis.to_string()),
    ]
}

/// A quota and what has been used of it.
#[derive(Clone, Debug)]
pub struct Quota {
    config: QuotaConfig,
    window: u64,
    requests_used: u64,
    tokens_used: u64,
    level: f64,
    level_at: Moment,
}

const WINDOW: Duration = Duration::from_secs(60);

/// Shortest and longest pause that provisioned capacity asks for.
const PROVISIONED_RETRY_S: (f64, f64) = (0.5, 10.0);

impl Quota {
    /// An unused quota.
    #[must_use]
    pub const fn new(config: QuotaConfig) -> Self {
        Self { config, window: 0, requests_used: 0, tokens_used: 0, level: 0.0, level_at: Moment::ZERO }
    }

    /// Lets a request in and counts it, or refuses it and counts nothing. `capacity` is the share of the
    /// quota that is left, 1 in good health.
    pub fn admit(&mut self, now: Moment, prompt: u64, output: u64, capacity: f64) -> QuotaVerdict {
        match self.config {
            QuotaConfig::Unlimited => {
                QuotaVerdict { retry_after: None, resets_in: None, headers: Vec::new() }
            }
            QuotaConfig::PerMinute { requests, tokens } => {
                let scaled = |limit: Option<u64>| limit.map(|limit| (limit as f64 * capacity) as u64);
                self.admit_in_window(now, prompt.saturating_add(output), scaled(requests), scaled(tokens))
            }
            QuotaConfig::Provisioned { weighted_tokens_per_s, burst, output_weight } => {
                let drain = (weighted_tokens_per_s * capacity).max(1e-9);
                let weight = prompt as f64 + output_weight * output as f64;
                self.admit_in_bucket(now, weight, drain, drain * burst.as_secs_f64())
            }
        }
    }

    fn admit_in_window(
        &mut self,
        now: Moment,
        asked: u64,
        requests: Option<u64>,
        tokens: Option<u64>,
    ) -> QuotaVerdict {
        let nanos = WINDOW.as_nanos() as u64;
        let window = now.0 / nanos;
        if window != self.window {
            (self.window, self.requests_used, self.tokens_used) = (window, 0, 0);
        }
        let fits = |used: u64, more: u64, limit: Option<u64>| {
            limit.is_none_or(|limit| used.saturating_add(more) <= limit)
        };
        let left = Duration::from_nanos(nanos - now.0 % nanos);
        let admitted = fits(self.requests_used, 1, requests) && fits(self.tokens_used, asked, tokens);
        if admitted {
            self.requests_used += 1;
            self.tokens_used = self.tokens_used.saturating_add(asked);
        }
        let retry_after = (!admitted).then_some(left);
        let mut headers = retry_after.map(retry_headers).unwrap_or_default();
        for (limit, used, names) in [
            (
                requests,
                self.requests_used,
                [
                    "x-ratelimit-limit-requests",
                    "x-ratelimit-remaining-requests",
                    "x-ratelimit-reset-requests",
                ],
            ),
            (
                tokens,
                self.tokens_used,
                ["x-ratelimit-limit-tokens", "x-ratelimit-remaining-tokens", "x-ratelimit-reset-tokens"],
            ),
        ] {
            let Some(limit) = limit else { continue };
            let values = [limit.to_string(), limit.saturating_sub(used).to_string(), reset_text(left)];
            headers.extend(names.into_iter().zip(values));
        }
        QuotaVerdict { retry_after, resets_in: Some(left), headers }
    }

    fn admit_in_bucket(&mut self, now: Moment, weight: f64, drain: f64, size: f64) -> QuotaVerdict {
        let level = (self.level - now.since(self.level_at).as_secs_f64() * drain).max(0.0);
        self.level_at = now;
        // A request larger than the bucket gets in when the bucket is empty, or it never would.
        let admitted = level + weight <= size || level <= 0.0;
        self.level = if admitted { level + weight } else { level };
        let used = format!("{:.1}%", 100.0 * self.level / size);
        let (shortest, longest) = PROVISIONED_RETRY_S;
        let retry_after = (!admitted)
            .then(|| Duration::from_secs_f64(((level + weight - size) / drain).clamp(shortest, longest)));
        let mut headers = retry_after.map(retry_headers).unwrap_or_default();
        headers.push(("azure-openai-deployment-utilization", used));
        QuotaVerdict { retry_after, resets_in: None, headers }
    }
}

/// A time as in `x-ratelimit-reset-tokens`: `1m0s`, `6.5s`, `120ms`.
fn reset_text(left: Duration) -> String {
    let millis = left.as_nanos().div_ceil(1_000_000) as u64;
    match millis {
        0..1_000 => format!("{millis}ms"),
        1_000..60_000 => format!("{}s", vocabulary::units::decimal_text(millis, 3)),
        _ => format!("{}m{}s", millis / 60_000, vocabulary::units::decimal_text(millis % 60_000, 3)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: f64) -> Moment {
        Moment::from_secs_f64(seconds)
    }

    fn header<'a>(verdict: &'a QuotaVerdict, name: &str) -> &'a str {
        verdict.headers.iter().find(|(n, _)| *n == name).map_or("", |(_, value)| value)
    }

    #[test]
    fn a_window_counts_prompt_and_output_and_starts_anew_each_minute() {
        let mut quota = Quota::new(QuotaConfig::PerMinute { requests: Some(10), tokens: Some(1_000) });
        let first = quota.admit(at(1.0), 300, 400, 1.0);
        assert!(first.is_admitted());
        assert_eq!(header(&first, "x-ratelimit-limit-tokens"), "1000");
        assert_eq!(header(&first, "x-ratelimit-remaining-tokens"), "300");
        assert_eq!(header(&first, "x-ratelimit-reset-tokens"), "59s");
        assert_eq!(header(&first, "x-ratelimit-remaining-requests"), "9");

        let refused = quota.admit(at(30.5), 300, 1, 1.0);
        assert_eq!(refused.retry_after, Some(Duration::from_millis(29_500)));
        assert_eq!(header(&refused, "retry-after"), "30");
        assert_eq!(header(&refused, "retry-after-ms"), "29500");
        assert_eq!(header(&refused, "x-ratelimit-remaining-tokens"), "300", "a refusal counts nothing");

        assert!(quota.admit(at(60.0), 1_000, 0, 1.0).is_admitted());
    }

    #[test]
    fn requests_have_their_own_limit() {
        let mut quota = Quota::new(QuotaConfig::PerMinute { requests: Some(2), tokens: None });
        let verdicts: Vec<bool> = (0..3).map(|_| quota.admit(at(0.0), 9_999, 0, 1.0).is_admitted()).collect();
        assert_eq!(verdicts, [true, true, false]);
    }

    #[test]
    fn a_bucket_drains_at_its_rate_and_weighs_output() {
        let mut quota = Quota::new(QuotaConfig::Provisioned {
            weighted_tokens_per_s: 100.0,
            burst: Duration::from_secs(10),
            output_weight: 4.0,
        });
        assert!(quota.admit(at(0.0), 600, 100, 1.0).is_admitted(), "600 + 4 x 100 fills it to the brim");
        let refused = quota.admit(at(1.0), 200, 0, 1.0);
        assert_eq!(refused.retry_after, Some(Duration::from_secs(1)), "100 of the 200 have drained");
        assert_eq!(header(&refused, "azure-openai-deployment-utilization"), "90.0%");
        assert!(quota.admit(at(2.0), 200, 0, 1.0).is_admitted());
    }

    #[test]
    fn a_brown_out_shrinks_the_bucket_and_its_drain() {
        let config = QuotaConfig::Provisioned {
            weighted_tokens_per_s: 100.0,
            burst: Duration::from_secs(10),
            output_weight: 1.0,
        };
        let mut quota = Quota::new(config);
        assert!(quota.admit(at(0.0), 500, 0, 0.5).is_admitted());
        assert!(!quota.admit(at(1.0), 100, 0, 0.5).is_admitted(), "only 50 have drained");
    }

    #[test]
    fn a_request_larger_than_the_bucket_gets_in_when_it_is_empty() {
        let mut quota = Quota::new(QuotaConfig::Provisioned {
            weighted_tokens_per_s: 10.0,
            burst: Duration::from_secs(1),
            output_weight: 1.0,
        });
        assert!(quota.admit(at(0.0), 1_000, 0, 1.0).is_admitted());
        assert!(!quota.admit(at(1.0), 1, 0, 1.0).is_admitted());
    }

    #[test]
    fn resets_are_written_as_clients_expect_them() {
        let texts = [60_000, 59_300, 1_000, 120, 0].map(|ms| reset_text(Duration::from_millis(ms)));
        assert_eq!(texts, ["1m0s", "59.3s", "1s", "120ms", "0ms"]);
    }
}
