//! The contract with policy hooks: what they are asked and what they answer, in JSON. It owns the shapes and
//! their version; it refuses any content of a request: no prompt, no header's value, no key.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The contract's version, in every question as `version`.
pub const HOOK_VERSION: u16 = 1;

/// What a policy hook is asked before a request is sent on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct HookQuestion {
    /// Version of the contract: 1. Fields may be added within a version, none is taken away.
    pub version: u16,
    /// The request's id, as in the `x-request-id` response header. An answer that is cached is given to
    /// other requests too.
    pub request_id: String,
    /// What the decision may depend on; these fields stand beside the two above.
    #[serde(flatten)]
    pub facts: HookFacts,
}

/// What a decision may depend on. Two requests with the same facts may share one answer.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub struct HookFacts {
    /// The route, by its name in the manifest.
    pub route: String,
    /// The pool the route leads to, by its name in the manifest.
    pub pool: String,
    /// The request's method.
    pub method: String,
    /// The consumer, by its name in the manifest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub consumer: Option<String>,
    /// The consumer's team, by its name in the manifest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub team: Option<String>,
    /// Who a verified token says the caller is, as `issuer/subject`, where no consumer is named for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<String>,
    /// The team's class of data.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub data_class: Option<String>,
    /// Where the team's data has to stay: a zone or a country's two letters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub residency: Option<String>,
    /// The country the client's address is in, by two capitals (ISO 3166-1); told where some access rule of the
    /// manifest names countries, and it is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_country: Option<String>,
    /// The path of the operation, such as `/v1/chat/completions`; absent where the request is passed
    /// through unread, and so are the fields below.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub operation: Option<String>,
    /// The model asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// At most so many prompt tokens: the gateway's estimate, rounded up to a power of two.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prompt_tokens: Option<u64>,
    /// At most so many output tokens: the caller's own ceiling, rounded up to a power of two; absent where
    /// it names none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_output_tokens: Option<u64>,
    /// Whether a stream is asked for.
    #[serde(default)]
    pub stream: bool,
}

/// What a policy hook answers, with status 200. Further fields are ignored.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct HookAnswer {
    /// Whether the request may be sent on.
    pub decision: HookDecision,
    /// One or two sentences for the caller of a refused request; the first 300 characters are shown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// For how many seconds the same facts have the same answer; the manifest's `cache` is the most, and
    /// 0 keeps the answer for this request alone. The manifest's `cache` unless stated.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0))]
    pub ttl_s: Option<f64>,
}

/// Yes or no.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum HookDecision {
    /// It may be sent on.
    Allow,
    /// It is refused with 403.
    Deny,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn schema<T: JsonSchema>() -> String {
        let mut text = serde_json::to_string_pretty(&schemars::schema_for!(T)).unwrap();
        text.push('\n');
        text
    }

    /// `UPDATE_DOCS=1 cargo test -p vocabulary` writes them.
    #[test]
    fn the_checked_in_schemas_of_the_contract_are_current() {
        let docs = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs");
        for (name, text) in
            [("hook-request", schema::<HookQuestion>()), ("hook-response", schema::<HookAnswer>())]
        {
            let path = docs.join(format!("{name}.schema.json"));
            if std::env::var_os("UPDATE_DOCS").is_some() {
                std::fs::write(&path, &text).unwrap();
            }
            let kept: serde_json::Value =
                serde_json::from_str(&std::fs::read_to_string(&path).unwrap_or_default()).unwrap_or_default();
            // The order of fields depends on features of other crates.
            let made: serde_json::Value = serde_json::from_str(&text).unwrap();
            assert!(kept == made, "{name} is out of date: make schema");
        }
    }

    #[test]
    fn a_question_is_flat() {
        let facts = HookFacts { route: "chat".to_owned(), stream: true, ..HookFacts::default() };
        let question = HookQuestion { version: HOOK_VERSION, request_id: "r-1".to_owned(), facts };
        let value = serde_json::to_value(&question).unwrap();
        assert_eq!((&value["route"], &value["request_id"]), (&"chat".into(), &"r-1".into()));
        assert_eq!(value.get("team"), None, "what is not known is not said");
    }
}
