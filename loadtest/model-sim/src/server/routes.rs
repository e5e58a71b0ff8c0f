//! From a request's path to its answer. It owns the paths of OpenAI and Azure, the key check and the
//! statuses; it refuses to read bodies beyond their cap or to know what is in an event.

use std::io;
use std::sync::Arc;

use bytes::Bytes;
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use hyper::body::{Body as _, Incoming};
use hyper::header::{AUTHORIZATION, CACHE_CONTROL, CONTENT_LENGTH, CONTENT_TYPE, HeaderName, HeaderValue};
use hyper::{HeaderMap, Method, Request, Response, StatusCode};
use serde_json::json;
use tokio::sync::mpsc::UnboundedReceiver;
use vocabulary::Operation;

use super::answer::{Answer, Generated};
use super::connection::Control;
use super::encode::{self, Envelope, StreamEncoder};
use super::request::{self, Parsed};
use super::shared::{Admission, Shared, Ticket};
use super::steps::Steps;
use super::{control, embedding};
use crate::backend::{Plan, Refusal};
use crate::engine::Emission;
use crate::faults::FaultKind;
use crate::log::Outcome;

/// Longest request body, in bytes.
const LONGEST_BODY: usize = 64 << 20;

/// Answers a request; an error breaks its connection off.
pub(super) async fn answer(
    shared: Arc<Shared>,
    connection: Control,
    request: Request<Incoming>,
) -> io::Result<Response<Answer>> {
    let path = request.uri().path().to_owned();
    if path == "/health" {
        return Ok(health(&shared));
    }
    if let Some(page) = path.strip_prefix("/sim/") {
        return Ok(control::answer(&shared, page, request).await);
    }
    if !shared
        .with_config(|config| config.api_key.as_ref().is_none_or(|key| is_key_shown(request.headers(), key)))
    {
        let message = "Incorrect API key provided.";
        let code = Some("invalid_api_key");
        return Ok(error_response(StatusCode::UNAUTHORIZED, "invalid_request_error", code, None, message));
    }
    let (operation, deployment) = match route(&path, request.uri().query()) {
        Ok(route) => route,
        Err(message) => return Ok(not_found(&message)),
    };
    match (operation, request.method()) {
        (Route::Models, &Method::GET) => Ok(models(&shared)),
        (Route::Model(name), &Method::GET) => Ok(model(&shared, &name)),
        (Route::Generate(operation), &Method::POST) => {
            let headers = request.headers().clone();
            let body = match read_body(request).await {
                Ok(body) => body,
                Err(response) => return Ok(response),
            };
            match request::parse(operation, deployment.as_deref(), &headers, &body) {
                Ok(parsed) => generate(&shared, connection, operation, parsed).await,
                Err(bad) => {
                    let status = StatusCode::BAD_REQUEST;
                    Ok(error_response(status, "invalid_request_error", None, bad.param, &bad.message))
                }
            }
        }
        _ => {
            let message = format!("{} is not what {path} takes.", request.method());
            Ok(error_response(StatusCode::METHOD_NOT_ALLOWED, "invalid_request_error", None, None, &message))
        }
    }
}

enum Route {
    Models,
    Model(String),
    Generate(Operation),
}

/// The route of a path, and the deployment an Azure path names.
fn route(path: &str, query: Option<&str>) -> Result<(Route, Option<String>), String> {
    let unknown = || format!("There is nothing at {path}.");
    if let Some(rest) = path.strip_prefix("/openai/deployments/") {
        let (deployment, operation) = rest.split_once('/').ok_or_else(unknown)?;
        let has_version = query.unwrap_or_default().split('&').any(|pair| pair.starts_with("api-version="));
        if !has_version {
            return Err("Resource not found: the query needs `api-version`.".to_owned());
        }
        let operation = Operation::from_path(&format!("/v1/{operation}"));
        let operation =
            operation.filter(|operation| *operation != Operation::ListModels).ok_or_else(unknown)?;
        return Ok((Route::Generate(operation), Some(deployment.to_owned())));
    }
    let path = path.strip_prefix("/openai").unwrap_or(path);
    let route = match Operation::from_path(path) {
        Some(Operation::ListModels) => Route::Models,
        Some(operation) => Route::Generate(operation),
        None => Route::Model(path.strip_prefix("/v1/models/").ok_or_else(unknown)?.to_owned()),
    };
    Ok((route, None))
}

