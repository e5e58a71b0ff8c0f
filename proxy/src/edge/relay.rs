//! Stage 8 after a backend's response head: what the status means, and the answer's way to the caller.
//! It owns the commit point (the first output-bearing event) and what happens on either side of it.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use decision::{AnswerGuard, AnswerStream, AttemptFailure, Exchange, Progress, Refusal, Stage};
use feedback_loop::Failure;
use http::HeaderMap;
use http::header::CONTENT_TYPE;
use pingora_error::{ErrorType, Result};
use rule_table::FallbackWhen;
use vocabulary::Reason;
use wire::BackendLimits;
use wire::stream::EventClass;

use super::attempt::{Open, Patience, exchange_failure, failure};
use super::caller::{Caller, Gone};
use super::respond;
use super::terminate::{Attempted, Desk};
use super::verdict::{Verdict, status_failure, words};
use crate::clock::{Stopwatch, unix_nanos};
use crate::upstream::Upstream;

/// The largest answer without a stream that is held for its usage before it is sent on.
const LARGEST_ANSWER: usize = 64 * 1024 * 1024;
/// The largest single event of a stream; images and tool results come in one.
const LARGEST_EVENT: usize = 16 * 1024 * 1024;
/// The most that is held back before the first output; startup events are small and few.
const LARGEST_PREAMBLE: usize = 256 * 1024;
/// How long an error answer may take to send its body; its status has been seen already.
const ERROR_PATIENCE: Duration = Duration::from_secs(2);

/// How the answer left.
pub(super) enum Relayed {
    /// Sent whole, with this status.
    Complete(u16),
    /// The caller left.
    CallerGone,
    /// The caller gets this.
    Refused(Refusal),
}

/// The relaying of one attempt's answer.
pub(super) struct Relay<'a, 'd> {
    pub(super) desk: &'a Desk<'d>,
    pub(super) upstream: &'a Upstream,
    pub(super) patience: Patience<'a>,
    pub(super) watch: &'a mut Stopwatch,
    pub(super) guard: Option<AnswerGuard>,
}

/// Where a stream stands.
enum Phase {
    /// No output was sent to the caller; these bytes are held until some comes.
    Held(BytesMut),
    /// The head and some output were sent.
    Committed,
}

/// How a stream ended.
enum End {
    Done,
    CallerGone,
    Broken(AttemptFailure),
    /// The firewall lets no more of it through.
    Blocked(Refusal),
}

impl Relay<'_, '_> {
    /// Decides by the status of `open` and relays what is to be relayed.
    pub(super) async fn answer(
        mut self,
        caller: &mut Caller<'_>,
        exchange: &mut Exchange,
        mut open: Open,
    ) -> Result<Attempted> {
        let status = open.status();
        if let Some(attempt) = exchange.attempt() {
            attempt.status = Some(status);
        }
        let (limits, streams) = open
            .headers()
            .map_or_else(Default::default, |headers| (limits(headers), is_event_stream(headers)));
        let now = self.desk.live.clock.now();
        exchange.observe_remaining(now, limits.remaining_tokens, limits.remaining_requests);
        if (200..300).contains(&status) {
            let done = if streams {
                self.stream(caller, exchange, open).await
            } else {
                self.whole(caller, exchange, open).await
            };
            exchange.mark(Stage::Relay, now, self.desk.live.clock.now());
            return done;
        }
        self.watch.pause();
        let body = caller.wait(open.error_body(ERROR_PATIENCE)).await;
        self.watch.resume();
        let Ok(body) = body else {
            open.cancel().await;
            return Ok(Attempted::Done(Relayed::CallerGone));
        };
        open.release().await;
        if status == 401 {
            self.upstream.credential_refused(&self.desk.live.clock);
        }
        match status_failure(status, &body, limits.cool_down()) {
            Verdict::Failed(failed) => Ok(self.desk.follow(exchange, failed)),
            Verdict::Refused(when) => self.refused_by_backend(caller, exchange, status, &body, when).await,
        }
    }

