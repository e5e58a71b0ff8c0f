//! Errors in the dialect, written and read. It owns the error object; it refuses to choose a status.

use bytes::Bytes;
use serde::Serialize;
use vocabulary::Reason;

use crate::json::{Fault, Kind, Reader};

#[derive(Serialize)]
struct Envelope<'a> {
    error: ErrorObject<'a>,
}

#[derive(Serialize)]
struct ErrorObject<'a> {
    message: &'a str,
    #[serde(rename = "type")]
    kind: &'static str,
    param: Option<&'a str>,
    code: &'static str,
}

/// The body of a refusal: `{"error":{"message","type","param","code"}}`. The code is the reason's.
#[must_use]
pub fn error_body(reason: Reason, message: &str, param: Option<&str>) -> Bytes {
    error_json(reason, message, param).into()
}

/// A last event for a stream that broke after it was committed: the error object, and no `[DONE]`,
/// so that no client takes the stream for complete.
#[must_use]
pub fn stream_error_event(reason: Reason, message: &str) -> Bytes {
    [b"data: ", error_json(reason, message, None).as_slice(), b"\n\n"].concat().into()
}

fn error_json(reason: Reason, message: &str, param: Option<&str>) -> Vec<u8> {
    let error = ErrorObject { message, kind: reason.openai_type(), param, code: reason.code() };
    // Strings and nothing else: this cannot fail.
    serde_json::to_vec(&Envelope { error }).unwrap_or_default()
}

/// What a backend's error object says, as far as the gateway acts on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum BackendErrorCode {
    /// The account's quota or credit is gone: waiting does not help.
    InsufficientQuota,
    /// Too many requests or tokens per window: waiting helps.
    RateLimitExceeded,
    /// Prompt and output do not fit the model's context window.
    ContextLengthExceeded,
    /// A content filter refused the prompt.
    ContentFilter,
    /// The model or deployment does not exist there.
    ModelNotFound,
    /// An error object with any other code, or none.
    Other,
}

/// The code of a backend's error body; nothing when the body holds no error object.
#[must_use]
pub fn error_code(body: &[u8]) -> Option<BackendErrorCode> {
    in_body(body).ok().flatten()
}

fn in_body(body: &[u8]) -> Result<Option<BackendErrorCode>, Fault> {
    let mut reader = Reader::new(body)?;
    let mut code = None;
    reader.begin_object()?;
    while let Some(key) = reader.next_key()? {
        if key.decode() == "error" && reader.peek()? == Kind::Object {
            code = Some(in_error(&mut reader)?);
        } else {
            reader.skip()?;
        }
    }
    Ok(code)
}

fn in_error(reader: &mut Reader<'_>) -> Result<BackendErrorCode, Fault> {
    let mut found = BackendErrorCode::Other;
    reader.begin_object()?;
    while let Some(key) = reader.next_key()? {
        // Azure has sent the status here as a number where OpenAI sends a word.
        if !matches!(key.decode().as_ref(), "code" | "type") || reader.peek()? != Kind::String {
            reader.skip()?;
            continue;
        }
        let word = BackendErrorCode::of(&reader.string()?.decode());
        // Code and type may differ in how much they tell; that the quota is gone is final in either.
        if found == BackendErrorCode::Other || word == BackendErrorCode::InsufficientQuota {
            found = word;
        }
    }
    Ok(found)
}

impl BackendErrorCode {
    fn of(word: &str) -> Self {
        match word {
            "insufficient_quota" | "billing_hard_limit_reached" | "quota_exceeded" => Self::InsufficientQuota,
            "rate_limit_exceeded" | "requests" | "tokens" => Self::RateLimitExceeded,
            "context_length_exceeded" => Self::ContextLengthExceeded,
            "content_filter" | "content_policy_violation" => Self::ContentFilter,
            "model_not_found" | "DeploymentNotFound" => Self::ModelNotFound,
            _ => Self::Other,
        }
    }
}
