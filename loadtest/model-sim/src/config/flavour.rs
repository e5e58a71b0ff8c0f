//! Whose API a simulated server speaks. It owns the list and its names; it refuses paths and headers,
//! which the server knows.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// Whose API a server speaks. What that API does not have is answered with 404, except `/health` and the
/// simulator's own pages below `/sim/`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Flavour {
    /// OpenAI: chat, completions, embeddings, responses, audio, files, realtime.
    #[default]
    #[serde(rename = "openai")]
    OpenAi,
    /// Azure OpenAI: deployments with a dated version, and the surface below `/openai/v1`.
    #[serde(rename = "azure-openai")]
    AzureOpenAi,
    /// vLLM: OpenAI's chat, completions, embeddings and responses, with `reasoning_content`.
    Vllm,
    /// llama.cpp's server: OpenAI's chat, completions and embeddings, with `timings`, `/props`, `/slots`.
    #[serde(rename = "llama.cpp")]
    LlamaCpp,
    /// Mistral: chat and embeddings, and no patience with fields it does not know.
    Mistral,
    /// Anthropic: messages, token counts and models.
    Anthropic,
    /// A KServe v2 inference server.
    #[serde(rename = "kserve")]
    KServe,
    /// An Azure Machine Learning online endpoint.
    AzureMl,
    /// Azure's language service.
    Cognitive,
    /// A tool server of the Model Context Protocol over streamable HTTP.
    Mcp,
}

impl Flavour {
    /// Every flavour.
    pub const ALL: [Self; 10] = [
        Self::OpenAi,
        Self::AzureOpenAi,
        Self::Vllm,
        Self::LlamaCpp,
        Self::Mistral,
        Self::Anthropic,
        Self::KServe,
        Self::AzureMl,
        Self::Cognitive,
        Self::Mcp,
    ];

    /// The name in settings.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::OpenAi => "openai",
            Self::AzureOpenAi => "azure-openai",
            Self::Vllm => "vllm",
            Self::LlamaCpp => "llama.cpp",
            Self::Mistral => "mistral",
            Self::Anthropic => "anthropic",
            Self::KServe => "kserve",
            Self::AzureMl => "azure-ml",
            Self::Cognitive => "cognitive",
            Self::Mcp => "mcp",
        }
    }
}

impl fmt::Display for Flavour {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Flavour {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Self::ALL.into_iter().find(|flavour| flavour.name() == text).ok_or_else(|| {
            let known: Vec<&str> = Self::ALL.iter().map(|flavour| flavour.name()).collect();
            format!("`{text}` is no flavour: write one of {}", known.join(", "))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flavour_is_written_as_it_is_read() {
        for flavour in Flavour::ALL {
            assert_eq!(flavour.name().parse(), Ok(flavour));
            assert_eq!(serde_json::to_value(flavour).unwrap(), flavour.name());
        }
        assert!("gpt".parse::<Flavour>().unwrap_err().contains("llama.cpp"));
    }
}
