//! Which limits a request falls under: its consumer's, its team's, each caller's in the team, its model's
//! and its route's. It owns the keys of their counters; it refuses to know how much is asked of them.

use ledger::{Calendar, Claim, Meter, Period};
use rule_table::{CalendarPeriod, Limit, LimitId, Mode, OnFailure, Policy};

use crate::Exchange;

/// One counter a request falls under, before it is known how much it asks.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Counted {
    pub(crate) claim: Claim,
    pub(crate) hard: bool,
}

impl Exchange {
    /// Every counter, in the order in which they may refuse: the caller's own first.
    pub(crate) fn counted(&self) -> Vec<Counted> {
        let policy = self.gate.policy();
        let replicas = policy.store.shared.as_ref().map_or(1, |store| store.replicas.max(1));
        let mut found = Vec::new();
        let mut add = |scope: Scope, subject: &str, limits: &[LimitId]| {
            for limit in limits.iter().filter_map(|id| policy.limits.get(*id as usize)) {
                meters(limit, scope, subject, replicas, &mut found);
            }
        };
        let consumer = self.consumer.and_then(|id| policy.consumers.get(id as usize));
        if let Some(consumer) = consumer {
            add(Scope::Consumer, &consumer.name, &consumer.limits);
        }
        if let Some(team) = self.team.and_then(|id| policy.teams.get(id as usize)) {
            let caller = consumer.map(|consumer| consumer.name.as_str()).or(self.subject.as_deref());
            if let Some(caller) = caller {
                // A consumer's name holds no slash and a token's subject does, so the two never meet.
                add(Scope::Each, caller, &team.each);
            }
            add(Scope::Team, &team.name, &team.limits);
        }
        if let Some(terms) = self.model_terms(policy) {
            add(Scope::Model, &terms.model, &terms.limits);
        }
        if let Some(route) = self.route() {
            add(Scope::Route, &route.name, &route.limits);
        }
        found
    }

    fn model_terms<'p>(&self, policy: &'p Policy) -> Option<&'p rule_table::ModelTerms> {
        let model = self.known_model()?;
        let index = policy.models.binary_search_by(|terms| terms.model.as_str().cmp(model)).ok()?;
        policy.models.get(index)
    }
}

fn meters(limit: &Limit, scope: Scope, subject: &str, replicas: u32, found: &mut Vec<Counted>) {
    let mut add = |meter: Meter, ceiling: u64, period: Period| {
        let claim = Claim {
            key: key(scope, &limit.name, subject, meter),
            meter,
            ceiling,
            period,
            asked: 0,
            shadow: limit.mode == Mode::Shadow,
            shared: limit.shared && period != Period::Concurrent,
            closed: limit.on_failure == OnFailure::Closed,
        };
        found.push(Counted { claim, hard: limit.hard && limit.mode == Mode::Enforce });
    };
    if let Some(rate) = limit.requests {
        add(Meter::Requests, rate.amount, Period::Window(rate.per));
    }
    if let Some(rate) = limit.tokens {
        add(Meter::Tokens, rate.amount, Period::Window(rate.per));
    }
    if let Some(streams) = limit.streams {
        // A lease of what is under way would have to outlive a replica that was killed, and then nobody
        // could use it. An even share needs no word from anybody.
        let own = if limit.shared { streams / replicas } else { streams };
        add(Meter::Streams, u64::from(own), Period::Concurrent);
    }
    if let Some(budget) = limit.budget {
        let calendar = match budget.period {
            CalendarPeriod::Day => Calendar::Day,
            CalendarPeriod::Week => Calendar::Week,
            CalendarPeriod::Month => Calendar::Month,
        };
        add(Meter::Spend, budget.amount.nanos, Period::Calendar(calendar));
    }
}

/// Who or what a counter is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scope {
    Consumer = 1,
    Route = 2,
    Team = 3,
    Each = 4,
    Model = 5,
}

/// Shows the key of every counter that can be named from the policy alone: with its limit, its scope and whom
/// it is for.
pub(crate) fn every_counter<'p>(policy: &'p Policy, show: &mut dyn FnMut(u64, &'p str, Scope, &'p str)) {
    let mut counters = Vec::new();
    let mut add = |scope: Scope, subject: &'p str, limits: &[LimitId]| {
        for limit in limits.iter().filter_map(|id| policy.limits.get(*id as usize)) {
            meters(limit, scope, subject, 1, &mut counters);
            counters.drain(..).for_each(|counted| show(counted.claim.key, &limit.name, scope, subject));
        }
    };
    for consumer in &policy.consumers {
        add(Scope::Consumer, &consumer.name, &consumer.limits);
        let team = consumer.team.and_then(|id| policy.teams.get(id as usize));
        if let Some(team) = team {
            add(Scope::Each, &consumer.name, &team.each);
        }
    }
    policy.teams.iter().for_each(|team| add(Scope::Team, &team.name, &team.limits));
    policy.models.iter().for_each(|model| add(Scope::Model, &model.model, &model.limits));
    policy.routes.iter().for_each(|route| add(Scope::Route, &route.name, &route.limits));
}

/// Counters are keyed by names, so they survive a reload that renumbers, and a restart. FNV-1a, 64 bits.
fn key(scope: Scope, limit: &str, subject: &str, meter: Meter) -> u64 {
    let head = [scope as u8, meter as u8];
    let parts = [&head[..], limit.as_bytes(), &[0], subject.as_bytes()];
    parts.iter().flat_map(|part| part.iter()).fold(0xcbf2_9ce4_8422_2325, |hash: u64, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}
