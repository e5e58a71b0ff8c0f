//! What a request consumed, in tokens. It owns the arithmetic of "last non-null wins"; it refuses to
//! know a provider's field names (`wire` does) or prices (`money` does).

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Tokens of one request. `cached_input` and both counts of cache writes are parts of `input`, and
/// `reasoning_output` a part of `output`: none is ever added to a total.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Usage {
    /// Prompt tokens, cached ones included.
    pub input: u64,
    /// Prompt tokens read from the provider's cache.
    #[serde(default)]
    pub cached_input: u64,
    /// Prompt tokens written to the provider's cache for its shorter lifetime (Anthropic: 5 minutes).
    #[serde(default, skip_serializing_if = "is_zero")]
    pub cache_write_input: u64,
    /// Prompt tokens written to the provider's cache for its longer lifetime (Anthropic: 1 hour).
    #[serde(default, skip_serializing_if = "is_zero")]
    pub cache_write_1h_input: u64,
    /// Generated tokens, reasoning included.
    pub output: u64,
    /// Generated tokens spent on reasoning.
    #[serde(default)]
    pub reasoning_output: u64,
}

impl Usage {
    /// Billable tokens: input plus output.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.input.saturating_add(self.output)
    }

    /// Prompt tokens that were neither read from cache nor written to it.
    #[must_use]
    pub fn uncached_input(&self) -> u64 {
        let cached = self.cached_input.saturating_add(self.cache_write_input);
        self.input.saturating_sub(cached.saturating_add(self.cache_write_1h_input))
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes what it may skip by reference")]
fn is_zero(count: &u64) -> bool {
    *count == 0
}

/// Who counted the tokens.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum UsageSource {
    /// The backend's own `usage` block.
    Provider,
    /// Counted or estimated by the gateway because the backend sent none.
    #[default]
    Gateway,
}
