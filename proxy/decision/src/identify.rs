//! Stage 2: which routes a request's head can match, and who sends it. It owns the order of those
//! questions and who may use a route; it refuses to look at the body.

use http::HeaderMap;
use rule_table::{Body, Candidates, ConsumerId, Facts, Head as TableHead, IssuerId, Route, RouteId};
use vocabulary::{Operation, Reason};

use crate::callers::{Presented, Who};
use crate::gate::Gate;
use crate::{Exchange, Refusal};

/// What stage 2 reads.
#[derive(Clone, Copy, Debug)]
pub struct Head<'a> {
    /// `Host` or `:authority`, port included or not.
    pub host: &'a str,
    /// Path without query.
    pub path: &'a str,
    /// Query without its question mark; empty when there is none.
    pub query: &'a str,
    /// All headers.
    pub headers: &'a HeaderMap,
}

/// What becomes of the request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Destination {
    /// Read, decided, dispatched by us.
    Terminate(Operation),
    /// Piped: to a plain HTTP service, or to a model backend whose operation is not read here.
    Pipe(RouteId),
    /// Answered from the table.
    ListModels,
}

impl Exchange {
    /// Finds what becomes of the request, and the caller. May be asked again: once the keys that
    /// [`Exchange::wants_keys_of`] names have been had.
    ///
    /// # Errors
    /// [`Reason::UnknownRoute`], [`Reason::MethodNotAllowed`], [`Reason::RouteForbidden`], and whatever is
    /// wrong with the caller's key, token or certificate.
    pub fn identify(&mut self, head: &Head<'_>) -> Result<Destination, Refusal> {
        self.operation = Operation::from_path(head.path);
        let now = self.arrived_unix_nanos / 1_000_000_000;
        let Who { presented, consumer, team, subject, terms } = match self.vouched {
            Some(consumer) => Who::consumer(self.gate.policy(), consumer),
            None => self.gate.callers().who(self.gate.policy(), head.headers, &self.peer, now),
        };
        self.presented = presented;
        self.consumer = consumer;
        self.team = team;
        self.subject = subject;
        self.terms = terms;
        if !self.gate.has_public_route() {
            // Nothing here is open to strangers: they learn no more than that.
            self.require_consumer()?;
        }
        if self.operation == Some(Operation::ListModels) && self.method == http::Method::GET {
            return Ok(Destination::ListModels);
        }
        let gate = std::sync::Arc::clone(&self.gate);
        let candidates = candidates(&gate, self, head)?;
        let route =
            candidates.by_model(None).and_then(|id| Some((id, gate.policy().routes.get(id as usize)?)));
        match (route, self.operation) {
            (Some((id, route)), _) if !candidates.need_model() && self.is_piped(route) => {
                self.enter(id, route)?;
                Ok(Destination::Pipe(id))
            }
            (_, Some(operation)) if operation != Operation::ListModels => {
                Ok(Destination::Terminate(operation))
            }
            // Audio, files, images, batches, realtime: the body says nothing that policy decides on.
            (Some((id, route)), None) if !candidates.need_model() && route.pass_through => {
                self.stored_response = stored_response(head.path);
                self.enter(id, route)?;
                Ok(Destination::Pipe(id))
            }
            _ => Err(Refusal::new(
                Reason::UnknownRoute,
                "this path leads to model backends but is none of their operations that are read here; the operator can let it through with `passThrough: true` on its route",
            )),
        }
    }

    /// Takes `consumer` for the caller, whatever the request shows: for requests that are foreseen, whose keys
    /// and tokens nobody wants to hand over.
    pub fn vouch(&mut self, consumer: ConsumerId) {
        self.vouched = Some(consumer);
    }

    /// Settles the route, if the caller may use it.
    pub(crate) fn enter(&mut self, id: RouteId, route: &Route) -> Result<(), Refusal> {
        self.route = Some(id);
        self.pool = Some(route.pool);
        if route.public {
            return Ok(());
        }
        self.require_consumer()?;
        if self.may_use(route) {
            return Ok(());
        }
        Err(Refusal::new(
            Reason::RouteForbidden,
            "this caller may not use this route; ask the operator to allow it",
        ))
    }

