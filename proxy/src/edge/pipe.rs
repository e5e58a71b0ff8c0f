//! Routes to plain HTTP services, piped by Pingora. It owns which member is asked, the rewritten head, the
//! body limit and the words of a failure; it refuses to read bodies beyond counting their bytes.

use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use decision::{Exchange, Next, Progress, Refusal, Stage, too_large};
use feedback_loop::Failure;
use http::header::HOST;
use pingora_core::upstreams::peer::HttpPeer;
use pingora_error::{Error, ErrorSource, ErrorType, Result};
use pingora_http::{RequestHeader, ResponseHeader};
use pingora_load_balancing::Backend;
use pingora_proxy::Session;
use rule_table::{HeaderEdits, Listener};
use telemetry::Traces;
use tokio::time::Instant;
use vocabulary::{Moment, Reason};

use super::attempt::failure;
use super::client_address;
use super::cover;
use super::guard::{self, PipedBody};
use super::members::{Balanced, Member};
use super::respond;
use super::service::{Context, Request};
use super::terminate::Desk;
use crate::clock::Clock;
use crate::overload::Held;
use crate::upstream::Presented;

/// Headers in which callers present keys.
const KEY_HEADERS: [&str; 4] = ["authorization", "api-key", "x-api-key", "ocp-apim-subscription-key"];
/// The error of a member whose identity has no token.
const NO_CREDENTIAL: &str = "NoCredential";

/// What Pingora, which keeps these to itself, calls a body that breaks the transfer coding.
const BROKEN_CHUNKS: [ErrorType; 2] = [ErrorType::new("InvalidChunk"), ErrorType::new("InvalidTrailerEnd")];

/// A piped request's own state.
pub(super) struct Piping {
    by: By,
    attempts_left: u32,
    member: Option<Member>,
    address: Option<SocketAddr>,
    credential: Option<Arc<Presented>>,
    body_bytes: u64,
    body: PipedBody,
    /// Why the firewall refused the body.
    refused: Option<Refusal>,
    /// When the body must be there, on the wall clock: its caller sends it on that.
    body_until: Instant,
    _held: Held,
}

/// Who picks the member.
enum By {
    /// Pingora's balancer, for services without models.
    Balancer(Balanced),
    /// The pool of an AI route: what its other requests have taught it counts here too.
    Pool,
}

/// Stages 3 to 5 of a piped request.
pub(super) async fn prepare(
    desk: &Desk<'_>,
    session: &mut Session,
    exchange: &mut Exchange,
) -> std::result::Result<Piping, Refusal> {
    // An upgraded connection has no body, only bytes of another protocol.
    let ends_here = session.as_downstream_mut().is_body_empty() || session.is_upgrade_req();
    let start = desk.live.clock.now();
    let headers = &session.req_header().headers;
    let priority = exchange.priority().unwrap_or_default();
    let mut held = desk.live.occupancy.hold();
    let admitted = exchange.admit_unread(&super::service::head(session));
    let admitted = admitted.and_then(|()| exchange.admit_route(headers));
    let admitted = admitted.and_then(|()| exchange.admit_length(headers, desk.listener.max_body));
    let admitted = admitted.and_then(|()| exchange.admit_load(priority, held.enter()));
    let now = desk.live.clock.now();
    exchange.mark(Stage::Admit, start, now);
    admitted?;
    guard::head(session, exchange, desk.in_force, desk.listener)?;
    let body = PipedBody::begin(exchange, ends_here)?;
    desk.ask_hook(exchange).await?;
    let now = desk.live.clock.now();
    let reserved = Box::pin(cover::reserve(desk.live, exchange)).await;
    exchange.mark(Stage::Reserve, now, desk.live.clock.now());
    reserved?;
    let pool = exchange.route().map(|route| route.pool);
    pool.map_or(Ok(()), |pool| exchange.admit_residency(pool))?;
    let balancer = pool.and_then(|pool| desk.in_force.pipes.balancer(pool));
    let by = balancer.map_or(By::Pool, By::Balancer);
    let body_until = Instant::now() + desk.listener.body_timeout;
    let attempts_left = pool
        .and_then(|pool| exchange.gate.policy().pools.get(pool as usize))
        .map_or(1, |pool| pool.retry.max_attempts);
    Ok(Piping {
        by,
        attempts_left,
        member: None,
        address: None,
        credential: None,
        body_bytes: 0,
        body,
        refused: None,
        body_until,
        _held: held,
    })
}

