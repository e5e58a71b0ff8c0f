//! A model or deployment on a backend: what it holds, costs and may consume.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use vocabulary::{Span, UnixTime};

use crate::manifest::geography::{Place, Sku};
use crate::manifest::quantity::{Cost, Date, Duration, RequestRate, TokenRate, UnitPrice};

/// A model on a backend of an AI kind other than `azure-openai`, named as callers name it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Model {
    /// The name sent to the backend, when it differs from the one callers use.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1), example = "meta-llama/Llama-3.3-70B-Instruct")]
    pub upstream_name: Option<String>,
    /// Input plus output tokens it can hold.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 1_000_000_000))]
    pub context_window: Option<u64>,
    /// The most output tokens it generates. Sent where the backend needs a ceiling and the caller names
    /// none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 1_000_000_000))]
    pub max_output: Option<u64>,
    /// What it can do beyond answering in text. A pool whose members or fallbacks differ in what they state
    /// serves some requests by luck. Nothing is known of a model that states nothing.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub capabilities: Vec<Capability>,
    /// Prices per million tokens.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub price: Option<Price>,
    /// Fixed cost of its capacity, for hardware of one's own or provisioned throughput.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cost: Option<Cost>,
    /// What it may consume.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quota: Option<Quota>,
    /// Requests it serves at once before they queue.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 1_000_000))]
    pub concurrency: Option<u32>,
    /// Where it processes data; as the backend unless stated.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub processing: Option<Place>,
    /// A guess of the time to first token for a median prompt, used until one is measured.
    #[serde(default = "expected_ttft")]
    pub expected_ttft: Duration,
}

/// A deployment on a backend of kind `azure-openai`, named as in its path.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Deployment {
    /// The model it serves, by the name callers use.
    #[schemars(length(min = 1), example = "gpt-4o")]
    pub model: String,
    /// Input plus output tokens it can hold.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 1_000_000_000))]
    pub context_window: Option<u64>,
    /// The most output tokens it generates. Sent where the backend needs a ceiling and the caller names
    /// none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 1_000_000_000))]
    pub max_output: Option<u64>,
    /// What it can do beyond answering in text. A pool whose members or fallbacks differ in what they state
    /// serves some requests by luck. Nothing is known of a model that states nothing.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub capabilities: Vec<Capability>,
    /// Prices per million tokens.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub price: Option<Price>,
    /// Fixed cost of its capacity, for provisioned throughput.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cost: Option<Cost>,
    /// What it may consume.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quota: Option<Quota>,
    /// Requests it serves at once before they queue.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 1_000_000))]
    pub concurrency: Option<u32>,
    /// How it was made, by the name of Azure's SKU; tells where it processes data.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sku: Option<Sku>,
    /// Where it processes data. Follows from `sku` and the backend's `region` where those are stated.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub processing: Option<Place>,
    /// A guess of the time to first token for a median prompt, used until one is measured.
    #[serde(default = "expected_ttft")]
    pub expected_ttft: Duration,
}

/// What a model can do beyond answering in text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Capability {
    /// Calls the tools a request describes.
    Tools,
    /// Reads images.
    Vision,
    /// Answers in JSON when asked to, by a schema or freely.
    JsonMode,
}

/// Prices per million tokens.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Price {
    /// Prompt tokens.
    pub input: UnitPrice,
    /// Prompt tokens read from the provider's cache; the price of input unless stated.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cached_input: Option<UnitPrice>,
    /// Prompt tokens written to the provider's cache; the price of input unless stated.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cache_write: Option<UnitPrice>,
    /// Prompt tokens written to the provider's cache for an hour; `cacheWrite` unless stated.
    #[serde(default, rename = "cacheWrite1h", skip_serializing_if = "Option::is_none")]
    pub cache_write_1h: Option<UnitPrice>,
    /// Generated tokens.
    pub output: UnitPrice,
    /// Prices that hold from a day on, instead of these and of changes before.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub changes: Vec<PriceChange>,
    /// When the last of these prices stops being known to hold. They are counted with all the same, and
    /// `check` says that they want to be looked up again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Date>,
}

