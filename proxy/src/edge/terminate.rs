//! AI routes: read the body, run the stages, try backends until one answers, relay. It owns the order of
//! stages and the failover loop up to the commit point; the single attempt and the relay are next door.

use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use decision::{Exchange, Refusal, Stage, too_large};
use feedback_loop::Failure;
use http::header::EXPECT;
use pingora_core::connectors::http::Connector;
use pingora_error::Result;
use pingora_proxy::Session;
use rule_table::Listener;
use vocabulary::{Moment, Operation, Reason};

use super::attempt::{Failed, Gone, Open, or_gone};
use super::relay::{self, Relayed};
use super::respond;
use crate::clock::Stopwatch;
use crate::live::{InForce, Live};
use crate::trace_ids::TraceIds;

/// The longest the gateway holds a request back for a backend that said when it is free again.
const LONGEST_HOLD: Duration = Duration::from_secs(10);
/// Attempts that never reached a backend do not count against the manifest's ceiling, but end somewhere.
const HOLDS: usize = 6;

/// No token of the backend's identity is good any more: nothing was sent, and the next backend is asked.
const NO_CREDENTIAL: Failed =
    Failed { reason: Reason::BackendCredential, failure: Failure::Connect, safe_to_retry: true };

/// What a terminated request works with.
pub(super) struct Desk<'a> {
    pub(super) live: &'a Arc<Live>,
    pub(super) in_force: &'a InForce,
    pub(super) connector: &'a Arc<Connector>,
    pub(super) listener: &'a Listener,
    pub(super) trace: &'a TraceIds,
}

/// How a terminated request left the caller.
#[derive(Clone, Copy, Debug)]
pub(super) enum Outcome {
    /// An answer was written, with this status.
    Answered(u16),
    /// The caller left before one was.
    CallerGone,
}

