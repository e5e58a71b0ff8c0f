//! Where every limit stands, for people. It owns which counters are shown and under what names; it refuses
//! to count, and to tell a token's subject.

use std::collections::HashSet;

use ledger::{Calendar, Claim, Meter, Period, Standing};
use rule_table::{LimitId, Policy, Team};
use vocabulary::Moment;
use vocabulary::admin::limits::{LimitStanding, LimitStandings};

use crate::counters::{Counted, Scope};
use crate::gate::Gate;

impl Gate {
    /// The `most` fullest counters at `now` in policy time, of everyone the manifest names and of the token
    /// callers seen since the start.
    #[must_use]
    pub fn limit_standings(&self, now: Moment, most: usize) -> LimitStandings {
        let now = self.ledger().time().at(now);
        let mut found = LimitStandings::default();
        let mut known = HashSet::new();
        for (scope, subject, team, counted) in named(self) {
            let Some(standing) = self.ledger().standing(now, &counted.claim) else { continue };
            known.insert(counted.claim.key);
            found.counters.extend(shown(self.policy(), counted, &standing, Whose { scope, subject, team }));
        }
        for (id, terms) in self.issued_keys().limited() {
            for counted in &terms.counted {
                let Some(standing) = self.ledger().standing(now, &counted.claim) else { continue };
                known.insert(counted.claim.key);
                let whose = Whose { scope: Scope::Key, subject: &id, team: None };
                found.counters.extend(shown(self.policy(), counted, &standing, whose));
            }
        }
        let mut others = Vec::new();
        self.ledger().standings(|standing| {
            if !known.contains(&standing.key) && standing.window_ends > now && standing.taken() > 0 {
                others.push(*standing);
            }
        });
        for standing in others {
            match self.of_a_token(&standing) {
                Some(one) => found.counters.push(one),
                None => {
                    found.unknown += 1;
                    found.held += u64::from(standing.reserved > 0);
                }
            }
        }
        found.held += found.counters.iter().filter(|one| one.reserved > 0).count() as u64;
        found.counters.sort_by(|a, b| b.share.total_cmp(&a.share).then_with(|| names(a).cmp(&names(b))));
        found.others = found.counters.len().saturating_sub(most) as u64;
        found.counters.truncate(most);
        found
    }

    /// A counter whose subject is nowhere listed: its team is known, and of its limit what it counts.
    fn of_a_token(&self, standing: &Standing) -> Option<LimitStanding> {
        let policy = self.policy();
        let index = self.counters().groups.iter().position(|group| *group == standing.group)?;
        let team = policy.teams.get(index)?;
        let counted = self.counters().of_token(policy, u32::try_from(index).ok()?, "");
        let like = |one: &&Counted| {
            let Claim { meter, period, ceiling, .. } = one.claim;
            (meter, period, ceiling) == (standing.meter, standing.period, standing.ceiling)
        };
        let subject = format!("{:08x}", standing.key >> 32);
        let whose = Whose { scope: Scope::Each, subject: &subject, team: Some(team) };
        shown(policy, counted.iter().find(like)?, standing, whose)
    }
}

/// Whose a counter is.
#[derive(Clone, Copy)]
struct Whose<'a> {
    scope: Scope,
    subject: &'a str,
    team: Option<&'a Team>,
}

type Named<'a> = (Scope, &'a str, Option<&'a Team>, &'a Counted);

/// The counters of all whom the policy names.
fn named(gate: &Gate) -> Vec<Named<'_>> {
    let (policy, counters) = (gate.policy(), gate.counters());
    let mut all = Vec::new();
    for (consumer, (own, each)) in policy.consumers.iter().zip(counters.consumers.iter().zip(&counters.each))
    {
        let team = consumer.team.and_then(|id| policy.teams.get(id as usize));
        all.extend(own.iter().map(|one| (Scope::Consumer, consumer.name.as_str(), None, one)));
        all.extend(each.iter().map(|one| (Scope::Each, consumer.name.as_str(), team, one)));
    }
    let teams = policy.teams.iter().map(|team| team.name.as_str()).zip(&counters.teams);
    let models = policy.models.iter().map(|model| model.model.as_str()).zip(&counters.models);
    let routes = policy.routes.iter().map(|route| route.name.as_str()).zip(&counters.routes);
    let rest = teams
        .map(|one| (Scope::Team, one))
        .chain(models.map(|one| (Scope::Model, one)))
        .chain(routes.map(|one| (Scope::Route, one)));
    all.extend(
        rest.flat_map(|(scope, (name, counted))| counted.iter().map(move |one| (scope, name, None, one))),
    );
    all
}

fn shown(policy: &Policy, counted: &Counted, standing: &Standing, whose: Whose<'_>) -> Option<LimitStanding> {
    let Counted { claim, hard, limit, .. } = *counted;
    let taken = standing.taken();
    // A ceiling of nothing is full from the start.
    let share = if claim.ceiling == 0 { 1.0 } else { taken as f64 / claim.ceiling as f64 };
    Some(LimitStanding {
        limit: name(policy, limit)?,
        scope: whose.scope.name().to_owned(),
        subject: whose.subject.to_owned(),
        team: whose.team.map(|team| team.name.clone()),
        unit: unit(claim.meter).to_owned(),
        per: per(claim.period).map(str::to_owned),
        ceiling: claim.ceiling,
        used: standing.used,
        reserved: standing.reserved,
        remaining: claim.ceiling.saturating_sub(taken),
        share,
        resets_at_ms: (claim.period != Period::Concurrent).then_some(standing.window_ends.0 / 1_000_000),
        hard,
        mode: if claim.shadow { "shadow" } else { "enforce" }.to_owned(),
        granted: claim.shared.then_some(standing.granted),
    })
}

fn name(policy: &Policy, limit: Option<LimitId>) -> Option<String> {
    let Some(id) = limit else { return Some("issued".to_owned()) };
    Some(policy.limits.get(id as usize)?.name.clone())
}

fn names(one: &LimitStanding) -> (&str, &str, &str, &str) {
    (&one.limit, &one.scope, &one.subject, &one.unit)
}

fn unit(meter: Meter) -> &'static str {
    match meter {
        Meter::Requests => "requests",
        Meter::Tokens => "tokens",
        Meter::Streams => "streams",
        Meter::Spend | Meter::Amortised => "nano_usd",
    }
}

fn per(period: Period) -> Option<&'static str> {
    Some(match period {
        Period::Concurrent => return None,
        Period::Calendar(Calendar::Day) => "day",
        Period::Calendar(Calendar::Week) => "week",
        Period::Calendar(Calendar::Month) => "month",
        Period::Window(length) => match length.as_secs() {
            0..60 => "s",
            60..3_600 => "min",
            3_600..86_400 => "hour",
            _ => "day",
        },
    })
}
