//! Which class every path of a model API's request has. It owns the tables of the APIs we know and paths that a
//! manifest adds; it refuses to read documents.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::Class;

/// Paths with their classes, as a tree. `*` in a path is any element of an array, `**` at its end everything below.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Schema {
    nodes: Vec<Node>,
}

#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
struct Node {
    keys: BTreeMap<String, usize>,
    any: Option<usize>,
    class: Option<Class>,
    /// The class of everything below that has none of its own.
    below: Option<Class>,
}

/// A path that cannot be one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PathError {
    /// There is a step without a name.
    #[error("`{0}`: a step of the path is empty; write it like `messages.*.content`")]
    Empty(String),
    /// `**` stands before the end.
    #[error("`{0}`: `**` can only stand at the end")]
    DeepInside(String),
}

/// A place in the tree while a document is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct At {
    node: Option<usize>,
    below: Option<Class>,
}

impl At {
    /// Where no schema says anything.
    pub(super) fn nowhere() -> Self {
        Self { node: None, below: None }
    }
}

impl Schema {
    /// A schema of these paths.
    ///
    /// # Errors
    ///
    /// A path that cannot be one.
    pub fn new<'p>(paths: impl IntoIterator<Item = (&'p str, Class)>) -> Result<Self, PathError> {
        let mut schema = Self { nodes: vec![Node::default()] };
        for (path, class) in paths {
            schema.add(path, class)?;
        }
        Ok(schema)
    }

    /// The schema of an API, by the name manifests give it: `openai-chat`, `openai-completions`,
    /// `openai-responses`, `openai-embeddings`, `anthropic-messages`, `mcp`.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        let tables: &[&[(&str, Class)]] = match name {
            "openai-chat" => &[OPENAI, CHAT],
            "openai-completions" => &[OPENAI, COMPLETIONS],
            "openai-responses" => &[OPENAI, RESPONSES],
            "openai-embeddings" => &[OPENAI, EMBEDDINGS],
            "anthropic-messages" => &[MESSAGES],
            "mcp" => &[MCP],
            _ => return None,
        };
        Self::new(tables.iter().flat_map(|table| table.iter().copied())).ok()
    }

    /// Names that [`Schema::named`] knows.
    pub const NAMES: [&str; 6] = [
        "openai-chat",
        "openai-completions",
        "openai-responses",
        "openai-embeddings",
        "anthropic-messages",
        "mcp",
    ];

    /// Adds a path, or gives one another class.
    ///
    /// # Errors
    ///
    /// A path that cannot be one.
    pub fn add(&mut self, path: &str, class: Class) -> Result<(), PathError> {
        let mut at = 0;
        let mut steps = path.split('.').peekable();
        while let Some(step) = steps.next() {
            if step.is_empty() {
                return Err(PathError::Empty(path.to_owned()));
            }
            if step == "**" {
                if steps.peek().is_some() {
                    return Err(PathError::DeepInside(path.to_owned()));
                }
                if let Some(node) = self.nodes.get_mut(at) {
                    node.below = Some(class);
                }
                return Ok(());
            }
            at = self.child(at, step);
        }
        if let Some(node) = self.nodes.get_mut(at) {
            node.class = Some(class);
        }
        Ok(())
    }

    fn child(&mut self, at: usize, step: &str) -> usize {
        let new = self.nodes.len();
        let Some(node) = self.nodes.get_mut(at) else { return at };
        let place = if step == "*" {
            *node.any.get_or_insert(new)
        } else {
            *node.keys.entry(step.to_owned()).or_insert(new)
        };
        if place == new {
            self.nodes.push(Node::default());
        }
        place
    }

    pub(super) fn root(&self) -> At {
        At { node: Some(0), below: None }
    }

    pub(super) fn key(&self, at: At, key: &str) -> At {
        self.step(at, |node| node.keys.get(key).copied())
    }

    pub(super) fn element(&self, at: At) -> At {
        self.step(at, |node| node.any)
    }

    fn step(&self, at: At, next: impl Fn(&Node) -> Option<usize>) -> At {
        let node = at.node.and_then(|place| self.nodes.get(place));
        let below = node.and_then(|node| node.below).or(at.below);
        At { node: node.and_then(next), below }
    }

    /// Whether the schema names keys here: then one that differs in case alone is a trap.
    pub(super) fn names_keys(&self, at: At) -> bool {
        at.node.and_then(|place| self.nodes.get(place)).is_some_and(|node| !node.keys.is_empty())
    }

    pub(super) fn class(&self, at: At) -> Class {
        let node = at.node.and_then(|place| self.nodes.get(place));
        node.and_then(|node| node.class).or(at.below).unwrap_or(Class::Unknown)
    }
}

use Class::{Identifier, Media, Prose, Structure, ToolArguments, Url};

