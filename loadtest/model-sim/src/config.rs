//! What one simulated server is made of. It owns the settings and their defaults; it refuses to hold a
//! port: whoever starts a server binds its listener, and so sees the error when that fails.

use std::fmt;

use crate::faults::FaultScript;
use crate::prices::PriceList;
use crate::profile::Profile;
use crate::quota::QuotaConfig;

/// A simulated model server.
#[derive(Clone, Debug)]
pub struct SimConfig {
    /// Name, for ids in answers and for logs.
    pub name: String,
    /// Models it serves; they share the engine and the quota.
    pub models: Vec<ModelConfig>,
    /// How fast it is.
    pub profile: Profile,
    /// How much one caller may ask of it.
    pub quota: QuotaConfig,
    /// What goes wrong, and when.
    pub faults: FaultScript,
    /// What it charges.
    pub prices: PriceList,
    /// Seed of every draw.
    pub seed: u64,
    /// Policy seconds per wall-clock second: 10.0 makes a minute pass in six seconds.
    pub time_scale: f64,
    /// The key callers must show, if any, as `Authorization: Bearer` or `api-key`.
    pub api_key: Option<ApiKey>,
}

impl SimConfig {
    /// A server of one model called `model`, without quota, faults, prices or key, in real time.
    #[must_use]
    pub fn new(name: impl Into<String>, model: impl Into<String>, profile: Profile) -> Self {
        Self {
            name: name.into(),
            models: vec![ModelConfig::new(model)],
            profile,
            quota: QuotaConfig::Unlimited,
            faults: FaultScript::default(),
            prices: PriceList::default(),
            seed: 1,
            time_scale: 1.0,
            api_key: None,
        }
    }

    /// The model of that name.
    #[must_use]
    pub fn model(&self, name: &str) -> Option<&ModelConfig> {
        self.models.iter().find(|model| model.name == name)
    }
}

/// One model of a server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ModelConfig {
    /// Name, as callers write it. On Azure paths it is the deployment's name.
    pub name: String,
    /// Prompt and output tokens together, at most.
    pub context_window: u64,
    /// Length of an embedding vector when the caller does not ask for one.
    pub embedding_dimensions: usize,
}

impl ModelConfig {
    /// A model with a window of 131,072 tokens and embeddings of 256 dimensions.
    #[must_use]
    pub fn new(name: impl Into<String>) -> Self {
        Self { name: name.into(), context_window: 131_072, embedding_dimensions: 256 }
    }
}

/// A key callers must show. It does not print itself.
#[derive(Clone, PartialEq, Eq)]
pub struct ApiKey(String);

impl ApiKey {
    /// Whether `given` is this key. The keys of a simulator protect nothing, so timing does not matter.
    #[must_use]
    pub fn matches(&self, given: &str) -> bool {
        self.0 == given
    }
}

impl From<&str> for ApiKey {
    fn from(key: &str) -> Self {
        Self(key.to_owned())
    }
}

impl fmt::Debug for ApiKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ApiKey(…)")
    }
}
