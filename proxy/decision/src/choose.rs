//! Stage 6: one pick among a pool's members. It owns which members a request may use at all (model,
//! context window, already tried) and the pool's short lock; the pick itself is `feedback-loop`'s.
//!
//! The lock is on purpose: in-flight counts, quotas and the model must be seen together, or two picks
//! spend the same room. It is held for microseconds and never across IO.

use std::sync::Arc;
use std::time::Duration;

use feedback_loop::{
    Ask, EjectionSpec, Failure, MemberSet, MemberSpec, Objective, Pool, PoolSpec, QuotaShape, QuotaSpec,
    Strategy,
};
use parking_lot::Mutex;
use rule_table::{Deployment, DeploymentId, Policy, Pool as PoolSection};
use vocabulary::{Moment, Reason};

use crate::exchange::{Attempt, Exchange};
use crate::refusal::Refusal;

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
            shared: Arc::new(SharedPool { state: Mutex::new(state) }),
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
    /// Picks a backend for the next attempt and books its room.
    ///
    /// # Errors
    /// [`Reason::NoBackend`] with the time after which one may be free.
    pub fn choose(&mut self, now: Moment, span_id: u64) -> Result<Choice, Refusal> {
        // One attempt at a time: a second one must not hide the first one's room.
        self.attempt_failed_if_open(now, Failure::Refused);
        let gate = Arc::clone(&self.gate);
        let none = |after| {
            Refusal::new(Reason::NoBackend, "no backend of this route is available now; try again shortly")
                .with_retry_after(after)
        };
        let (id, view) = self.pool.and_then(|id| Some((id, gate.pool(id)?))).ok_or_else(|| none(None))?;
        let section = gate.policy().pools.get(id as usize).ok_or_else(|| none(None))?;
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
        let eligible = self.eligible(section);
        // Better a second try at a member than a refusal, but those not tried yet come first.
        let untried = eligible & !self.tried;
        let mut picked = view.choose(now, &ask, untried);
        if picked.is_err() && untried != eligible {
            picked = view.choose(now, &ask, eligible);
        }
        let (member, ticket) = picked.map_err(none)?;
        let deployment = *view.deployments.get(member).ok_or_else(|| none(None))?;
        self.tried |= bit(member);
        self.attempts.push(Attempt {
            deployment,
            span_id,
            started: now,
            first_output: None,
            ended: None,
            status: None,
            reason: None,
            usage: None,
            ticket: Some(ticket),
        });
        Ok(Choice { deployment, attempt })
    }

    /// Members with the right model and, where any has one, a context window that holds the request.
    fn eligible(&self, section: &PoolSection) -> u64 {
        let by_model = self.route().is_none_or(|route| route.matching.model.is_none());
        let wanted = self.facts.as_ref().map(|facts| facts.model.as_str());
        // Saturating: the caller may name any ceiling.
        let needed = self
            .facts
            .as_ref()
            .map_or(0, |facts| facts.prompt_tokens.saturating_add(facts.max_output_tokens.unwrap_or(0)));
        let (mut fitting, mut all) = (0, 0);
        for (index, member) in section.members.iter().enumerate() {
            let Some(deployment) = self.gate.deployment(member.deployment) else { continue };
            if by_model && deployment.model.as_deref() != wanted {
                continue;
            }
            all |= bit(index);
            if deployment.context_window.is_none_or(|window| needed <= window) {
                fitting |= bit(index);
            }
        }
        // The prompt's size is an estimate: when nothing seems to fit, the backends shall judge.
        if fitting == 0 { all } else { fitting }
    }
}

fn spec(policy: &Policy, section: &PoolSection) -> (PoolSpec, Arc<[String]>, Vec<DeploymentId>) {
    let members: Vec<(DeploymentId, u32, &Deployment)> = section
        .members
        .iter()
        .filter_map(|member| {
            Some((member.deployment, member.weight, policy.deployments.get(member.deployment as usize)?))
        })
        .collect();
    let spec = PoolSpec {
        name: section.name.clone(),
        strategy: match section.strategy {
            rule_table::Strategy::RoundRobin => Strategy::RoundRobin,
            rule_table::Strategy::Weighted => Strategy::Weighted,
            rule_table::Strategy::Adaptive => Strategy::Adaptive,
        },
        objective: Objective {
            ttft: section.objective.ttft,
            attainment: section.objective.attainment.fraction(),
            max_cost_per_miss_usd: section.objective.max_cost_per_miss.as_f64(),
        },
        ejection: EjectionSpec {
            consecutive_failures: section.ejection.consecutive_failures,
            base: section.ejection.base,
            max_share: section.ejection.max_share.fraction(),
        },
        members: members
            .iter()
            .map(|(_, weight, deployment)| member_spec(policy, deployment, *weight))
            .collect(),
    };
    let names = members.iter().map(|(_, _, deployment)| deployment.name.clone()).collect();
    (spec, names, members.iter().map(|(id, _, _)| *id).collect())
}

fn member_spec(policy: &Policy, deployment: &Deployment, weight: u32) -> MemberSpec {
    let timeouts = policy.backends.get(deployment.backend as usize).map(|backend| backend.timeouts);
    MemberSpec {
        name: deployment.name.clone(),
        weight,
        prices: deployment.prices.unwrap_or_default(),
        quota: deployment.quota.map(|quota| QuotaSpec {
            tokens: quota.tokens.map(|rate| (rate.amount, rate.per)),
            requests: quota.requests.map(|rate| (rate.amount, rate.per)),
            shape: match quota.shape {
                rule_table::QuotaShape::FixedWindow => QuotaShape::FixedWindow,
                rule_table::QuotaShape::LeakyBucket => QuotaShape::LeakyBucket,
            },
            burst: quota.burst,
            output_weight: quota.output_weight,
        }),
        concurrency: deployment.concurrency,
        expected_ttft: deployment.expected_ttft,
        first_token_timeout: timeouts.map_or(Duration::from_secs(60), |timeouts| timeouts.first_token),
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
