//! What policy may know of a request without keeping its content. It owns the facts' names; it refuses
//! to hold any text a caller wrote beyond the model's name.

use serde::{Deserialize, Serialize};

/// The operation of an AI route, by the caller's path. Spelt as OTel `gen_ai.operation.name`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Operation {
    /// `POST /v1/chat/completions`
    Chat,
    /// `POST /v1/completions`
    TextCompletion,
    /// `POST /v1/embeddings`
    Embeddings,
    /// `GET /v1/models`
    ListModels,
}

impl Operation {
    /// The value of `gen_ai.operation.name`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Chat => "chat",
            Self::TextCompletion => "text_completion",
            Self::Embeddings => "embeddings",
            Self::ListModels => "list_models",
        }
    }

    /// The path template, which is also the path of OpenAI's API.
    #[must_use]
    pub const fn path(self) -> &'static str {
        match self {
            Self::Chat => "/v1/chat/completions",
            Self::TextCompletion => "/v1/completions",
            Self::Embeddings => "/v1/embeddings",
            Self::ListModels => "/v1/models",
        }
    }

    /// The operation of a caller's path, if it is one of OpenAI's.
    #[must_use]
    pub fn from_path(path: &str) -> Option<Self> {
        [Self::Chat, Self::TextCompletion, Self::Embeddings, Self::ListModels]
            .into_iter()
            .find(|op| op.path() == path)
    }
}

/// Facts of a request body, extracted once.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RequestFacts {
    /// What is asked.
    pub operation: Operation,
    /// The model's name as the caller wrote it.
    pub model: String,
    /// Whether the caller wants server-sent events.
    pub stream: bool,
    /// Whether the caller itself asked for usage in the stream (`stream_options.include_usage`).
    pub include_usage: bool,
    /// The caller's own ceiling on output tokens, per choice.
    pub max_output_tokens: Option<u64>,
    /// Completions that will be generated, at least 1: `n`, times the prompts of a text completion.
    pub choices: u64,
    /// Bytes of text in the prompt: messages, prompt or input, without JSON syntax.
    pub prompt_bytes: u64,
    /// Estimated prompt tokens, from `prompt_bytes` (a count by tokenizer is a later refinement).
    pub prompt_tokens: u64,
    /// Chained hashes of the prompt's leading text in fixed blocks; equal prefixes give equal leading ids.
    pub prefix_ids: Vec<u64>,
}
