//! Answers of the admin API: JSON, and problem details (RFC 9457) for errors. It refuses to know routes.

use bytes::Bytes;
use http::header::{CONTENT_TYPE, ETAG, WWW_AUTHENTICATE};
use http::{HeaderValue, Response, StatusCode};
use http_body_util::Full;
use serde::Serialize;

/// What every route answers with.
pub(super) type Answer = Response<Full<Bytes>>;

/// 200 with a JSON body.
pub(super) fn json(value: &impl Serialize) -> Answer {
    match serde_json::to_vec_pretty(value) {
        Ok(mut body) => {
            body.push(b'\n');
            with(StatusCode::OK, "application/json", body)
        }
        Err(_) => problem(
            StatusCode::INTERNAL_SERVER_ERROR,
            "Not representable",
            "the state cannot be written as JSON",
            &[],
        ),
    }
}

/// Plain text.
pub(super) fn text(status: StatusCode, body: &str) -> Answer {
    with(status, "text/plain; charset=utf-8", format!("{body}\n").into_bytes())
}

/// A body of some other media type.
pub(super) fn with(status: StatusCode, media: &'static str, body: Vec<u8>) -> Answer {
    let mut answer = Response::new(Full::new(Bytes::from(body)));
    *answer.status_mut() = status;
    answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(media));
    answer
}

/// Problem details; `findings` are one line each.
pub(super) fn problem(status: StatusCode, title: &str, detail: &str, findings: &[String]) -> Answer {
    let body = serde_json::json!({
        "type": "about:blank",
        "title": title,
        "status": status.as_u16(),
        "detail": detail,
        "findings": findings,
    });
    let mut answer = with(status, "application/problem+json", format!("{body:#}\n").into_bytes());
    if status == StatusCode::UNAUTHORIZED {
        answer
            .headers_mut()
            .insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer realm=\"sluicegate admin\""));
    }
    answer
}

/// Adds the generation as a strong entity tag (RFC 9110 §8.8.3).
pub(super) fn tagged(mut answer: Answer, generation: u64) -> Answer {
    if let Ok(tag) = HeaderValue::from_str(&entity_tag(generation)) {
        answer.headers_mut().insert(ETAG, tag);
    }
    answer
}

/// The entity tag of a generation.
pub(super) fn entity_tag(generation: u64) -> String {
    format!("\"{generation}\"")
}