/// Prices from a day on.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PriceChange {
    /// When they begin to hold, for requests that arrive from then on.
    pub from: Date,
    /// Prompt tokens.
    pub input: UnitPrice,
    /// Prompt tokens read from the provider's cache; the price of input unless stated.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cached_input: Option<UnitPrice>,
    /// Prompt tokens written to the provider's cache; the price of input unless stated.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cache_write: Option<UnitPrice>,
    /// Prompt tokens written to the provider's cache for an hour; `cacheWrite` unless stated.
    #[serde(default, rename = "cacheWrite1h", skip_serializing_if = "Option::is_none")]
    pub cache_write_1h: Option<UnitPrice>,
    /// Generated tokens.
    pub output: UnitPrice,
}

impl Price {
    /// Its first prices and those after them, in the order written.
    pub fn all(&self) -> impl Iterator<Item = PriceChange> {
        let first = PriceChange {
            from: Date(UnixTime(0)),
            input: self.input,
            cached_input: self.cached_input,
            cache_write: self.cache_write,
            cache_write_1h: self.cache_write_1h,
            output: self.output,
        };
        std::iter::once(first).chain(self.changes.iter().cloned())
    }
}

/// How a quota refills.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum QuotaShape {
    /// Counted anew in every window, as pay-as-you-go quotas are.
    #[default]
    FixedWindow,
    /// Drains continuously, with room for `burst`, as provisioned throughput does.
    LeakyBucket,
}

/// What a model or deployment may consume.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Quota {
    /// Tokens per window.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tokens: Option<TokenRate>,
    /// Requests per window.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub requests: Option<RequestRate>,
    /// How it refills.
    #[serde(default)]
    pub shape: QuotaShape,
    /// Depth of a leaky bucket, as time at the full rate; 10 s unless stated.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub burst: Option<Duration>,
    /// How many tokens of a leaky bucket one output token takes; 1 unless stated.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 100))]
    pub output_weight: Option<u32>,
}

/// What a model and a deployment have in common.
#[derive(Clone, Copy, Debug)]
pub struct Serving<'m> {
    /// The model, by the name callers use.
    pub model: &'m str,
    /// The name sent to the backend.
    pub upstream_name: &'m str,
    /// See [`Model::context_window`].
    pub context_window: Option<u64>,
    /// See [`Model::max_output`].
    pub max_output: Option<u64>,
    /// See [`Model::capabilities`].
    pub capabilities: &'m [Capability],
    /// See [`Model::price`].
    pub price: Option<&'m Price>,
    /// See [`Model::cost`].
    pub cost: Option<Cost>,
    /// See [`Model::quota`].
    pub quota: Option<&'m Quota>,
    /// See [`Model::concurrency`].
    pub concurrency: Option<u32>,
    /// See [`Model::expected_ttft`].
    pub expected_ttft: Duration,
    /// See [`Model::processing`].
    pub processing: Option<&'m Place>,
}

impl Model {
    /// The common view; `name` is its key in `models`.
    #[must_use]
    pub fn serving<'m>(&'m self, name: &'m str) -> Serving<'m> {
        Serving {
            model: name,
            upstream_name: self.upstream_name.as_deref().unwrap_or(name),
            context_window: self.context_window,
            max_output: self.max_output,
            capabilities: &self.capabilities,
            price: self.price.as_ref(),
            cost: self.cost,
            quota: self.quota.as_ref(),
            concurrency: self.concurrency,
            expected_ttft: self.expected_ttft,
            processing: self.processing.as_ref(),
        }
    }
}

impl Deployment {
    /// The common view; `name` is its key in `deployments`.
    #[must_use]
    pub fn serving<'m>(&'m self, name: &'m str) -> Serving<'m> {
        Serving {
            model: &self.model,
            upstream_name: name,
            context_window: self.context_window,
            max_output: self.max_output,
            capabilities: &self.capabilities,
            price: self.price.as_ref(),
            cost: self.cost,
            quota: self.quota.as_ref(),
            concurrency: self.concurrency,
            expected_ttft: self.expected_ttft,
            processing: self.processing.as_ref(),
        }
    }
}

fn expected_ttft() -> Duration {
    Duration(Span(std::time::Duration::from_millis(500)))
}
