//! One request on its way through the stages. It owns what each stage has added so far and the promise
//! that whatever was reserved is given back; it refuses to decide anything.

use std::sync::Arc;

use feedback_loop::{Failure, Ticket};
use rule_table::{ConsumerId, DeploymentId, PoolId, Route, RouteId, TeamId};
use vocabulary::{Moment, Operation, Reason, RequestFacts, Usage, UsageSource};

use crate::access::Country;
use crate::callers::Presented;
use crate::ceiling::BodySize;
use crate::exact::Countable;
use crate::gate::Gate;
use crate::keys::Terms;
use crate::peer::Peer;
use crate::refusal::Refusal;
use crate::waf::Guard;

/// The nine stages of a request, in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Stage {
    /// Connection facts.
    Accept,
    /// Route and caller.
    Identify,
    /// Access rules.
    Admit,
    /// Body read and its facts extracted.
    Inspect,
    /// Limits reserved.
    Reserve,
    /// Backend picked.
    Choose,
    /// Request rewritten for the backend.
    Rewrite,
    /// Sent, streamed, observed.
    Relay,
    /// Accounted.
    Settle,
}

impl Stage {
    /// Every stage, in order.
    pub const ALL: [Self; 9] = [
        Self::Accept,
        Self::Identify,
        Self::Admit,
        Self::Inspect,
        Self::Reserve,
        Self::Choose,
        Self::Rewrite,
        Self::Relay,
        Self::Settle,
    ];

    /// Lower-case name, as in span names.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Accept => "accept",
            Self::Identify => "identify",
            Self::Admit => "admit",
            Self::Inspect => "inspect",
            Self::Reserve => "reserve",
            Self::Choose => "choose",
            Self::Rewrite => "rewrite",
            Self::Relay => "relay",
            Self::Settle => "settle",
        }
    }
}

/// When a stage ran, in policy time.
#[derive(Clone, Copy, Debug)]
pub struct StageMark {
    /// Which.
    pub stage: Stage,
    /// Began.
    pub start: Moment,
    /// Ended.
    pub end: Moment,
    /// Why it ended the request, if it did.
    pub refused: Option<Reason>,
}

/// One attempt on one backend.
#[derive(Debug)]
pub struct Attempt {
    /// Where it went.
    pub deployment: DeploymentId,
    /// The operation it was sent as, once rewritten: the caller's own, or what its backend offers instead.
    pub serves_as: Option<Operation>,
    /// Span id, assigned before sending so that it can be forwarded.
    pub span_id: u64,
    /// Sent.
    pub started: Moment,
    /// First output-bearing event or, without a stream, the whole answer.
    pub first_output: Option<Moment>,
    /// Over.
    pub ended: Option<Moment>,
    /// The backend's status.
    pub status: Option<u16>,
    /// Why it did not serve the request.
    pub reason: Option<Reason>,
    /// What it consumed, where the backend is known to have worked.
    pub usage: Option<Usage>,
    /// What limits are charged though nobody counted: it was sent, and then came silence or a cut.
    pub owed: Option<Usage>,
    pub(crate) ticket: Option<Ticket>,
}

impl Attempt {
    /// What limits are charged for it.
    #[must_use]
    pub fn charged(&self) -> Option<Usage> {
        self.usage.or(self.owed)
    }
}

