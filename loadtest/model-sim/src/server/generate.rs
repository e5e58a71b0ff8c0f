//! From a request that was read to the answer that is generated. It owns admission, the faults that strike
//! before the first byte and the choice of encoder; it refuses to read bodies or to write events.

use std::io;
use std::sync::Arc;

use hyper::header::{CACHE_CONTROL, CONTENT_LENGTH, HeaderValue};
use hyper::{HeaderMap, Response, StatusCode};
use tokio::sync::mpsc::UnboundedReceiver;

use super::answer::{Answer, Generated};
use super::asked::{Asked, Form};
use super::chat::{ChatEncoder, embedding};
use super::connection::Control;
use super::content::Envelope;
use super::encode::Encode;
use super::errors::Complaint;
use super::messages::{MessageEncoder, limit_headers};
use super::respond::{error, headers, with_head};
use super::responses::ResponseEncoder;
use super::shared::{Admission, Shared, Ticket, Visit};
use super::steps::{Frames, Steps};
use crate::backend::{Plan, Refusal};
use crate::config::Flavour;
use crate::engine::Emission;
use crate::faults::FaultKind;
use crate::log::Outcome;

/// Answers what was asked; an error breaks the connection off.
pub(super) async fn generate(
    shared: &Arc<Shared>,
    visit: &Visit,
    connection: Control,
    asked: Asked,
) -> io::Result<Response<Answer>> {
    let Asked { arrival, shape, form } = asked;
    let (model, prompt_tokens, stream) = (arrival.model.clone(), arrival.prompt_tokens, arrival.stream);
    let (plan, mut ticket, emissions) = match shared.arrive(arrival) {
        Admission::Accepted { plan, ticket, emissions } => (plan, ticket, emissions),
        Admission::Refused(refusal) => {
            visit.generates(refusal.seq);
            return Ok(refused(shared.flavour, refusal));
        }
    };
    visit.generates(plan.seq);
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
        Some(FaultKind::CloseAfterRequest) => {
            ticket.end(Outcome::Failed);
            return Err(cut_off("closed by a fault"));
        }
        _ => {}
    }
    let head = head(shared.flavour, &plan);
    let fault = plan.fault.clone();
    let mut going = Going { head, content_type: "application/json", ticket, emissions, connection, fault };
    let envelope = Envelope { flavour: shared.flavour, model, prompt_tokens, plan, shape };
    let tokens = envelope.output_tokens();
    let encoder: Box<dyn Encode> = match form {
        Form::Embeddings { inputs, base64, dimensions } => {
            let default =
                shared.with_config(|config| config.model(&envelope.model).map(|m| m.embedding_dimensions));
            // The largest vector anyone sells has 4,096 numbers.
            let dimensions = dimensions.or(default).unwrap_or(256).clamp(1, 4_096);
            let body = move || embedding::body(&envelope.model, &inputs, dimensions, base64, prompt_tokens);
            return whole(going, 0, body, Frames::default()).await;
        }
        Form::Said(said) => {
            going.content_type = said.content_type;
            going.head.extend(headers(&said.head));
            return whole(going, 0, move || said.body, Frames::default()).await;
        }
        Form::Chat { operation, include_usage, continuous_usage } => {
            Box::new(ChatEncoder::new(envelope, operation, include_usage, continuous_usage))
        }
        Form::Messages => Box::new(MessageEncoder::new(envelope)),
        Form::Response(form) => {
            let encoder = ResponseEncoder::new(envelope, *form);
            encoder.remember(&mut shared.memory.lock());
            Box::new(encoder)
        }
    };
    if stream {
        return streamed(shared, going, encoder).await;
    }
    let frames = encoder.frames();
    whole(going, tokens, move || encoder.whole(), frames).await
}

/// An answer under way.
struct Going {
    head: HeaderMap,
    content_type: &'static str,
    ticket: Ticket,
    emissions: UnboundedReceiver<Emission>,
    connection: Control,
    fault: Option<FaultKind>,
}

/// An answer in one piece, when its last token is out.
async fn whole(
    going: Going,
    tokens: u64,
    body: impl FnOnce() -> bytes::Bytes,
    frames: Frames,
) -> io::Result<Response<Answer>> {
    let Going { head, content_type, ticket, mut emissions, connection, fault } = going;
    while !emissions.recv().await.ok_or_else(|| cut_off("cut off by a reset of the simulator"))?.last {}
    let body = body();
    let mut steps = Steps::new(fault, frames);
    let length = body.len();
    steps.whole(body, tokens);
    ticket.head_sent(200);
    let generated = Generated { ticket, control: connection, steps, source: None, ended: false };
    let mut response = with_head(head, content_type, Answer::Generated(Box::new(generated)));
    response.headers_mut().insert(CONTENT_LENGTH, HeaderValue::from(length));
    Ok(response)
}

async fn streamed(
    shared: &Arc<Shared>,
    going: Going,
    mut encoder: Box<dyn Encode>,
) -> io::Result<Response<Answer>> {
    let Going { head, ticket, mut emissions, connection, fault, .. } = going;
    let mut steps = Steps::new(fault, encoder.frames());
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

fn head(flavour: Flavour, plan: &Plan) -> HeaderMap {
    let mut pairs = plan.headers.clone();
    if flavour == Flavour::Anthropic {
        pairs = limit_headers(pairs, plan.resets_in);
        pairs.push(("request-id", plan.request_id.clone()));
    } else {
        pairs.push(("x-request-id", plan.request_id.clone()));
    }
    headers(&pairs)
}

fn refused(flavour: Flavour, refusal: Refusal) -> Response<Answer> {
    let status = StatusCode::from_u16(refusal.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let param = match refusal.code {
        "context_length_exceeded" if flavour != Flavour::Anthropic => Some("messages".to_owned()),
        "model_not_found" if flavour == Flavour::Anthropic => Some("model".to_owned()),
        _ => None,
    };
    let complaint =
        Complaint { status, kind: refusal.kind, code: Some(refusal.code), param, message: refusal.message };
    let mut response = error(flavour, &complaint, &refusal.request_id);
    let mut pairs = refusal.headers;
    if flavour == Flavour::Anthropic {
        pairs = limit_headers(pairs, refusal.resets_in);
    }
    response.headers_mut().extend(headers(&pairs));
    response
}
