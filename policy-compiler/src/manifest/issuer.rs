//! Section `issuers`: whose tokens are believed, and what of them is read.

use std::borrow::Cow;
use std::collections::BTreeMap;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

use super::quantity::Duration;

/// Who signs tokens that callers may show instead of a key.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Issuer {
    /// Value of the token's claim `iss`, exactly.
    #[schemars(length(min = 1), example = "https://login.microsoftonline.com/TENANT/v2.0")]
    pub issuer: String,
    /// Values of the claim `aud`, any of which must be there.
    #[schemars(length(min = 1))]
    pub audiences: Vec<String>,
    /// Where its public keys are. By OpenID Connect Discovery unless stated.
    #[serde(default)]
    pub keys: KeySet,
    /// Algorithms it signs with. What a token says of itself only picks from these.
    #[serde(default = "algorithms")]
    #[schemars(length(min = 1))]
    pub algorithms: Vec<Algorithm>,
    /// Scopes or application roles that a token must have, all of them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub scopes: Vec<String>,
    /// The claim that names the caller; for Microsoft Entra ID `oid` is the same in every application.
    #[serde(default = "subject")]
    #[schemars(length(min = 1))]
    pub subject_claim: String,
    /// Teams by what a token says of its bearer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub teams: Option<TeamsByClaim>,
    /// Difference of clocks that is tolerated.
    #[serde(default = "leeway")]
    pub leeway: Duration,
}

/// Teams by the values of a claim.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct TeamsByClaim {
    /// The claim, a text or a list of texts, such as `groups` or `roles`.
    #[schemars(length(min = 1), example = &"groups")]
    pub claim: String,
    /// Team by value. A token with none of them is refused, unless its subject is a consumer's.
    #[schemars(extend("minProperties" = 1))]
    pub values: BTreeMap<String, String>,
}

/// Where an issuer's keys are: one of these, or `discovery`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum KeySet {
    /// What `/.well-known/openid-configuration` below the issuer names.
    #[default]
    Discovery,
    /// A JWK Set at this URL.
    Url(String),
    /// A JWK Set in this file, read again when a key is missed.
    File(String),
}

impl JsonSchema for KeySet {
    fn schema_name() -> Cow<'static, str> {
        "KeySet".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "title": "place of an issuer's keys",
            "description": "Where an issuer's public keys are: `discovery`, `{url: …}` or `{file: …}` of a JWK Set.",
            "anyOf": [
                {"type": "string", "enum": ["discovery"]},
                {
                    "type": "object",
                    "properties": {
                        "url": {"type": "string", "minLength": 1, "description": "URL of a JWK Set."},
                        "file": {"type": "string", "minLength": 1, "description": "File of a JWK Set, relative to the manifest."},
                    },
                    "additionalProperties": false,
                    "minProperties": 1,
                    "maxProperties": 1,
                },
            ],
            "examples": ["discovery", {"url": "https://login.corp.example/keys"}],
        })
    }
}

/// An algorithm that signs with a private key. There are no others here: one with a shared secret would let
/// whoever verifies tokens make them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Algorithm {
    /// RSA, PKCS #1 v1.5, SHA-256.
    RS256,
    /// RSA, PKCS #1 v1.5, SHA-384.
    RS384,
    /// RSA, PKCS #1 v1.5, SHA-512.
    RS512,
    /// RSA, PSS, SHA-256.
    PS256,
    /// RSA, PSS, SHA-384.
    PS384,
    /// RSA, PSS, SHA-512.
    PS512,
    /// ECDSA on P-256.
    ES256,
    /// ECDSA on P-384.
    ES384,
    /// Ed25519.
    EdDSA,
}

impl Algorithm {
    /// As a token names it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::RS256 => "RS256",
            Self::RS384 => "RS384",
            Self::RS512 => "RS512",
            Self::PS256 => "PS256",
            Self::PS384 => "PS384",
            Self::PS512 => "PS512",
            Self::ES256 => "ES256",
            Self::ES384 => "ES384",
            Self::EdDSA => "EdDSA",
        }
    }
}

fn algorithms() -> Vec<Algorithm> {
    vec![Algorithm::RS256]
}

fn subject() -> String {
    "sub".to_owned()
}

fn leeway() -> Duration {
    Duration::seconds(60)
}
