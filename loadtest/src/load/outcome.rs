//! How a request ended, as its caller saw it. It owns the closed taxonomy and its spelling; it refuses
//! to hold anything of the answer but a status and an error code.

use serde::Serialize;

macro_rules! outcomes {
    ($($(#[$doc:meta])* $name:ident = $code:literal;)*) => {
        /// How a request ended.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
        #[serde(rename_all = "snake_case")]
        pub enum Outcome { $($(#[$doc])* $name,)* }

        impl Outcome {
            /// Every outcome, in declaration order.
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];

            /// The name used in reports.
            #[must_use]
            pub const fn code(self) -> &'static str {
                match self { $(Self::$name => $code,)* }
            }
        }
    };
}

outcomes! {
    /// A whole answer: for a stream, up to and including `[DONE]`.
    Ok = "ok";
    /// Refused with a 4xx other than 429; the detail says which.
    Refused = "refused";
    /// Refused with 429.
    RateLimited = "rate_limited";
    /// Answered with 5xx.
    ServerError = "server_error";
    /// Answered with a status that is neither success nor an error, such as a redirect.
    OddStatus = "odd_status";
    /// No connection could be opened.
    Connect = "connect";
    /// Not complete within the time limit, counted from the intended arrival.
    Timeout = "timeout";
    /// The connection ended before response headers.
    Reset = "reset";
    /// The connection broke after response headers.
    MidStreamDrop = "mid_stream_drop";
    /// The stream ended in good order, but without `[DONE]`.
    Truncated = "truncated";
    /// The stream breaks SSE, or an event in it is not the JSON it should be.
    BadSse = "bad_sse";
    /// A plain answer is not the JSON it should be, or the content type is not what was asked for.
    BadBody = "bad_body";
    /// An error object arrived inside a stream that had begun with success.
    ErrorEvent = "error_event";
    /// Due, but never sent, because the client's own ceiling of requests in flight was reached.
    NotSent = "not_sent";
    /// Cut off by the person who ran the test.
    Aborted = "aborted";
}

impl Outcome {
    /// Whether the caller got what was asked for.
    #[must_use]
    pub const fn is_ok(self) -> bool {
        matches!(self, Self::Ok)
    }

    /// Position in [`Outcome::ALL`].
    pub(crate) const fn index(self) -> usize {
        self as usize
    }
}

/// Counts per outcome.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OutcomeCounts([u64; Outcome::ALL.len()]);

impl OutcomeCounts {
    /// Adds one.
    pub fn add(&mut self, outcome: Outcome) {
        self.add_many(outcome, 1);
    }

    /// Adds `count`.
    pub fn add_many(&mut self, outcome: Outcome, count: u64) {
        if let Some(slot) = self.0.get_mut(outcome.index()) {
            *slot += count;
        }
    }

    /// How many ended so.
    #[must_use]
    pub fn get(&self, outcome: Outcome) -> u64 {
        self.0.get(outcome.index()).copied().unwrap_or(0)
    }

    /// All together.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.0.iter().sum()
    }

    /// All but [`Outcome::Ok`].
    #[must_use]
    pub fn failed(&self) -> u64 {
        self.total() - self.get(Outcome::Ok)
    }

    /// Those that occurred, in declaration order.
    pub fn occurred(&self) -> impl Iterator<Item = (Outcome, u64)> {
        Outcome::ALL.iter().map(|outcome| (*outcome, self.get(*outcome))).filter(|(_, count)| *count > 0)
    }

    pub(crate) fn merge(&mut self, other: &Self) {
        for (outcome, count) in other.occurred() {
            self.add_many(outcome, count);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_outcome_is_spelt_the_same_in_json_and_in_tables() {
        for (index, outcome) in Outcome::ALL.iter().enumerate() {
            assert_eq!(serde_json::to_value(outcome).unwrap(), outcome.code());
            assert_eq!(outcome.index(), index);
        }
    }

    #[test]
    fn counts_add_up() {
        let mut counts = OutcomeCounts::default();
        counts.add(Outcome::Ok);
        counts.add_many(Outcome::NotSent, 3);
        let mut other = OutcomeCounts::default();
        other.add(Outcome::Aborted);
        counts.merge(&other);
        assert_eq!((counts.total(), counts.failed()), (5, 4));
    }
}
