//! Section `overload`: when requests are shed.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::limit::Mode;
use super::quantity::Bytes;

/// Bounds at which requests are shed, the lowest priority first: `batch` from 80 % of either bound,
/// `standard` from 90 %, `critical` at the bound.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Overload {
    /// Requests under way at once, piped ones included.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 1_000_000))]
    pub max_in_flight: Option<u32>,
    /// Bytes of request bodies being read and of answers being held, at once.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_buffered: Option<Bytes>,
    /// Whether requests are shed, or only counted.
    pub mode: Mode,
}
