//! Stage 6: one pick among a pool's members. It owns which members a request may use at all (model,
//! operation, context window, home of its state, residency, already tried) and the pool's short lock; the pick itself is `feedback-loop`'s.
//!
//! The lock is on purpose: in-flight counts, quotas and the model must be seen together, or two picks
//! spend the same room. It is held for microseconds and never across IO.

use std::sync::Arc;
use std::time::Duration;

use feedback_loop::{Ask, Failure, MemberSet, Pool};
use parking_lot::Mutex;
use rule_table::{Deployment, DeploymentId, FallbackWhen, Member, Policy, Pool as PoolSection, Retry};
use vocabulary::{Moment, Operation, Reason};

use crate::exchange::{Attempt, Exchange};
use crate::failover::Next;
use crate::pool_spec::spec;
use crate::refusal::Refusal;
use crate::retry_budget::RetryBudget;

/// What was picked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Choice {
    /// Where to send it.
    pub deployment: DeploymentId,
    /// Attempt number, from 1.
    pub attempt: u32,
}

/// A pool's state, shared by all policies that have a pool of this name.
#[derive(Debug)]
pub struct SharedPool {
    state: Mutex<State>,
    retries: Mutex<RetryBudget>,
}

#[derive(Debug)]
struct State {
    pool: Pool,
    /// Member names in the pool's own order; a reload may have reordered or replaced them since the
    /// policy of a running request was current.
    names: Arc<[String]>,
}

/// A pool as one policy sees it: that policy's member order over the shared state.
#[derive(Debug)]
pub struct PoolView {
    name: String,
    shared: Arc<SharedPool>,
    names: Arc<[String]>,
    deployments: Vec<DeploymentId>,
}

impl State {
    fn index(&self, member: &str) -> Option<usize> {
        self.names.iter().position(|name| name == member)
    }
}

impl SharedPool {
    /// Runs `f` under the lock.
    pub(crate) fn with<T>(&self, f: impl FnOnce(&mut Pool) -> T) -> T {
        f(&mut self.state.lock().pool)
    }

    /// Counts a request's first attempt towards its retries.
    fn count_attempt(&self, now: Moment, attempt: u32) {
        if attempt == 1 {
            self.retries.lock().request(now);
        }
    }

    pub(crate) fn probed(&self, member: &str, healthy: bool, now: Moment) {
        let mut state = self.state.lock();
        if let Some(index) = state.index(member) {
            state.pool.probe(now, index, healthy);
        }
    }
}

impl PoolView {
    pub(crate) fn new(policy: &Policy, section: &PoolSection, seed: u64, now: Moment) -> Self {
        let (spec, names, deployments) = spec(policy, section);
        let state = State { pool: Pool::new(spec, seed, now), names: Arc::clone(&names) };
        Self {
            name: section.name.clone(),
            shared: Arc::new(SharedPool {
                state: Mutex::new(state),
                retries: Mutex::new(RetryBudget::default()),
            }),
            names,
            deployments,
        }
    }

    pub(crate) fn reconfigured(&self, policy: &Policy, section: &PoolSection, now: Moment) -> Self {
        let (spec, names, deployments) = spec(policy, section);
        let mut state = self.shared.state.lock();
        state.pool.reconfigure(spec, now);
        state.names = Arc::clone(&names);
        drop(state);
        Self { name: self.name.clone(), shared: Arc::clone(&self.shared), names, deployments }
    }

    /// The pool's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The shared state.
    #[must_use]
    pub(crate) fn shared(&self) -> &SharedPool {
        &self.shared
    }

    /// Takes room for one retry, if the pool's budget has some.
    pub(crate) fn take_retry(&self, now: Moment, retry: &Retry) -> bool {
        self.shared.retries.lock().take(now, retry)
    }