    /// Whether this caller may use a route.
    #[must_use]
    pub fn may_use(&self, route: &Route) -> bool {
        if route.public || !self.gate.knows_callers() {
            return true;
        }
        let listed = self.consumer.is_some_and(|consumer| route.consumers.contains(&consumer));
        let allowed = self.terms.as_ref().is_none_or(|terms| terms.allow(&route.name));
        self.presented == Presented::Known && (route.consumers.is_empty() || listed) && allowed
    }

    /// The issuer without whose keys, or without newer ones, the request's token cannot be judged.
    #[must_use]
    pub fn wants_keys_of(&self) -> Option<IssuerId> {
        match &self.presented {
            Presented::Token(fault) => fault.wants_keys_of(),
            _ => None,
        }
    }

    /// A policy that knows nobody is open to all; any other wants a known caller.
    fn require_consumer(&self) -> Result<(), Refusal> {
        let refused = |reason, words: &'static str| Err(Refusal::new(reason, words));
        match &self.presented {
            _ if !self.gate.knows_callers() => Ok(()),
            Presented::Known => Ok(()),
            Presented::UnknownKey => refused(
                Reason::InvalidKey,
                "the API key is not known to this gateway; check it or ask the operator for one",
            ),
            Presented::ExpiredKey => refused(
                Reason::ExpiredKey,
                "the API key has expired or was revoked; ask the operator for another",
            ),
            Presented::UnknownCertificate => refused(
                Reason::InvalidCertificate,
                "the client certificate belongs to nobody this gateway knows; ask the operator to name it",
            ),
            Presented::Token(fault) => Err(fault.refusal()),
            Presented::Nothing => refused(
                Reason::MissingKey,
                "no API key was sent; put it in the header `Authorization: Bearer <key>`",
            ),
        }
    }

    fn is_piped(&self, route: &Route) -> bool {
        self.gate.policy().pools.get(route.pool as usize).is_some_and(|pool| pool.piped)
    }
}

/// The key of the response that a path below `/v1/responses/` names: only its own backend has it.
fn stored_response(path: &str) -> Option<u64> {
    let id = path.strip_prefix("/v1/responses/")?.split('/').next()?;
    Some(wire::response_key(id))
}

/// Headers as policy reads them.
struct Sent<'a>(&'a HeaderMap);

impl rule_table::Headers for Sent<'_> {
    fn any(&self, name: &str, seen: &mut dyn FnMut(&[u8]) -> bool) -> bool {
        self.0.get_all(name).iter().any(|value| seen(value.as_bytes()))
    }
}

impl Exchange {
    /// What policy reads of this request, handed to `read`.
    pub(crate) fn with_facts<T>(&self, head: &Head<'_>, body: Body, read: impl FnOnce(&Facts<'_>) -> T) -> T {
        read(&Facts {
            listener: self.peer.listener,
            address: self.peer.address,
            country: self.country,
            method: self.method.as_str(),
            host: head.host,
            path: head.path,
            query: head.query,
            headers: &Sent(head.headers),
            body,
            consumer: self.consumer,
            unix_seconds: self.arrived_unix_nanos / 1_000_000_000,
            model: self.facts.as_ref().map(|facts| facts.model.as_str()),
        })
    }
}

/// The routes whose head conditions hold.
pub(crate) fn candidates<'g>(
    gate: &'g Gate,
    exchange: &Exchange,
    head: &Head<'_>,
) -> Result<Candidates<'g>, Refusal> {
    let method = &exchange.method;
    match exchange.with_facts(head, Body::Unread, |facts| gate.table().head(facts)) {
        TableHead::Found(candidates) => Ok(candidates),
        TableHead::MethodNotAllowed(allow) => {
            let message = format!("this path does not take {method}; the Allow header names what it takes");
            let mut refusal = Refusal::new(Reason::MethodNotAllowed, message);
            refusal.allow = allow.into_iter().map(str::to_owned).collect();
            Err(refusal)
        }
        TableHead::NoRoute => Err(Refusal::new(
            Reason::UnknownRoute,
            "no route of this gateway has this host and path; check the base URL",
        )),
    }
}
