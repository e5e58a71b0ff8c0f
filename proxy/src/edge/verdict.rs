//! What a failed attempt means: an error status, a refusal to write the request, a missing credential. It
//! owns the reasons and the words a caller is told; it refuses to decide what follows (`decision` does).

use std::borrow::Cow;
use std::time::Duration;

use decision::{AttemptFailure, Progress, Refusal};
use feedback_loop::Failure;
use rule_table::FallbackWhen;
use vocabulary::Reason;
use wire::BackendErrorCode;

use super::attempt::failure;
use crate::upstream::CredentialError;

/// What an error status means.
pub(super) enum Verdict {
    /// The attempt failed.
    Failed(AttemptFailure),
    /// It is about the request itself; what a fallback would have to be for.
    Refused(Option<FallbackWhen>),
}

/// What an error status and its body mean.
pub(super) fn status_failure(status: u16, body: &[u8], retry_after: Option<Duration>) -> Verdict {
    use BackendErrorCode::{ContentFilter, ContextLengthExceeded, InsufficientQuota, ModelNotFound};
    let failed = |reason, learnt| Verdict::Failed(failure(reason, learnt, Progress::NotWorkedOn));
    let server_error = Failure::ServerError { retry_after };
    match (status, wire::error_code(body)) {
        (402, _) | (429, Some(InsufficientQuota)) => failed(Reason::BackendQuota, Failure::Auth),
        (429, _) => failed(Reason::BackendRateLimited, Failure::RateLimited { retry_after }),
        (401 | 403, _) => failed(Reason::BackendAuth, Failure::Auth),
        // The deployment is gone or was never there; that is its operator's doing, not the caller's.
        (404, Some(ModelNotFound)) => failed(Reason::BackendError, server_error),
        (408, _) => failed(Reason::BackendTimeout, Failure::Timeout),
        (500..600, _) => failed(Reason::BackendError, server_error),
        (400 | 413, Some(ContextLengthExceeded)) => Verdict::Refused(Some(FallbackWhen::ContextWindow)),
        (400, Some(ContentFilter)) => Verdict::Refused(Some(FallbackWhen::ContentFilter)),
        (400..500, _) => Verdict::Refused(None),
        _ => failed(Reason::BackendProtocol, Failure::ServerError { retry_after: None }),
    }
}

/// A request that could not even be written for the chosen backend.
pub(super) fn not_sent(refusal: Refusal) -> AttemptFailure {
    let learnt = match refusal.reason {
        // It has no token at the moment, which says nothing of how it serves.
        Reason::BackendCredential => Failure::Connect,
        _ => Failure::Refused,
    };
    AttemptFailure { reason: refusal.reason, failure: learnt, progress: Progress::NotWorkedOn, refusal }
}

/// Whose credential it is and why it is missing is the operator's to know.
pub(super) fn no_credential(error: CredentialError) -> Refusal {
    // Whoever gives the tokens is warned about where they are asked for, once per outage.
    tracing::debug!(%error, "no credential for a backend");
    Refusal::new(Reason::BackendCredential, words(Reason::BackendCredential))
}

/// What a caller is told of a backend's failure: what happened, never by whom or with what key.
pub(super) fn words(reason: Reason) -> Cow<'static, str> {
    Cow::Borrowed(match reason {
        Reason::BackendConnect | Reason::BackendTls => {
            "no connection to a model backend could be made; try again shortly"
        }
        Reason::BackendTimeout => "the model backend did not answer in time",
        Reason::BackendReset => "the model backend closed the connection before it answered",
        Reason::BackendRateLimited => {
            "every model backend of this route is at its rate limit; try again after Retry-After"
        }
        Reason::BackendQuota => "the operator's quota at the model provider is used up",
        Reason::BackendAuth | Reason::BackendCredential => {
            "the model backend refused the gateway's own credential; the operator has to mend it"
        }
        Reason::BackendRefused => "the model backend refused this request",
        Reason::StreamBroken => "the model backend broke off in the middle of its answer",
        Reason::StreamIdle => "the model backend fell silent in the middle of its answer",
        Reason::BackendProtocol => "the model backend sent something that is not a valid answer",
        Reason::CeilingReached => "the answer was cut: what a hard limit had room for is spent",
        _ => "the model backend failed; try again shortly",
    })
}
