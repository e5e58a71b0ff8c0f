//! Writing an answer of our own to the caller. It owns status, headers and framing of refusals and
//! complete answers; the words are the dialect's (`wire`), the reasons `decision`'s.

use std::time::Duration;

use bytes::Bytes;
use decision::{Exchange, Refusal};
use http::HeaderName;
use http::header::{
    ALLOW, CACHE_CONTROL, CONTENT_LENGTH, CONTENT_TYPE, EXPECT, RETRY_AFTER, TRANSFER_ENCODING, UPGRADE,
};
use pingora_error::Result;
use pingora_http::ResponseHeader;
use pingora_proxy::Session;
use rule_table::HeaderEdits;
use vocabulary::facts::Dialect;
use vocabulary::{Reason, Usd};

/// Header that names the request, for the caller's own logs and for support.
pub(super) const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
/// The same, under the name that Anthropic's clients look for.
const ANTHROPIC_REQUEST_ID: HeaderName = HeaderName::from_static("request-id");
/// Header that names the backend that served it.
pub(super) const BACKEND: HeaderName = HeaderName::from_static("x-sluicegate-backend");
/// Header that names fields of the request that the backend's dialect has no place for.
const LOST_FIELDS: HeaderName = HeaderName::from_static("x-sluicegate-lost-fields");
/// Headers that tell the caller's limits, named as OpenAI names them.
const LIMIT_REQUESTS: HeaderName = HeaderName::from_static("x-ratelimit-limit-requests");
const REMAINING_REQUESTS: HeaderName = HeaderName::from_static("x-ratelimit-remaining-requests");
const LIMIT_TOKENS: HeaderName = HeaderName::from_static("x-ratelimit-limit-tokens");
const REMAINING_TOKENS: HeaderName = HeaderName::from_static("x-ratelimit-remaining-tokens");

const RESET_REQUESTS: HeaderName = HeaderName::from_static("x-ratelimit-reset-requests");
const RESET_TOKENS: HeaderName = HeaderName::from_static("x-ratelimit-reset-tokens");
/// The same for what OpenAI does not limit.
const LIMIT_STREAMS: HeaderName = HeaderName::from_static("x-ratelimit-limit-streams");
const REMAINING_STREAMS: HeaderName = HeaderName::from_static("x-ratelimit-remaining-streams");
const LIMIT_BUDGET: HeaderName = HeaderName::from_static("x-ratelimit-limit-budget");
const REMAINING_BUDGET: HeaderName = HeaderName::from_static("x-ratelimit-remaining-budget");
const RESET_BUDGET: HeaderName = HeaderName::from_static("x-ratelimit-reset-budget");

/// How long, and how much, is read of a body nobody wants.
const LINGER: Duration = Duration::from_secs(2);
const LINGER_BYTES: usize = 32 * 1024 * 1024;

/// Writes `refusal` in the caller's dialect and returns the status sent.
pub(super) async fn refuse(session: &mut Session, exchange: &Exchange, refusal: &Refusal) -> Result<u16> {
    let status = refusal.status();
    let (media, body) = exchange.refusal_body(refusal, session.req_header().uri.path());
    let mut header = head(status, exchange)?;
    header.insert_header(CONTENT_TYPE, media)?;
    if let Some(after) = refusal.retry_after {
        // Whole seconds (RFC 9110 §10.2.3), and never 0.
        let seconds = after.as_secs_f64().ceil().max(1.0);
        header.insert_header(RETRY_AFTER, format!("{seconds:.0}"))?;
    }
    if refusal.reason.is_bad() && exchange.attempts.len() > 1 {
        // The attempts this request may cost have been made here; clients that retry by themselves would
        // multiply them.
        header.insert_header("x-should-retry", "false")?;
    }
    if !refusal.allow.is_empty() {
        header.insert_header(ALLOW, refusal.allow.join(", "))?;
    }
    if refusal.reason == Reason::TlsVersion && session.as_downstream().as_http1().is_some() {
        // Required with this status (RFC 9110 §15.5.22); HTTP/2 has no such header. It should be named in
        // `Connection` as well (§7.8), but Pingora writes that header itself, last, and it has to be `close`
        // here: no connection can change its version of TLS.
        header.insert_header(UPGRADE, "TLS/1.3")?;
    }
    write_full(session, header, body).await?;
    Ok(status)
}