/// Picks the next member that can be asked.
pub(super) fn peer(ctx: &mut Context, clock: &Clock) -> Result<Box<HttpPeer>> {
    let none = || {
        Error::explain(
            ErrorType::HTTPStatus(Reason::NoBackend.status()),
            "no member of the pool is available",
        )
    };
    let request = ctx.request.as_mut().ok_or_else(none)?;
    let piping = request.piping.as_mut().ok_or_else(none)?;
    piping.body.again();
    let (member, address) = match &piping.by {
        By::Balancer(pool) => {
            let exchange = &request.exchange;
            let inside = |member: &Member| pool.takes(member) && exchange.may_process(member.deployment);
            let takes = |backend: &Backend| backend.ext.get::<Member>().is_some_and(inside);
            let promising = |backend: &Backend, healthy: bool| {
                let hopeful = |member: &Member| member.is_promising(backend);
                healthy && takes(backend) && backend.ext.get::<Member>().is_some_and(hopeful)
            };
            let selected = pool.balancer.select_with(b"", 16, promising);
            let healthy = |backend: &Backend, healthy: bool| healthy && takes(backend);
            let selected =
                selected.or_else(|| pool.balancer.select_with(b"", 16, healthy)).ok_or_else(none)?;
            let member = selected.ext.get::<Member>().cloned().ok_or_else(none)?;
            request.exchange.piped_to = Some(member.deployment);
            let address = member.address(&selected).ok_or_else(none)?;
            (member, address)
        }
        By::Pool => {
            let span_id = request.trace.attempt_span(request.exchange.attempts.len());
            let choice = request.exchange.choose(clock.now(), span_id).map_err(|_| none())?;
            let deployment = request.exchange.gate.deployment(choice.deployment).ok_or_else(none)?;
            let upstream = request.in_force.upstreams.get(deployment.backend).ok_or_else(none)?;
            let member = Member {
                upstream: Arc::clone(upstream),
                name: deployment.name.clone(),
                deployment: choice.deployment,
            };
            (member, upstream.address().ok_or_else(none)?)
        }
    };
    match member.upstream.credential() {
        Ok(credential) => piping.credential = credential,
        Err(error) => {
            let kind = ErrorType::Custom(NO_CREDENTIAL);
            let mut error = Error::because(kind, "nothing to present to the backend", error);
            error.set_retry(not_sent(request, Reason::BackendCredential, clock.now()));
            return Err(error);
        }
    }
    let peer = super::peer::peer(&member.upstream, address, clock);
    piping.member = Some(member);
    piping.address = Some(address);
    Ok(Box::new(HttpPeer::clone(&peer)))
}

/// Rewrites the head Pingora is about to send. Hop-by-hop headers are Pingora's to strip.
pub(super) fn rewrite(upstream: &mut RequestHeader, ctx: &mut Context, traces: &Traces) -> Result<()> {
    let Some(request) = ctx.request.as_mut() else { return Ok(()) };
    let Some(piping) = request.piping.as_ref() else { return Ok(()) };
    let Some(member) = piping.member.as_ref() else { return Ok(()) };
    let backend = &member.upstream.backend;
    if request.exchange.consumer.is_some() {
        // The key was meant for this gateway.
        for name in KEY_HEADERS {
            upstream.remove_header(name);
        }
    }
    if let Some(credential) = &piping.credential {
        upstream.insert_header(credential.0.clone(), credential.1.clone())?;
    }
    upstream.insert_header(HOST, decision::authority(backend))?;
    piping.body.unsized_head(upstream)?;
    upstream.insert_header(respond::REQUEST_ID, request.exchange.request_id.as_str())?;
    for name in client_address::STATEMENTS {
        upstream.remove_header(name);
    }
    if let Some(client) = request.exchange.peer.address {
        upstream.insert_header("x-forwarded-for", client.to_string())?;
    }
    upstream.remove_header("traceparent");
    let traceparent = request.trace.traceparent(traces, request.trace.attempt_span(0));
    if let Some(traceparent) = traceparent.filter(|_| backend.forward_trace_context) {
        upstream.insert_header("traceparent", traceparent)?;
    }
    upstream.remove_header("baggage");
    let path = upstream.uri.path_and_query().map_or("/", http::uri::PathAndQuery::as_str);
    if let Some(path) = request.exchange.piped_path(backend, member.deployment, path) {
        upstream.set_raw_path(path.as_bytes())?;
    }
    for rewrite in request.exchange.rewrites(backend) {
        edit_request(upstream, &rewrite.request_headers)?;
    }
    Ok(())
}

