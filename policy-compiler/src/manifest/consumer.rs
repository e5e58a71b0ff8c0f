//! Section `consumers`.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

use super::named::{Name, Named};
use super::quantity::Date;
use super::team::Priority;

/// A caller.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Consumer {
    /// Its API keys, by name; several at once make rotation possible. More can be issued over the admin API.
    #[serde(default)]
    pub keys: Named<Name, KeySource>,
    /// Other ways to show that it is this caller.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub credentials: Vec<Credential>,
    /// The team it belongs to, by name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub team: Option<String>,
    /// Its place when there is not room for all; the team's unless stated.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub priority: Option<Priority>,
    /// The limit counted for this consumer, by name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<String>,
}

/// An API key, known by its hash only.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct KeySource {
    /// SHA-256 of the key: `printf %s "$KEY" | sha256sum`.
    pub sha256: KeyHash,
    /// The key's first characters, so that people can tell keys apart.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prefix: Option<KeyPrefix>,
    /// From when it is refused; never unless stated.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires: Option<Date>,
}

/// The visible beginning of a key. Longer, it would begin to be the key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct KeyPrefix(pub String);

impl JsonSchema for KeyPrefix {
    fn schema_name() -> Cow<'static, str> {
        "KeyPrefix".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string",
            "title": "beginning of a key",
            "pattern": "^[!-~]{1,12}$",
            "description": "The first characters of a key, at most 12.",
            "examples": ["sk-sg-ab12"],
        })
    }
}

/// What shows that a caller is this consumer: exactly one of these.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Credential {
    /// A token of an issuer with this subject.
    Token(TokenSubject),
    /// A client certificate with this name.
    Certificate(String),
}

impl JsonSchema for Credential {
    fn schema_name() -> Cow<'static, str> {
        "Credential".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let mut token = generator.subschema_for::<TokenSubject>();
        token.insert("description".to_owned(), "A token of an issuer with this subject.".into());
        json_schema!({
            "type": "object",
            "description": "What shows that a caller is this consumer: exactly one of these.",
            "properties": {
                "token": token,
                "certificate": {
                    "type": "string",
                    "minLength": 1,
                    "maxLength": 256,
                    "description": "A name in a client certificate: a DNS or URI subject alternative name, or the common name.",
                    "examples": ["spiffe://corp.example/claims"],
                },
            },
            "additionalProperties": false,
            "minProperties": 1,
            "maxProperties": 1,
            "examples": [{"certificate": "spiffe://corp.example/claims"}],
        })
    }
}

/// A token of an issuer with this subject.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct TokenSubject {
    /// The issuer, by its name in `issuers`.
    pub issuer: String,
    /// Value of the claim that names the caller there.
    #[schemars(length(min = 1, max = 256))]
    pub subject: String,
}

/// SHA-256 as 64 lower-case hex digits.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct KeyHash(pub String);

impl JsonSchema for KeyHash {
    fn schema_name() -> Cow<'static, str> {
        "KeyHash".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string",
            "pattern": "^[0-9a-f]{64}$",
            "description": "The SHA-256 of a key as 64 lower-case hex digits.",
            "examples": ["2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae"],
        })
    }
}
