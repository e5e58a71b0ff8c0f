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

/// The two forms of a reference.
fn reference(title: &str, description: &str, example: &str) -> Schema {
    json_schema!({
            "type": "object",
            "title": title,
            "description": description,
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
            "examples": [{"env": example}],
    })
}

impl JsonSchema for SecretRef {
    fn schema_name() -> Cow<'static, str> {
        "SecretRef".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        reference(
            "reference to a secret",
            "Where a secret is to be read: `{env: NAME}` or `{file: path}`. Never its value.",
            "OPENAI_API_KEY",
        )
    }
}

/// A value that is no secret: written out, or kept where secrets are because it differs by environment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Setting {
    /// The value itself.
    Written(String),
    /// Where to read it.
    Kept(SecretRef),
}

impl JsonSchema for Setting {
    fn schema_name() -> Cow<'static, str> {
        "Setting".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "title": "value or reference to one",
            "description": "A value, or where to read it: `{env: NAME}` or `{file: path}`.",
            "anyOf": [
                {"type": "string", "minLength": 1},
                reference("reference to a value", "Where to read the value.", "AZURE_CLIENT_ID"),
            ],
            "examples": ["00000000-0000-0000-0000-000000000000", {"env": "AZURE_CLIENT_ID"}],
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