fn edit_request(upstream: &mut RequestHeader, edits: &HeaderEdits) -> Result<()> {
    for name in &edits.remove {
        upstream.remove_header(name.as_str());
    }
    for (name, value) in &edits.set {
        upstream.insert_header(name.clone(), value.as_str())?;
    }
    Ok(())
}

/// Counts a piped body against the listener's size and time.
pub(super) fn count_body(body: Option<&Bytes>, listener: &Listener, ctx: &mut Context) -> Result<()> {
    let Some(piping) = ctx.request.as_mut().and_then(|request| request.piping.as_mut()) else {
        return Ok(());
    };
    piping.body_bytes += body.map_or(0, |bytes| bytes.len() as u64);
    if body.is_some_and(|bytes| !bytes.is_empty()) && Instant::now() > piping.body_until {
        return Error::e_explain(ErrorType::HTTPStatus(Reason::BodyTimeout.status()), "body too slow");
    }
    if piping.body_bytes > listener.max_body {
        return Error::e_explain(
            ErrorType::HTTPStatus(Reason::BodyTooLarge.status()),
            "body over the listener's limit",
        );
    }
    Ok(())
}

/// Holds a piped body back until its firewall lets it through.
pub(super) fn inspect_body(body: &mut Option<Bytes>, last: bool, ctx: &mut Context) -> Result<()> {
    let Some(Request { exchange, piping: Some(piping), .. }) = ctx.request.as_mut() else { return Ok(()) };
    ctx.watch.resume();
    let taken = piping.body.take(exchange, body, last);
    ctx.watch.pause();
    taken.map_err(|refusal| {
        piping.refused = Some(refusal);
        guard::refused()
    })
}

/// Stamps the answer on its way to the caller.
pub(super) fn answered(response: &mut ResponseHeader, ctx: &mut Context, clock: &Clock) -> Result<()> {
    ctx.watch.resume();
    let Some(request) = ctx.request.as_mut() else { return Ok(()) };
    response.insert_header(respond::REQUEST_ID, request.exchange.request_id.as_str())?;
    if let Some(member) = request.piping.as_ref().and_then(|piping| piping.member.as_ref()) {
        response.insert_header(respond::BACKEND, member.name.as_str())?;
    }
    if response.status == 401
        && let Some(member) = request.piping.as_ref().and_then(|piping| piping.member.as_ref())
    {
        member.upstream.credential_refused(clock);
    }
    let now = clock.now();
    request.exchange.first_output.get_or_insert(now);
    request.status = Some(response.status.as_u16());
    if matches!(request.piping, Some(Piping { by: By::Pool, .. })) {
        learn(&mut request.exchange, now, response.status.as_u16());
    }
    for edits in request.exchange.answer_edits() {
        respond::edit(response, edits)?;
    }
    ctx.watch.pause();
    Ok(())
}

/// Tells the pool what a status means for the member that sent it; the answer itself passes untouched.
fn learn(exchange: &mut Exchange, now: Moment, status: u16) {
    if let Some(attempt) = exchange.attempt() {
        attempt.status = Some(status);
    }
    let retry_after = None;
    match status {
        429 => {
            exchange.attempt_failed(now, Reason::BackendRateLimited, Failure::RateLimited { retry_after });
        }
        401 | 403 => exchange.attempt_failed(now, Reason::BackendAuth, Failure::Auth),
        500.. => exchange.attempt_failed(now, Reason::BackendError, Failure::ServerError { retry_after }),
        400.. => exchange.attempt_failed(now, Reason::BackendRefused, Failure::Refused),
        _ => {}
    }
}