/// A request and everything decided about it so far.
#[derive(Debug)]
pub struct Exchange {
    /// The policy that decides, fixed at arrival: a reload never changes a request half way.
    pub gate: Arc<Gate>,
    /// `x-request-id`.
    pub request_id: String,
    /// Arrival in policy time.
    pub arrived: Moment,
    /// Arrival in Unix nanoseconds.
    pub arrived_unix_nanos: u64,
    /// Request method.
    pub method: http::Method,
    /// Stages run so far.
    pub marks: Vec<StageMark>,
    /// The matched route.
    pub route: Option<RouteId>,
    /// The connection it came by.
    pub peer: Peer,
    /// The caller.
    pub consumer: Option<ConsumerId>,
    /// The caller's team.
    pub team: Option<TeamId>,
    /// Who a token says the caller is, as `issuer/subject`, where no consumer is named for it.
    pub subject: Option<Arc<str>>,
    /// The operation, on AI routes.
    pub operation: Option<Operation>,
    /// Facts of the body, on AI routes.
    pub facts: Option<RequestFacts>,
    /// Attempts so far.
    pub attempts: Vec<Attempt>,
    /// The service a piped request was last sent to, where no pool of ours chose it.
    pub piped_to: Option<DeploymentId>,
    /// Usage of the answer, last non-null.
    pub usage: Option<Usage>,
    /// Who counted it.
    pub usage_source: UsageSource,
    /// The first output event sent to the caller.
    pub first_output: Option<Moment>,
    /// Why it was refused or cut.
    pub reason: Option<Reason>,
    /// The words that went with it, where a stage of ours refused.
    pub refusal: Option<Refusal>,
    /// What rules in shadow mode would have refused it for, each reason once.
    pub would_refuse: Vec<Reason>,
    /// Rules of the access control list that noted, would have decided, or decided; by name.
    pub acl_rules: Vec<String>,
    /// Whether the list has to be asked again once the body's size is known or known to stay unknown.
    pub(crate) acl_waits: bool,
    /// The limits' answer, for `x-ratelimit-*`.
    pub remaining: Option<ledger::Remaining>,
    /// Where the body can be edited without another walk.
    pub(crate) layout: Option<wire::Layout>,
    pub(crate) presented: Presented,
    /// The caller whom somebody else vouches for, whatever the request shows.
    pub(crate) vouched: Option<ConsumerId>,
    /// What the key says beyond its consumer, where it was issued while the gateway runs.
    pub(crate) terms: Option<Arc<Terms>>,
    /// The country the peer's address is in, where a rule asks for it and it is known.
    pub(crate) country: Option<Country>,
    pub(crate) pool: Option<PoolId>,
    /// Fields of the request that the chosen backend's dialect has no place for; only advice, but told.
    pub lost_fields: Vec<&'static str>,
    pub(crate) tried: u64,
    /// Pools this request has moved on from.
    pub(crate) pools_left: Vec<PoolId>,
    /// The stored response that a piped request is about, hashed.
    pub(crate) stored_response: Option<u64>,
    /// The only deployment the next attempt may use.
    pub(crate) pinned: Option<DeploymentId>,
    /// What the caller would have been told after the last failed attempt.
    pub(crate) last_failure: Option<Refusal>,
    pub(crate) reservation: Option<ledger::Reservation>,
    /// What the body says of the input's size, where a hard limit may need it.
    pub(crate) body_size: BodySize,
    /// The body, while a hard limit may want it counted.
    pub(crate) countable: Option<Countable>,
    /// Tokens of the body, once counted.
    pub(crate) counted_tokens: Option<u64>,
    /// Output tokens per choice that a hard limit has room for.
    pub(crate) output_ceiling: Option<u64>,
    /// The most a hard limit holds room for.
    pub(crate) held_at_most: Option<Usage>,
    /// Its firewall at work.
    pub(crate) guard: Option<Box<Guard>>,
    pub(crate) settled: bool,
}

impl Exchange {
    /// A request that has just been accepted.
    #[must_use]
    pub fn new(
        gate: Arc<Gate>,
        request_id: String,
        method: http::Method,
        arrived: Moment,
        unix_nanos: u64,
    ) -> Self {
        Self {
            gate,
            request_id,
            arrived,
            arrived_unix_nanos: unix_nanos,
            method,
            marks: Vec::with_capacity(Stage::ALL.len()),
            route: None,
            peer: Peer::default(),
            consumer: None,
            team: None,
            subject: None,
            operation: None,
            facts: None,
            attempts: Vec::new(),
            piped_to: None,
            usage: None,
            usage_source: UsageSource::Gateway,
            first_output: None,
            reason: None,
            refusal: None,
            would_refuse: Vec::new(),
            acl_rules: Vec::new(),
            acl_waits: false,
            remaining: None,
            layout: None,
            presented: Presented::Nothing,
            vouched: None,
            terms: None,
            country: None,
            pool: None,
            lost_fields: Vec::new(),
            tried: 0,
            pools_left: Vec::new(),
            stored_response: None,
            pinned: None,
            last_failure: None,
            reservation: None,
            body_size: BodySize::default(),
            countable: None,
            counted_tokens: None,
            output_ceiling: None,
            held_at_most: None,
            guard: None,
            settled: false,
        }
    }

