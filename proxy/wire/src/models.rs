//! The answer to `GET /v1/models` in each dialect. It owns the lists' shapes; it refuses to know which
//! models a caller may use.

use bytes::Bytes;
use serde::Serialize;
use vocabulary::Prices;
use vocabulary::facts::Dialect;

use crate::date::rfc3339;

/// A model as a caller sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ModelCard<'a> {
    /// The name to put into `model`.
    pub id: &'a str,
    /// Unix seconds; 0 when unknown.
    pub created: u64,
    /// Who runs it. Only OpenAI's list shows it.
    pub owned_by: &'a str,
    /// Most tokens of prompt and output together, if known.
    pub context_window: Option<u64>,
    /// Prices, if known.
    pub pricing: Option<Prices>,
}

#[derive(Serialize)]
struct OpenaiList<'a> {
    object: &'static str,
    data: Vec<OpenaiModel<'a>>,
}

#[derive(Serialize)]
struct OpenaiModel<'a> {
    object: &'static str,
    id: &'a str,
    created: u64,
    owned_by: &'a str,
    #[serde(flatten)]
    beyond: Beyond<'a>,
}

#[derive(Serialize)]
struct AnthropicList<'a> {
    data: Vec<AnthropicModel<'a>>,
    has_more: bool,
    first_id: Option<&'a str>,
    last_id: Option<&'a str>,
}

#[derive(Serialize)]
struct AnthropicModel<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    id: &'a str,
    display_name: &'a str,
    created_at: String,
    #[serde(flatten)]
    beyond: Beyond<'a>,
}

/// Members that neither API has. Clients ignore what they do not know.
#[derive(Serialize)]
struct Beyond<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    context_window: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pricing: Option<&'a Prices>,
}

/// The list, in the order given.
///
/// - OpenAI: `{"object":"list","data":[{"object":"model","id","created","owned_by"}]}`.
/// - Anthropic: `{"data":[{"type":"model","id","display_name","created_at"}],"has_more":false,"first_id",
///   "last_id"}`, always on one page; `created_at` is a time (RFC 3339).
///
/// In both, a model has two more members where they are known: `context_window`, a number of tokens,
/// and `pricing`, an object of prices with their units: `{"input":"2.5 USD/1M","cached_input",
/// "cache_write","cache_write_1h","output"}`.
#[must_use]
pub fn models_body(dialect: Dialect, models: &[ModelCard<'_>]) -> Bytes {
    // Strings and numbers and nothing else: this cannot fail.
    let json = match dialect {
        Dialect::Openai => serde_json::to_vec(&OpenaiList {
            object: "list",
            data: models.iter().map(OpenaiModel::of).collect(),
        }),
        Dialect::Anthropic => serde_json::to_vec(&AnthropicList {
            data: models.iter().map(AnthropicModel::of).collect(),
            has_more: false,
            first_id: models.first().map(|model| model.id),
            last_id: models.last().map(|model| model.id),
        }),
    };
    json.unwrap_or_default().into()
}

impl<'a> OpenaiModel<'a> {
    fn of(card: &'a ModelCard<'a>) -> Self {
        let ModelCard { id, created, owned_by, .. } = *card;
        Self { object: "model", id, created, owned_by, beyond: Beyond::of(card) }
    }
}

impl<'a> AnthropicModel<'a> {
    fn of(card: &'a ModelCard<'a>) -> Self {
        let created_at = rfc3339(card.created);
        Self { kind: "model", id: card.id, display_name: card.id, created_at, beyond: Beyond::of(card) }
    }
}

impl<'a> Beyond<'a> {
    fn of(card: &'a ModelCard<'a>) -> Self {
        Self { context_window: card.context_window, pricing: card.pricing.as_ref() }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn list(dialect: Dialect) -> Value {
        let prices: Prices = serde_json::from_value(json!({
            "input": "2.50 USD/1M", "cached_input": "1.25 USD/1M", "cache_write": "2.50 USD/1M",
            "cache_write_1h": "2.50 USD/1M", "output": "10 USD/1M",
        }))
        .unwrap();
        let plain =
            ModelCard { id: "small", created: 1, owned_by: "us", context_window: None, pricing: None };
        let full =
            ModelCard { id: "large", context_window: Some(128_000), pricing: Some(prices), ..plain.clone() };
        serde_json::from_slice(&models_body(dialect, &[plain, full])).unwrap()
    }

    #[test]
    fn a_model_list_has_the_shape_of_openai_s() {
        let list = list(Dialect::Openai);
        assert_eq!(list["object"], "list");
        assert_eq!(
            list["data"][0],
            json!({"id": "small", "object": "model", "created": 1, "owned_by": "us"})
        );
        assert_eq!(list["data"][1]["context_window"], 128_000);
        assert_eq!(list["data"][1]["pricing"]["input"], "2.5 USD/1M");
    }

    #[test]
    fn a_model_list_has_the_shape_of_anthropic_s() {
        let list = list(Dialect::Anthropic);
        assert_eq!(
            list["data"][0],
            json!({
                "type": "model", "id": "small", "display_name": "small", "created_at": "1970-01-01T00:00:01Z",
            })
        );
        assert_eq!(list["data"][1]["context_window"], 128_000);
        assert_eq!(list["data"][1]["pricing"]["output"], "10 USD/1M");
        assert_eq!(
            (&list["has_more"], &list["first_id"], &list["last_id"]),
            (&json!(false), &json!("small"), &json!("large"))
        );
        let none: Value = serde_json::from_slice(&models_body(Dialect::Anthropic, &[])).unwrap();
        assert_eq!(none, json!({"data": [], "has_more": false, "first_id": null, "last_id": null}));
    }
}