    /// Picks among `eligible`, a bit set in this view's member order, and gives the pick in that order.
    fn choose(
        &self,
        now: Moment,
        ask: &Ask<'_>,
        eligible: u64,
    ) -> Result<(usize, feedback_loop::Ticket), Option<Duration>> {
        let mut state = self.shared.state.lock();
        let names = Arc::clone(&state.names);
        let same_order = Arc::ptr_eq(&names, &self.names);
        let mapped = if same_order { eligible } else { translate(eligible, &self.names, &names) };
        let ask = Ask { eligible: MemberSet::from_bits(mapped), ..*ask };
        let pick = state.pool.choose(now, &ask).map_err(|none| none.retry_after)?;
        drop(state);
        let member = if same_order {
            Some(pick.member)
        } else {
            names.get(pick.member).and_then(|name| self.names.iter().position(|known| known == name))
        };
        // `translate` only lets through members that both orders know.
        member.map(|member| (member, pick.ticket)).ok_or(None)
    }
}

/// Carries a set of members from one order of names to another; unknown names drop out.
fn translate(set: u64, from: &[String], to: &[String]) -> u64 {
    from.iter()
        .enumerate()
        .filter(|(index, _)| set & bit(*index) != 0)
        .filter_map(|(_, name)| to.iter().position(|known| known == name))
        .fold(0, |mapped, index| mapped | bit(index))
}

fn bit(index: usize) -> u64 {
    u32::try_from(index).ok().and_then(|shift| 1_u64.checked_shl(shift)).unwrap_or(0)
}

impl Exchange {
    /// Picks a backend for the next attempt and books its room, in a fallback pool where this one has none.
    ///
    /// # Errors
    /// [`Reason::NoBackend`] or what the last backend said, with the time after which one may be free;
    /// [`Reason::OperationUnsupported`]; [`Reason::UnknownResponse`]; [`Reason::Residency`].
    pub fn choose(&mut self, now: Moment, span_id: u64) -> Result<Choice, Refusal> {
        // One attempt at a time: a second one must not hide the first one's room.
        self.attempt_failed_if_open(now, Failure::Refused);
        let gate = Arc::clone(&self.gate);
        let mut soonest: Option<Duration> = None;
        let mut residents = Residents::default();
        // Each turn leaves a pool for good, so there are no more turns than pools.
        for _ in 0..=gate.policy().pools.len() {
            let found =
                self.pool.and_then(|id| Some((gate.pool(id)?, gate.policy().pools.get(id as usize)?)));
            let Some((view, section)) = found else { break };
            let eligible = self.eligible(section)?;
            residents.see(&eligible);
            if eligible.too_long && self.enter_fallback(section, &[FallbackWhen::ContextWindow]) {
                continue;
            }
            match self.pick(now, span_id, view, eligible.members) {
                Ok(choice) => return Ok(choice),
                Err(after) => soonest = soonest.into_iter().chain(after).min(),
            }
            if let Next::Stop(refusal) = self.exhausted(section, eligible.too_long) {
                if residents.kept_out() && refusal.reason == Reason::NoBackend {
                    return Err(self.outside());
                }
                return Err(refusal.with_retry_after(soonest));
            }
        }
        Err(Refusal::new(Reason::NoBackend, "this request has no route"))
    }

    /// After a wait for a member to be free again, the route's own pool comes first once more.
    pub fn held(&mut self) {
        if let Some(first) = self.route().map(|route| route.pool) {
            self.pool = Some(first);
            self.pools_left.clear();
        }
    }

    /// One pick in one pool; otherwise the time after which one may succeed.
    fn pick(
        &mut self,
        now: Moment,
        span_id: u64,
        view: &PoolView,
        eligible: u64,
    ) -> Result<Choice, Option<Duration>> {
        let attempt = u32::try_from(self.attempts.len()).unwrap_or(u32::MAX).saturating_add(1);
        let facts = self.facts.as_ref();
        let ask = Ask {
            request_id: &self.request_id,
            attempt,
            arrived: self.arrived,
            prompt_tokens: facts.map_or(0, |facts| facts.prompt_tokens),
            max_output_tokens: facts
                .and_then(|facts| Some(facts.max_output_tokens?.saturating_mul(facts.choices))),
            streamed: facts.is_some_and(|facts| facts.stream),
            eligible: MemberSet::from_bits(0),
        };
        // Better a second try at a member than a refusal, but those not tried yet come first.
        let untried = eligible & !self.tried;
        let mut picked = view.choose(now, &ask, untried);
        if picked.is_err() && untried != eligible && !self.has_fallback() {
            picked = view.choose(now, &ask, eligible);
        }
        let (member, ticket) = picked?;
        let deployment = *view.deployments.get(member).ok_or(None)?;
        self.tried |= bit(member);
        self.pinned = None;
        view.shared.count_attempt(now, attempt);
        self.attempts.push(Attempt {
            deployment,
            serves_as: None,
            span_id,
            started: now,
            first_output: None,
            ended: None,
            status: None,
            reason: None,
            usage: None,
            owed: None,
            ticket: Some(ticket),
        });
        Ok(Choice { deployment, attempt })
    }

