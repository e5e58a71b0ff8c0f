//! The answer to `GET /v1/models`. It owns the list's shape; it refuses to know which models a caller
//! may use.

use bytes::Bytes;
use serde::Serialize;
use vocabulary::Prices;

/// A model as a caller sees it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ModelCard<'a> {
    /// The name to put into `model`.
    pub id: &'a str,
    /// Unix seconds.
    pub created: u64,
    /// Who runs it.
    pub owned_by: &'a str,
    /// Most tokens of prompt and output together, if known. Beyond OpenAI's own fields.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub context_window: Option<u64>,
    /// Prices with their units, such as `2.50 USD/1M`, if known. Beyond OpenAI's own fields.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pricing: Option<Prices>,
}

#[derive(Serialize)]
struct List<'a> {
    object: &'static str,
    data: Vec<Entry<'a>>,
}

#[derive(Serialize)]
struct Entry<'a> {
    object: &'static str,
    #[serde(flatten)]
    card: &'a ModelCard<'a>,
}

/// The list, in the order given.
#[must_use]
pub fn models_body(models: &[ModelCard<'_>]) -> Bytes {
    let data = models.iter().map(|card| Entry { object: "model", card }).collect();
    // Strings and numbers and nothing else: this cannot fail.
    serde_json::to_vec(&List { object: "list", data }).unwrap_or_default().into()
}