    /// Notes that `stage` ran from `start` to `end`.
    pub fn mark(&mut self, stage: Stage, start: Moment, end: Moment) {
        self.marks.push(StageMark { stage, start, end, refused: None });
    }

    /// Notes that the stage marked last ended the request.
    pub fn mark_refused(&mut self, reason: Reason) {
        if let Some(mark) = self.marks.last_mut() {
            mark.refused = Some(reason);
        }
    }

    /// The model's name, once a route has vouched for it: the names a caller may invent are not bounded.
    #[must_use]
    pub fn known_model(&self) -> Option<&str> {
        self.route.and(self.facts.as_ref()).map(|facts| facts.model.as_str())
    }

    /// Tells the pool what the backend of the attempt under way says it has left.
    pub fn observe_remaining(&self, now: Moment, tokens: Option<u64>, requests: Option<u64>) {
        let ticket = self.attempts.last().and_then(|attempt| attempt.ticket.as_ref());
        if let (Some(pool), Some(ticket), true) = (self.pool, ticket, tokens.is_some() || requests.is_some())
        {
            self.gate.pool_observed(pool, now, ticket, tokens, requests);
        }
    }

    /// The matched route's definition.
    #[must_use]
    pub fn route(&self) -> Option<&Route> {
        self.gate.policy().routes.get(self.route? as usize)
    }

    /// The attempt under way or last made.
    #[must_use]
    pub fn attempt(&mut self) -> Option<&mut Attempt> {
        self.attempts.last_mut()
    }

    /// Whether the attempts allowed per request are used up.
    #[must_use]
    pub fn attempts_spent(&self) -> bool {
        // The route's own pool says how many, fallbacks included.
        let first = self.pools_left.first().copied().or(self.pool);
        let pool = first.and_then(|id| self.gate.policy().pools.get(id as usize));
        let allowed = pool.map_or(1, |pool| pool.retry.max_attempts);
        self.attempts.len() >= allowed as usize
    }

    /// Notes the first output-bearing event of the attempt under way.
    pub fn first_output(&mut self, now: Moment) {
        self.first_output.get_or_insert(now);
        let gate = Arc::clone(&self.gate);
        let pool = self.pool;
        if let Some(attempt) = self.attempts.last_mut() {
            attempt.first_output.get_or_insert(now);
            if let (Some(ticket), Some(pool)) = (attempt.ticket.as_ref(), pool) {
                gate.pool_first_token(pool, now, ticket);
            }
        }
    }

    /// Ends the attempt under way in failure. One that has ended stays as it ended.
    pub fn attempt_failed(&mut self, now: Moment, reason: Reason, failure: Failure) {
        let Some((attempt, ticket)) = self.end_attempt(now) else { return };
        attempt.reason = Some(reason);
        if let Some(pool) = self.pool {
            self.gate.pool_failed(pool, now, ticket, failure);
        }
    }

    /// Ends the attempt under way in success. One that has ended stays as it ended.
    pub fn attempt_served(&mut self, now: Moment, usage: Option<Usage>) {
        let Some((attempt, ticket)) = self.end_attempt(now) else { return };
        attempt.usage = usage;
        self.forget_repeated();
        if let Some(pool) = self.pool {
            self.gate.pool_finished(pool, now, ticket, usage);
        }
    }

    /// The attempt under way, with the ticket that only an attempt under way has.
    fn end_attempt(&mut self, now: Moment) -> Option<(&mut Attempt, Ticket)> {
        let attempt = self.attempts.last_mut()?;
        let ticket = attempt.ticket.take()?;
        attempt.ended = Some(now);
        Some((attempt, ticket))
    }
}

impl Drop for Exchange {
    /// Whatever ended the task, nothing stays reserved: an unsettled exchange counts as abandoned.
    fn drop(&mut self) {
        if self.settled {
            return;
        }
        let at = self.attempts.last().map_or(self.arrived, |attempt| attempt.started);
        self.attempt_failed(at, Reason::ClientClosed, Failure::Cancelled);
        if let Some(reservation) = self.reservation.take() {
            let ledger = self.gate.ledger();
            let now = ledger.time().at(at);
            if self.attempts.iter().all(|attempt| attempt.serves_as.is_none()) {
                ledger.release(now, reservation);
            } else {
                // Something was sent, and nobody said what came of it.
                ledger.keep(now, reservation);
            }
        }
    }
}