/// Fields that OpenAI's generating APIs share.
const OPENAI: &[(&str, Class)] = &[
    ("model", Identifier),
    ("user", Identifier),
    ("safety_identifier", Identifier),
    ("prompt_cache_key", Identifier),
    ("stop", Structure),
    ("stop.*", Structure),
    ("service_tier", Structure),
    ("encoding_format", Structure),
    ("reasoning_effort", Structure),
    ("verbosity", Structure),
];

/// <https://platform.openai.com/docs/api-reference/chat/create>
const CHAT: &[(&str, Class)] = &[
    ("messages.*.role", Structure),
    ("messages.*.name", Identifier),
    ("messages.*.content", Prose),
    ("messages.*.refusal", Prose),
    ("messages.*.reasoning_content", Prose),
    ("messages.*.content.*.type", Structure),
    ("messages.*.content.*.text", Prose),
    ("messages.*.content.*.refusal", Prose),
    ("messages.*.content.*.image_url.url", Media),
    ("messages.*.content.*.image_url.detail", Structure),
    ("messages.*.content.*.input_audio.data", Media),
    ("messages.*.content.*.input_audio.format", Structure),
    ("messages.*.content.*.file.file_data", Media),
    ("messages.*.content.*.file.file_id", Identifier),
    ("messages.*.content.*.file.filename", Identifier),
    ("messages.*.tool_call_id", Identifier),
    ("messages.*.tool_calls.*.id", Identifier),
    ("messages.*.tool_calls.*.type", Structure),
    ("messages.*.tool_calls.*.function.name", Identifier),
    ("messages.*.tool_calls.*.function.arguments", ToolArguments),
    ("prediction.content", Prose),
    ("prediction.content.*.text", Prose),
];

/// <https://platform.openai.com/docs/api-reference/completions/create>
const COMPLETIONS: &[(&str, Class)] = &[("prompt", Prose), ("prompt.*", Prose), ("suffix", Prose)];

/// <https://platform.openai.com/docs/api-reference/embeddings/create>
const EMBEDDINGS: &[(&str, Class)] = &[("input", Prose), ("input.*", Prose)];

/// <https://platform.openai.com/docs/api-reference/responses/create>
const RESPONSES: &[(&str, Class)] = &[
    ("instructions", Prose),
    ("previous_response_id", Identifier),
    ("input", Prose),
    ("input.*.id", Identifier),
    ("input.*.type", Structure),
    ("input.*.role", Structure),
    ("input.*.status", Structure),
    ("input.*.content", Prose),
    ("input.*.content.*.type", Structure),
    ("input.*.content.*.text", Prose),
    ("input.*.content.*.refusal", Prose),
    ("input.*.content.*.image_url", Media),
    ("input.*.content.*.detail", Structure),
    ("input.*.content.*.file_data", Media),
    ("input.*.content.*.file_id", Identifier),
    ("input.*.content.*.filename", Identifier),
    ("input.*.summary.*.text", Prose),
    ("input.*.encrypted_content", Media),
    ("input.*.call_id", Identifier),
    ("input.*.name", Identifier),
    ("input.*.arguments", ToolArguments),
    ("input.*.output", Prose),
    ("input.*.output.*.text", Prose),
];

/// <https://docs.anthropic.com/en/api/messages>
const MESSAGES: &[(&str, Class)] = &[
    ("model", Identifier),
    ("metadata.user_id", Identifier),
    ("system", Prose),
    ("system.*.type", Structure),
    ("system.*.text", Prose),
    ("stop_sequences.*", Structure),
    ("messages.*.role", Structure),
    ("messages.*.content", Prose),
    ("messages.*.content.*.type", Structure),
    ("messages.*.content.*.text", Prose),
    ("messages.*.content.*.thinking", Prose),
    ("messages.*.content.*.signature", Media),
    ("messages.*.content.*.data", Media),
    ("messages.*.content.*.id", Identifier),
    ("messages.*.content.*.name", Identifier),
    ("messages.*.content.*.input.**", ToolArguments),
    ("messages.*.content.*.tool_use_id", Identifier),
    ("messages.*.content.*.content", Prose),
    ("messages.*.content.*.content.*.type", Structure),
    ("messages.*.content.*.content.*.text", Prose),
    ("messages.*.content.*.content.*.source.data", Media),
    ("messages.*.content.*.source.type", Structure),
    ("messages.*.content.*.source.media_type", Structure),
    ("messages.*.content.*.source.data", Media),
    ("messages.*.content.*.source.url", Url),
    ("messages.*.content.*.title", Prose),
    ("messages.*.content.*.context", Prose),
];

/// <https://modelcontextprotocol.io/specification>: nothing of a call is prose.
const MCP: &[(&str, Class)] = &[
    ("jsonrpc", Structure),
    ("id", Identifier),
    ("method", Structure),
    ("params.name", Identifier),
    ("params.uri", Url),
    ("params.arguments.**", ToolArguments),
];
