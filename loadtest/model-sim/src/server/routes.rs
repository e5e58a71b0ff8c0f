//! From a request to its answer. It owns the order of checks, the account of the exchange and the statuses
//! of what is not generated; it refuses to know what is in an event.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;

use bytes::Bytes;
use hyper::body::Incoming;
use hyper::header::CONTENT_TYPE;
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
use super::respond::{error, json, no_content, plain, read_body};
use super::shared::{Shared, Visit};
use super::{audio, chat, control, files, mcp, messages, realtime, responses, services};
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

async fn respond(call: &Call, mut request: Request<Incoming>) -> Outcome {
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
    let shared = &call.shared;
    match (route, &method) {
        (Route::Models, &Method::GET) => Ok(models(shared)),
        (Route::Model(name), &Method::GET) => model(shared, &name),
        (Route::Response(id), &Method::GET) => response(shared, &id),
        (Route::Response(id), &Method::DELETE) => forget(shared, &id),
        (Route::Ready(name), &Method::GET) => ready(shared, name),
        (Route::Described(name), &Method::GET) => {
            model(shared, &name)?;
            Ok(json(&services::describe(&name)))
        }
        (Route::Props, &Method::GET) => Ok(props(shared)),
        (Route::Realtime, &Method::GET) => Ok(realtime::upgrade(shared, &mut request)?),
        (Route::Files(asked), _) => {
            let content_type = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
            let body = receive(call, request).await?;
            Ok(files::answer(shared, &asked, &method, content_type.unwrap_or_default(), &body)?)
        }
        (Route::Mcp, &Method::DELETE) => {
            shared.sessions.lock().end(&headers)?;
            Ok(no_content())
        }
        (route, &Method::POST) if takes_body(&route) => {
            let body = receive(call, request).await?;
            let asked = match read(call, &route, deployment.as_deref(), &headers, &body)? {
                Read::Asked(asked) => asked,
                Read::Answered(response) => return Ok(response),
            };
            Ok(Box::pin(generate(shared, &call.visit, call.connection.clone(), asked)).await?)
        }
        _ => {
            let message = format!("{method} is not what {path} takes.");
            Err(Complaint::new(StatusCode::METHOD_NOT_ALLOWED, message).into())
        }
    }
}

const fn takes_body(route: &Route) -> bool {
    matches!(
        route,
        Route::Generate(_)
            | Route::Messages
            | Route::CountTokens
            | Route::Responses
            | Route::Transcription
            | Route::Speech
            | Route::Infer(_)
            | Route::Score
            | Route::Analyze
            | Route::Mcp
    )
}

/// Reads a body and takes note of what may be told of it.
pub(super) async fn receive(call: &Call, request: Request<Incoming>) -> Result<Bytes, Complaint> {
    let body = read_body(request).await?;
    let fields: BTreeMap<String, IgnoredAny> = serde_json::from_slice(&body).unwrap_or_default();
    call.visit.body(body.len(), fields.into_keys().collect());
    Ok(body)
}

/// A request that was read.
enum Read {
    /// It asks for something the engine has to do with.
    Asked(Asked),
    /// It does not.
    Answered(Response<Answer>),
}

fn read(
    call: &Call,
    route: &Route,
    deployment: Option<&str>,
    headers: &HeaderMap,
    body: &[u8],
) -> Result<Read, Complaint> {
    let shared = &call.shared;
    let caches = shared.with_config(|config| config.prompt_cache);
    let context = Context { flavour: shared.flavour, deployment, headers, caches };
    // The model of servers whose callers name none.
    let only = || names(shared).into_iter().next().unwrap_or_default();
    let asked = match route {
        Route::Generate(operation) => chat::request::parse(*operation, &context, body)?,
        Route::Messages => messages::request::parse(&context, body)?,
        Route::CountTokens => return count_tokens(shared, body).map(Read::Answered),
        Route::Transcription => audio::transcription(deployment, headers, body)?,
        Route::Speech => audio::speech(deployment, headers, body)?,
        Route::Infer(name) => services::infer(name, headers, body)?,
        Route::Score => services::scored(only(), headers, body)?,
        Route::Analyze => services::analyze(only(), headers, body)?,
        Route::Mcp => match mcp::post(&mut shared.sessions.lock(), only(), headers, body)? {
            mcp::Reply::Answer(asked) => *asked,
            mcp::Reply::Accepted => {
                return Ok(Read::Answered(plain(StatusCode::ACCEPTED, "application/json", Bytes::new())));
            }
        },
        _ => responses::request::parse(&context, &shared.memory.lock(), body)?,
    };
    Ok(Read::Asked(asked))
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

fn count_tokens(shared: &Shared, body: &[u8]) -> Result<Response<Answer>, Complaint> {
    let (model, tokens) = messages::request::count_tokens(body)?;
    if !names(shared).contains(&model) {
        return Err(Complaint::not_found(model).about("model"));
    }
    Ok(json(&json!({"input_tokens": tokens})))
}

/// Whether the server is ready, or one model of it.
fn ready(shared: &Shared, name: Option<String>) -> Outcome {
    if !shared.is_probe_green() {
        let message = "The server reports itself unhealthy.";
        return Err(Complaint::new(StatusCode::SERVICE_UNAVAILABLE, message).into());
    }
    let Some(name) = name else { return Ok(json(&json!({"ready": true}))) };
    model(shared, &name)?;
    Ok(json(&json!({"name": name, "ready": true})))
}

/// llama.cpp's settings.
fn props(shared: &Shared) -> Response<Answer> {
    let model = shared.with_config(|config| config.models.first().cloned());
    let (name, window) = model.map(|model| (model.name, model.context_window)).unwrap_or_default();
    json(&json!({
        "default_generation_settings": {"n_ctx": window}, "total_slots": 1, "model_path": name,
        "chat_template": "", "build_info": "model-sim",
    }))
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
