//! How far the limits of a policy are used, by name. It owns finding the names that a ledger's counters stand
//! for; it refuses to change any of them.

use std::collections::HashMap;

use ledger::{Meter, Period, Standing};
use vocabulary::Moment;
use vocabulary::admin::limits::{CountedFor, LimitStanding, Unit};

use crate::Gate;
use crate::claims::{Scope, every_counter};

const NANOS_PER_USD: f64 = 1e9;
const NANOS_PER_MS: u64 = 1_000_000;

/// What a counter's key stands for.
struct Named<'p> {
    limit: &'p str,
    scope: Scope,
    subject: &'p str,
}

impl Gate {
    /// Every limit that was used in its present window, nearest its ceiling first. Callers of a team that
    /// are known by a token only are not here: their names are not in the policy.
    #[must_use]
    pub fn limit_standings(&self, now: Moment) -> Vec<LimitStanding> {
        let mut names = HashMap::new();
        every_counter(self.policy(), &mut |key, limit, scope, subject| {
            names.insert(key, Named { limit, scope, subject });
        });
        let now = self.ledger().time().at(now);
        let mut found = Vec::new();
        self.ledger().standings(|standing| {
            let current = standing.window_ends > now || standing.period == Period::Concurrent;
            if let Some(named) = names.get(&standing.key).filter(|_| current && standing.ceiling > 0) {
                found.push(told(named, standing));
            }
        });
        found.sort_by(|a, b| {
            let name = |one: &LimitStanding| (one.limit.clone(), one.counted_for, one.name.clone(), one.unit);
            b.used_ratio.total_cmp(&a.used_ratio).then_with(|| name(a).cmp(&name(b)))
        });
        found
    }
}

fn told(named: &Named<'_>, standing: &Standing) -> LimitStanding {
    let (unit, per) = match standing.meter {
        Meter::Requests => (Unit::Requests, 1.0),
        Meter::Tokens => (Unit::Tokens, 1.0),
        Meter::Streams => (Unit::Streams, 1.0),
        Meter::Spend => (Unit::Usd, NANOS_PER_USD),
    };
    let amount = |count: u64| count as f64 / per;
    LimitStanding {
        limit: named.limit.to_owned(),
        counted_for: match named.scope {
            Scope::Consumer => CountedFor::Consumer,
            Scope::Team => CountedFor::Team,
            Scope::Each => CountedFor::Caller,
            Scope::Model => CountedFor::Model,
            Scope::Route => CountedFor::Route,
        },
        name: named.subject.to_owned(),
        unit,
        used: amount(standing.used),
        under_way: amount(standing.reserved),
        ceiling: amount(standing.ceiling),
        used_ratio: standing.taken() as f64 / standing.ceiling as f64,
        ends_at_ms: (standing.period != Period::Concurrent).then_some(standing.window_ends.0 / NANOS_PER_MS),
    }
}
