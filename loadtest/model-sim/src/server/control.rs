//! The simulator's own pages, by which a test at the other end of a socket reads and sets it. It owns
//! `/sim/…`; it refuses to ask for a key: a simulator listens on loopback.

use bytes::Bytes;
use hyper::body::Incoming;
use hyper::{Method, Request, Response, StatusCode};

use super::answer::Answer;
use super::routes::{error_response, plain, read_body};
use super::shared::Shared;
use crate::faults::FaultScript;

/// Answers `/sim/{page}`.
pub(super) async fn answer(shared: &Shared, page: &str, request: Request<Incoming>) -> Response<Answer> {
    match (request.method(), page) {
        (&Method::GET, "log") => {
            let mut lines = String::new();
            for line in shared.log().iter().filter_map(|record| serde_json::to_string(record).ok()) {
                lines.push_str(&line);
                lines.push('\n');
            }
            plain(StatusCode::OK, "application/x-ndjson", Bytes::from(lines))
        }
        (&Method::GET, "totals") => json(&shared.totals()),
        (&Method::GET, "faults") => json(&shared.faults()),
        (&Method::POST, "faults") => match read_body(request).await {
            Ok(body) => set_faults(shared, &body),
            Err(response) => response,
        },
        (&Method::POST, "reset") => {
            shared.reset();
            plain(StatusCode::NO_CONTENT, "application/json", Bytes::new())
        }
        _ => {
            let message = "GET /sim/log, /sim/totals or /sim/faults; POST /sim/faults or /sim/reset";
            error_response(StatusCode::NOT_FOUND, "invalid_request_error", None, None, message)
        }
    }
}

fn set_faults(shared: &Shared, body: &[u8]) -> Response<Answer> {
    match FaultScript::parse(&String::from_utf8_lossy(body)) {
        Ok(script) => {
            shared.set_faults(script);
            plain(StatusCode::NO_CONTENT, "application/json", Bytes::new())
        }
        Err(message) => {
            error_response(StatusCode::BAD_REQUEST, "invalid_request_error", None, Some("faults"), &message)
        }
    }
}

fn json(value: &impl serde::Serialize) -> Response<Answer> {
    match serde_json::to_vec(value) {
        Ok(body) => plain(StatusCode::OK, "application/json", Bytes::from(body)),
        Err(error) => {
            error_response(StatusCode::INTERNAL_SERVER_ERROR, "server_error", None, None, &error.to_string())
        }
    }
}
