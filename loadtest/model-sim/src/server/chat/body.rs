//! Bodies of OpenAI's form, as far as they are understood. It owns their fields and how each kind of
//! content is counted; it refuses to judge them.

use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::Value;

use crate::server::asked::hash;
use crate::tokens;

/// What an image counts, in tokens: at low detail, and otherwise.
const IMAGE_TOKENS: (u64, u64) = (85, 765);

#[derive(Deserialize)]
pub(super) struct Body {
    pub(super) model: Option<String>,
    #[serde(default)]
    pub(super) messages: Option<Vec<Message>>,
    #[serde(default)]
    pub(super) prompt: Option<Input>,
    #[serde(default)]
    pub(super) input: Option<Input>,
    #[serde(default)]
    pub(super) stream: Option<bool>,
    #[serde(default)]
    pub(super) stream_options: Option<StreamOptions>,
    #[serde(default)]
    pub(super) max_tokens: Option<u64>,
    #[serde(default)]
    pub(super) max_completion_tokens: Option<u64>,
    /// vLLM's floor; equal to the ceiling, it fixes the length where a gateway drops our own header.
    #[serde(default)]
    pub(super) min_tokens: Option<u64>,
    #[serde(default)]
    pub(super) n: Option<u64>,
    #[serde(default)]
    pub(super) encoding_format: Option<String>,
    #[serde(default)]
    pub(super) dimensions: Option<usize>,
    #[serde(default)]
    pub(super) tools: Vec<ToolEntry>,
    #[serde(default)]
    pub(super) tool_choice: Value,
    #[serde(default)]
    pub(super) parallel_tool_calls: Option<bool>,
    #[serde(default)]
    pub(super) response_format: Option<ResponseFormat>,
    #[serde(default)]
    pub(super) reasoning_effort: Option<String>,
    #[serde(default)]
    pub(super) stop: Option<Stop>,
}

#[derive(Deserialize)]
pub(super) struct ToolEntry {
    pub(super) function: Option<Function>,
}

#[derive(Deserialize)]
pub(super) struct Function {
    pub(super) name: String,
    #[serde(default)]
    pub(super) parameters: Value,
}

#[derive(Deserialize)]
pub(super) struct ResponseFormat {
    #[serde(rename = "type")]
    pub(super) kind: String,
    #[serde(default)]
    pub(super) json_schema: Option<JsonSchema>,
}

#[derive(Deserialize)]
pub(super) struct JsonSchema {
    #[serde(default)]
    pub(super) schema: Value,
}

#[derive(Deserialize)]
#[serde(untagged)]
pub(super) enum Stop {
    One(String),
    Several(Vec<String>),
}

#[derive(Deserialize)]
pub(super) struct StreamOptions {
    #[serde(default)]
    pub(super) include_usage: bool,
    /// vLLM's: usage in every event.
    #[serde(default)]
    pub(super) continuous_usage_stats: bool,
}

#[derive(Deserialize)]
pub(super) struct Message {
    #[serde(default)]
    pub(super) role: String,
    #[serde(default)]
    pub(super) content: Option<Content>,
}

#[derive(Deserialize)]
#[serde(untagged)]
pub(super) enum Content {
    Text(String),
    Parts(Vec<Part>),
}

#[derive(Deserialize)]
pub(super) struct Part {
    #[serde(default)]
    pub(super) text: Option<String>,
    #[serde(default)]
    pub(super) image_url: Option<Image>,
}

#[derive(Deserialize)]
#[serde(untagged)]
pub(super) enum Image {
    Described {
        #[serde(default)]
        detail: Option<String>,
    },
    /// Mistral's: the URL itself.
    Bare(IgnoredAny),
}

#[derive(Deserialize)]
#[serde(untagged)]
pub(super) enum Input {
    Text(String),
    Texts(Vec<String>),
    Ids(Vec<u64>),
    ManyIds(Vec<Vec<u64>>),
}

impl Content {
    pub(super) fn tokens(&self) -> u64 {
        match self {
            Self::Text(text) => tokens::count(text),
            Self::Parts(parts) => parts.iter().map(Part::tokens).sum(),
        }
    }

    pub(super) fn texts(&self) -> impl Iterator<Item = &str> {
        let (one, several) = match self {
            Self::Text(text) => (Some(text.as_str()), [].as_slice()),
            Self::Parts(parts) => (None, parts.as_slice()),
        };
        one.into_iter().chain(several.iter().filter_map(|part| part.text.as_deref()))
    }
}

impl Part {
    pub(super) fn tokens(&self) -> u64 {
        let image = match &self.image_url {
            None => 0,
            Some(Image::Described { detail }) if detail.as_deref() == Some("low") => IMAGE_TOKENS.0,
            Some(_) => IMAGE_TOKENS.1,
        };
        image + self.text.as_deref().map_or(0, tokens::count)
    }
}

impl Input {
    pub(super) fn tokens(&self) -> u64 {
        match self {
            Self::Text(text) => tokens::count(text),
            Self::Texts(texts) => texts.iter().map(|text| tokens::count(text)).sum(),
            Self::Ids(ids) => ids.len() as u64,
            Self::ManyIds(many) => many.iter().map(|ids| ids.len() as u64).sum(),
        }
    }

    pub(super) fn hashes(&self) -> Vec<u64> {
        let of_ids = |ids: &[u64]| ids.iter().fold(1_u64, |so_far, id| hash(so_far, &id.to_le_bytes()));
        match self {
            Self::Text(text) => vec![hash(0, text.as_bytes())],
            Self::Texts(texts) => texts.iter().map(|text| hash(0, text.as_bytes())).collect(),
            Self::Ids(ids) => vec![of_ids(ids)],
            Self::ManyIds(many) => many.iter().map(|ids| of_ids(ids)).collect(),
        }
    }
}
