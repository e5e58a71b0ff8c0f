//! Limits and the quotas of providers fit together: no limit allows what no provider gives, and what callers
//! may take together is known to be more than there is. It compares averages, exactly, a day at a time.

use std::collections::{BTreeMap, BTreeSet};

use vocabulary::{BudgetPeriod, Rate};

use super::limits::{members, uses};
use super::{Context, Standing};
use crate::diagnostics::{Code, Finding, Witness};
use crate::manifest::{Consumer, Costs, Limit, Limits, Mode, Price};

pub(super) fn check(context: &Context<'_>) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (name, used) in uses(context) {
        let Some(limit) = context.manifest.limits.get(name) else { continue };
        let members = members(context, &used);
        findings.extend(beyond(context, name, limit, &members));
    }
    findings.extend(oversubscribed(context));
    findings
}

/// Of a rate, how much in a day. Windows are a second, a minute, an hour or a day.
fn daily(rate: Rate) -> u128 {
    u128::from(rate.amount) * 86_400 / u128::from(rate.per.as_secs().max(1))
}

/// What all of these allow in a day; `None` where one of them allows any amount.
fn together(members: &[Standing<'_>], of: impl Fn(&Standing<'_>) -> Option<u128>) -> Option<u128> {
    let mut each: BTreeMap<_, u128> = BTreeMap::new();
    for member in members {
        each.insert(member.deployed, of(member)?);
    }
    (!each.is_empty()).then(|| each.values().sum())
}

fn tokens(member: &Standing<'_>) -> Option<u128> {
    member.serving?.quota?.tokens.map(|rate| daily(rate.0))
}

fn beyond(context: &Context<'_>, name: &str, limit: &Limit, members: &[Standing<'_>]) -> Vec<Finding> {
    let requests = |member: &Standing<'_>| member.serving?.quota?.requests.map(|rate| daily(rate.0));
    let rates = [
        ("tokens", limit.tokens.map(|rate| rate.0), together(members, tokens)),
        ("requests", limit.requests.map(|rate| rate.0), together(members, requests)),
    ];
    let report = |field: &str, message: String, values: [(&str, String); 2]| {
        Finding::new(Code::LimitBeyondQuota, message)
            .at_value(context.document, &["limits", name, field], "never reached")
            .witness(Witness::values(values))
            .help("lower it to what the quotas give, or correct the quotas")
    };
    let mut findings = Vec::new();
    for (field, rate, quota) in rates {
        let (Some(rate), Some(quota)) = (rate, quota) else { continue };
        if daily(rate) > quota {
            let message = format!("limit `{name}` allows {rate}, and the quotas it leads to add up to less");
            let values = [("limit a day", daily(rate).to_string()), ("quotas a day", quota.to_string())];
            findings.push(report(field, message, values));
        }
    }
    let Some(budget) = limit.budget else { return findings };
    let spend = |member: &Standing<'_>| {
        // What is paid by the hour is counted in shares, of which nobody knows how many there will be.
        if limit.costs == Costs::Amortised && member.serving?.cost.is_some() {
            return None;
        }
        let Some(price) = member.serving?.price else { return member.serving?.cost.map(|_| 0) };
        Some(tokens(member)? * u128::from(highest(price)))
    };
    let days = match budget.0.period {
        BudgetPeriod::Day => 1,
        BudgetPeriod::Week => 7,
        BudgetPeriod::Month => 31,
    };
    if let Some(millionths) = together(members, spend)
        && millionths * days < u128::from(budget.0.amount.nanos) * 1_000_000
    {
        let nanos = u64::try_from(millionths * days / 1_000_000).unwrap_or(u64::MAX);
        let most = vocabulary::Usd { nanos };
        let message = format!(
            "the budget of limit `{name}` can never be used up: the quotas it leads to end at {most}"
        );
        let values =
            [("budget", budget.0.amount.to_string()), ("all quotas at the highest price", most.to_string())];
        findings.push(report("budget", message, values));
    }
    findings
}

/// Nano-dollars per million tokens.
fn highest(price: &Price) -> u64 {
    let others = [price.cached_input, price.cache_write, price.cache_write_1h];
    let all = [Some(price.input), Some(price.output)].into_iter().chain(others).flatten();
    all.map(|price| price.0.nanos_per_million).max().unwrap_or(0)
}

/// The least that some limits allow in a day.
fn allowed(context: &Context<'_>, limits: &Limits) -> Option<u128> {
    let named = limits.0.iter().filter_map(|name| context.manifest.limits.get(name));
    named
        .filter(|limit| limit.mode == Mode::Enforce)
        .filter_map(|limit| limit.tokens)
        .map(|rate| daily(rate.0))
        .min()
}

/// What some consumers may take together in a day; `None` where one may take any amount.
fn taken<'a>(context: &Context<'a>, consumers: impl Iterator<Item = &'a Consumer>) -> Option<u128> {
    let mut by_team: BTreeMap<&str, Option<u128>> = BTreeMap::new();
    let mut alone = 0;
    for consumer in consumers {
        let team = consumer.team.as_ref().and_then(|name| context.manifest.teams.get_key_value(name));
        let each = team.and_then(|(_, team)| allowed(context, &team.each));
        let own = allowed(context, &consumer.limit).into_iter().chain(each).min();
        match team {
            None => alone += own?,
            Some((name, _)) => {
                let sum = by_team.entry(name).or_insert(Some(0));
                *sum = sum.zip(own).map(|(sum, own)| sum + own);
            }
        }
    }
    for (name, sum) in by_team {
        let shared = context.manifest.teams.get(name).and_then(|team| allowed(context, &team.limit));
        alone += sum.into_iter().chain(shared).min()?;
    }
    Some(alone)
}

fn oversubscribed(context: &Context<'_>) -> Vec<Finding> {
    let manifest = context.manifest;
    if manifest.consumers.is_empty() {
        return Vec::new();
    }
    let everybody = taken(context, manifest.consumers.values());
    // By pool: the consumers of its routes, or `None` for all of them; nothing where anyone may come.
    let mut callers: BTreeMap<&str, Option<Option<BTreeSet<&str>>>> = BTreeMap::new();
    for route in manifest.routes.values() {
        let known = callers.entry(&route.pool).or_insert(Some(Some(BTreeSet::new())));
        if route.public == Some(true) {
            *known = None;
        } else if route.consumers.is_empty() {
            known.iter_mut().for_each(|known| *known = None);
        } else if let Some(Some(known)) = known {
            known.extend(route.consumers.iter().map(String::as_str));
        }
    }
    let one = |(name, callers): (&str, Option<Option<BTreeSet<&str>>>)| {
        let pool = manifest.pools.get(name)?;
        let quota = together(&context.members(pool), tokens)?;
        let (count, sum) = match callers? {
            None => (manifest.consumers.len(), everybody?),
            Some(named) => {
                let all = named.iter().filter_map(|name| manifest.consumers.get(*name));
                (named.len(), taken(context, all)?)
            }
        };
        if sum <= quota {
            return None;
        }
        let message =
            format!("the {count} consumers of pool `{name}` may together take more than its quotas give");
        let finding = Finding::new(Code::Oversubscribed, message);
        let finding = finding.at_key(context.document, &["pools", name, "members"], "less than is promised");
        let values =
            [("tokens a day for consumers", sum.to_string()), ("tokens a day by quota", quota.to_string())];
        Some(finding.witness(Witness::values(values)).help(
            "lower the consumers' limits, raise the quotas, or allow SG1604 in `findings` if not all come at once",
        ))
    };
    callers.into_iter().filter_map(one).collect()
}
