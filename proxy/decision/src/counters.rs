//! The counters of a policy: one for every limit, what it counts, and whom it counts for. It owns their keys
//! and names; it refuses to know which of them a request falls under.
//!
//! # Keys
//! A key is cut from a SHA-256 of scope, limit, subject and meter, so that counters outlast a reload that
//! renumbers, and a restart. Six bits of it say the meter and the period, and 58 are the hash's. Should two
//! meet all the same, they count the same thing over the same period, and the worst is that both subjects
//! share what one of them would have had: never more. To meet a chosen one takes 2^58 tries.

use ledger::{Calendar, Claim, Meter, Period};
use rule_table::{CalendarPeriod, Costs, Limit, LimitId, Mode, OnFailure, Policy, TeamId};
use sha2::{Digest, Sha256};
use vocabulary::BudgetPeriod;
use vocabulary::admin::keys::KeyLimits;

/// Bits of a key that say the meter and the period.
const KIND_BITS: u64 = 0b11_1111;

/// One counter a request falls under, before it is known how much it asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Counted {
    pub(crate) claim: Claim,
    pub(crate) hard: bool,
    /// The manifest's; none where an issued key brings its own.
    pub(crate) limit: Option<LimitId>,
    pub(crate) scope: Scope,
}

impl Counted {
    /// Whether it holds the most a request can take, and not an estimate.
    pub(crate) fn is_bound(&self) -> bool {
        self.hard && !matches!(self.claim.meter, Meter::Requests | Meter::Streams)
    }
}

/// What a limit is counted for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scope {
    Consumer = 1,
    Route = 2,
    Team = 3,
    Each = 4,
    Model = 5,
    Key = 6,
}

impl Scope {
    /// As people read it.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Consumer => "consumer",
            Self::Route => "route",
            Self::Team => "team",
            Self::Each => "each",
            Self::Model => "model",
            Self::Key => "key",
        }
    }
}

/// The counters of all whom a policy names, hashed once, in the order of its sections.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    pub(crate) consumers: Vec<Vec<Counted>>,
    /// Of every consumer, as one of its team.
    pub(crate) each: Vec<Vec<Counted>>,
    pub(crate) teams: Vec<Vec<Counted>>,
    pub(crate) models: Vec<Vec<Counted>>,
    pub(crate) routes: Vec<Vec<Counted>>,
    /// By team, what the counters of its token callers have in common.
    pub(crate) groups: Vec<u64>,
}

impl Counters {
    pub(crate) fn build(policy: &Policy) -> Self {
        let of = |scope, subject: &str, limits: &[LimitId]| counters(policy, scope, subject, 0, limits);
        let each = policy.consumers.iter().map(|consumer| {
            let team = consumer.team.and_then(|id| policy.teams.get(id as usize));
            team.map(|team| of(Scope::Each, &consumer.name, &team.each)).unwrap_or_default()
        });
        let consumers = policy.consumers.iter();
        let (teams, routes) = (policy.teams.iter(), policy.routes.iter());
        Self {
            groups: teams.clone().map(|team| hash(&[b"group", team.name.as_bytes()]).max(1)).collect(),
            each: each.collect(),
            consumers: consumers.map(|one| of(Scope::Consumer, &one.name, &one.limits)).collect(),
            teams: teams.map(|team| of(Scope::Team, &team.name, &team.limits)).collect(),
            models: policy.models.iter().map(|one| of(Scope::Model, &one.model, &one.limits)).collect(),
            routes: routes.map(|route| of(Scope::Route, &route.name, &route.limits)).collect(),
        }
    }

    /// The counters of a caller whom only its token names, as one of `team`: hashed when it comes.
    pub(crate) fn of_token(&self, policy: &Policy, team: TeamId, subject: &str) -> Vec<Counted> {
        let found = policy.teams.get(team as usize).zip(self.groups.get(team as usize));
        // A consumer's name holds no slash and a token's subject does, so the two never meet.
        found
            .map(|(team, group)| counters(policy, Scope::Each, subject, *group, &team.each))
            .unwrap_or_default()
    }
}

/// The counters of an issued key that has limits of its own.
pub(crate) fn of_key(id: &str, limits: &KeyLimits) -> Vec<Counted> {
    let budget = limits.budget.map(|budget| {
        let period = match budget.period {
            BudgetPeriod::Day => Calendar::Day,
            BudgetPeriod::Week => Calendar::Week,
            BudgetPeriod::Month => Calendar::Month,
        };
        (Meter::Spend, budget.amount.nanos, Period::Calendar(period))
    });
    let meters = [
        limits.requests.map(|rate| (Meter::Requests, rate.amount, Period::Window(rate.per))),
        limits.tokens.map(|rate| (Meter::Tokens, rate.amount, Period::Window(rate.per))),
        budget,
    ];
    let counted = meters.into_iter().flatten().map(|(meter, ceiling, period)| {
        let key = key(Scope::Key, "", id, meter, period);
        let claim = Claim {
            key,
            group: 0,
            meter,
            ceiling,
            period,
            asked: 0,
            shadow: false,
            shared: false,
            closed: true,
        };
        Counted { claim, hard: false, limit: None, scope: Scope::Key }
    });
    counted.collect()
}