    fn has_fallback(&self) -> bool {
        let section = self.pool.and_then(|id| self.gate.policy().pools.get(id as usize));
        section.is_some_and(|section| !section.fallback.is_empty())
    }

    /// Members with the right model that offer the operation and, where any has one, a context window that
    /// holds the request.
    fn eligible(&self, section: &PoolSection) -> Result<Eligible, Refusal> {
        let able = self.candidates(section)?;
        let candidates = able & self.residents(section);
        if candidates == 0 && able != 0 && self.continues() {
            // Nobody else has the response it continues.
            return Err(self.outside());
        }
        // Saturating: the caller may name any ceiling.
        let needed = self
            .facts
            .as_ref()
            .map_or(0, |facts| facts.prompt_tokens.saturating_add(facts.max_output_tokens.unwrap_or(0)));
        let holds = |index: usize, member: &Member| {
            candidates & bit(index) != 0
                && self
                    .gate
                    .deployment(member.deployment)
                    .is_some_and(|deployment| deployment.context_window.is_none_or(|window| needed <= window))
        };
        let fitting = section
            .members
            .iter()
            .enumerate()
            .filter(|(index, member)| holds(*index, member))
            .fold(0, |set, (index, _)| set | bit(index));
        // The prompt's size is an estimate: when nothing seems to fit, the backends shall judge.
        let too_long = fitting == 0 && candidates != 0;
        let members = if too_long { candidates } else { fitting };
        Ok(Eligible { members, too_long, outside: able & !candidates != 0 })
    }

    /// Members that process data where the caller's may be.
    fn residents(&self, section: &PoolSection) -> u64 {
        let members = section.members.iter().enumerate();
        let inside = members.filter(|(_, member)| self.may_process(member.deployment));
        inside.fold(0, |set, (index, _)| set | bit(index))
    }

    /// Whether it is about an earlier response.
    fn continues(&self) -> bool {
        self.stored_response.is_some()
            || self.facts.as_ref().is_some_and(|facts| facts.previous_response.is_some())
    }

    /// Names of the members that could serve the request in the pool it is at, well or not.
    pub(crate) fn eligible_members(&self) -> Result<Vec<String>, Refusal> {
        let section = self.pool.and_then(|id| self.gate.policy().pools.get(id as usize));
        let Some(section) = section else { return Ok(Vec::new()) };
        let eligible = self.eligible(section)?.members;
        let members = section.members.iter().enumerate().filter(|(index, _)| eligible & bit(*index) != 0);
        let names = members.filter_map(|(_, member)| self.gate.deployment(member.deployment));
        Ok(names.map(|deployment| deployment.name.clone()).collect())
    }

    /// Members that could serve the request, were it short enough.
    fn candidates(&self, section: &PoolSection) -> Result<u64, Refusal> {
        let home = self.home()?;
        let wanted = self.facts.as_ref().map(|facts| facts.model.as_str());
        let routed = self.route().is_some_and(|route| route.matching.model.is_some());
        let (mut named, mut offering, mut any) = (0, 0, 0);
        for (index, member) in section.members.iter().enumerate() {
            let Some(deployment) = self.gate.deployment(member.deployment) else { continue };
            let here = self.pinned.is_none_or(|pinned| pinned == member.deployment)
                && home.as_ref().is_none_or(|home| home.is(self, deployment));
            let offers = here && self.offered(deployment);
            let has_model = wanted.is_none() || deployment.model.as_deref() == wanted;
            any |= if offers { bit(index) } else { 0 };
            named |= if has_model { bit(index) } else { 0 };
            offering |= if has_model && offers { bit(index) } else { 0 };
        }
        // A route that names the model, and a fallback, stand for it whatever their members call theirs.
        let set = if routed || (self.on_fallback() && offering == 0) { any } else { offering };
        if set == 0 && named != 0 && home.is_none() && self.pinned.is_none() {
            let operation = self.operation.map_or("this path", Operation::path);
            let message = format!("no backend of this model offers {operation}; use another operation");
            return Err(Refusal::new(Reason::OperationUnsupported, message));
        }
        Ok(set)
    }