    /// The backend will not serve this request as it is: another pool may, or its own words go on.
    async fn refused_by_backend(
        &mut self,
        caller: &mut Caller<'_>,
        exchange: &mut Exchange,
        status: u16,
        body: &Bytes,
        when: Option<FallbackWhen>,
    ) -> Result<Attempted> {
        let now = self.desk.live.clock.now();
        let reason = match when {
            Some(FallbackWhen::ContextWindow) => Reason::ContextWindowExceeded,
            _ => Reason::BackendRefused,
        };
        exchange.attempt_failed(now, reason, Failure::Refused);
        if when.is_some_and(|when| exchange.fall_back(now, when)) {
            return Ok(Attempted::Again);
        }
        exchange.reason = Some(reason);
        let words = words(reason);
        if caller.begun() {
            return Ok(Attempted::Done(Relayed::Refused(Refusal::new(reason, words))));
        }
        let told =
            exchange.backend_error(status, body).unwrap_or_else(|| exchange.error_body(reason, &words, None));
        respond::json(caller.session, exchange, status, told).await?;
        Ok(Attempted::Done(Relayed::Complete(status)))
    }

    /// An answer without a stream: held whole, so that a backend dying half way is an honest error.
    async fn whole(
        &mut self,
        caller: &mut Caller<'_>,
        exchange: &mut Exchange,
        mut open: Open,
    ) -> Result<Attempted> {
        let timeouts = self.upstream.backend.timeouts;
        open.session.set_read_timeout(Some(self.patience.left_of(timeouts.first_token)));
        self.watch.pause();
        let mut held = self.desk.live.occupancy.hold();
        let body = caller.wait(open.body(LARGEST_ANSWER, |bytes| held.grow(bytes))).await;
        self.watch.resume();
        let now = self.desk.live.clock.now();
        let nonsense = || {
            let learnt = Failure::ServerError { retry_after: None };
            failure(Reason::BackendProtocol, learnt, Progress::Unknown)
        };
        let failed = match body {
            Err(Gone) => {
                open.cancel().await;
                return Ok(Attempted::Done(Relayed::CallerGone));
            }
            Ok(Ok(Some(body))) => {
                open.release().await;
                match exchange.answered(now, &body, unix_seconds()) {
                    Ok(body) => match exchange.guard_answer(200, body) {
                        Ok(body) => {
                            respond::json(caller.session, exchange, 200, body).await?;
                            return Ok(Attempted::Done(Relayed::Complete(200)));
                        }
                        Err(refusal) => return Ok(Attempted::Done(Relayed::Refused(refusal))),
                    },
                    Err(_) => return Ok(self.desk.follow(exchange, nonsense())),
                }
            }
            Ok(Ok(None)) => nonsense(),
            Ok(Err(error)) => exchange_failure(&error),
        };
        open.cancel().await;
        Ok(self.desk.follow(exchange, failed))
    }

