//! Stage 8 after a backend's response head: what the status means, and the answer's way to the caller.
//! It owns the commit point (the first output-bearing event) and what happens on either side of it.

use std::borrow::Cow;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use decision::{Exchange, Refusal, Stage};
use feedback_loop::Failure;
use http::HeaderMap;
use http::header::CONTENT_TYPE;
use pingora_error::{ErrorType, Result};
use pingora_proxy::Session;
use vocabulary::{Moment, Reason, UsageSource};
use wire::openai::{BackendErrorCode, BackendLimits, EventClass, StreamEnd, StreamTap};

use super::attempt::{Failed, Gone, Open, or_gone};
use super::respond;
use super::terminate::{Attempted, Desk};
use crate::clock::{Stopwatch, unix_nanos};
use crate::upstream::Upstream;

/// The largest answer without a stream that is held for its usage before it is sent on.
const LARGEST_ANSWER: usize = 64 * 1024 * 1024;
/// The largest single event of a stream; images and tool results come in one.
const LARGEST_EVENT: usize = 16 * 1024 * 1024;
/// How long an error answer may take to send its body; its status has been seen already.
const ERROR_PATIENCE: Duration = Duration::from_secs(2);

/// How the answer left.
pub(super) enum Relayed {
    /// Sent whole, with this status.
    Complete(u16),
    /// The caller left.
    CallerGone,
    /// Nothing was sent; the caller gets this.
    Refused(Refusal),
}

/// Decides by the status of `open` and relays what is to be relayed.
pub(super) async fn answer(
    desk: &Desk<'_>,
    session: &mut Session,
    exchange: &mut Exchange,
    upstream: &Upstream,
    mut open: Open,
    watch: &mut Stopwatch,
) -> Result<Attempted> {
    let (status, headers) = (open.status(), open.headers());
    if let Some(attempt) = exchange.attempt() {
        attempt.status = Some(status);
    }
    if status == 401 {
        upstream.credential_refused(&desk.live.clock);
    }
    let limits = limits(&headers);
    exchange.observe_remaining(desk.live.clock.now(), limits.remaining_tokens, limits.remaining_requests);
    if (200..300).contains(&status) {
        let start = desk.live.clock.now();
        let done = if is_event_stream(&headers) {
            Streaming { desk, upstream, watch }.run(session, exchange, open).await
        } else {
            whole(desk, session, exchange, open, watch).await
        };
        exchange.mark(Stage::Relay, start, desk.live.clock.now());
        return done;
    }
    watch.pause();
    let body = or_gone(session, open.error_body(ERROR_PATIENCE)).await;
    watch.resume();
    let Ok(body) = body else {
        open.cancel().await;
        return Ok(Attempted::Done(Relayed::CallerGone));
    };
    open.release().await;
    match status_failure(status, &body, limits.cool_down()) {
        Some(failed) => Ok(desk.failed(exchange, desk.live.clock.now(), failed)),
        None => refused_by_backend(desk, session, exchange, status, &headers, body).await,
    }
}

/// What an error status means; `None` for one that is about the request itself.
fn status_failure(status: u16, body: &[u8], retry_after: Option<Duration>) -> Option<Failed> {
    let failed = |reason, failure| Some(Failed { reason, failure, safe_to_retry: true });
    match status {
        429 if wire::openai::error_code(body) == Some(BackendErrorCode::InsufficientQuota) => {
            failed(Reason::BackendQuota, Failure::Auth)
        }
        429 => failed(Reason::BackendRateLimited, Failure::RateLimited { retry_after }),
        401 | 403 => failed(Reason::BackendAuth, Failure::Auth),
        500..600 => failed(Reason::BackendError, Failure::ServerError { retry_after }),
        400..500 => None,
        _ => failed(Reason::BackendProtocol, Failure::ServerError { retry_after: None }),
    }
}

