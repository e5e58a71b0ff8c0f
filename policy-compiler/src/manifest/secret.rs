//! References to what is kept elsewhere: secrets and files. It owns their two forms; it refuses any
//! place for a value.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

/// Where a secret is to be read. There is no way to write its value.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum SecretRef {
    /// An environment variable.
    Env(String),
    /// A file, relative to the manifest.
    File(String),
}

impl JsonSchema for SecretRef {
    fn schema_name() -> Cow<'static, str> {
        "SecretRef".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "object",
            "title": "reference to a secret",
            "description": "Where a secret is to be read: `{env: NAME}` or `{file: path}`. Never its value.",
            "properties": {
                "env": {
                    "type": "string",
                    "title": "name of an environment variable",
                    "pattern": "^[A-Za-z_][A-Za-z0-9_]{0,127}$",
                    "description": "The name of an environment variable.",
                    "examples": ["OPENAI_API_KEY"],
                },
                "file": {
                    "type": "string",
                    "minLength": 1,
                    "description": "A file, relative to the manifest; newlines at its end are not part of the secret.",
                    "examples": ["/run/secrets/openai"],
                },
            },
            "additionalProperties": false,
            "minProperties": 1,
            "maxProperties": 1,
            "examples": [{"env": "OPENAI_API_KEY"}],
        })
    }
}

/// A file of a certificate or key in PEM form.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct FileRef {
    /// A file in PEM form, relative to the manifest.
    #[schemars(length(min = 1))]
    pub file: String,
}
