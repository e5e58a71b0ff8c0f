//! Section `admin`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::secret::SecretRef;

/// The admin API.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Admin {
    /// IP address and port; keep it on loopback.
    #[serde(default = "loopback")]
    #[schemars(example = "127.0.0.1:9901")]
    pub address: String,
    /// Bearer token for what changes state. Without one, such calls are refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token: Option<SecretRef>,
}

fn loopback() -> String {
    "127.0.0.1:9901".to_owned()
}