/// Passes the backend's own words about the request on.
async fn refused_by_backend(
    desk: &Desk<'_>,
    session: &mut Session,
    exchange: &mut Exchange,
    status: u16,
    headers: &HeaderMap,
    body: Bytes,
) -> Result<Attempted> {
    exchange.reason = Some(Reason::BackendRefused);
    exchange.attempt_failed(desk.live.clock.now(), Reason::BackendRefused, Failure::Refused);
    let json =
        headers.get(CONTENT_TYPE).is_some_and(|value| value.as_bytes().starts_with(b"application/json"));
    let body = if json && !body.is_empty() {
        body
    } else {
        wire::openai::error_body(Reason::BackendRefused, &words(Reason::BackendRefused), None)
    };
    respond::json(session, exchange, status, body).await?;
    Ok(Attempted::Done(Relayed::Complete(status)))
}

/// An answer without a stream: held whole, so that a backend dying half way is an honest error.
async fn whole(
    desk: &Desk<'_>,
    session: &mut Session,
    exchange: &mut Exchange,
    mut open: Open,
    watch: &mut Stopwatch,
) -> Result<Attempted> {
    watch.pause();
    let body = or_gone(session, open.body(LARGEST_ANSWER)).await;
    watch.resume();
    let now = desk.live.clock.now();
    let broken = |reason, failure| Failed { reason, failure, safe_to_retry: false };
    let body = match body {
        Err(Gone) => {
            open.cancel().await;
            return Ok(Attempted::Done(Relayed::CallerGone));
        }
        Ok(Ok(Some(body))) => body,
        Ok(Ok(None)) => {
            open.cancel().await;
            return Ok(desk.failed(
                exchange,
                now,
                broken(Reason::BackendProtocol, Failure::ServerError { retry_after: None }),
            ));
        }
        Ok(Err(error)) => {
            open.cancel().await;
            return Ok(desk.failed(exchange, now, read_failure(&error)));
        }
    };
    open.release().await;
    let usage = wire::openai::usage_in_body(&body);
    exchange.usage = usage;
    exchange.usage_source = UsageSource::Provider;
    exchange.attempt_served(now, usage);
    respond::json(session, exchange, 200, body).await?;
    Ok(Attempted::Done(Relayed::Complete(200)))
}

/// An answer as a stream.
struct Streaming<'a, 'b> {
    desk: &'a Desk<'b>,
    upstream: &'a Upstream,
    watch: &'a mut Stopwatch,
}

/// Where a stream stands.
enum Progress {
    /// Nothing was sent to the caller; these bytes are held until output comes.
    Held(BytesMut),
    /// The head and some output were sent.
    Committed,
}

/// How a stream ended.
enum End {
    Done,
    CallerGone,
    Broken(Reason, Failure),
}

impl Streaming<'_, '_> {
    async fn run(
        mut self,
        session: &mut Session,
        exchange: &mut Exchange,
        mut open: Open,
    ) -> Result<Attempted> {
        let include_usage = exchange.facts.as_ref().is_some_and(|facts| facts.include_usage);
        let mut tap = StreamTap::new(LARGEST_EVENT, include_usage);
        let mut progress = Progress::Held(BytesMut::new());
        let end = self.pump(session, exchange, &mut open, &mut tap, &mut progress).await;
        let now = self.desk.live.clock.now();
        let committed = matches!(progress, Progress::Committed);
        match end {
            End::Done => {
                self.account(exchange, &tap);
                exchange.attempt_served(now, exchange.usage);
                if let Progress::Held(held) = progress {
                    // An answer without any output is still an answer.
                    respond::begin_stream(session, exchange).await?;
                    session.write_response_body(Some(held.freeze()), false).await?;
                }
                session.write_response_body(None, true).await?;
                open.drain().await;
                Ok(Attempted::Done(Relayed::Complete(200)))
            }
            End::CallerGone => {
                open.cancel().await;
                self.account(exchange, &tap);
                Ok(Attempted::Done(Relayed::CallerGone))
            }
            End::Broken(reason, failure) => {
                open.cancel().await;
                if !committed {
                    let safe_to_retry = reason == Reason::BackendError;
                    return Ok(self.desk.failed(exchange, now, Failed { reason, failure, safe_to_retry }));
                }
                self.account(exchange, &tap);
                self.break_off(session, exchange, now, reason, failure).await
            }
        }
    }

