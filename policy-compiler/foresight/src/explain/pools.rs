//! Which members of a pool a request is for. It owns the words for why the others are out; who is in, and the
//! pick, are `decision`'s.

use decision::{Exchange, Refusal, Stage};
use rule_table::{BackendKind, Deployment, FallbackWhen, Pool, Strategy};
use vocabulary::{Moment, Operation};

use super::Walk;
use crate::explanation::{FallbackTold, MemberTold, PoolTold};

impl Walk<'_> {
    /// Stage 6. Pools of services take turns: any member may be the next.
    pub(super) fn choose(&mut self) -> Result<(), Refusal> {
        self.stage = Stage::Choose;
        let first = self.tell_pool();
        if first.is_some_and(|pool| self.gate.policy().pools.get(pool).is_some_and(|pool| pool.piped)) {
            return Ok(());
        }
        let choice = self.exchange.choose(Moment::ZERO, 0)?;
        // It may have gone on to a fallback.
        let now = self.pool_index();
        if now != first {
            self.tell_pool();
        }
        let name = self.gate.deployment(choice.deployment).map(|deployment| deployment.name.clone());
        let why = self.gate.decisions_of(&self.exchange.request_id).pop().map(|decision| decision.why);
        if let Some(pool) = self.told.pools.last_mut() {
            pool.why = why.filter(|_| pool.strategy == "adaptive");
            for member in &mut pool.members {
                member.picked = Some(&member.member) == name.as_ref();
            }
        }
        Ok(())
    }

    /// The pool the request is at.
    fn pool_index(&self) -> Option<usize> {
        let name = self.exchange.prospect(None).pool?;
        self.gate.policy().pools.iter().position(|pool| pool.name == name)
    }

    fn tell_pool(&mut self) -> Option<usize> {
        let index = self.pool_index()?;
        let policy = self.gate.policy();
        let section = policy.pools.get(index)?;
        let inside = self.exchange.prospect(None).members;
        let deployments = section
            .members
            .iter()
            .filter_map(|member| Some((member, self.gate.deployment(member.deployment)?)));
        let members = deployments.map(|(member, deployment)| MemberTold {
            member: deployment.name.clone(),
            picked: false,
            out: (!inside.contains(&deployment.name)).then(|| {
                let kind = policy.backends.get(deployment.backend as usize).map(|backend| backend.kind);
                let resident = self.exchange.may_process(member.deployment);
                why_out(&self.exchange, deployment, kind, resident)
            }),
        });
        let told = PoolTold {
            pool: section.name.clone(),
            strategy: match section.strategy {
                Strategy::RoundRobin => "round-robin",
                Strategy::Weighted => "weighted",
                Strategy::Adaptive => "adaptive",
            },
            members: members.collect(),
            why: None,
            fallbacks: self.fallbacks(section),
        };
        self.told.pools.push(told);
        Some(index)
    }

    fn fallbacks(&self, section: &Pool) -> Vec<FallbackTold> {
        let policy = self.gate.policy();
        let told = section.fallback.iter().filter_map(|fallback| {
            let pool = policy.pools.get(fallback.pool as usize)?;
            let consumer = self.exchange.consumer.is_some_and(|id| fallback.unless_consumers.contains(&id));
            let class = self
                .exchange
                .data_class()
                .is_some_and(|class| fallback.unless_data_classes.iter().any(|closed| closed == class));
            let closed = match (consumer, class) {
                (true, _) => Some("not for this consumer".to_owned()),
                (_, true) => Some("not for data of this class".to_owned()),
                (false, false) => None,
            };
            Some(FallbackTold {
                to: pool.name.clone(),
                when: fallback.when.iter().map(|when| when_name(*when).to_owned()).collect(),
                closed,
            })
        });
        told.collect()
    }
}

/// As in the manifest.
const fn when_name(when: FallbackWhen) -> &'static str {
    match when {
        FallbackWhen::Exhausted => "exhausted",
        FallbackWhen::RateLimited => "rate-limited",
        FallbackWhen::Error => "error",
        FallbackWhen::Timeout => "timeout",
        FallbackWhen::ContextWindow => "context-window",
        FallbackWhen::ContentFilter => "content-filter",
    }
}

/// Why a member that was left out was, in the order in which members are.
fn why_out(
    exchange: &Exchange,
    deployment: &Deployment,
    kind: Option<BackendKind>,
    resident: bool,
) -> String {
    let facts = exchange.facts.as_ref();
    let operation = facts.map(|facts| facts.operation);
    if let (Some(operation), Some(kind)) = (operation, kind)
        && kind.serves_as(operation).is_none()
    {
        return format!("does not offer {}", Operation::path(operation));
    }
    let routed = exchange.route().is_some_and(|route| route.matching.model.is_some());
    if let (Some(facts), Some(model)) = (facts, &deployment.model)
        && !routed
        && *model != facts.model
    {
        return format!("serves `{model}`");
    }
    if !resident {
        let place = deployment.processing.as_ref().map(rule_table::Geography::name);
        let wanted = exchange.residency().map_or("its residency", rule_table::Geography::name);
        return match place {
            Some(place) => format!("processes data in `{place}`, not within `{wanted}`"),
            None => format!("is not known to process data within `{wanted}`"),
        };
    }
    let needed = facts
        .map(|facts| facts.prompt_tokens.saturating_add(facts.max_output_tokens.unwrap_or(0)))
        .unwrap_or_default();
    match deployment.context_window {
        Some(window) if window < needed => format!("holds {window} tokens, and about {needed} are needed"),
        _ => "does not hold the response that this request continues".to_owned(),
    }
}
