//! A limit limits something, where it is used, and a hard one can be held.

use std::collections::{BTreeMap, BTreeSet};

use super::{Context, Standing};
use crate::diagnostics::{Code, Finding};
use crate::manifest::{Costs, Limit, Limits, Route, Serving};

pub(super) fn check(context: &Context<'_>) -> Vec<Finding> {
    let mut findings = empty(context);
    findings.extend(uncountable(context));
    for (name, used) in uses(context) {
        let Some(limit) = context.manifest.limits.get(name) else { continue };
        findings.extend(unpriced(context, name, limit, &used));
        findings.extend(unshared(context, name, limit, &used));
        if limit.hard {
            findings.extend(hard(context, name, limit, &used));
        }
    }
    findings.extend(unserved(context));
    findings
}

fn empty(context: &Context<'_>) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (name, limit) in &context.manifest.limits {
        let Limit { requests, tokens, streams, budget, .. } = limit;
        if requests.is_none() && tokens.is_none() && streams.is_none() && budget.is_none() {
            findings.push(
                Finding::new(Code::EmptyLimit, format!("limit `{name}` limits nothing"))
                    .at_key(
                        context.document,
                        &["limits", name],
                        "neither requests, tokens, streams nor budget",
                    )
                    .help("add for example `requests: 600 requests/min` or `tokens: 200k tokens/min`"),
            );
        }
    }
    findings
}

fn uncountable(context: &Context<'_>) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (name, route) in &context.manifest.routes {
        let mut limits = route.limit.0.iter().filter_map(|limit| context.manifest.limits.get(limit));
        let counts = limits.any(|limit| limit.tokens.is_some() || limit.budget.is_some());
        if counts && is_piped(context, route) {
            let message = format!("route `{name}` leads to HTTP backends, whose tokens cannot be counted");
            findings.push(
                Finding::new(Code::UncountableTokens, message)
                    .at_value(context.document, &["routes", name, "limit"], "limits tokens")
                    .help("refer to a limit on requests"),
            );
        }
    }
    findings
}

/// Where a limit is counted.
#[derive(Default)]
pub(super) struct Used<'a> {
    /// Of these, whatever the model.
    routes: BTreeMap<&'a str, &'a Route>,
    /// Of all routes, only requests for these.
    models: BTreeSet<&'a str>,
}

impl<'a> Used<'a> {
    /// The routes some of whose requests it counts.
    fn routes<'u>(
        &'u self,
        context: &Context<'a>,
    ) -> impl Iterator<Item = (&'a str, &'a Route)> + use<'u, 'a> {
        let all = context.manifest.routes.iter().filter(|_| !self.models.is_empty());
        let own = self.routes.iter().map(|(name, route)| (*name, *route));
        own.chain(all.map(|(name, route)| (name.as_str(), route)))
    }
}

/// Every limit that somebody refers to, with the routes whose requests it counts.
pub(super) fn uses<'a>(context: &Context<'a>) -> BTreeMap<&'a str, Used<'a>> {
    let manifest = context.manifest;
    let mut uses: BTreeMap<&str, Used<'_>> = BTreeMap::new();
    let mut add = |limits: &'a Limits, may: &dyn Fn(&str, &Route) -> bool| {
        for limit in &limits.0 {
            let used = uses.entry(limit.as_str()).or_default();
            let routes = manifest.routes.iter().filter(|(name, route)| may(name, route));
            used.routes.extend(routes.map(|(name, route)| (name.as_str(), route)));
        }
    };
    for (name, route) in &manifest.routes {
        add(&route.limit, &|other, _| other == name);
    }
    for (name, consumer) in &manifest.consumers {
        let may = |_: &str, route: &Route| route.consumers.is_empty() || route.consumers.contains(name);
        add(&consumer.limit, &may);
    }
    for (name, team) in &manifest.teams {
        // Who comes with a token and is no consumer never takes a route that names its consumers.
        let belongs = |caller: &String| {
            manifest.consumers.get(caller).is_some_and(|consumer| consumer.team.as_ref() == Some(name))
        };
        let may = |_: &str, route: &Route| route.consumers.is_empty() || route.consumers.iter().any(belongs);
        add(&team.limit, &may);
        add(&team.each, &may);
    }
    for (model, terms) in &manifest.models {
        for limit in &terms.limit.0 {
            uses.entry(limit.as_str()).or_default().models.insert(model);
        }
    }
    uses
}

fn is_piped(context: &Context<'_>, route: &Route) -> bool {
    let members = context.manifest.pools.get(&route.pool).map(|pool| context.members(pool));
    members
        .is_some_and(|members| !members.is_empty() && members.iter().all(|member| member.serving.is_none()))
}

/// The members that requests under a limit can come to, fallbacks included, in the order of their names.
pub(super) fn members<'a>(context: &Context<'a>, used: &Used<'a>) -> Vec<Standing<'a>> {
    let mut members = reached(context, used.routes.values().copied());
    if !used.models.is_empty() {
        let all = reached(context, context.manifest.routes.values());
        let of_model =
            |member: &Standing<'_>| member.serving.is_some_and(|serving| used.models.contains(serving.model));
        members.extend(all.into_iter().filter(of_model));
    }
    members
}