fn is_key_shown(headers: &HeaderMap, key: &crate::ApiKey) -> bool {
    let text = |name: &HeaderName| headers.get(name).and_then(|value| value.to_str().ok());
    let bearer = text(&AUTHORIZATION).and_then(|value| value.strip_prefix("Bearer "));
    let azure = text(&HeaderName::from_static("api-key"));
    bearer.into_iter().chain(azure).any(|given| key.matches(given))
}

/// Reads a body up to its cap.
pub(super) async fn read_body(request: Request<Incoming>) -> Result<Bytes, Response<Answer>> {
    // A length that is announced need not be waited for.
    if request.body().size_hint().lower() > LONGEST_BODY as u64 {
        return Err(too_long());
    }
    let body = Limited::new(request.into_body(), LONGEST_BODY).collect().await;
    body.map(http_body_util::Collected::to_bytes).map_err(|error| {
        if error.is::<LengthLimitError>() {
            return too_long();
        }
        let message = "The body ended early.";
        error_response(StatusCode::BAD_REQUEST, "invalid_request_error", None, None, message)
    })
}

fn too_long() -> Response<Answer> {
    let message = format!("The body is longer than {} MiB.", LONGEST_BODY >> 20);
    error_response(StatusCode::PAYLOAD_TOO_LARGE, "invalid_request_error", None, None, &message)
}

async fn generate(
    shared: &Arc<Shared>,
    connection: Control,
    operation: Operation,
    parsed: Parsed,
) -> io::Result<Response<Answer>> {
    let Parsed { arrival, include_usage, inputs, base64, dimensions } = parsed;
    let (model, prompt_tokens, stream) = (arrival.model.clone(), arrival.prompt_tokens, arrival.stream);
    let (plan, mut ticket, mut emissions) = match shared.arrive(arrival) {
        Admission::Accepted { plan, ticket, emissions } => (plan, ticket, emissions),
        Admission::Refused(refusal) => return Ok(refused(&refusal)),
    };
    match plan.fault {
        Some(FaultKind::HangBeforeHeaders) => {
            // Held until the caller leaves; the ticket then tells the log.
            std::future::pending::<()>().await;
        }
        Some(FaultKind::ResetBeforeHeaders) => {
            connection.reset();
            ticket.end(Outcome::Failed);
            return Err(cut_off("reset by a fault"));
        }
        _ => {}
    }
    let head = head(&plan);
    let envelope = Envelope { operation, model, prompt_tokens, plan };
    if stream {
        return stream_answer(
            shared,
            Streaming { head, envelope, include_usage, ticket, emissions, connection },
        )
        .await;
    }
    while !emissions.recv().await.ok_or_else(|| cut_off("cut off by a reset of the simulator"))?.last {}
    let body = if operation == Operation::Embeddings {
        let default =
            shared.with_config(|config| config.model(&envelope.model).map(|m| m.embedding_dimensions));
        // The largest vector anyone sells has 4,096 numbers.
        let dimensions = dimensions.or(default).unwrap_or(256).clamp(1, 4_096);
        embedding::body(&envelope.model, &inputs, dimensions, base64, prompt_tokens)
    } else {
        envelope.whole()
    };
    let mut steps = Steps::new(envelope.plan.fault.clone());
    let length = body.len();
    steps.whole(body, envelope.plan.output_tokens.saturating_mul(envelope.plan.choices));
    ticket.head_sent(200);
    let generated = Generated { ticket, control: connection, steps, source: None, ended: false };
    let mut response = with_head(head, "application/json", Answer::Generated(Box::new(generated)));
    response.headers_mut().insert(CONTENT_LENGTH, HeaderValue::from(length));
    Ok(response)
}

