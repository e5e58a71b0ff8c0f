//! What a settled request and its attempts tell the metrics. It owns the plain structs and how an ending
//! is judged; it refuses to hold anything whose values are not bounded by the manifest or by a standard.

use std::time::Duration;

use vocabulary::{Operation, Prices, Reason, Usage, Usd};

/// A request method, as `http.request.method` spells it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Method {
    /// RFC 9110 §9.3.6
    Connect,
    /// RFC 9110 §9.3.5
    Delete,
    /// RFC 9110 §9.3.1
    Get,
    /// RFC 9110 §9.3.2
    Head,
    /// RFC 9110 §9.3.7
    Options,
    /// RFC 5789
    Patch,
    /// RFC 9110 §9.3.3
    Post,
    /// RFC 9110 §9.3.4
    Put,
    /// RFC 9110 §9.3.8
    Trace,
    /// Anything else: a caller can invent methods, and each would be a series of its own.
    Other,
}

impl Method {
    /// The method of a request line; methods are case-sensitive.
    #[must_use]
    pub fn parse(name: &str) -> Self {
        match name {
            "CONNECT" => Self::Connect,
            "DELETE" => Self::Delete,
            "GET" => Self::Get,
            "HEAD" => Self::Head,
            "OPTIONS" => Self::Options,
            "PATCH" => Self::Patch,
            "POST" => Self::Post,
            "PUT" => Self::Put,
            "TRACE" => Self::Trace,
            _ => Self::Other,
        }
    }

    /// The attribute's value.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Connect => "CONNECT",
            Self::Delete => "DELETE",
            Self::Get => "GET",
            Self::Head => "HEAD",
            Self::Options => "OPTIONS",
            Self::Patch => "PATCH",
            Self::Post => "POST",
            Self::Put => "PUT",
            Self::Trace => "TRACE",
            Self::Other => "_OTHER",
        }
    }

    /// How a span name spells it: semantic conventions want `HTTP` for unknown methods.
    #[must_use]
    pub const fn span_name(self) -> &'static str {
        match self {
            Self::Other => "HTTP",
            known => known.name(),
        }
    }
}

/// The scheme the caller used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Scheme {
    /// Plain HTTP.
    Http,
    /// HTTP over TLS.
    Https,
}

impl Scheme {
    /// The value of `url.scheme`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Https => "https",
        }
    }
}

/// How an ending counts towards the availability objective.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Sli {
    /// Served.
    Good,
    /// A backend or the gateway failed.
    Bad,
    /// Neither: the caller's own mistake, the operator's policy, or a caller that left.
    Excluded,
}

impl Sli {
    /// Judges an ending. Without a reason (a piped route), the status alone decides.
    #[must_use]
    pub fn of(status: u16, reason: Option<Reason>) -> Self {
        match reason {
            Some(reason) if reason.is_bad() => Self::Bad,
            Some(_) => Self::Excluded,
            None if status >= 500 => Self::Bad,
            None if status >= 400 => Self::Excluded,
            None => Self::Good,
        }
    }

    /// The value of `sluicegate.sli`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Good => "good",
            Self::Bad => "bad",
            Self::Excluded => "excluded",
        }
    }
}

/// A request that is over.
#[derive(Clone, Copy, Debug)]
pub struct RequestSettled<'a> {
    /// Method.
    pub method: Method,
    /// Scheme.
    pub scheme: Scheme,
    /// The matched route's path template; never the path itself.
    pub route: Option<&'a str>,
    /// Status sent to the caller; 499 when the caller left before one was.
    pub status: u16,
    /// Why it was refused, failed or cut.
    pub reason: Option<Reason>,
    /// What rules in shadow mode would have refused it for, each reason once.
    pub would_refuse: &'a [Reason],
    /// Arrival to last byte, in policy time.
    pub duration: Duration,
    /// The gateway's own share of it, in wall-clock time.
    pub overhead: Duration,
    /// The model side of it, once a model of the manifest was known.
    pub ai: Option<AiSettled<'a>>,
}

/// The caller's view of a model answer.
#[derive(Clone, Copy, Debug)]
pub struct AiSettled<'a> {
    /// Operation.
    pub operation: Operation,
    /// `gen_ai.provider.name` of the backend that answered; `None` when none did.
    pub provider: Option<&'a str>,
    /// The model, as the manifest names it. Never a name the manifest does not know.
    pub model: &'a str,
    /// The pool.
    pub pool: Option<&'a str>,
    /// Arrival to first output-bearing event, in policy time; streams only.
    pub time_to_first_token: Option<Duration>,
    /// Generated tokens, if known.
    pub output_tokens: Option<u64>,
}

/// Who an attempt was sent to, as metrics name it. All values come from the manifest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Deployment<'a> {
    /// `backend/deployment`.
    pub backend: &'a str,
    /// `gen_ai.provider.name`: `openai`, `azure.ai.openai`, `vllm`, …
    pub provider: &'a str,
    /// The model, as the manifest names it.
    pub model: &'a str,
    /// The pool.
    pub pool: &'a str,
    /// Host name of the backend as configured.
    pub address: &'a str,
    /// TCP port of the backend.
    pub port: u16,
}

/// One attempt that is over.
#[derive(Clone, Copy, Debug)]
pub struct AttemptSettled<'a> {
    /// Where to.
    pub deployment: Deployment<'a>,
    /// Operation.
    pub operation: Operation,
    /// Why it did not serve the request, if so.
    pub reason: Option<Reason>,
    /// Whether another attempt followed because of that.
    pub failed_over: bool,
    /// Send to end, in policy time.
    pub duration: Duration,
    /// Send to first output-bearing event, in policy time; streams only.
    pub time_to_first_chunk: Option<Duration>,
    /// Tokens, if known.
    pub usage: Option<Usage>,
    /// What they cost.
    pub cost: CostParts,
}