    /// Moves events from the backend to the caller until the stream ends one way or another.
    async fn pump(
        &mut self,
        session: &mut Session,
        exchange: &mut Exchange,
        open: &mut Open,
        tap: &mut StreamTap,
        progress: &mut Progress,
    ) -> End {
        loop {
            let timeouts = self.upstream.backend.timeouts;
            let patience =
                if matches!(progress, Progress::Held(_)) { timeouts.first_token } else { timeouts.idle };
            open.session.set_read_timeout(Some(self.desk.live.clock.wall(patience)));
            self.watch.pause();
            let read = or_gone(session, open.session.read_response_body()).await;
            self.watch.resume();
            let chunk = match read {
                Err(Gone) => return End::CallerGone,
                Ok(Ok(Some(chunk))) => chunk,
                Ok(Ok(None)) => return self.finish(session, exchange, tap, progress).await,
                Ok(Err(error)) if *error.etype() == ErrorType::ReadTimedout => return silent(progress),
                Ok(Err(_)) => return broken(progress, Reason::BackendReset),
            };
            tap.push(chunk);
            if let Err(end) = self.forward(session, exchange, tap, progress).await {
                return end;
            }
            if tap.observed().done {
                return End::Done;
            }
        }
    }

    /// The backend's body is over: was the answer?
    async fn finish(
        &mut self,
        session: &mut Session,
        exchange: &mut Exchange,
        tap: &mut StreamTap,
        progress: &mut Progress,
    ) -> End {
        let finish = tap.finish();
        let last = match finish.end {
            StreamEnd::Truncated => return broken(progress, Reason::BackendReset),
            // The model finished and only the terminator is missing, which clients wait for.
            StreamEnd::NoDone => Bytes::from_static(b"data: [DONE]\n\n"),
            StreamEnd::Complete => finish.last.map(|event| event.bytes).unwrap_or_default(),
        };
        match self.send(session, exchange, progress, last, true).await {
            Ok(()) => End::Done,
            Err(end) => end,
        }
    }

    /// Sends on what one chunk completed, in one write.
    async fn forward(
        &mut self,
        session: &mut Session,
        exchange: &mut Exchange,
        tap: &mut StreamTap,
        progress: &mut Progress,
    ) -> std::result::Result<(), End> {
        let mut ready = Batch::default();
        let mut output = false;
        while let Some(event) = tap.next_event() {
            let event = event.map_err(|_| broken(progress, Reason::BackendProtocol))?;
            if event.class == EventClass::Error {
                return Err(match progress {
                    Progress::Held(_) => {
                        End::Broken(Reason::BackendError, Failure::ServerError { retry_after: None })
                    }
                    Progress::Committed => broken(progress, Reason::StreamBroken),
                });
            }
            output |= event.class == EventClass::Output;
            ready.push(event.bytes);
        }
        self.send(session, exchange, progress, ready.take(), output).await
    }

    /// Holds bytes back until there is output, then sends them.
    async fn send(
        &mut self,
        session: &mut Session,
        exchange: &mut Exchange,
        progress: &mut Progress,
        mut bytes: Bytes,
        output: bool,
    ) -> std::result::Result<(), End> {
        if let Progress::Held(held) = progress {
            if !output {
                held.extend_from_slice(&bytes);
                return Ok(());
            }
            if !held.is_empty() {
                held.extend_from_slice(&bytes);
                bytes = std::mem::take(held).freeze();
            }
            exchange.first_output(self.desk.live.clock.now());
            *progress = Progress::Committed;
            respond::begin_stream(session, exchange).await.map_err(|_| End::CallerGone)?;
        }
        if bytes.is_empty() {
            return Ok(());
        }
        self.watch.pause();
        let written = session.write_response_body(Some(bytes), false).await;
        self.watch.resume();
        written.map_err(|_| End::CallerGone)
    }

