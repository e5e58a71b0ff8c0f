//! What one simulated server is made of. It owns the settings and their defaults; it refuses to hold a
//! port: whoever starts a server binds its listener, and so sees the error when that fails.

use std::fmt;

use serde::Deserialize;

use crate::faults::FaultScript;
use crate::prices::PriceList;
use crate::profile::Profile;
use crate::quota::QuotaConfig;

mod flavour;

pub use flavour::Flavour;

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
    /// The key callers must show, if any, in whichever header the flavour has for it.
    pub api_key: Option<ApiKey>,
    /// Whose API it speaks.
    pub flavour: Flavour,
    /// Keys accepted besides `api_key`, by the header that carries them. They can be changed at run time.
    pub keys: Keys,
    /// Whether prompts of 1,024 tokens and more are cached unasked, in steps of 128 tokens. What
    /// Anthropic's callers mark is cached in any case.
    pub prompt_cache: bool,
    /// Serves TLS when set; plain TCP otherwise.
    pub tls: Option<TlsConfig>,
}

impl SimConfig {
    /// A server of OpenAI's API and one model called `model`, without quota, faults, prices or key, in real
    /// time.
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
            flavour: Flavour::OpenAi,
            keys: Keys::default(),
            prompt_cache: false,
            tls: None,
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

/// Keys a server accepts, by the header that carries them. A server without any key asks for none.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Keys {
    /// `Authorization: Bearer`: API keys, and tokens of an identity provider.
    pub bearer: Vec<ApiKey>,
    /// `api-key`, Azure's.
    pub api_key: Vec<ApiKey>,
    /// `x-api-key`, Anthropic's.
    pub x_api_key: Vec<ApiKey>,
    /// `Ocp-Apim-Subscription-Key`, Azure's for everything that is not a model.
    pub subscription: Vec<ApiKey>,
}

impl Keys {
    /// Whether there is no key at all.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.bearer.is_empty()
            && self.api_key.is_empty()
            && self.x_api_key.is_empty()
            && self.subscription.is_empty()
    }
}

/// How a server proves itself and whom it lets in. The key does not print itself.
#[derive(Clone, PartialEq, Eq)]
pub struct TlsConfig {
    /// Certificate chain in PEM, the server's own first.
    pub certificates: String,
    /// Private key in PEM.
    pub key: String,
    /// Roots in PEM: callers must then show a certificate that one of them vouches for.
    pub client_roots: Option<String>,
}

impl fmt::Debug for TlsConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TlsConfig")
            .field("asks_for_client_certificate", &self.client_roots.is_some())
            .finish_non_exhaustive()
    }
}

/// A key callers must show. It does not print itself.
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[serde(transparent)]
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
