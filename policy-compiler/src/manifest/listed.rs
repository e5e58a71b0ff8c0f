//! One text or a list of them, in the order written. It owns the two ways to write it and nothing else.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

/// One text or a list of them.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(from = "Written", into = "Written")]
pub struct Listed(pub Vec<String>);

#[derive(Clone, Serialize, Deserialize)]
#[serde(untagged)]
enum Written {
    One(String),
    Several(Vec<String>),
}

impl Listed {
    /// Whether nothing is listed.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl From<Written> for Listed {
    fn from(written: Written) -> Self {
        match written {
            Written::One(text) => Self(vec![text]),
            Written::Several(texts) => Self(texts),
        }
    }
}

impl From<Listed> for Written {
    fn from(listed: Listed) -> Self {
        Self::Several(listed.0)
    }
}

impl JsonSchema for Listed {
    fn schema_name() -> Cow<'static, str> {
        "Listed".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let text = json_schema!({"type": "string", "minLength": 1});
        json_schema!({
            "description": "One or a list of them.",
            "anyOf": [text.clone(), {"type": "array", "items": text, "minItems": 1}],
        })
    }
}
