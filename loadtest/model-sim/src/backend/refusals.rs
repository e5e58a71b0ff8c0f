//! The first entry of a request in the log, and the words of each refusal. It owns statuses and codes; it
//! refuses to choose among them.

use vocabulary::Moment;

use super::terms::{Arrival, Refusal};
use crate::config::Flavour;
use crate::engine::SeqId;
use crate::faults::FaultKind;
use crate::log::{Outcome, Record};
use crate::quota::retry_headers;

pub(super) fn record(
    seq: SeqId,
    now: Moment,
    request_id: &str,
    arrival: &Arrival,
    fault: Option<&FaultKind>,
) -> Record {
    Record {
        seq: seq.0,
        request_id: request_id.to_owned(),
        operation: arrival.operation,
        model: arrival.model.clone(),
        stream: arrival.stream,
        arrival: now,
        first_token_due: None,
        first_token: None,
        end: None,
        status: 0,
        outcome: Outcome::InFlight,
        billed: false,
        prompt_tokens: arrival.prompt_tokens,
        output_tokens: 0,
        events: 0,
        fault: fault.map(|kind| kind.name().to_owned()),
        cost_nanos: 0,
        cached_tokens: 0,
        cache_written_5m_tokens: 0,
        cache_written_1h_tokens: 0,
        reasoning_tokens: 0,
    }
}

pub(super) fn refusal(status: u16, kind: &'static str, code: &'static str, message: String) -> Refusal {
    Refusal {
        seq: SeqId(0),
        status,
        kind,
        code,
        message,
        resets_in: None,
        request_id: String::new(),
        headers: Vec::new(),
    }
}

pub(super) fn rate_limited(headers: Vec<(&'static str, String)>) -> Refusal {
    let message = "Rate limit reached; come back later.".to_owned();
    Refusal { headers, ..refusal(429, "rate_limit_error", "rate_limit_exceeded", message) }
}

/// The refusal a fault asks for, if it is one that refuses.
pub(super) fn by_fault(
    fault: &FaultKind,
    flavour: Flavour,
    prompt_tokens: u64,
    window: u64,
) -> Option<Refusal> {
    let invalid = "invalid_request_error";
    Some(match fault {
        FaultKind::ServerError { status } => {
            refusal(*status, "server_error", "server_error", "The server had an error.".to_owned())
        }
        FaultKind::RateLimited { retry_after } => {
            let wait = retry_after.and_then(|s| std::time::Duration::try_from_secs_f64(s).ok());
            rate_limited(wait.map(retry_headers).unwrap_or_default())
        }
        FaultKind::InsufficientQuota => {
            let message = "The account has no credit left; see its plan and billing.".to_owned();
            let status = if flavour == Flavour::Anthropic { 402 } else { 429 };
            refusal(status, "insufficient_quota", "insufficient_quota", message)
        }
        FaultKind::Overloaded { in_stream: false } => {
            let status = if flavour == Flavour::Anthropic { 529 } else { 503 };
            refusal(status, "overloaded_error", "overloaded", "Overloaded".to_owned())
        }
        FaultKind::ContextLengthExceeded => too_long(prompt_tokens, window, flavour),
        FaultKind::ContentFilter { after_tokens: None } => {
            let message = "The prompt was stopped by the content filter.".to_owned();
            refusal(400, invalid, "content_filter", message)
        }
        FaultKind::Unauthorized => {
            refusal(401, invalid, "invalid_api_key", "The API key shown is not accepted.".to_owned())
        }
        _ => return None,
    })
}

/// Prompt and ceiling ask for more than the window holds, in the words by which each server's callers know it.
pub(super) fn too_long(asked: u64, window: u64, flavour: Flavour) -> Refusal {
    let message = match flavour {
        Flavour::Anthropic => format!("prompt is too long: {asked} tokens > {window} maximum"),
        _ => format!(
            "This model's maximum context length is {window} tokens; prompt and ceiling together ask for {asked}."
        ),
    };
    refusal(400, "invalid_request_error", "context_length_exceeded", message)
}
