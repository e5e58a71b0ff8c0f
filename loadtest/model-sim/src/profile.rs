//! How fast a simulated server is. It owns the parameters of the two kinds of server and their sources;
//! it refuses to keep any state: the engine does that.

use std::time::Duration;

/// The speed of a server. Constants of the presets follow the fleet documented in `presets`.
#[derive(Clone, Debug, PartialEq)]
pub enum Profile {
    /// One batch engine with continuous batching and chunked prefill, as self-hosted servers run it.
    ///
    /// An iteration takes `iteration_base + iteration_per_sequence x batch + chunk / prefill rate`. It
    /// decodes one token for every running sequence and prefills up to `prefill_chunk` prompt tokens.
    /// Queueing is not a parameter: it emerges when more than `slots` sequences are there.
    SelfHosted {
        /// Sequences that may run at once.
        slots: usize,
        /// Prompt tokens per second of an otherwise idle engine.
        prefill_tokens_per_s: f64,
        /// Prompt tokens prefilled in one iteration at most, over all sequences.
        prefill_chunk: u64,
        /// Fixed part of an iteration.
        iteration_base: Duration,
        /// Part of an iteration per running sequence.
        iteration_per_sequence: Duration,
        /// Sigma of the logarithm of a sequence's prefill cost; 0 for none.
        sigma: f64,
    },
    /// A provider with vast capacity: no queue of ours, a noisy wait for the first token, then an even
    /// pace.
    ///
    /// The wait is `(ttft_base + prompt / prefill rate) x lognormal(sigma)`, four times that with
    /// probability `tail`, and grows with the square of the excess over `soft_concurrency`.
    Hosted {
        /// Wait for the first token of an empty prompt, in the median.
        ttft_base: Duration,
        /// Prompt tokens per second on top of it.
        prefill_tokens_per_s: f64,
        /// Time between output tokens.
        time_per_token: Duration,
        /// Sigma of the logarithm of the wait.
        sigma: f64,
        /// Probability that a request waits four times as long.
        tail: f64,
        /// Requests in flight beyond which the wait grows, if any.
        soft_concurrency: Option<u32>,
    },
}

impl Profile {
    /// A batch engine without noise, prefilling in chunks of 512 tokens.
    #[must_use]
    pub const fn self_hosted(
        slots: usize,
        prefill_tokens_per_s: f64,
        iteration_base: Duration,
        iteration_per_sequence: Duration,
    ) -> Self {
        Self::SelfHosted {
            slots,
            prefill_tokens_per_s,
            prefill_chunk: 512,
            iteration_base,
            iteration_per_sequence,
            sigma: 0.0,
        }
    }

    /// A hosted provider without noise, tail or soft limit.
    #[must_use]
    pub const fn hosted(ttft_base: Duration, prefill_tokens_per_s: f64, time_per_token: Duration) -> Self {
        Self::Hosted {
            ttft_base,
            prefill_tokens_per_s,
            time_per_token,
            sigma: 0.0,
            tail: 0.0,
            soft_concurrency: None,
        }
    }

    /// The same profile with lognormal noise of `sigma`, and on a hosted one a tail of probability
    /// `tail`.
    #[must_use]
    pub const fn with_noise(mut self, new_sigma: f64, new_tail: f64) -> Self {
        match &mut self {
            Self::SelfHosted { sigma, .. } => *sigma = new_sigma,
            Self::Hosted { sigma, tail, .. } => {
                *sigma = new_sigma;
                *tail = new_tail;
            }
        }
        self
    }

    /// Whether the response head goes out before the first token is there. Batch engines open their
    /// stream on admission; hosted providers send the head together with the first event.
    #[must_use]
    pub const fn sends_head_at_once(&self) -> bool {
        matches!(self, Self::SelfHosted { .. })
    }
}
