//! Writing an answer of our own to the caller. It owns status, headers and framing of refusals and
//! complete answers; the words are the dialect's (`wire`), the reasons `decision`'s.

use bytes::Bytes;
use decision::{Exchange, Refusal};
use http::header::{ALLOW, CACHE_CONTROL, CONTENT_LENGTH, CONTENT_TYPE, RETRY_AFTER};
use pingora_error::Result;
use pingora_http::ResponseHeader;
use pingora_proxy::Session;

/// Header that names the request, for the caller's own logs and for support.
pub(super) const REQUEST_ID: &str = "x-request-id";
/// Header that names the backend that served it.
pub(super) const BACKEND: &str = "x-sluicegate-backend";

/// Writes `refusal` in the caller's dialect and returns the status sent.
pub(super) async fn refuse(session: &mut Session, exchange: &Exchange, refusal: &Refusal) -> Result<u16> {
    let status = refusal.reason.status();
    let ai = exchange.operation.is_some() || session.req_header().uri.path().starts_with("/v1/");
    let (media, body) = if ai {
        ("application/json", wire::openai::error_body(refusal.reason, &refusal.message, refusal.param))
    } else {
        ("application/problem+json", problem(refusal, &exchange.request_id))
    };
    let mut header = head(status, exchange)?;
    header.insert_header(CONTENT_TYPE, media)?;
    if let Some(after) = refusal.retry_after {
        // Whole seconds (RFC 9110 §10.2.3), and never 0.
        let seconds = after.as_secs_f64().ceil().max(1.0);
        header.insert_header(RETRY_AFTER, format!("{seconds:.0}"))?;
    }
    if !refusal.allow.is_empty() {
        header.insert_header(ALLOW, refusal.allow.join(", "))?;
    }
    write_full(session, header, body).await?;
    Ok(status)
}

/// Problem details (RFC 9457) for callers whose dialect is plain HTTP.
fn problem(refusal: &Refusal, request_id: &str) -> Bytes {
    let body = serde_json::json!({
        "type": "about:blank",
        "title": http::StatusCode::from_u16(refusal.reason.status()).ok().and_then(|status| status.canonical_reason()),
        "status": refusal.reason.status(),
        "detail": refusal.message,
        "reason": refusal.reason.code(),
        "request_id": request_id,
    });
    Bytes::from(body.to_string())
}

/// A response head with what every answer carries.
pub(super) fn head(status: u16, exchange: &Exchange) -> Result<ResponseHeader> {
    let mut header = ResponseHeader::build(status, Some(10))?;
    header.insert_header(REQUEST_ID, exchange.request_id.as_str())?;
    if let Some(name) = served_by(exchange) {
        header.insert_header(BACKEND, name)?;
    }
    if let Some(remaining) = &exchange.remaining {
        if let Some(requests) = &remaining.requests {
            header.insert_header("x-ratelimit-limit-requests", requests.limit.to_string())?;
            header.insert_header("x-ratelimit-remaining-requests", requests.remaining.to_string())?;
        }
        if let Some(tokens) = &remaining.tokens {
            header.insert_header("x-ratelimit-limit-tokens", tokens.limit.to_string())?;
            header.insert_header("x-ratelimit-remaining-tokens", tokens.remaining.to_string())?;
        }
    }
    Ok(header)
}

fn served_by(exchange: &Exchange) -> Option<&str> {
    let deployment = exchange.attempts.last()?.deployment;
    exchange.gate.deployment(deployment).map(|deployment| deployment.name.as_str())
}

/// Writes a complete JSON answer.
pub(super) async fn json(session: &mut Session, exchange: &Exchange, status: u16, body: Bytes) -> Result<()> {
    let mut header = head(status, exchange)?;
    header.insert_header(CONTENT_TYPE, "application/json")?;
    write_full(session, header, body).await
}

/// The head of an event stream.
pub(super) async fn begin_stream(session: &mut Session, exchange: &Exchange) -> Result<()> {
    let mut header = head(200, exchange)?;
    header.insert_header(CONTENT_TYPE, "text/event-stream; charset=utf-8")?;
    header.insert_header(CACHE_CONTROL, "no-cache")?;
    // Nginx-family ingresses hold streams back unless told not to.
    header.insert_header("x-accel-buffering", "no")?;
    session.write_response_header(Box::new(header), false).await
}

async fn write_full(session: &mut Session, mut header: ResponseHeader, body: Bytes) -> Result<()> {
    header.insert_header(CONTENT_LENGTH, body.len())?;
    if !session.as_downstream_mut().is_body_done() {
        // What is left of the body is not read, so the connection cannot carry another request.
        session.as_downstream_mut().set_keepalive(None);
    }
    if session.req_header().method == http::Method::HEAD {
        return session.write_response_header(Box::new(header), true).await;
    }
    session.write_response_header(Box::new(header), false).await?;
    session.write_response_body(Some(body), true).await
}
