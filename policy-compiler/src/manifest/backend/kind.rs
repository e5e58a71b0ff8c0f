//! The kinds of backends: their names, and what follows from the kind alone.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What protocol a backend speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum BackendKind {
    /// OpenAI and anything with its API.
    Openai,
    /// Azure OpenAI: deployments in the path, `api-version`, `api-key`.
    AzureOpenai,
    /// vLLM's OpenAI-compatible server.
    Vllm,
    /// llama.cpp's server.
    LlamaCpp,
    /// Mistral's API.
    Mistral,
    /// Anthropic's API.
    Anthropic,
    /// Azure AI services (Cognitive Services): language, vision, speech. Passed through as it is.
    AzureCognitive,
    /// An online endpoint of Azure Machine Learning. Passed through as it is.
    AzureMl,
    /// A KServe v2 or Triton inference server. Passed through as it is.
    Kserve,
    /// Any HTTP service; requests are passed through as they are.
    Http,
}

impl BackendKind {
    /// Every kind, in the order of the reference.
    pub const ALL: [Self; 10] = [
        Self::Openai,
        Self::AzureOpenai,
        Self::Vllm,
        Self::LlamaCpp,
        Self::Mistral,
        Self::Anthropic,
        Self::AzureCognitive,
        Self::AzureMl,
        Self::Kserve,
        Self::Http,
    ];

    /// As written in a manifest.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Openai => "openai",
            Self::AzureOpenai => "azure-openai",
            Self::Vllm => "vllm",
            Self::LlamaCpp => "llama-cpp",
            Self::Mistral => "mistral",
            Self::Anthropic => "anthropic",
            Self::AzureCognitive => "azure-cognitive",
            Self::AzureMl => "azure-ml",
            Self::Kserve => "kserve",
            Self::Http => "http",
        }
    }

    /// The kind of this name.
    #[must_use]
    pub fn find(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }

    /// The same in the terms of a bundle.
    #[must_use]
    pub const fn compiled(self) -> rule_table::BackendKind {
        use rule_table::BackendKind as Compiled;
        match self {
            Self::Openai => Compiled::Openai,
            Self::AzureOpenai => Compiled::AzureOpenai,
            Self::Vllm => Compiled::Vllm,
            Self::LlamaCpp => Compiled::LlamaCpp,
            Self::Mistral => Compiled::Mistral,
            Self::Anthropic => Compiled::Anthropic,
            Self::AzureCognitive => Compiled::AzureCognitive,
            Self::AzureMl => Compiled::AzureMl,
            Self::Kserve => Compiled::Kserve,
            Self::Http => Compiled::Http,
        }
    }

    /// Whether it serves models; requests to others are passed through unread.
    #[must_use]
    pub const fn has_models(self) -> bool {
        self.compiled().has_models()
    }

    /// The field that holds what it serves: `models`, `deployments` or none.
    #[must_use]
    pub const fn serves_in(self) -> Option<&'static str> {
        match self {
            Self::AzureOpenai => Some("deployments"),
            _ if self.has_models() => Some("models"),
            _ => None,
        }
    }

    /// The path that answers a GET with 2xx when it is up and needs no credential, where one is known.
    #[must_use]
    pub const fn health_path(self) -> Option<&'static str> {
        match self {
            Self::Vllm | Self::LlamaCpp => Some("/health"),
            Self::Kserve => Some("/v2/health/ready"),
            _ => None,
        }
    }

    /// Whether it is somebody's service, which refuses calls without a credential.
    #[must_use]
    pub const fn is_hosted(self) -> bool {
        matches!(
            self,
            Self::Openai
                | Self::AzureOpenai
                | Self::Mistral
                | Self::Anthropic
                | Self::AzureCognitive
                | Self::AzureMl
        )
    }
}