    /// Whether a deployment serves the operation asked for; piped requests are taken by any.
    fn offered(&self, deployment: &Deployment) -> bool {
        let kind = self.gate.policy().backends.get(deployment.backend as usize).map(|backend| backend.kind);
        match (self.facts.as_ref(), kind) {
            (Some(facts), Some(kind)) => kind.serves_as(facts.operation).is_some(),
            (None, Some(_)) => true,
            (_, None) => false,
        }
    }

    /// Whether the caller asks for a count of tokens that no backend of the route can give: the gateway's
    /// own estimate is then the answer.
    #[must_use]
    pub fn own_count(&self) -> Option<u64> {
        let facts = self.facts.as_ref().filter(|facts| facts.operation == Operation::CountTokens)?;
        let section = self.gate.policy().pools.get(self.pool? as usize)?;
        let mut members = section.members.iter().filter_map(|member| self.gate.deployment(member.deployment));
        members.all(|deployment| !self.offered(deployment)).then_some(facts.prompt_tokens)
    }

    /// Where a response that continues another one has to go.
    fn home(&self) -> Result<Option<Home>, Refusal> {
        let continued = self.facts.as_ref().and_then(|facts| facts.previous_response);
        let Some(previous) = continued.or(self.stored_response) else { return Ok(None) };
        if self.on_fallback() {
            return Err(Refusal::new(
                Reason::UnknownResponse,
                "the backend that holds the response in `previous_response_id` is not available; send the whole input",
            )
            .with_param("previous_response_id"));
        }
        let home = self.gate.homes().find(previous).map_or(Home::AnyNative, Home::At);
        let section = self.pool.and_then(|pool| self.gate.policy().pools.get(pool as usize));
        let mut members = section.into_iter().flat_map(|section| &section.members);
        let held = |member: &Member| {
            self.gate.deployment(member.deployment).is_some_and(|deployment| home.is(self, deployment))
        };
        if members.any(held) {
            return Ok(Some(home));
        }
        Err(Refusal::new(
            Reason::UnknownResponse,
            "no backend of this route holds the response in `previous_response_id`; send the whole input",
        )
        .with_param("previous_response_id"))
    }
}

/// The members a request may use in one pool.
struct Eligible {
    members: u64,
    /// None of them seems to hold it.
    too_long: bool,
    /// Others could serve it and are outside the caller's residency.
    outside: bool,
}

/// What residency left over the pools looked at.
#[derive(Default)]
struct Residents {
    inside: bool,
    outside: bool,
}

impl Residents {
    fn see(&mut self, eligible: &Eligible) {
        self.inside |= eligible.members != 0;
        self.outside |= eligible.outside;
    }

    /// Whether it is residency alone that leaves nobody.
    fn kept_out(&self) -> bool {
        self.outside && !self.inside
    }
}

/// Which backends can hold an earlier response.
enum Home {
    /// This deployment made it.
    At(Arc<str>),
    /// Nobody remembers; only a backend with the operation of its own can know.
    AnyNative,
}

impl Home {
    fn is(&self, exchange: &Exchange, deployment: &Deployment) -> bool {
        match self {
            Self::At(name) => deployment.name == **name,
            Self::AnyNative => exchange
                .gate
                .policy()
                .backends
                .get(deployment.backend as usize)
                .is_some_and(|backend| backend.kind.offers(Operation::Responses)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_set_of_members_survives_reordering_and_removal() {
        let from = ["a".to_owned(), "b".to_owned(), "c".to_owned()];
        let to = ["c".to_owned(), "a".to_owned()];
        assert_eq!(translate(0b111, &from, &to), 0b11);
        assert_eq!(translate(0b001, &from, &to), 0b10);
        assert_eq!(translate(0b010, &from, &to), 0);
    }
}
