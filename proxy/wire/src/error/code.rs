//! A backend's error, read. It owns the words that providers use; it refuses to keep their messages.

use crate::json::{Fault, Kind, Reader};

/// What a backend's error says, as far as the gateway acts on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum BackendErrorCode {
    /// The account's quota or credit is gone: waiting does not help.
    InsufficientQuota,
    /// Too many requests or tokens per window: waiting helps.
    RateLimitExceeded,
    /// The provider has no capacity left, whoever asks: another backend may.
    Overloaded,
    /// Prompt and output do not fit the model's context window.
    ContextLengthExceeded,
    /// A content filter refused the prompt or the output.
    ContentFilter,
    /// The model or deployment does not exist there.
    ModelNotFound,
    /// The gateway's own key is unknown there, or may not do this.
    InvalidCredential,
    /// An error with any other code, or none.
    Other,
}

/// The code of a backend's error: of an error body or of the data of an error event. Nothing when the
/// document holds no error.
///
/// Reads `{"error":{…}}` of OpenAI, Azure, Anthropic and vLLM, vLLM's older `{"object":"error",…}`, the
/// `error` event of Responses and the response in its `response.failed`.
#[must_use]
pub fn error_code(document: &[u8]) -> Option<BackendErrorCode> {
    let mut reader = Reader::new(document).ok()?;
    let mut found = Found::default();
    found.object(&mut reader, 0).ok()?;
    found.is_error.then(|| found.code.or(found.message).unwrap_or(BackendErrorCode::Other))
}

/// Deepest object that is looked at: `response`, then `error`, then Azure's `innererror`.
const DEEPEST: usize = 3;

#[derive(Default)]
struct Found {
    is_error: bool,
    /// By `code` and `type`.
    code: Option<BackendErrorCode>,
    /// By `message`, for providers whose codes do not tell.
    message: Option<BackendErrorCode>,
}

impl Found {
    fn object(&mut self, reader: &mut Reader<'_>, depth: usize) -> Result<(), Fault> {
        reader.begin_object()?;
        while let Some(key) = reader.next_key()? {
            let key = key.decode();
            match (key.as_ref(), reader.peek()?) {
                ("error", Kind::Object) if depth < DEEPEST => {
                    self.is_error = true;
                    self.object(reader, depth + 1)?;
                }
                ("response" | "innererror", Kind::Object) if depth < DEEPEST => {
                    self.object(reader, depth + 1)?;
                }
                // Azure and vLLM send the status as a `code`, as a number or as a word.
                ("code" | "type", Kind::String) => self.word(&reader.string()?.decode()),
                ("object", Kind::String) => self.is_error |= reader.string()?.decode() == "error",
                ("message", Kind::String) => self.words(&reader.string()?.decode()),
                _ => {
                    reader.skip()?;
                }
            }
        }
        Ok(())
    }

    fn word(&mut self, word: &str) {
        self.is_error |= word == "error";
        let code = BackendErrorCode::of(word);
        // Code and type may differ in how much they tell; that the quota is gone is final in either.
        if self.code.is_none() || code == Some(BackendErrorCode::InsufficientQuota) {
            self.code = code;
        }
    }

    fn words(&mut self, message: &str) {
        self.message = self.message.or_else(|| BackendErrorCode::of_message(message));
    }
}

impl BackendErrorCode {
    fn of(word: &str) -> Option<Self> {
        Some(match word {
            "insufficient_quota"
            | "billing_hard_limit_reached"
            | "billing_not_active"
            | "billing_error"
            | "quota_exceeded" => Self::InsufficientQuota,
            "rate_limit_exceeded"
            | "rate_limit_error"
            | "requests"
            | "tokens"
            | "too_many_requests"
            | "RateLimitReached" => Self::RateLimitExceeded,
            "overloaded_error"
            | "server_is_overloaded"
            | "engine_overloaded"
            | "slow_down"
            | "NoCapacity" => Self::Overloaded,
            "context_length_exceeded" | "exceed_context_size_error" => Self::ContextLengthExceeded,
            "content_filter" | "content_policy_violation" | "ResponsibleAIPolicyViolation" => {
                Self::ContentFilter
            }
            "model_not_found" | "DeploymentNotFound" | "not_found_error" | "NotFoundError" => {
                Self::ModelNotFound
            }
            "invalid_api_key"
            | "authentication_error"
            | "permission_error"
            | "AuthenticationError"
            | "PermissionDenied"
            | "Unauthorized"
            | "401" => Self::InvalidCredential,
            _ => return None,
        })
    }

    /// What providers say only in words. A message may quote the prompt: short phrases have to begin it.
    fn of_message(message: &str) -> Option<Self> {
        const CONTEXT: [&str; 2] =
            ["prompt is too long", "input length and `max_tokens` exceed context limit"];
        const CONTEXT_INSIDE: [&str; 2] =
            ["This model's maximum context length is", "longer than the maximum model length"];
        // Azure's 429 for want of capacity, which no wait of this account mends.
        const CAPACITY_INSIDE: [&str; 2] =
            ["is currently experiencing high demand", "temporarily unable to process your request"];
        if CONTEXT.iter().any(|words| message.starts_with(words))
            || CONTEXT_INSIDE.iter().any(|words| message.contains(words))
        {
            Some(Self::ContextLengthExceeded)
        } else if CAPACITY_INSIDE.iter().any(|words| message.contains(words)) {
            Some(Self::Overloaded)
        } else if message.starts_with("Your credit balance is too low") {
            Some(Self::InsufficientQuota)
        } else if message.starts_with("Output blocked by content filtering policy") {
            Some(Self::ContentFilter)
        } else {
            None
        }
    }
}
