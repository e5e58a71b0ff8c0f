//! Stage 2: which routes a request's head can match, and who sends it. It owns the order of those
//! questions and who may use a route; it refuses to look at the body.

use http::HeaderMap;
use rule_table::{Candidates, Head as TableHead, Route, RouteId};
use vocabulary::{Operation, Reason};

use crate::gate::Gate;
use crate::keys;
use crate::{Exchange, Refusal};

/// What stage 2 reads.
#[derive(Clone, Copy, Debug)]
pub struct Head<'a> {
    /// `Host` or `:authority`, port included or not.
    pub host: &'a str,
    /// Path without query.
    pub path: &'a str,
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

/// How a request showed who sends it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Presented {
    Nothing,
    UnknownKey,
    Consumer,
}

impl Exchange {
    /// Finds what becomes of the request, and the caller.
    ///
    /// # Errors
    /// [`Reason::UnknownRoute`], [`Reason::MethodNotAllowed`], [`Reason::MissingKey`],
    /// [`Reason::InvalidKey`], [`Reason::RouteForbidden`].
    pub fn identify(&mut self, head: &Head<'_>) -> Result<Destination, Refusal> {
        self.operation = Operation::from_path(head.path);
        let key = keys::presented(head.headers);
        self.consumer = key.and_then(|key| self.gate.keys().find(key));
        self.team = self.consumer.and_then(|id| self.gate.policy().consumers.get(id as usize)?.team);
        self.presented = match (key, self.consumer) {
            (None, _) => Presented::Nothing,
            (Some(_), None) => Presented::UnknownKey,
            (Some(_), Some(_)) => Presented::Consumer,
        };
        if !self.gate.has_public_route() {
            // Nothing here is open to strangers: they learn no more than that.
            self.require_consumer()?;
        }
        if self.operation == Some(Operation::ListModels) && self.method == http::Method::GET {
            return Ok(Destination::ListModels);
        }
        let gate = std::sync::Arc::clone(&self.gate);
        let candidates = candidates(&gate, &self.method, head)?;
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

    /// Settles the route, if the caller may use it.
    pub(crate) fn enter(&mut self, id: RouteId, route: &Route) -> Result<(), Refusal> {
        self.route = Some(id);
        self.pool = Some(route.pool);
        if route.public {
            return Ok(());
        }
        self.require_consumer()?;
        let listed = self.consumer.is_some_and(|consumer| route.consumers.contains(&consumer));
        if route.consumers.is_empty() || listed {
            return Ok(());
        }
        Err(Refusal::new(
            Reason::RouteForbidden,
            "this key may not use this route; ask the operator to allow it",
        ))
    }

    /// A policy without consumers is open to all; any other wants a known key.
    fn require_consumer(&self) -> Result<(), Refusal> {
        match self.presented {
            _ if self.gate.policy().consumers.is_empty() => Ok(()),
            Presented::Consumer => Ok(()),
            Presented::UnknownKey => Err(Refusal::new(
                Reason::InvalidKey,
                "the API key is not known to this gateway; check it or ask the operator for one",
            )),
            Presented::Nothing => Err(Refusal::new(
                Reason::MissingKey,
                "no API key was sent; put it in the header `Authorization: Bearer <key>`",
            )),
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

/// The routes whose head conditions hold.
pub(crate) fn candidates<'g>(
    gate: &'g Gate,
    method: &http::Method,
    head: &Head<'_>,
) -> Result<Candidates<'g>, Refusal> {
    let value = |name: &str| head.headers.get(name).and_then(|value| value.to_str().ok());
    match gate.table().head(head.host, head.path, method.as_str(), value) {
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
