//! Stage 4: the body's facts and, with its model known, the route. It owns the last step of matching; it
//! refuses to keep the content it looked at, but for a hard limit that may want it counted.

use std::sync::Arc;

use bytes::Bytes;
use rule_table::{Policy, Route};
use vocabulary::{Operation, Reason, RequestFacts};

use crate::ceiling::BodySize;
use crate::exact::Countable;
use crate::identify::{Head, candidates};
use crate::{Exchange, Refusal};

impl Exchange {
    /// Reads the facts of `body` and settles the route.
    ///
    /// # Errors
    /// [`Reason::InvalidJson`], [`Reason::InvalidField`], [`Reason::UnknownModel`],
    /// [`Reason::MissingKey`], [`Reason::InvalidKey`], [`Reason::RouteForbidden`].
    pub fn inspect(&mut self, operation: Operation, body: &Bytes, head: &Head<'_>) -> Result<(), Refusal> {
        let (facts, layout) = wire::extract_with_layout(operation, body).map_err(|fault| {
            let refusal = Refusal::new(fault.reason(), fault.to_string());
            match fault.param() {
                Some(param) => refusal.with_param(param),
                None => refusal,
            }
        })?;
        self.count_body_anew(body);
        self.layout = Some(layout);
        self.enter_by_facts(facts, head)
    }

    /// Keeps of a body what a hard limit may want to count.
    pub(crate) fn count_body_anew(&mut self, body: &Bytes) {
        if self.gate.has_hard_limit() {
            self.body_size = BodySize::of(body);
            self.countable = Countable::of(body);
        }
    }

    /// Finds the route for what the body says.
    pub(crate) fn enter_by_facts(&mut self, facts: RequestFacts, head: &Head<'_>) -> Result<(), Refusal> {
        let gate = Arc::clone(&self.gate);
        let routes = &gate.policy().routes;
        let found = candidates(&gate, self, head)?.by_model(Some(&facts.model));
        let found = found.and_then(|id| Some((id, routes.get(id as usize)?)));
        let found = found.filter(|(_, route)| serves(gate.policy(), route, &facts.model));
        self.facts = Some(facts);
        match found {
            Some((id, route)) => self.enter(id, route),
            None => Err(Refusal::new(
                Reason::UnknownModel,
                "no route of this gateway serves this model; GET /v1/models lists those that are",
            )
            .with_param("model")),
        }
    }
}

/// A route that names the model stands for it, whatever its members call theirs; any other serves the
/// models its members have.
fn serves(policy: &Policy, route: &Route, model: &str) -> bool {
    let deployments = |pool: &rule_table::Pool| {
        let has = |id| policy.deployments.get(id as usize).is_some_and(|d| d.model.as_deref() == Some(model));
        pool.members.iter().any(|member| has(member.deployment))
    };
    route.matching.model.is_some() || policy.pools.get(route.pool as usize).is_some_and(deployments)
}