fn counters(policy: &Policy, scope: Scope, subject: &str, group: u64, limits: &[LimitId]) -> Vec<Counted> {
    let replicas = policy.store.shared.as_ref().map_or(1, |store| store.replicas.max(1));
    let known = limits.iter().filter_map(|id| Some((*id, policy.limits.get(*id as usize)?)));
    let counted = known.flat_map(|(id, limit)| {
        meters(limit, replicas).into_iter().flatten().map(move |(meter, ceiling, period)| {
            let claim = Claim {
                key: key(scope, &limit.name, subject, meter, period),
                group,
                meter,
                ceiling,
                period,
                asked: 0,
                shadow: limit.mode == Mode::Shadow,
                shared: limit.shared && period != Period::Concurrent,
                closed: limit.on_failure == OnFailure::Closed,
            };
            Counted { claim, hard: limit.hard && limit.mode == Mode::Enforce, limit: Some(id), scope }
        })
    });
    counted.collect()
}

/// What a limit counts, how much of it, and per what.
fn meters(limit: &Limit, replicas: u32) -> [Option<(Meter, u64, Period)>; 4] {
    let streams = limit.streams.map(|streams| {
        // A lease of what is under way would have to outlive a replica that was killed, and then nobody
        // could use it. An even share needs no word from anybody.
        let own = if limit.shared { streams / replicas } else { streams };
        (Meter::Streams, u64::from(own), Period::Concurrent)
    });
    let budget = limit.budget.map(|budget| {
        let calendar = match budget.period {
            CalendarPeriod::Day => Calendar::Day,
            CalendarPeriod::Week => Calendar::Week,
            CalendarPeriod::Month => Calendar::Month,
        };
        let meter = match limit.costs {
            Costs::Marginal => Meter::Spend,
            Costs::Amortised => Meter::Amortised,
        };
        (meter, budget.amount.nanos, Period::Calendar(calendar))
    });
    [
        limit.requests.map(|rate| (Meter::Requests, rate.amount, Period::Window(rate.per))),
        limit.tokens.map(|rate| (Meter::Tokens, rate.amount, Period::Window(rate.per))),
        streams,
        budget,
    ]
}

fn key(scope: Scope, limit: &str, subject: &str, meter: Meter, period: Period) -> u64 {
    let hash = hash(&[&[scope as u8, meter as u8], limit.as_bytes(), subject.as_bytes()]);
    let kind = (meter as u64) << 3 | kind(period);
    (hash & !KIND_BITS) | kind
}

/// Every period a manifest can name has a number of its own.
fn kind(period: Period) -> u64 {
    match period {
        Period::Concurrent => 0,
        Period::Calendar(Calendar::Day) => 1,
        Period::Calendar(Calendar::Week) => 2,
        Period::Calendar(Calendar::Month) => 3,
        Period::Window(length) => match length.as_secs() {
            0..60 => 4,
            60..3_600 => 5,
            3_600..86_400 => 6,
            _ => 7,
        },
    }
}

/// The first eight bytes of the SHA-256 over parts that cannot be cut otherwise.
fn hash(parts: &[&[u8]]) -> u64 {
    let mut hasher = Sha256::new();
    for part in parts {
        hasher.update((part.len() as u64).to_le_bytes());
        hasher.update(part);
    }
    hasher.finalize().iter().take(8).fold(0, |hash, byte| hash << 8 | u64::from(*byte))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::time::Duration;

    use super::*;

    const MINUTE: Period = Period::Window(Duration::from_secs(60));

    #[test]
    fn a_key_stays_the_same_from_release_to_release() {
        let key = key(Scope::Consumer, "few", "acme", Meter::Tokens, MINUTE);
        assert_eq!(key, 5_449_400_980_869_911_245, "counts on disk are found by it");
    }

    #[test]
    fn names_that_run_together_have_keys_of_their_own() {
        let names = [("a", "bc"), ("ab", "c"), ("abc", ""), ("", "abc"), ("a\0b", "c"), ("a", "\0bc")];
        let keys = names.map(|(limit, subject)| key(Scope::Team, limit, subject, Meter::Requests, MINUTE));
        assert_eq!(BTreeSet::from(keys).len(), names.len());
    }

    #[test]
    fn two_counters_of_one_key_count_the_same_over_the_same_period() {
        let seconds = |seconds| Period::Window(Duration::from_secs(seconds));
        let calendars = [Calendar::Day, Calendar::Week, Calendar::Month].map(Period::Calendar);
        let windows = [1, 60, 3_600, 86_400].map(seconds);
        let periods = calendars.into_iter().chain(windows).chain([Period::Concurrent]);
        let meters = [Meter::Requests, Meter::Tokens, Meter::Streams, Meter::Spend, Meter::Amortised];
        let kinds = periods.flat_map(|period| {
            meters.map(|meter| key(Scope::Each, "few", "issuer/anna", meter, period) & KIND_BITS)
        });
        assert_eq!(kinds.collect::<BTreeSet<_>>().len(), 40, "whatever the other bits are");
    }
}