    /// An answer as a stream.
    async fn stream(
        &mut self,
        caller: &mut Caller<'_>,
        exchange: &mut Exchange,
        mut open: Open,
    ) -> Result<Attempted> {
        let mut stream = exchange.answer_stream(LARGEST_EVENT, unix_seconds());
        self.guard = exchange.answer_guard(LARGEST_EVENT);
        let mut phase = Phase::Held(BytesMut::new());
        let end = self.pump(caller, exchange, &mut open, &mut stream, &mut phase).await;
        let now = self.desk.live.clock.now();
        match end {
            End::Done => {
                exchange.account_stream(&stream);
                exchange.attempt_served(now, exchange.usage);
                if let Phase::Held(held) = phase {
                    // An answer without any output is still an answer.
                    caller.begin_stream(exchange).await?;
                    if caller.send(held.freeze()).await.is_err() {
                        return Ok(Attempted::Done(Relayed::CallerGone));
                    }
                }
                caller.end(None).await?;
                open.drain().await;
                Ok(Attempted::Done(Relayed::Complete(200)))
            }
            End::CallerGone => {
                open.cancel().await;
                exchange.account_stream(&stream);
                Ok(Attempted::Done(Relayed::CallerGone))
            }
            End::Blocked(refusal) => {
                open.cancel().await;
                exchange.account_stream(&stream);
                exchange.attempt_served(now, exchange.usage);
                if matches!(phase, Phase::Held(_)) {
                    return Ok(Attempted::Done(Relayed::Refused(refusal)));
                }
                exchange.reason = Some(refusal.reason);
                let told = stream.error_event(refusal.reason, &refusal.message, &exchange.request_id);
                caller.end(Some(told)).await?;
                Ok(Attempted::Done(Relayed::Complete(200)))
            }
            End::Broken(failed) if matches!(phase, Phase::Held(_)) => {
                open.cancel().await;
                if stream.observed().usage.is_some() {
                    // It failed, and yet it counted: what it counted is owed.
                    exchange.account_stream(&stream);
                }
                Ok(self.desk.follow(exchange, failed))
            }
            End::Broken(failed) => {
                open.cancel().await;
                exchange.account_stream(&stream);
                exchange.reason = Some(failed.reason);
                exchange.attempt_failed(now, failed.reason, failed.failure);
                let told = stream.error_event(failed.reason, &failed.refusal.message, &exchange.request_id);
                caller.end(Some(told)).await?;
                Ok(Attempted::Done(Relayed::Complete(200)))
            }
        }
    }

    /// Moves events from the backend to the caller until the stream ends one way or another.
    async fn pump(
        &mut self,
        caller: &mut Caller<'_>,
        exchange: &mut Exchange,
        open: &mut Open,
        stream: &mut AnswerStream,
        phase: &mut Phase,
    ) -> End {
        let timeouts = self.upstream.backend.timeouts;
        let mut idle_set = false;
        loop {
            if matches!(phase, Phase::Held(_)) {
                open.session.set_read_timeout(Some(self.patience.left_of(timeouts.first_token)));
            } else if !std::mem::replace(&mut idle_set, true) {
                open.session.set_read_timeout(Some(self.patience.clock.wall(timeouts.idle)));
            }
            self.watch.pause();
            let read = caller.wait(open.session.read_response_body()).await;
            self.watch.resume();
            let chunk = match read {
                Err(Gone) => return End::CallerGone,
                Ok(Ok(Some(chunk))) => chunk,
                Ok(Ok(None)) => return self.finish(caller, exchange, stream, phase).await,
                Ok(Err(error)) if *error.etype() == ErrorType::ReadTimedout => return silent(phase),
                Ok(Err(_)) => return broken(phase, Reason::BackendReset),
            };
            stream.push(chunk);
            if let Err(end) = self.forward(caller, exchange, stream, phase).await {
                return end;
            }
            if exchange.overdrawn(stream) {
                // Not the backend's turn to be judged: its answer is cut for what the caller may spend.
                return End::Broken(failure(Reason::CeilingReached, Failure::Refused, Progress::Unknown));
            }
            if stream.observed().done {
                return End::Done;
            }
        }
    }

    /// The backend's body is over: was the answer?
    async fn finish(
        &mut self,
        caller: &mut Caller<'_>,
        exchange: &mut Exchange,
        stream: &mut AnswerStream,
        phase: &mut Phase,
    ) -> End {
        let Some(last) = stream.finish() else { return broken(phase, Reason::BackendReset) };
        match self.send(caller, exchange, phase, last, true).await {
            Ok(()) => End::Done,
            Err(end) => end,
        }
    }