/// The members that requests on some routes can come to.
fn reached<'a>(context: &Context<'a>, routes: impl Iterator<Item = &'a Route>) -> Vec<Standing<'a>> {
    let mut open: Vec<&str> = routes.map(|route| route.pool.as_str()).collect();
    let mut seen: BTreeSet<&str> = BTreeSet::new();
    while let Some(name) = open.pop() {
        if seen.insert(name) {
            let pool = context.manifest.pools.get(name);
            open.extend(pool.iter().flat_map(|pool| &pool.fallback.0).map(|fallback| fallback.to.as_str()));
        }
    }
    let pools = seen.into_iter().filter_map(|name| context.manifest.pools.get(name));
    pools.flat_map(|pool| context.members(pool)).collect()
}

fn unpriced(context: &Context<'_>, name: &str, limit: &Limit, used: &Used<'_>) -> Option<Finding> {
    limit.budget?;
    let members = members(context, used);
    let free = members.iter().find(|member| {
        member.serving.as_ref().is_some_and(|serving| serving.price.is_none() && serving.cost.is_none())
    })?;
    let message = format!(
        "limit `{name}` has a budget, and requests it counts can come to `{}`, whose price is not stated",
        free.name
    );
    Some(
        Finding::new(Code::UnpricedBudget, message)
            .at_value(context.document, &["limits", name, "budget"], "counts nothing there")
            .help("give it a `price` such as `{input: 2.50 USD/1M, output: 10 USD/1M}`, or `cost` where it is paid by the hour"),
    )
}

fn unshared(context: &Context<'_>, name: &str, limit: &Limit, used: &Used<'_>) -> Option<Finding> {
    if limit.costs != Costs::Amortised {
        return None;
    }
    let finding = |message: String, help: &str| {
        let place = ["limits", name, "costs"];
        Finding::new(Code::UnsharedCapacity, message)
            .at_value(context.document, &place, "cannot be counted")
            .help(help)
    };
    if limit.budget.is_none() {
        let message = format!("limit `{name}` says how its budget counts, and has none");
        return Some(finding(message, "add for example `budget: 4000 USD/month`, or remove `costs`"));
    }
    let members = members(context, used);
    let boundless = members.iter().find(|member| {
        let quota = |serving: &Serving<'_>| serving.quota.and_then(|quota| quota.tokens);
        member.serving.as_ref().is_some_and(|serving| serving.cost.is_some() && quota(serving).is_none())
    })?;
    let message = format!(
        "limit `{name}` counts a share of what `{}` costs by the hour, and nobody says how many tokens that buys",
        boundless.name
    );
    Some(finding(message, "give it a quota such as `quota: {tokens: 300k tokens/min}`"))
}

fn hard(context: &Context<'_>, name: &str, limit: &Limit, used: &Used<'_>) -> Option<Finding> {
    let at = ["limits", name, "hard"];
    let finding = |message: String, label: &str, help: &str| {
        Finding::new(Code::UnenforceableHard, message).at_value(context.document, &at, label).help(help)
    };
    if limit.tokens.is_none() && limit.budget.is_none() {
        let message = format!("limit `{name}` is hard and has neither tokens nor a budget");
        return Some(finding(message, "holds nothing", "remove it: requests and streams are never exceeded"));
    }
    let unread = used.routes(context).find(|(_, route)| route.pass_through || is_piped(context, route));
    if let Some((route, _)) = unread {
        let message = format!("limit `{name}` is hard, and route `{route}` passes requests on unread");
        let help =
            "count that route under a limit that is not hard, or on a pool of its own without `passThrough`";
        return Some(finding(message, "cannot be held there", help));
    }
    let members = members(context, used);
    let serving = members.iter().filter_map(|member| Some((member.name, member.serving.as_ref()?)));
    let unbounded = serving.clone().find(|(_, serving)| serving.max_output.is_none());
    if let Some((member, _)) = unbounded {
        let message =
            format!("limit `{name}` is hard, and nobody says how much `{member}` may generate at most");
        return Some(finding(
            message,
            "cannot be held there",
            "state `maxOutput` on the model or deployment",
        ));
    }
    let amount = limit.tokens?.0.amount;
    let (member, longest) = serving
        .filter_map(|(name, serving)| Some((name, serving.max_output?)))
        .max_by_key(|(_, most)| *most)?;
    (longest > amount).then(|| {
        let message = format!(
            "limit `{name}` has room for {amount} tokens, and one answer of `{member}` may have {longest}"
        );
        Finding::new(Code::LimitBelowRequest, message)
            .at_value(context.document, &["limits", name, "tokens"], "less than one answer")
            .help("raise it, lower `maxOutput`, or have callers name `max_tokens`")
    })
}

/// A route that names a model stands for it, whatever its members call theirs.
fn unserved(context: &Context<'_>) -> Vec<Finding> {
    let manifest = context.manifest;
    let pools = manifest.pools.values().flat_map(|pool| context.members(pool));
    let mut served: BTreeSet<&str> =
        pools.filter_map(|member| member.serving.map(|serving| serving.model)).collect();
    served.extend(manifest.routes.values().filter_map(|route| route.matching.model.as_deref()));
    let unknown = manifest.models.keys().filter(|model| !served.contains(model.as_str()));
    let finding = |model: &String| {
        Finding::new(Code::UnservedModel, format!("no pool serves a model `{model}`"))
            .at_key(context.document, &["models", model], "nobody serves it")
            .help("write the name that callers use")
    };
    unknown.map(finding).collect()
}
