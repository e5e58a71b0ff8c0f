//! Edits of requests and answers, on routes and backends. It owns their grammar, dotted paths included;
//! it refuses to judge which headers and fields may be edited.

use std::collections::BTreeMap;

use schemars::{JsonSchema, Schema, json_schema};
use serde::{Deserialize, Serialize};
use serde_json::{Number, Value};

use super::named::{Named, Spelling};

/// Edits of requests and answers on their way.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Rewrite {
    /// Edits of the request before it is sent to a backend.
    pub request: RequestRewrite,
    /// Edits of the answer before it is sent to the caller.
    pub response: ResponseRewrite,
}

/// Edits of a request before it is sent to a backend.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct RequestRewrite {
    /// Headers to set and to remove.
    pub headers: HeaderEdits,
    /// What the path begins with, replaced. Where requests are passed through.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path: Option<PathRewrite>,
    /// Fields of the JSON body. For AI backends.
    pub body: BodyEdits,
    /// Text put before the caller's own system prompt. For AI backends.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1))]
    pub system_prefix: Option<String>,
}

/// Edits of an answer before it is sent to the caller.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct ResponseRewrite {
    /// Headers to set and to remove.
    pub headers: HeaderEdits,
}

/// Headers to set and to remove.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct HeaderEdits {
    /// Headers by name with their only value.
    #[schemars(example = header_example())]
    pub set: BTreeMap<String, String>,
    /// Names of headers that go.
    pub remove: Vec<String>,
}

fn header_example() -> Value {
    serde_json::json!({"x-team": "claims"})
}

/// Replaces what a path begins with, on a segment boundary.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PathRewrite {
    /// What the path begins with; paths that do not are left as they are.
    #[schemars(example = "/tools")]
    pub prefix: String,
    /// What stands there instead; may be empty.
    #[serde(default)]
    #[schemars(example = "/api/v2")]
    pub replacement: String,
}

/// Edits of the fields of a JSON body. They apply in this order: `remove`, `set`, `default`, `clamp`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct BodyEdits {
    /// Fields that become this value, whatever the caller wrote.
    #[schemars(example = set_example())]
    pub set: Named<BodyField, Value>,
    /// Fields that become this value where the caller wrote none.
    pub default: Named<BodyField, Value>,
    /// Numbers that are kept within bounds.
    pub clamp: Named<BodyField, Clamp>,
    /// Fields that go.
    #[schemars(inner(regex(pattern = r"^([^.\\]|\\[.\\])+(\.([^.\\]|\\[.\\])+)*$")))]
    pub remove: Vec<String>,
}

fn set_example() -> Value {
    serde_json::json!({"temperature": 0.2, "metadata.team": "claims"})
}

/// Bounds of a number; one of them or both.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Clamp {
    /// The least; a smaller number becomes this one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(example = 1)]
    pub min: Option<Number>,
    /// The most; a larger number becomes this one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(example = 4096)]
    pub max: Option<Number>,
}

/// A field of a JSON body: keys from the outside in with dots between them. A backslash makes the next
/// dot or backslash part of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BodyField;

impl Spelling for BodyField {
    fn schema() -> Schema {
        json_schema!({
            "pattern": r"^([^.\\]|\\[.\\])+(\.([^.\\]|\\[.\\])+)*$",
            "description": "A field of the body: keys from the outside in with dots between them, `\\.` for a dot within a key.",
            "examples": ["metadata.team"],
        })
    }
}

impl BodyField {
    /// The keys of a field that has this spelling.
    #[must_use]
    pub fn keys(text: &str) -> Vec<String> {
        let mut keys = vec![String::new()];
        let mut characters = text.chars();
        while let Some(character) = characters.next() {
            let literal = match character {
                '.' => {
                    keys.push(String::new());
                    continue;
                }
                '\\' => characters.next().unwrap_or('\\'),
                other => other,
            };
            if let Some(last) = keys.last_mut() {
                last.push(literal);
            }
        }
        keys
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dot_separates_keys_unless_a_backslash_stands_before_it() {
        assert_eq!(BodyField::keys("metadata.team"), ["metadata", "team"]);
        assert_eq!(BodyField::keys(r"a\.b.c"), ["a.b", "c"]);
        assert_eq!(BodyField::keys(r"a\\.b"), [r"a\", "b"]);
        assert_eq!(BodyField::keys("temperature"), ["temperature"]);
    }
}
