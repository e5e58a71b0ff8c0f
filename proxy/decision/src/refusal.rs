//! A refusal as a value. It owns the reason, the words for the caller and when to come back; it refuses
//! to render HTTP: that happens once, at the edge, in the caller's dialect.

use std::borrow::Cow;
use std::time::Duration;

use vocabulary::Reason;

/// Why a request goes no further, in words its caller can act on. Never quotes content or keys.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{reason}: {message}")]
pub struct Refusal {
    /// The closed reason.
    pub reason: Reason,
    /// One or two sentences: what is wrong and what to do.
    pub message: Cow<'static, str>,
    /// The request field at fault.
    pub param: Option<&'static str>,
    /// When trying again makes sense.
    pub retry_after: Option<Duration>,
    /// Methods for the `Allow` header of a 405.
    pub allow: Vec<String>,
    /// The HTTP status that the manifest states in place of the reason's own.
    pub stated_status: Option<u16>,
}

impl Refusal {
    /// A refusal with a message.
    #[must_use]
    pub fn new(reason: Reason, message: impl Into<Cow<'static, str>>) -> Self {
        Self {
            reason,
            message: message.into(),
            param: None,
            retry_after: None,
            allow: Vec::new(),
            stated_status: None,
        }
    }

    /// The HTTP status (RFC 9110 §15) the caller sees.
    #[must_use]
    pub fn status(&self) -> u16 {
        self.stated_status.unwrap_or(self.reason.status())
    }

    /// Names the field at fault.
    #[must_use]
    pub fn with_param(mut self, param: &'static str) -> Self {
        self.param = Some(param);
        self
    }

    /// Says when to come back.
    #[must_use]
    pub fn with_retry_after(mut self, after: Option<Duration>) -> Self {
        self.retry_after = after;
        self
    }
}