/// The request is over: an attempt that nothing went wrong with has served it.
pub(super) fn ended(request: &mut Request, now: Moment) {
    if request.piping.is_some() && request.exchange.reason.is_none() {
        request.exchange.attempt_served(now, None);
    }
}

/// Whether another member may be tried after a failed connect.
pub(super) fn connect_failed(ctx: &mut Context, now: Moment) -> bool {
    let Some(request) = ctx.request.as_mut() else { return false };
    let Some(piping) = request.piping.as_mut() else { return false };
    if let (Some(member), Some(address)) = (&piping.member, piping.address) {
        member.upstream.connect_failed(address);
    }
    not_sent(request, Reason::BackendConnect, now)
}

/// Books an attempt of which nothing was sent; says whether another member may be tried.
fn not_sent(request: &mut Request, reason: Reason, now: Moment) -> bool {
    let Some(piping) = request.piping.as_mut() else { return false };
    if matches!(piping.by, By::Pool) {
        let failed = failure(reason, Failure::Connect, Progress::NotWorkedOn);
        return request.exchange.failed(now, failed) == Next::Retry;
    }
    piping.attempts_left = piping.attempts_left.saturating_sub(1);
    piping.attempts_left > 0
}

/// Turns Pingora's error into a refusal in the caller's dialect, if nothing was sent yet.
pub(super) async fn failed(session: &mut Session, error: &Error, ctx: &mut Context, max_body: u64) -> u16 {
    let Some(request) = ctx.request.as_mut() else { return Reason::Internal.status() };
    let own = request.piping.as_mut().and_then(|piping| piping.refused.take());
    let refusal = own.unwrap_or_else(|| refusal(error, max_body));
    request.exchange.reason.get_or_insert(refusal.reason);
    if refusal.reason == Reason::ClientClosed || session.response_written().is_some() {
        return refusal.reason.status();
    }
    let written = respond::refuse(session, &request.exchange, &refusal).await;
    request.status = Some(written.unwrap_or(Reason::ClientClosed.status()));
    refusal.reason.status()
}

fn refusal(error: &Error, max_body: u64) -> Refusal {
    use ErrorType::{
        ConnectTimedout, ConnectionClosed, Custom, HTTPStatus, ReadError, ReadTimedout, TLSHandshakeFailure,
        TLSHandshakeTimedout, WriteTimedout,
    };
    let reason = match (error.etype(), error.esource()) {
        (HTTPStatus(413), _) => {
            return too_large(max_body);
        }
        (HTTPStatus(503), _) => Reason::NoBackend,
        (Custom(NO_CREDENTIAL), _) => Reason::BackendCredential,
        (HTTPStatus(408), _) | (ReadTimedout, ErrorSource::Downstream) => {
            return Refusal::new(
                Reason::BodyTimeout,
                "the body did not arrive in time; send it faster or smaller",
            );
        }
        // Reading a body ourselves leaves the source unset; what fails there is the caller's.
        (kind, ErrorSource::Downstream | ErrorSource::Unset) if BROKEN_CHUNKS.contains(kind) => {
            return Refusal::new(
                Reason::MalformedRequest,
                "the chunks of the body break RFC 9112 section 7.1",
            );
        }
        (ConnectionClosed | ReadError | ReadTimedout, ErrorSource::Unset) => Reason::ClientClosed,
        (_, ErrorSource::Downstream) => Reason::ClientClosed,
        (TLSHandshakeFailure | TLSHandshakeTimedout, _) => Reason::BackendTls,
        (ConnectTimedout, _) => Reason::BackendConnect,
        (ReadTimedout | WriteTimedout, ErrorSource::Upstream) => Reason::BackendTimeout,
        (kind, _) if is_connect(kind) => Reason::BackendConnect,
        (_, ErrorSource::Upstream) => Reason::BackendReset,
        _ => Reason::Internal,
    };
    Refusal::new(reason, super::verdict::words(reason))
}

fn is_connect(kind: &ErrorType) -> bool {
    use ErrorType::{ConnectError, ConnectNoRoute, ConnectProxyFailure, ConnectRefused};
    matches!(kind, ConnectError | ConnectNoRoute | ConnectRefused | ConnectProxyFailure)
}
