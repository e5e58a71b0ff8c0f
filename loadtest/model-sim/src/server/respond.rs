//! Responses of known bytes, and bodies of requests. It owns the cap on a body and the headers every answer
//! has; it refuses to know any API.

use bytes::Bytes;
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use hyper::body::{Body as _, Incoming};
use hyper::header::{CONTENT_LENGTH, CONTENT_TYPE, HeaderName, HeaderValue};
use hyper::{HeaderMap, Request, Response, StatusCode};
use serde_json::Value;

use super::answer::Answer;
use super::errors::Complaint;
use crate::config::Flavour;

/// Longest request body, in bytes.
const LONGEST_BODY: usize = 64 << 20;

/// Reads a body up to its cap.
pub(super) async fn read_body(request: Request<Incoming>) -> Result<Bytes, Complaint> {
    // A length that is announced need not be waited for.
    if request.body().size_hint().lower() > LONGEST_BODY as u64 {
        return Err(too_long());
    }
    let body = Limited::new(request.into_body(), LONGEST_BODY).collect().await;
    body.map(http_body_util::Collected::to_bytes).map_err(|error| {
        if error.is::<LengthLimitError>() {
            too_long()
        } else {
            Complaint::bad_request("The body ended early.")
        }
    })
}

fn too_long() -> Complaint {
    let message = format!("The body is longer than {} MiB.", LONGEST_BODY >> 20);
    Complaint::new(StatusCode::PAYLOAD_TOO_LARGE, message)
}

/// Headers from pairs; what is no header value is left out.
pub(super) fn headers(pairs: &[(&'static str, String)]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, value) in pairs {
        if let Ok(value) = HeaderValue::from_str(value) {
            headers.insert(HeaderName::from_static(name), value);
        }
    }
    headers
}

/// A response of status 200 with its head and body.
pub(super) fn with_head(head: HeaderMap, content_type: &'static str, body: Answer) -> Response<Answer> {
    let mut response = Response::new(body);
    *response.headers_mut() = head;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    response
}

/// A response of known bytes.
pub(super) fn plain(status: StatusCode, content_type: &'static str, body: Bytes) -> Response<Answer> {
    let length = body.len();
    let mut response = with_head(HeaderMap::new(), content_type, Answer::Plain(Some(body)));
    *response.status_mut() = status;
    if status != StatusCode::NO_CONTENT {
        response.headers_mut().insert(CONTENT_LENGTH, HeaderValue::from(length));
    }
    response
}

/// A response of known bytes without a body.
pub(super) fn no_content() -> Response<Answer> {
    plain(StatusCode::NO_CONTENT, "application/json", Bytes::new())
}

/// A response of JSON with status 200.
pub(super) fn json(body: &Value) -> Response<Answer> {
    plain(StatusCode::OK, "application/json", Bytes::from(body.to_string()))
}

/// An error in the form of the server's API.
pub(super) fn error(flavour: Flavour, complaint: &Complaint, request_id: &str) -> Response<Answer> {
    let mut response = plain(complaint.status, "application/json", complaint.body(flavour, request_id));
    let name = if flavour == Flavour::Anthropic { "request-id" } else { "x-request-id" };
    if let Ok(id) = HeaderValue::from_str(request_id)
        && !id.is_empty()
    {
        response.headers_mut().insert(name, id);
    }
    response
}