impl Desk<'_> {
    fn now(&self) -> Moment {
        self.live.clock.now()
    }

    /// Runs stages 3 to 8. Refusals are written here, once.
    pub(super) async fn terminate(
        &self,
        session: &mut Session,
        exchange: &mut Exchange,
        operation: Operation,
        watch: &mut Stopwatch,
    ) -> Result<Outcome> {
        let body = match self.prepare(session, exchange, operation, watch).await? {
            Ok(body) => body,
            Err(refusal) => return self.refuse(session, exchange, refusal).await,
        };
        match self.serve(session, exchange, &body, watch).await? {
            Relayed::Complete(status) => Ok(Outcome::Answered(status)),
            Relayed::CallerGone => {
                let now = self.now();
                exchange.reason = Some(Reason::ClientClosed);
                exchange.attempt_failed(now, Reason::ClientClosed, Failure::Cancelled);
                Ok(Outcome::CallerGone)
            }
            Relayed::Refused(refusal) => self.refuse(session, exchange, refusal).await,
        }
    }

    pub(super) async fn refuse(
        &self,
        session: &mut Session,
        exchange: &mut Exchange,
        refusal: Refusal,
    ) -> Result<Outcome> {
        exchange.reason = Some(refusal.reason);
        exchange.mark_refused(refusal.reason);
        let status = respond::refuse(session, exchange, &refusal).await?;
        Ok(Outcome::Answered(status))
    }

    /// Stages 3 to 5: admit, inspect, reserve.
    async fn prepare(
        &self,
        session: &mut Session,
        exchange: &mut Exchange,
        operation: Operation,
        watch: &mut Stopwatch,
    ) -> Result<std::result::Result<Bytes, Refusal>> {
        let start = self.now();
        let admitted = exchange.admit_json(&session.req_header().headers, self.listener.max_body);
        let admitted_at = self.now();
        exchange.mark(Stage::Admit, start, admitted_at);
        if let Err(refusal) = admitted {
            return Ok(Err(refusal));
        }
        watch.pause();
        let body = self.read_body(session).await?;
        watch.resume();
        let body = match body {
            Ok(body) => body,
            Err(refusal) => return Ok(Err(refusal)),
        };
        let inspected = exchange.inspect(operation, &body, &super::service::head(session));
        let inspected_at = self.now();
        exchange.mark(Stage::Inspect, admitted_at, inspected_at);
        let reserved = inspected.and_then(|()| exchange.reserve(inspected_at));
        exchange.mark(Stage::Reserve, inspected_at, self.now());
        Ok(reserved.map(|()| body))
    }

    /// Reads the whole body within the listener's size and time.
    async fn read_body(&self, session: &mut Session) -> Result<std::result::Result<Bytes, Refusal>> {
        if session
            .req_header()
            .headers
            .get(EXPECT)
            .is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(b"100-continue"))
        {
            session.as_downstream_mut().write_continue_response().await?;
        }
        let limit = usize::try_from(self.listener.max_body).unwrap_or(usize::MAX);
        let read = async {
            let mut whole = BytesMut::new();
            while let Some(chunk) = session.as_downstream_mut().read_request_body().await? {
                if whole.len() + chunk.len() > limit {
                    return Ok(Err(too_large(self.listener.max_body)));
                }
                if whole.is_empty() && session.as_downstream_mut().is_body_done() {
                    return Ok(Ok(chunk));
                }
                whole.extend_from_slice(&chunk);
            }
            Ok(Ok(whole.freeze()))
        };
        // The caller's time: a body is sent on the wall clock, whatever the policy clock does.
        match tokio::time::timeout(self.listener.body_timeout, read).await {
            Ok(read) => read,
            Err(_) => Ok(Err(Refusal::new(
                Reason::BodyTimeout,
                "the body did not arrive in time; send it faster or smaller",
            ))),
        }
    }

    /// Stages 6 to 8, again and again until one attempt answers.
    async fn serve(
        &self,
        session: &mut Session,
        exchange: &mut Exchange,
        body: &Bytes,
        watch: &mut Stopwatch,
    ) -> Result<Relayed> {
        let deadline =
            exchange.arrived + exchange.route().map_or(Duration::from_secs(120), |route| route.deadline);
        let mut holds = 0;
        let mut last: Option<Refusal> = None;
        loop {
            let start = self.now();
            if start >= deadline {
                return Ok(Relayed::Refused(Refusal::new(
                    Reason::DeadlineExceeded,
                    "no backend answered within this route's deadline",
                )));
            }
            let choice = exchange.choose(start, self.trace.attempt_span(exchange.attempts.len()));
            exchange.mark(Stage::Choose, start, self.now());
            if let Err(refusal) = choice {
                let hold =
                    refusal.retry_after.filter(|after| *after <= LONGEST_HOLD && start + *after < deadline);
                holds += 1;
                let Some(hold) = hold.filter(|_| holds <= HOLDS) else {
                    // What a backend said tells more than that none is left to ask.
                    let after = refusal.retry_after;
                    return Ok(Relayed::Refused(last.map_or(refusal, |last| last.with_retry_after(after))));
                };
                watch.pause();
                let held = or_gone(session, tokio::time::sleep(self.live.clock.wall(hold))).await;
                watch.resume();
                if held.is_err() {
                    return Ok(Relayed::CallerGone);
                }
                continue;
            }
            match self.attempt(session, exchange, body, watch).await? {
                Attempted::Done(relayed) => return Ok(relayed),
                Attempted::Next(refusal) if exchange.attempts_spent() => {
                    return Ok(Relayed::Refused(refusal));
                }
                Attempted::Next(refusal) => last = Some(refusal),
            }
        }
    }

    /// Stages 7 and 8 for the member just chosen.
    async fn attempt(
        &self,
        session: &mut Session,
        exchange: &mut Exchange,
        body: &Bytes,
        watch: &mut Stopwatch,
    ) -> Result<Attempted> {
        let start = self.now();
        let deployment =
            exchange.attempts.last().and_then(|attempt| exchange.gate.deployment(attempt.deployment));
        let upstream =
            deployment.and_then(|deployment| self.in_force.upstreams.get(deployment.backend)).map(Arc::clone);
        let Some(upstream) = upstream else {
            return Ok(Attempted::Done(Relayed::Refused(Refusal::new(
                Reason::Internal,
                "the chosen backend is unknown",
            ))));
        };
        let credential = match upstream.credential() {
            Ok(credential) => credential,
            Err(error) => {
                let backend = &upstream.backend.name;
                tracing::debug!(%backend, %error, "nothing to present to a backend");
                return Ok(self.failed(exchange, start, NO_CREDENTIAL));
            }
        };
        let span_id = exchange.attempts.last().map_or(1, |attempt| attempt.span_id);
        let traceparent = self.trace.traceparent(&self.live.observers.traces, span_id);
        let request = match exchange.rewrite(body, credential.as_deref(), traceparent.as_deref()) {
            Ok(request) => request,
            Err(refusal) => {
                exchange.attempt_failed(self.now(), refusal.reason, Failure::Auth);
                return Ok(Attempted::Next(refusal));
            }
        };
        exchange.mark(Stage::Rewrite, start, self.now());
        watch.pause();
        let sent = Open::send(self.connector, &upstream, &self.live.clock, &request, session).await;
        watch.resume();
        let now = self.now();
        match sent {
            Err(Gone) => Ok(Attempted::Done(Relayed::CallerGone)),
            Ok(Err(failed)) => Ok(self.failed(exchange, now, failed)),
            Ok(Ok(open)) => relay::answer(self, session, exchange, &upstream, open, watch).await,
        }
    }

    /// Books a failed attempt and says whether another one may follow.
    pub(super) fn failed(&self, exchange: &mut Exchange, now: Moment, failed: Failed) -> Attempted {
        let Failed { reason, failure, safe_to_retry } = failed;
        let retry_after = match failure {
            Failure::RateLimited { retry_after } | Failure::ServerError { retry_after } => retry_after,
            _ => None,
        };
        exchange.attempt_failed(now, reason, failure);
        let refusal = Refusal::new(reason, relay::words(reason)).with_retry_after(retry_after);
        if safe_to_retry { Attempted::Next(refusal) } else { Attempted::Done(Relayed::Refused(refusal)) }
    }
}

/// What one attempt came to.
pub(super) enum Attempted {
    /// The request is over.
    Done(Relayed),
    /// Another backend may be tried; the refusal is what the caller gets if none may.
    Next(Refusal),
}