    /// The usage the backend reported or, without one, what was seen to pass.
    fn account(&self, exchange: &mut Exchange, tap: &StreamTap) {
        let prompt = exchange.facts.as_ref().map_or(0, |facts| facts.prompt_tokens);
        let (usage, source) = tap.observed().usage_or_estimate(prompt);
        exchange.usage_source = source;
        exchange.usage = Some(usage);
        let usage = exchange.usage;
        if let Some(attempt) = exchange.attempt() {
            attempt.usage = usage;
        }
    }

    /// Ends a committed stream with an error in the caller's dialect, and without `[DONE]`.
    async fn break_off(
        &self,
        session: &mut Session,
        exchange: &mut Exchange,
        now: Moment,
        reason: Reason,
        failure: Failure,
    ) -> Result<Attempted> {
        let usage = exchange.usage;
        exchange.reason = Some(reason);
        exchange.attempt_failed(now, reason, failure);
        if let Some(attempt) = exchange.attempt() {
            attempt.usage = usage;
        }
        let event = wire::openai::stream_error_event(reason, &words(reason));
        session.write_response_body(Some(event), true).await?;
        Ok(Attempted::Done(Relayed::Complete(200)))
    }
}

/// Events of one chunk; a single one is passed on without a copy.
#[derive(Default)]
struct Batch {
    first: Option<Bytes>,
    rest: BytesMut,
}

impl Batch {
    fn push(&mut self, bytes: Bytes) {
        if bytes.is_empty() {
            return;
        }
        match self.first.take() {
            None if self.rest.is_empty() => self.first = Some(bytes),
            None => self.rest.extend_from_slice(&bytes),
            Some(first) => {
                self.rest.reserve(first.len() + bytes.len());
                self.rest.extend_from_slice(&first);
                self.rest.extend_from_slice(&bytes);
            }
        }
    }

    fn take(&mut self) -> Bytes {
        self.first.take().unwrap_or_else(|| std::mem::take(&mut self.rest).freeze())
    }
}

fn broken(progress: &Progress, before_commit: Reason) -> End {
    let reason = if matches!(progress, Progress::Committed) { Reason::StreamBroken } else { before_commit };
    End::Broken(reason, Failure::ServerError { retry_after: None })
}

fn silent(progress: &Progress) -> End {
    let reason =
        if matches!(progress, Progress::Committed) { Reason::StreamIdle } else { Reason::BackendTimeout };
    End::Broken(reason, Failure::Timeout)
}

fn read_failure(error: &pingora_error::Error) -> Failed {
    let (reason, failure) = match error.etype() {
        ErrorType::ReadTimedout => (Reason::BackendTimeout, Failure::Timeout),
        _ => (Reason::BackendReset, Failure::ServerError { retry_after: None }),
    };
    Failed { reason, failure, safe_to_retry: false }
}

fn limits(headers: &HeaderMap) -> BackendLimits {
    let value = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    wire::openai::backend_limits(value, unix_nanos() / 1_000_000_000)
}

fn is_event_stream(headers: &HeaderMap) -> bool {
    headers
        .get(CONTENT_TYPE)
        .is_some_and(|value| value.as_bytes().to_ascii_lowercase().starts_with(b"text/event-stream"))
}

/// What a caller is told of a backend's failure: what happened, never by whom or with what key.
pub(super) fn words(reason: Reason) -> Cow<'static, str> {
    Cow::Borrowed(match reason {
        Reason::BackendConnect | Reason::BackendTls => {
            "no connection to a model backend could be made; try again shortly"
        }
        Reason::BackendTimeout => "the model backend did not answer in time",
        Reason::BackendReset => "the model backend closed the connection before it answered",
        Reason::BackendRateLimited => {
            "every model backend of this route is at its rate limit; try again after Retry-After"
        }
        Reason::BackendQuota => "the operator's quota at the model provider is used up",
        Reason::BackendAuth | Reason::BackendCredential => {
            "the model backend refused the gateway's own credential; the operator has to mend it"
        }
        Reason::BackendRefused => "the model backend refused this request",
        Reason::StreamBroken => "the model backend broke off in the middle of its answer",
        Reason::StreamIdle => "the model backend fell silent in the middle of its answer",
        Reason::BackendProtocol => "the model backend sent something that is not a valid answer",
        _ => "the model backend failed; try again shortly",
    })
}