/// What a streamed answer is made of.
struct Streaming {
    head: HeaderMap,
    envelope: Envelope,
    include_usage: bool,
    ticket: Ticket,
    emissions: UnboundedReceiver<Emission>,
    connection: Control,
}

async fn stream_answer(shared: &Arc<Shared>, streaming: Streaming) -> io::Result<Response<Answer>> {
    let Streaming { head, envelope, include_usage, ticket, mut emissions, connection } = streaming;
    let mut steps = Steps::new(envelope.plan.fault.clone());
    let encoder = StreamEncoder::new(envelope, include_usage);
    if !shared.with_config(|config| config.profile.sends_head_at_once()) {
        let first = emissions.recv().await.ok_or_else(|| cut_off("cut off by a reset of the simulator"))?;
        encoder.write(first, &mut steps);
    }
    ticket.head_sent(200);
    let source = Some((emissions, encoder));
    let generated = Generated { ticket, control: connection, steps, source, ended: false };
    let mut response = with_head(head, "text/event-stream", Answer::Generated(Box::new(generated)));
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    Ok(response)
}

fn cut_off(why: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::ConnectionAborted, why)
}

fn head(plan: &Plan) -> HeaderMap {
    headers(&plan.request_id, &plan.headers)
}

fn headers(request_id: &str, pairs: &[(&'static str, String)]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, value) in pairs {
        if let Ok(value) = HeaderValue::from_str(value) {
            headers.insert(HeaderName::from_static(name), value);
        }
    }
    if let Ok(id) = HeaderValue::from_str(request_id) {
        headers.insert(HeaderName::from_static("x-request-id"), id);
    }
    headers
}

fn with_head(head: HeaderMap, content_type: &'static str, body: Answer) -> Response<Answer> {
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

/// An OpenAI error object with its status.
pub(super) fn error_response(
    status: StatusCode,
    kind: &str,
    code: Option<&str>,
    param: Option<&str>,
    message: &str,
) -> Response<Answer> {
    plain(status, "application/json", encode::error(kind, code, param, message))
}

fn not_found(message: &str) -> Response<Answer> {
    error_response(StatusCode::NOT_FOUND, "invalid_request_error", None, None, message)
}

fn refused(refusal: &Refusal) -> Response<Answer> {
    let status = StatusCode::from_u16(refusal.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut response = error_response(status, refusal.kind, Some(refusal.code), None, &refusal.message);
    response.headers_mut().extend(headers(&refusal.request_id, &refusal.headers));
    response
}

fn health(shared: &Shared) -> Response<Answer> {
    if shared.is_probe_green() {
        plain(StatusCode::OK, "application/json", Bytes::from_static(b"{\"status\":\"ok\"}"))
    } else {
        let message = "The server reports itself unhealthy.";
        error_response(StatusCode::SERVICE_UNAVAILABLE, "server_error", None, None, message)
    }
}

fn models(shared: &Shared) -> Response<Answer> {
    let data: Vec<_> =
        shared.with_config(|config| config.models.iter().map(|model| encode::model(&model.name)).collect());
    let body = json!({"object": "list", "data": data}).to_string();
    plain(StatusCode::OK, "application/json", Bytes::from(body))
}

fn model(shared: &Shared, name: &str) -> Response<Answer> {
    if shared.with_config(|config| config.model(name).is_some()) {
        return plain(StatusCode::OK, "application/json", Bytes::from(encode::model(name).to_string()));
    }
    let (kind, code) = ("invalid_request_error", Some("model_not_found"));
    error_response(StatusCode::NOT_FOUND, kind, code, None, &format!("The model `{name}` does not exist."))
}
