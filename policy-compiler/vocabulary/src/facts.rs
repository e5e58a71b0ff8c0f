//! What policy may know of a request without keeping its content. It owns the facts' names; it refuses
//! to hold any text a caller wrote beyond the model's name.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Whose API a caller speaks: decides the form of errors, lists and streams.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Dialect {
    /// OpenAI's.
    Openai,
    /// Anthropic's.
    Anthropic,
}

/// The operation of an AI route, by the caller's path.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Operation {
    /// `POST /v1/chat/completions`
    Chat,
    /// `POST /v1/completions`
    TextCompletion,
    /// `POST /v1/embeddings`
    Embeddings,
    /// `POST /v1/responses`
    Responses,
    /// `POST /v1/messages`
    Messages,
    /// `POST /v1/messages/count_tokens`
    CountTokens,
    /// `GET /v1/models`
    ListModels,
}

impl Operation {
    /// Every operation.
    pub const ALL: [Self; 7] = [
        Self::Chat,
        Self::TextCompletion,
        Self::Embeddings,
        Self::Responses,
        Self::Messages,
        Self::CountTokens,
        Self::ListModels,
    ];

    /// The value of OTel's `gen_ai.operation.name`: the three ways to chat are one operation there.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Chat | Self::Responses | Self::Messages => "chat",
            Self::TextCompletion => "text_completion",
            Self::Embeddings => "embeddings",
            Self::CountTokens => "count_tokens",
            Self::ListModels => "list_models",
        }
    }

    /// The path template, which is also the path of the API it belongs to.
    #[must_use]
    pub const fn path(self) -> &'static str {
        match self {
            Self::Chat => "/v1/chat/completions",
            Self::TextCompletion => "/v1/completions",
            Self::Embeddings => "/v1/embeddings",
            Self::Responses => "/v1/responses",
            Self::Messages => "/v1/messages",
            Self::CountTokens => "/v1/messages/count_tokens",
            Self::ListModels => "/v1/models",
        }
    }

    /// Whose API it belongs to.
    #[must_use]
    pub const fn dialect(self) -> Dialect {
        match self {
            Self::Messages | Self::CountTokens => Dialect::Anthropic,
            _ => Dialect::Openai,
        }
    }

    /// Whether it generates text, so that it can be carried from one chat API to another.
    #[must_use]
    pub const fn is_chat(self) -> bool {
        matches!(self, Self::Chat | Self::Responses | Self::Messages)
    }

    /// The operation of a caller's path, if it is one of them.
    #[must_use]
    pub fn from_path(path: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|op| op.path() == path)
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
    /// The id in `previous_response_id`, hashed: the backend that made that response holds its state.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub previous_response: Option<u64>,
    /// Chained hashes of the prompt's leading text in fixed blocks; equal prefixes give equal leading ids.
    pub prefix_ids: Vec<u64>,
}