    /// Sends on what one chunk completed, in one write.
    async fn forward(
        &mut self,
        caller: &mut Caller<'_>,
        exchange: &mut Exchange,
        stream: &mut AnswerStream,
        phase: &mut Phase,
    ) -> std::result::Result<(), End> {
        let mut ready = Batch::default();
        let mut output = false;
        let mut fault = None;
        while let Some(event) = stream.next_event() {
            let Ok(event) = event else {
                fault = Some(broken(phase, Reason::BackendProtocol));
                break;
            };
            match event.class {
                EventClass::Error => {
                    fault = Some(error_event(phase));
                    break;
                }
                EventClass::Malformed if matches!(phase, Phase::Held(_)) => {
                    fault = Some(broken(phase, Reason::BackendProtocol));
                    break;
                }
                class => output |= class == EventClass::Output,
            }
            ready.push(event.bytes);
        }
        // What came before a fault in the same chunk was output all the same.
        let sent = self.send(caller, exchange, phase, ready.take(), output).await;
        match fault {
            Some(End::Broken(failed)) if matches!(phase, Phase::Committed) => {
                sent?;
                Err(broken(phase, failed.reason))
            }
            Some(end) => Err(end),
            None => sent,
        }
    }

    /// Holds bytes back until there is output, then sends them.
    async fn send(
        &mut self,
        caller: &mut Caller<'_>,
        exchange: &mut Exchange,
        phase: &mut Phase,
        mut bytes: Bytes,
        output: bool,
    ) -> std::result::Result<(), End> {
        if let Some(guard) = self.guard.as_mut().filter(|_| !bytes.is_empty()) {
            bytes = exchange.guard_events(guard, bytes).map_err(End::Blocked)?;
        }
        if let Phase::Held(held) = phase {
            if !output {
                held.extend_from_slice(&bytes);
                let too_much = held.len() > LARGEST_PREAMBLE;
                return if too_much { Err(broken(phase, Reason::BackendProtocol)) } else { Ok(()) };
            }
            if !held.is_empty() {
                held.extend_from_slice(&bytes);
                bytes = std::mem::take(held).freeze();
            }
            exchange.first_output(self.desk.live.clock.now());
            *phase = Phase::Committed;
            caller.begin_stream(exchange).await.map_err(|_| End::CallerGone)?;
        }
        if bytes.is_empty() {
            return Ok(());
        }
        self.watch.pause();
        let written = caller.send(bytes).await;
        self.watch.resume();
        written.map_err(|Gone| End::CallerGone)
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

fn broken(phase: &Phase, before_commit: Reason) -> End {
    let reason = if matches!(phase, Phase::Committed) { Reason::StreamBroken } else { before_commit };
    End::Broken(failure(reason, Failure::ServerError { retry_after: None }, Progress::Unknown))
}

/// An error object inside a stream of status 200: before any output it is a refusal like any other.
fn error_event(phase: &Phase) -> End {
    if matches!(phase, Phase::Committed) {
        return broken(phase, Reason::StreamBroken);
    }
    let learnt = Failure::ServerError { retry_after: None };
    End::Broken(failure(Reason::BackendError, learnt, Progress::NotWorkedOn))
}

fn silent(phase: &Phase) -> End {
    let reason = if matches!(phase, Phase::Committed) { Reason::StreamIdle } else { Reason::BackendTimeout };
    End::Broken(failure(reason, Failure::Timeout, Progress::Unknown))
}

fn unix_seconds() -> u64 {
    unix_nanos() / 1_000_000_000
}

fn limits(headers: &HeaderMap) -> BackendLimits {
    // Few answers speak of limits, and to ask for every name they may do it by takes a microsecond.
    let speaks = |name: &str| name.starts_with("retry-after") || name.contains("-ratelimit-");
    if !headers.keys().any(|name| speaks(name.as_str())) {
        return BackendLimits::default();
    }
    let value = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    wire::backend_limits(value, unix_seconds())
}

fn is_event_stream(headers: &HeaderMap) -> bool {
    headers
        .get(CONTENT_TYPE)
        .is_some_and(|value| value.as_bytes().to_ascii_lowercase().starts_with(b"text/event-stream"))
}
