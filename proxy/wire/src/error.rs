//! Errors in each dialect, written. It owns the error objects; it refuses to choose a status (the
//! reason has one) and to show anything but what it is given.

mod code;
#[cfg(test)]
mod tests;

use bytes::Bytes;
pub use code::{BackendErrorCode, error_code};
use serde::Serialize;
use vocabulary::facts::Dialect;
use vocabulary::{Operation, Reason};

#[derive(Serialize)]
struct Openai<'a> {
    error: OpenaiError<'a>,
}

#[derive(Serialize)]
struct OpenaiError<'a> {
    message: &'a str,
    #[serde(rename = "type")]
    kind: &'static str,
    param: Option<&'a str>,
    code: &'static str,
}

#[derive(Serialize)]
struct Anthropic<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    error: AnthropicError<'a>,
    request_id: &'a str,
}

#[derive(Serialize)]
struct AnthropicError<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    message: &'a str,
}

/// The `error` event of Responses has no envelope.
#[derive(Serialize)]
struct ResponsesError<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    code: &'static str,
    message: &'a str,
    param: Option<&'a str>,
    sequence_number: u64,
}

/// The body of a refusal in the caller's dialect.
///
/// - OpenAI: `{"error":{"message","type","param","code"}}`; the code is the reason's.
/// - Anthropic: `{"type":"error","error":{"type","message"},"request_id"}`. It has no place for `param`,
///   so the message has to name the field.
///
/// Both go with the status of the [reason](Reason::status). Anthropic's own 529 (overloaded) is not among
/// those: its clients retry any 5xx, and other clients do not know it.
#[must_use]
pub fn error_body(
    dialect: Dialect,
    reason: Reason,
    message: &str,
    param: Option<&str>,
    request_id: &str,
) -> Bytes {
    match dialect {
        Dialect::Openai => json(&openai(reason, message, param)).into(),
        Dialect::Anthropic => json(&anthropic(reason, message, request_id)).into(),
    }
}

/// A last event for a stream that broke after it was committed, and that nothing may follow: without
/// the event that completes it, no client takes the stream for complete.
///
/// - Chat and completions: `data: {"error":…}`.
/// - Messages: `event: error`.
/// - Responses: `event: error` with the stream's next `sequence_number`. Its `response.failed` would have
///   to repeat the whole response, which the gateway does not hold.
#[must_use]
pub fn stream_error_event(
    operation: Operation,
    reason: Reason,
    message: &str,
    request_id: &str,
    sequence_number: u64,
) -> Bytes {
    let (name, data): (&[u8], _) = match operation {
        Operation::Messages | Operation::CountTokens => {
            (b"event: error\n", json(&anthropic(reason, message, request_id)))
        }
        Operation::Responses => {
            let code = reason.code();
            let event = ResponsesError { kind: "error", code, message, param: None, sequence_number };
            (b"event: error\n", json(&event))
        }
        _ => (b"", json(&openai(reason, message, None))),
    };
    [name, b"data: ", &data, b"\n\n"].concat().into()
}

fn openai<'a>(reason: Reason, message: &'a str, param: Option<&'a str>) -> Openai<'a> {
    Openai { error: OpenaiError { message, kind: reason.openai_type(), param, code: reason.code() } }
}

fn anthropic<'a>(reason: Reason, message: &'a str, request_id: &'a str) -> Anthropic<'a> {
    let error = AnthropicError { kind: anthropic_type(reason), message };
    Anthropic { kind: "error", error, request_id }
}

/// The `type` that Anthropic documents for the reason's status; for statuses it has none for, the one
/// of the same kind.
const fn anthropic_type(reason: Reason) -> &'static str {
    match reason.status() {
        401 => "authentication_error",
        403 => "permission_error",
        404 => "not_found_error",
        413 => "request_too_large",
        429 => "rate_limit_error",
        408 | 504 => "timeout_error",
        503 => "overloaded_error",
        500.. => "api_error",
        _ => "invalid_request_error",
    }
}

fn json(value: &impl Serialize) -> Vec<u8> {
    // Strings and a number and nothing else: this cannot fail.
    serde_json::to_vec(value).unwrap_or_default()
}
