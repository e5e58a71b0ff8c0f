//! AI routes: read the body, run the stages, try backends until one answers, relay. It owns the order of
//! stages and the failover loop up to the commit point; the single attempt and the relay are next door.

use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use decision::{AttemptFailure, Exchange, Next, Refusal, Sending, Stage, too_large};
use http::header::EXPECT;
use pingora_error::Result;
use pingora_proxy::Session;
use rule_table::{Listener, Priority};
use telemetry::settled::HookSettled;
use vocabulary::{Moment, Operation, Reason};

use super::attempt::{Open, Patience};
use super::caller::{Caller, Gone};
use super::cover;
use super::guard;
use super::links::Links;
use super::relay::{self, Relayed};
use super::respond;
use super::verdict;
use crate::clock::{Stopwatch, unix_nanos};
use crate::hooks::{Asked, outcome};
use crate::live::{InForce, Live};
use crate::overload::Held;
use crate::trace_ids::TraceIds;

/// The longest the gateway holds a request back for a backend that said when it is free again.
const LONGEST_HOLD: Duration = Duration::from_secs(10);
/// Attempts that never reached a backend do not count against the manifest's ceiling, but end somewhere.
const HOLDS: usize = 6;

/// What a terminated request works with.
pub(super) struct Desk<'a> {
    pub(super) live: &'a Arc<Live>,
    pub(super) in_force: &'a InForce,
    pub(super) links: &'a Arc<Links>,
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
        // The body is held for as long as it may have to be sent again.
        let mut held = self.live.occupancy.hold();
        let prepared = self.prepare(session, exchange, operation, watch, &mut held).await?;
        if exchange.facts.is_some() {
            self.compare(session, exchange, prepared.as_ref().err());
        }
        let body = match prepared {
            Ok(body) => body,
            Err(refusal) => {
                drop(held);
                return self.refuse(session, exchange, refusal).await;
            }
        };
        if let Some(tokens) = exchange.own_count() {
            respond::json(session, exchange, 200, wire::count_tokens_body(tokens)).await?;
            return Ok(Outcome::Answered(200));
        }
        let mut caller = Caller::new(session);
        if let Some(every) = heartbeat(exchange) {
            caller.beat_every(self.live.clock.wall(every), exchange)?;
        }
        match self.serve(&mut caller, exchange, &body, watch).await? {
            Relayed::Complete(status) => Ok(Outcome::Answered(status)),
            Relayed::CallerGone => {
                exchange.abandoned(self.now());
                Ok(Outcome::CallerGone)
            }
            Relayed::Refused(refusal) if caller.begun() => {
                note_refusal(exchange, &refusal);
                caller.end(Some(exchange.error_event(refusal.reason, &refusal.message))).await?;
                Ok(Outcome::Answered(200))
            }
            Relayed::Refused(refusal) => self.refuse(caller.session, exchange, refusal).await,
        }
    }

    /// Follows the request through a second policy, where one stands beside this one.
    pub(super) fn compare(&self, session: &Session, exchange: &Exchange, refused: Option<&Refusal>) {
        let reason = refused.map(|refusal| refusal.reason);
        // What load or somebody else decided says nothing about the text of a policy.
        if !matches!(reason, Some(Reason::Overloaded | Reason::HookRefused | Reason::HookUnavailable)) {
            let now = (self.now(), unix_nanos() / 1_000_000);
            let compared = self.live.shadow.compare(exchange, &super::service::head(session), reason, now);
            if let Some(compared) = compared {
                self.live.observers.instruments.record_compared(compared.difference);
            }
        }
    }

    pub(super) async fn refuse(
        &self,
        session: &mut Session,
        exchange: &mut Exchange,
        refusal: Refusal,
    ) -> Result<Outcome> {
        note_refusal(exchange, &refusal);
        exchange.key_refused(refusal.reason, self.now());
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
        held: &mut Held,
    ) -> Result<std::result::Result<Bytes, Refusal>> {
        let start = self.now();
        let headers = &session.req_header().headers;
        let admitted = exchange.admit_head(&super::service::head(session));
        let admitted = admitted.and_then(|()| exchange.admit_json(headers, self.listener.max_body));
        let known = exchange.priority();
        // Where a route has the last word, the body has to be read first; only the bound itself holds here.
        let priority = known.unwrap_or(Priority::Critical);
        let admitted = admitted.and_then(|()| exchange.admit_load(priority, held.enter()));
        let admitted_at = self.now();
        exchange.mark(Stage::Admit, start, admitted_at);
        if let Err(refusal) = admitted {
            return Ok(Err(refusal));
        }
        watch.pause();
        let body = self.read_body(session, exchange, priority, held).await?;
        watch.resume();
        let mut body = match body {
            Ok(body) => body,
            Err(refusal) => return Ok(Err(refusal)),
        };
        let head = super::service::head(session);
        let inspected = exchange.admit_body(&head, body.len());
        let inspected = inspected.and_then(|()| exchange.inspect(operation, &body, &head));
        let inspected = inspected.and_then(|()| exchange.admit_route(&session.req_header().headers));
        let inspected = inspected.and_then(|()| guard::head(session, exchange, self.in_force, self.listener));
        let inspected = inspected.and_then(|()| guard::body(exchange, operation, &mut body));
        let mut inspected_at = self.now();
        exchange.mark(Stage::Inspect, admitted_at, inspected_at);
        let inspected = inspected.and_then(|()| match exchange.priority() {
            Some(priority) if known.is_none() => exchange.admit_load(priority, held.enter()),
            _ => Ok(()),
        });
        let allowed = match inspected {
            Ok(()) if exchange.hook().is_some() => {
                watch.pause();
                let allowed = self.ask_hook(exchange).await;
                watch.resume();
                inspected_at = self.now();
                allowed
            }
            inspected => inspected,
        };
        let reserved = match allowed {
            Ok(()) if self.live.leases().is_some() => {
                // Almost always there at once; where not, the time is the store's.
                Box::pin(cover::reserve(self.live, exchange)).await
            }
            Ok(()) => exchange.reserve(inspected_at),
            Err(refusal) => Err(refusal),
        };
        exchange.mark(Stage::Reserve, inspected_at, self.now());
        Ok(reserved.map(|()| body))
    }

    /// Asks the route's policy hook, if it has one.
    pub(super) async fn ask_hook(&self, exchange: &mut Exchange) -> std::result::Result<(), Refusal> {
        let gate = Arc::clone(&exchange.gate);
        let Some(id) = exchange.hook().map(|(id, _)| id) else { return Ok(()) };
        let Some(hook) = gate.policy().hooks.get(id as usize) else { return Ok(()) };
        let facts = exchange.hook_facts();
        let begun = self.now();
        let asked = self.in_force.hooks.ask(id, &exchange.request_id, &facts, &self.live.clock);
        let Asked { answer, remembered } = Box::pin(asked).await;
        self.live.observers.instruments.record_hook(&HookSettled {
            hook: &hook.name,
            outcome: outcome(&answer),
            cached: remembered,
            duration: self.now().since(begun),
        });
        exchange.hooked(hook, answer)
    }

    /// Reads the whole body within the listener's size and time.
    async fn read_body(
        &self,
        session: &mut Session,
        exchange: &mut Exchange,
        priority: Priority,
        held: &mut Held,
    ) -> Result<std::result::Result<Bytes, Refusal>> {
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
                held.grow(chunk.len());
                if let Err(refusal) = exchange.admit_load(priority, held.buffered()) {
                    return Ok(Err(refusal));
                }
                if whole.is_empty() && session.as_downstream_mut().is_body_done() {
                    return Ok(Ok(chunk));
                }
                whole.extend_from_slice(&chunk);
                // Chunks of a byte that are all here already would keep this thread from everybody else.
                tokio::task::consume_budget().await;
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
        caller: &mut Caller<'_>,
        exchange: &mut Exchange,
        body: &Bytes,
        watch: &mut Stopwatch,
    ) -> Result<Relayed> {
        let deadline =
            exchange.arrived + exchange.route().map_or(Duration::from_secs(120), |route| route.deadline);
        let mut holds = 0;
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
            let Err(refusal) = choice else {
                match self.attempt(caller, exchange, body, deadline, watch).await? {
                    Attempted::Done(relayed) => return Ok(relayed),
                    Attempted::Again => continue,
                }
            };
            let hold =
                refusal.retry_after.filter(|after| *after <= LONGEST_HOLD && start + *after < deadline);
            holds += 1;
            let Some(hold) = hold.filter(|_| holds <= HOLDS && !exchange.attempts_spent()) else {
                return Ok(Relayed::Refused(refusal));
            };
            watch.pause();
            let held = caller.wait(tokio::time::sleep(self.live.clock.wall(hold))).await;
            watch.resume();
            if held.is_err() {
                return Ok(Relayed::CallerGone);
            }
            exchange.held();
        }
    }

    /// Stages 7 and 8 for the member just chosen.
    async fn attempt(
        &self,
        caller: &mut Caller<'_>,
        exchange: &mut Exchange,
        body: &Bytes,
        deadline: Moment,
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
        let span_id = exchange.attempts.last().map_or(1, |attempt| attempt.span_id);
        let traceparent = self.trace.traceparent(&self.live.observers.traces, span_id);
        let rewritten = upstream.credential().map_err(verdict::no_credential).and_then(|credential| {
            exchange.rewrite(&Sending {
                body,
                caller: &caller.session.req_header().headers,
                credential: credential.as_deref(),
                traceparent: traceparent.as_deref(),
            })
        });
        exchange.mark(Stage::Rewrite, start, self.now());
        let request = match rewritten {
            Ok(request) => request,
            Err(refusal) => return Ok(self.follow(exchange, verdict::not_sent(refusal))),
        };
        let patience = Patience { clock: &self.live.clock, deadline, started: start };
        watch.pause();
        let sent = Open::send(self.links, &upstream, patience, &request, caller).await;
        watch.resume();
        match sent {
            Err(Gone) => Ok(Attempted::Done(Relayed::CallerGone)),
            Ok(Err(failed)) => Ok(self.follow(exchange, failed)),
            Ok(Ok(open)) => {
                let relay = relay::Relay { desk: self, upstream: &upstream, patience, watch, guard: None };
                relay.answer(caller, exchange, open).await
            }
        }
    }

    /// Books a failed attempt and goes where policy says.
    pub(super) fn follow(&self, exchange: &mut Exchange, failed: AttemptFailure) -> Attempted {
        match exchange.failed(self.now(), failed) {
            Next::Retry => Attempted::Again,
            Next::Stop(refusal) => Attempted::Done(Relayed::Refused(refusal)),
        }
    }
}

fn note_refusal(exchange: &mut Exchange, refusal: &Refusal) {
    exchange.reason = Some(refusal.reason);
    exchange.refusal = Some(refusal.clone());
    exchange.mark_refused(refusal.reason);
}

/// How often a comment is due before the first token; only streams can carry one.
fn heartbeat(exchange: &Exchange) -> Option<Duration> {
    let every = exchange.route()?.heartbeat?;
    exchange.facts.as_ref().is_some_and(|facts| facts.stream).then_some(every)
}

/// What one attempt came to.
pub(super) enum Attempted {
    /// The request is over.
    Done(Relayed),
    /// Another attempt may follow.
    Again,
}