/// A response head with what every answer carries.
pub(super) fn head(status: u16, exchange: &Exchange) -> Result<ResponseHeader> {
    let mut header = ResponseHeader::build_no_case(status, Some(12))?;
    header.insert_header(REQUEST_ID, exchange.request_id.as_str())?;
    if exchange.operation.is_some_and(|operation| operation.dialect() == Dialect::Anthropic) {
        header.insert_header(ANTHROPIC_REQUEST_ID, exchange.request_id.as_str())?;
    }
    if let Some(name) = served_by(exchange) {
        header.insert_header(BACKEND, name)?;
    }
    if !exchange.lost_fields.is_empty() {
        header.insert_header(LOST_FIELDS, exchange.lost_fields.join(", "))?;
    }
    if let Some(remaining) = &exchange.remaining {
        if let Some(requests) = &remaining.requests {
            header.insert_header(LIMIT_REQUESTS, requests.limit)?;
            header.insert_header(REMAINING_REQUESTS, requests.remaining)?;
            header.insert_header(RESET_REQUESTS, reset(requests.resets_in))?;
        }
        if let Some(tokens) = &remaining.tokens {
            header.insert_header(LIMIT_TOKENS, tokens.limit)?;
            header.insert_header(REMAINING_TOKENS, tokens.remaining)?;
            header.insert_header(RESET_TOKENS, reset(tokens.resets_in))?;
        }
        if let Some(streams) = &remaining.streams {
            header.insert_header(LIMIT_STREAMS, streams.limit)?;
            header.insert_header(REMAINING_STREAMS, streams.remaining)?;
        }
        if let Some(spend) = &remaining.spend {
            header.insert_header(LIMIT_BUDGET, Usd { nanos: spend.limit }.to_string())?;
            header.insert_header(REMAINING_BUDGET, Usd { nanos: spend.remaining }.to_string())?;
            header.insert_header(RESET_BUDGET, reset(spend.resets_in))?;
        }
    }
    for edits in exchange.answer_edits() {
        edit(&mut header, edits)?;
    }
    Ok(header)
}

/// Seconds until a window turns, as OpenAI writes them; a client that waits so long finds it turned.
fn reset(left: Duration) -> String {
    format!("{:.0}s", left.as_secs_f64().ceil())
}

/// Applies a policy's edits to an answer's head.
pub(super) fn edit(header: &mut ResponseHeader, edits: &HeaderEdits) -> Result<()> {
    for name in &edits.remove {
        header.remove_header(name.as_str());
    }
    for (name, value) in &edits.set {
        header.insert_header(name.clone(), value.as_str())?;
    }
    Ok(())
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
pub(super) fn stream_head(session: &Session, exchange: &Exchange) -> Result<ResponseHeader> {
    let mut header = head(200, exchange)?;
    header.insert_header(CONTENT_TYPE, "text/event-stream; charset=utf-8")?;
    header.insert_header(CACHE_CONTROL, "no-cache")?;
    // Nginx-family ingresses hold streams back unless told not to.
    header.insert_header("x-accel-buffering", "no")?;
    if session.req_header().version == http::Version::HTTP_11 {
        // Without it the end of the connection would be the end of the stream, and a cut one look whole.
        header.insert_header(TRANSFER_ENCODING, "chunked")?;
    }
    Ok(header)
}

async fn write_full(session: &mut Session, mut header: ResponseHeader, body: Bytes) -> Result<()> {
    header.insert_header(CONTENT_LENGTH, body.len())?;
    let unread = !session.as_downstream_mut().is_body_done();
    if unread {
        // What is left of the body is of no use, so the connection shall not carry another request.
        session.as_downstream_mut().set_keepalive(None);
    }
    if session.req_header().method == http::Method::HEAD {
        return session.write_response_header(Box::new(header), true).await;
    }
    session.write_response_header(Box::new(header), false).await?;
    session.write_response_body(Some(body), true).await?;
    if unread {
        linger(session).await;
    }
    Ok(())
}

/// Reads on for a while what a refused caller still sends. Closing on unread bytes makes TCP reset the
/// connection, and the answer is lost with it (RFC 9112 §9.6).
async fn linger(session: &mut Session) {
    let waits =
        session.req_header().headers.contains_key(EXPECT) && session.as_downstream().body_bytes_read() == 0;
    if waits || session.is_http2() {
        // Such a caller sends nothing without our word, and a stream of HTTP/2 ends by itself.
        return;
    }
    let reading = async {
        let mut read = 0;
        while let Ok(Some(chunk)) = session.as_downstream_mut().read_request_body().await {
            read += chunk.len();
            if read > LINGER_BYTES {
                return;
            }
        }
    };
    // A caller that has not ended by then loses its answer after all.
    let _ = tokio::time::timeout(LINGER, reading).await;
}
