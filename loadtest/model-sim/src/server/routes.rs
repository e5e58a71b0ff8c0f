//! From a request to its answer. It owns the order of checks, the account of the exchange and the statuses
//! of what is not generated; it refuses to know what is in an event.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;

use bytes::Bytes;
use hyper::body::Incoming;
use hyper::{HeaderMap, Method, Request, Response, StatusCode};
use serde::de::IgnoredAny;
use serde_json::json;

use super::answer::Answer;
use super::asked::{Asked, Context};
use super::auth::{self, CREDENTIALS};
use super::connection::Control;
use super::errors::Complaint;
use super::generate::generate;
use super::paths::{Route, Routed, route};
use super::respond::{error, json, plain, read_body};
use super::shared::{Shared, Visit};
use super::{chat, control, messages, responses};
use crate::config::Flavour;
use crate::faults::Door;
use crate::log::Exchange;

/// What every part of an answer needs.
pub(super) struct Call {
    pub(super) shared: Arc<Shared>,
    pub(super) visit: Visit,
    pub(super) connection: Control,
}

/// How an answer may fail: with an error of the API, or by breaking the connection off.
pub(super) enum Failure {
    Complaint(Complaint),
    Broken(io::Error),
}

impl From<Complaint> for Failure {
    fn from(complaint: Complaint) -> Self {
        Self::Complaint(complaint)
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self::Broken(error)
    }
}

type Outcome = Result<Response<Answer>, Failure>;

/// Answers a request; an error breaks its connection off.
pub(super) async fn answer(
    shared: Arc<Shared>,
    connection: Control,
    request: Request<Incoming>,
) -> io::Result<Response<Answer>> {
    if let Some(page) = request.uri().path().strip_prefix("/sim/") {
        let page = page.to_owned();
        return Ok(control::answer(&shared, &page, request).await);
    }
    let call = Call { visit: shared.visit(account(&request)), shared, connection };
    if *call.shared.door().borrow() == Door::Blackhole {
        // Held until the caller leaves; the visit then tells the log.
        std::future::pending::<()>().await;
    }
    let id = request_id(request.headers());
    let answered = match respond(&call, request).await {
        Ok(response) => Ok(response),
        Err(Failure::Complaint(complaint)) => Ok(error(call.shared.flavour, &complaint, &id)),
        Err(Failure::Broken(error)) => Err(error),
    };
    call.visit.answered(answered.as_ref().map_or(0, |response| response.status().as_u16()));
    answered
}

/// What may be told of a request.
fn account(request: &Request<Incoming>) -> Exchange {
    let mut headers = BTreeMap::new();
    let mut credentials = Vec::new();
    for (name, value) in request.headers() {
        if CREDENTIALS.contains(&name.as_str()) {
            credentials.push(name.as_str().to_owned());
        } else {
            let value = || String::from_utf8_lossy(value.as_bytes()).into_owned();
            headers.entry(name.as_str().to_owned()).or_insert_with(value);
        }
    }
    Exchange {
        method: request.method().to_string(),
        path: request.uri().path().to_owned(),
        query: request.uri().query().map(str::to_owned),
        headers,
        credentials,
        ..Exchange::default()
    }
}

fn request_id(headers: &HeaderMap) -> String {
    let given = headers.get("x-request-id").and_then(|value| value.to_str().ok());
    given.unwrap_or("req_sim").to_owned()
}

async fn respond(call: &Call, request: Request<Incoming>) -> Outcome {
    let (flavour, path) = (call.shared.flavour, request.uri().path().to_owned());
    if path == "/health" {
        return Ok(health(&call.shared));
    }
    auth::check(&call.shared, request.headers())?;
    let Routed { route, deployment } = route(flavour, &path, request.uri().query())?;
    if flavour == Flavour::Anthropic {
        version(request.headers())?;
    }
    let (method, headers) = (request.method().clone(), request.headers().clone());
    match (route, &method) {
        (Route::Models, &Method::GET) => Ok(models(&call.shared)),
        (Route::Model(name), &Method::GET) => model(&call.shared, &name),
        (Route::Response(id), &Method::GET) => response(&call.shared, &id),
        (Route::Response(id), &Method::DELETE) => forget(&call.shared, &id),
        (
            route @ (Route::Generate(_) | Route::Messages | Route::CountTokens | Route::Responses),
            &Method::POST,
        ) => {
            let body = receive(call, request).await?;
            if route == Route::CountTokens {
                return count_tokens(&call.shared, &body);
            }
            let asked = read(call, &route, deployment.as_deref(), &headers, &body)?;
            Ok(Box::pin(generate(&call.shared, &call.visit, call.connection.clone(), asked)).await?)
        }
        _ => {
            let message = format!("{method} is not what {path} takes.");
            Err(Complaint::new(StatusCode::METHOD_NOT_ALLOWED, message).into())
        }
    }
}

