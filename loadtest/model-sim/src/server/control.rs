//! The simulator's own pages, by which a test at the other end of a socket reads and sets it. It owns
//! `/sim/…`; it refuses to ask for a key: a simulator listens on loopback.

use bytes::Bytes;
use hyper::body::Incoming;
use hyper::{Method, Request, Response, StatusCode};
use serde::Serialize;

use super::answer::Answer;
use super::errors::Complaint;
use super::respond::{error, no_content, plain, read_body};
use super::shared::Shared;
use crate::config::{Flavour, Keys};
use crate::faults::FaultScript;

/// Answers `/sim/{page}`.
pub(super) async fn answer(shared: &Shared, page: &str, request: Request<Incoming>) -> Response<Answer> {
    match (request.method(), page) {
        (&Method::GET, "log") => lines(&shared.log()),
        (&Method::GET, "exchanges") => lines(&shared.exchanges()),
        (&Method::GET, "totals") => json(&shared.totals()),
        (&Method::GET, "faults") => json(&shared.faults()),
        (&Method::POST, "faults") => match read_body(request).await {
            Ok(body) => set_faults(shared, &body),
            Err(complaint) => refused(&complaint),
        },
        (&Method::POST, "keys") => match read_body(request).await {
            Ok(body) => set_keys(shared, &body),
            Err(complaint) => refused(&complaint),
        },
        (&Method::POST, "reset") => {
            shared.reset();
            no_content()
        }
        _ => refused(&Complaint::not_found(
            "GET /sim/log, /sim/exchanges, /sim/totals or /sim/faults; POST /sim/faults, /sim/keys or /sim/reset",
        )),
    }
}

/// The simulator's own errors have OpenAI's form, whatever it simulates.
fn refused(complaint: &Complaint) -> Response<Answer> {
    error(Flavour::OpenAi, complaint, "")
}

fn set_faults(shared: &Shared, body: &[u8]) -> Response<Answer> {
    match FaultScript::parse(&String::from_utf8_lossy(body)) {
        Ok(script) => {
            shared.set_faults(script);
            no_content()
        }
        Err(message) => refused(&Complaint::bad_request(message).about("faults")),
    }
}

fn set_keys(shared: &Shared, body: &[u8]) -> Response<Answer> {
    match serde_json::from_slice::<Keys>(body) {
        Ok(keys) => {
            shared.set_keys(keys);
            no_content()
        }
        // The error's own text may quote a key.
        Err(error) => {
            let place = format!("line {}, column {}", error.line(), error.column());
            let message = format!(
                "keys: {place}: an object of lists of texts named bearer, api_key, x_api_key and subscription"
            );
            refused(&Complaint::bad_request(message).about("keys"))
        }
    }
}

fn lines(records: &[impl Serialize]) -> Response<Answer> {
    let mut lines = String::new();
    for line in records.iter().filter_map(|record| serde_json::to_string(record).ok()) {
        lines.push_str(&line);
        lines.push('\n');
    }
    plain(StatusCode::OK, "application/x-ndjson", Bytes::from(lines))
}

fn json(value: &impl Serialize) -> Response<Answer> {
    match serde_json::to_vec(value) {
        Ok(body) => plain(StatusCode::OK, "application/json", Bytes::from(body)),
        Err(error) => refused(&Complaint::new(StatusCode::INTERNAL_SERVER_ERROR, error.to_string())),
    }
}