/// Cost by what it bought.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CostParts {
    /// Uncached prompt tokens.
    pub input: Usd,
    /// Prompt tokens read from the provider's cache.
    pub cache_read: Usd,
    /// Prompt tokens written to the provider's cache.
    pub cache_write: Usd,
    /// Generated tokens.
    pub output: Usd,
}

impl CostParts {
    /// Splits [`Prices::cost`] into its components.
    #[must_use]
    pub fn of(prices: &Prices, usage: &Usage) -> Self {
        Self {
            input: prices.input.of(usage.uncached_input()),
            cache_read: prices.cached_input.of(usage.cached_input.min(usage.input)),
            cache_write: prices.cache_write.of(usage.cache_write_input.min(usage.input))
                + prices.cache_write_1h.of(usage.cache_write_1h_input.min(usage.input)),
            output: prices.output.of(usage.output),
        }
    }

    /// The sum.
    #[must_use]
    pub fn total(&self) -> Usd {
        self.input + self.cache_read + self.cache_write + self.output
    }
}

/// A member of a pool, as the 1 s loop sees it.
#[derive(Clone, Debug, PartialEq)]
pub struct MemberReading {
    /// The pool.
    pub pool: String,
    /// `backend/deployment`.
    pub backend: String,
    /// Share of the pool's recent requests, 0 to 1.
    pub share: f64,
}

/// A pool's price of a miss.
#[derive(Clone, Debug, PartialEq)]
pub struct LambdaReading {
    /// The pool.
    pub pool: String,
    /// λ in USD per miss.
    pub lambda_usd: f64,
}

/// Whether a backend takes traffic now.
#[derive(Clone, Debug, PartialEq)]
pub struct BackendReading {
    /// `backend/deployment`.
    pub backend: String,
    /// Healthy, not ejected, not cooling down, quota left.
    pub ready: bool,
}

/// Whether something that counts are kept in works.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StoreReading {
    /// `journal` or `shared`.
    pub store: &'static str,
    /// It works.
    pub available: bool,
}

/// Stories that were not kept since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StoriesDropped {
    /// More requests failed at once than could wait to be written.
    pub queue_full: u64,
    /// They could not be written.
    pub not_written: u64,
}

impl StoriesDropped {
    /// All of them.
    #[must_use]
    pub const fn total(&self) -> u64 {
        self.queue_full + self.not_written
    }
}

/// What a firewall found in a request. All values come from the manifest or from closed lists.
#[derive(Clone, Copy, Debug)]
pub struct WafSettled<'a> {
    /// The firewall's name.
    pub firewall: &'a str,
    /// The rule's family, or what kind of protection it was.
    pub family: &'a str,
    /// Where a rule matched, or the kind of what was found.
    pub class: &'a str,
    /// What came of it.
    pub outcome: &'static str,
}

/// A policy hook that was asked for a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HookSettled<'a> {
    /// Its name in the manifest.
    pub hook: &'a str,
    /// `allow`, `deny`, or why there was no decision.
    pub outcome: &'static str,
    /// Whether the decision was remembered.
    pub cached: bool,
    /// How long the request waited, in policy time.
    pub duration: Duration,
}

/// Everything that is a state rather than an event. Published whole, so that what a reload removed
/// disappears from the export too.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Readings {
    /// Every member of every pool.
    pub members: Vec<MemberReading>,
    /// Every adaptive pool.
    pub lambdas: Vec<LambdaReading>,
    /// Every backend.
    pub backends: Vec<BackendReading>,
    /// What counts are kept in.
    pub stores: Vec<StoreReading>,
    /// A total, where stories are kept.
    pub stories_dropped: Option<StoriesDropped>,
}

/// How a reload of policy ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Reload {
    /// The new policy serves.
    Accepted,
    /// The old policy goes on serving.
    Rejected,
}

impl Reload {
    /// The value of `sluicegate.result`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Accepted => "accepted",
            Self::Rejected => "rejected",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_ending_is_good_bad_or_excluded() {
        assert_eq!(Sli::of(200, None), Sli::Good);
        assert_eq!(Sli::of(200, Some(Reason::StreamBroken)), Sli::Bad);
        assert_eq!(Sli::of(429, Some(Reason::TokenLimit)), Sli::Excluded);
        assert_eq!(Sli::of(429, Some(Reason::BackendRateLimited)), Sli::Bad);
        assert_eq!(Sli::of(499, Some(Reason::ClientClosed)), Sli::Excluded);
        assert_eq!(Sli::of(503, None), Sli::Bad);
        assert_eq!(Sli::of(404, None), Sli::Excluded);
    }

    #[test]
    fn a_method_nobody_standardised_shares_one_value() {
        assert_eq!(Method::parse("BREW").name(), "_OTHER");
        assert_eq!(Method::parse("get").name(), "_OTHER");
        assert_eq!(Method::parse("POST").name(), "POST");
        assert_eq!(Method::Other.span_name(), "HTTP");
    }

    #[test]
    fn the_parts_of_a_cost_sum_to_the_cost() {
        let prices = Prices {
            input: "2.50 USD/1M".parse().unwrap(),
            cached_input: "1.25 USD/1M".parse().unwrap(),
            output: "10 USD/1M".parse().unwrap(),
            ..Prices::default()
        };
        let usage =
            Usage { input: 1_001, cached_input: 400, output: 7, reasoning_output: 3, ..Usage::default() };
        assert_eq!(CostParts::of(&prices, &usage).total(), prices.cost(&usage));
    }
}
