//! Section `identities`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::secret::SecretRef;

/// A credential that the gateway presents to backends.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Identity {
    /// An API key, sent as the backend's kind wants it: `Authorization: Bearer` or `api-key`.
    pub api_key: SecretRef,
}
