//! Money is spent under some limit: no route is open to anyone without one, and no consumer is left out where
//! others are limited.

use std::collections::BTreeSet;

use super::Context;
use super::overlaps::path_of;
use crate::diagnostics::{Code, Finding, Request, Witness, suggest};
use crate::manifest::{Consumer, Limits, Mode, Route};
use crate::resolve::address;

pub(super) fn check(context: &Context<'_>) -> Vec<Finding> {
    let spending = Spending::of(context);
    let mut findings = spending.by_anyone();
    findings.extend(spending.by_consumers());
    findings
}

struct Spending<'c, 'a> {
    context: &'c Context<'a>,
    /// Pools from which a request may come to a member that is paid by the token and whose model has no
    /// limit of its own.
    paid: BTreeSet<&'a str>,
}

impl<'c, 'a> Spending<'c, 'a> {
    fn of(context: &'c Context<'a>) -> Self {
        let mut spending = Self { context, paid: BTreeSet::new() };
        let manifest = context.manifest;
        let model_limited =
            |model: &str| manifest.models.get(model).is_some_and(|terms| spending.holds(&terms.limit));
        let mut paid: BTreeSet<&str> = BTreeSet::new();
        for (name, pool) in &manifest.pools {
            let members = context.members(pool);
            let mut serving = members.iter().filter_map(|member| member.serving);
            if serving.any(|serving| serving.price.is_some() && !model_limited(serving.model)) {
                paid.insert(name);
            }
        }
        let mut open: Vec<&str> = paid.iter().copied().collect();
        let mut leads_to: std::collections::BTreeMap<&str, Vec<&str>> = std::collections::BTreeMap::new();
        for (name, pool) in &manifest.pools {
            for fallback in &pool.fallback.0 {
                leads_to.entry(&fallback.to).or_default().push(name);
            }
        }
        while let Some(pool) = open.pop() {
            let before = leads_to.get(pool).map_or(&[][..], Vec::as_slice);
            open.extend(before.iter().copied().filter(|name| paid.insert(name)));
        }
        spending.paid = paid;
        spending
    }

    /// Whether one of these limits refuses anything.
    fn holds(&self, limits: &Limits) -> bool {
        let mut named = limits.0.iter().filter_map(|name| self.context.manifest.limits.get(name));
        named.any(|limit| limit.mode == Mode::Enforce)
    }

    fn spends(&self, route: &Route) -> bool {
        self.paid.contains(route.pool.as_str()) && !self.holds(&route.limit)
    }

    /// Routes that are said to be public; those that merely turned out so are SG0504's.
    fn by_anyone(&self) -> Vec<Finding> {
        let document = self.context.document;
        let mut listeners = self.context.manifest.listeners.iter();
        let far = |text: &str| address(text).is_ok_and(|address| !address.ip().is_loopback());
        let Some((listener, _)) = listeners.find(|(_, listener)| far(&listener.address)) else {
            return Vec::new();
        };
        let public = |(name, route): &(&String, &Route)| {
            let stated = document.value(&["routes", name, "public"]).is_some();
            stated && route.public == Some(true) && self.spends(route)
        };
        let one = |(name, route): (&String, &Route)| {
            let message = format!("anyone may spend without limit by the public route `{name}`");
            let request = Request {
                method: Some("POST".to_owned()),
                path: path_of(route),
                listener: Some(listener.clone()),
                from: Some("203.0.113.7".to_owned()),
                ..Request::default()
            };
            Finding::new(Code::PublicSpending, message)
                .at_value(document, &["routes", name, "public"], "no consumer, no limit")
                .also(document.value_span(&["routes", name, "pool"]), "paid by the token")
                .witness(Witness::from(request))
                .help("add a `limit` with a `budget` to the route, or leave out `public`")
        };
        self.context.manifest.routes.iter().filter(public).map(one).collect()
    }

    fn by_consumers(&self) -> Option<Finding> {
        let manifest = self.context.manifest;
        let own = |consumer: &Consumer| {
            let team = consumer.team.as_ref().and_then(|team| manifest.teams.get(team));
            self.holds(&consumer.limit)
                || team.is_some_and(|team| self.holds(&team.limit) || self.holds(&team.each))
        };
        if !manifest.consumers.values().any(own) {
            return None;
        }
        let spending: Vec<(&String, &Route)> =
            manifest.routes.iter().filter(|(_, route)| self.spends(route)).collect();
        let (for_all, for_some): (Vec<_>, Vec<_>) =
            spending.into_iter().partition(|(_, route)| route.consumers.is_empty());
        let named: BTreeSet<&String> = for_some.iter().flat_map(|(_, route)| &route.consumers).collect();
        let unlimited: Vec<&str> = manifest
            .consumers
            .iter()
            .filter(|(name, consumer)| !own(consumer) && (!for_all.is_empty() || named.contains(name)))
            .map(|(name, _)| name.as_str())
            .collect();
        let first = *unlimited.first()?;
        let by = for_some.iter().find(|(_, route)| route.consumers.iter().any(|name| name == first));
        let path = by.or(for_all.first()).map(|(_, route)| path_of(route))?;
        let request = Request { path, consumer: Some(first.to_owned()), ..Request::default() };
        let message = format!(
            "others are limited, but no limit counts what is spent by {}",
            suggest::listed(&unlimited)
        );
        let finding = Finding::new(Code::UnlimitedConsumer, message);
        let finding = finding.at_key(self.context.document, &["consumers", first], "no limit");
        Some(
            finding
                .witness(Witness::from(request))
                .help("add a `limit`, or a `team` that has one, or allow SG1602 in `findings`"),
        )
    }
}
