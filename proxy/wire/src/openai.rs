//! OpenAI's dialect alone, for callers that know no other. It owns nothing: each function is the general
//! one with the dialect filled in.

use bytes::Bytes;
use vocabulary::facts::Dialect;
use vocabulary::{Operation, Reason, Usage};

pub use crate::error::{BackendErrorCode, error_code};
use crate::json::Fault;
pub use crate::limits::{BackendLimits, backend_limits, retry_after};
pub use crate::models::ModelCard;
pub use crate::stream::{EventClass, Finish, Observed, Relayed, StreamEnd, StreamTap};

/// What to change in a body.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Edits<'a> {
    /// The `model` to set.
    pub model: Option<&'a str>,
    /// Set `stream_options.include_usage` to true.
    pub include_usage: bool,
}

/// The body with the edits made, which is walked for them.
///
/// # Errors
/// When the body is not a JSON object.
pub fn set_fields(body: &Bytes, edits: &Edits<'_>) -> Result<Bytes, Fault> {
    let Edits { model, include_usage } = *edits;
    if model.is_none() && !include_usage {
        return Ok(body.clone());
    }
    let edits = crate::Edits { model, include_usage, ..crate::Edits::default() };
    crate::Layout::of(Operation::Chat, body)?.apply(body, &edits)
}

/// [`error_body`](crate::error_body) in OpenAI's dialect.
#[must_use]
pub fn error_body(reason: Reason, message: &str, param: Option<&str>) -> Bytes {
    crate::error_body(Dialect::Openai, reason, message, param, "")
}

/// [`stream_error_event`](crate::stream_error_event) of a chat.
#[must_use]
pub fn stream_error_event(reason: Reason, message: &str) -> Bytes {
    crate::stream_error_event(Operation::Chat, reason, message, "", 0)
}

/// [`usage_in_body`](crate::usage_in_body) of a chat.
#[must_use]
pub fn usage_in_body(body: &[u8]) -> Option<Usage> {
    crate::usage_in_body(Operation::Chat, body)
}

/// [`models_body`](crate::models_body) in OpenAI's dialect.
#[must_use]
pub fn models_body(models: &[ModelCard<'_>]) -> Bytes {
    crate::models_body(Dialect::Openai, models)
}