/// Reads a body and takes note of what may be told of it.
pub(super) async fn receive(call: &Call, request: Request<Incoming>) -> Result<Bytes, Complaint> {
    let body = read_body(request).await?;
    let fields: BTreeMap<String, IgnoredAny> = serde_json::from_slice(&body).unwrap_or_default();
    call.visit.body(body.len(), fields.into_keys().collect());
    Ok(body)
}

fn read(
    call: &Call,
    route: &Route,
    deployment: Option<&str>,
    headers: &HeaderMap,
    body: &[u8],
) -> Result<Asked, Complaint> {
    let caches = call.shared.with_config(|config| config.prompt_cache);
    let context = Context { flavour: call.shared.flavour, deployment, headers, caches };
    match route {
        Route::Generate(operation) => chat::request::parse(*operation, &context, body),
        Route::Messages => messages::request::parse(&context, body),
        _ => responses::request::parse(&context, &call.shared.memory.lock(), body),
    }
}

/// Anthropic's callers say which version of the API they mean.
fn version(headers: &HeaderMap) -> Result<(), Complaint> {
    if headers.contains_key("anthropic-version") {
        return Ok(());
    }
    Err(Complaint::bad_request("header is required").about("anthropic-version"))
}

fn health(shared: &Shared) -> Response<Answer> {
    if shared.is_probe_green() {
        return json(&json!({"status": "ok"}));
    }
    let message = "The server reports itself unhealthy.";
    error(shared.flavour, &Complaint::new(StatusCode::SERVICE_UNAVAILABLE, message), "")
}

fn names(shared: &Shared) -> Vec<String> {
    shared.with_config(|config| config.models.iter().map(|model| model.name.clone()).collect())
}

fn models(shared: &Shared) -> Response<Answer> {
    let names = names(shared);
    if shared.flavour == Flavour::Anthropic {
        return json(&messages::models(&names));
    }
    let data: Vec<_> = names.iter().map(|name| chat::model(name)).collect();
    json(&json!({"object": "list", "data": data}))
}

fn model(shared: &Shared, name: &str) -> Outcome {
    if !names(shared).iter().any(|known| known == name) {
        let message = format!("The model `{name}` does not exist.");
        return Err(Complaint::not_found(message).coded("model_not_found").into());
    }
    let is_anthropic = shared.flavour == Flavour::Anthropic;
    Ok(json(&if is_anthropic { messages::model(name) } else { chat::model(name) }))
}

fn count_tokens(shared: &Shared, body: &[u8]) -> Outcome {
    let (model, tokens) = messages::request::count_tokens(body)?;
    if !names(shared).contains(&model) {
        return Err(Complaint::not_found(model).about("model").into());
    }
    Ok(json(&json!({"input_tokens": tokens})))
}

fn response(shared: &Shared, id: &str) -> Outcome {
    let memory = shared.memory.lock();
    let remembered = memory.get(id).ok_or_else(|| no_response(id))?;
    Ok(json(&remembered.body))
}

fn forget(shared: &Shared, id: &str) -> Outcome {
    if !shared.memory.lock().forget(id) {
        return Err(no_response(id).into());
    }
    Ok(json(&json!({"id": id, "object": "response", "deleted": true})))
}

fn no_response(id: &str) -> Complaint {
    Complaint::not_found(format!("Response with id '{id}' not found."))
}

/// A response of known bytes without a body.
pub(super) fn no_content() -> Response<Answer> {
    plain(StatusCode::NO_CONTENT, "application/json", Bytes::new())
}
