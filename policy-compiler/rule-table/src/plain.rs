//! Matching written as plainly as its definition: every rule and route is asked in order. It owns the meaning
//! that engines are tested against and that comparisons and explanations rely on; it refuses to be fast.

mod conditions;

use std::cmp::Reverse;
use std::net::IpAddr;

use ipnet::IpNet;

use crate::acl::{AclConditions, AclRule};
use crate::bots::wild;
use crate::facts::{Body, Facts, normal_host};
use crate::matching::Specificity;
use crate::sections::{AclAction, BotClass, HostMatch, Mode, Policy, Route, RouteMatch};
use crate::verdict::{AclVerdict, Routed, Truth};
pub use conditions::{AclCondition, Held, acl_conditions, route_conditions};

/// Asks the access control list, rule by rule.
#[must_use]
pub fn acl(policy: &Policy, facts: &Facts<'_>) -> AclVerdict {
    let mut verdict = AclVerdict::default();
    let mut waiting = None;
    for (id, rule) in (0..).zip(&policy.acl) {
        let truth = truth(rule, facts);
        if truth == Truth::Later {
            waiting = waiting.or(Some(id));
        }
        if !rule.stance().applies(truth) {
            continue;
        }
        match (rule.mode, rule.action) {
            (Mode::Shadow, _) => verdict.shadowed.push(id),
            (Mode::Enforce, AclAction::Log) => verdict.noted.push(id),
            (Mode::Enforce, action) => {
                verdict.decided = Some((id, action));
                break;
            }
        }
    }
    match waiting {
        Some(_) => AclVerdict { undecided: waiting, ..AclVerdict::default() },
        None => verdict,
    }
}

/// Whether a rule of the access control list applies to a request by itself, other rules and its mode aside.
/// `None` while that hangs on a body that is not read yet.
#[must_use]
pub fn applies(rule: &AclRule, facts: &Facts<'_>) -> Option<bool> {
    match truth(rule, facts) {
        Truth::Later => None,
        truth => Some(rule.stance().applies(truth)),
    }
}

/// Finds the route of a request.
#[must_use]
pub fn route(policy: &Policy, facts: &Facts<'_>) -> Routed {
    let mut here: Vec<(u32, &Route)> =
        (0..).zip(&policy.routes).filter(|(_, route)| takes_but_for_method(&route.matching, facts)).collect();
    here.sort_by_key(|(id, route)| (Reverse(Specificity::of(&route.matching)), *id));
    let method = |route: &Route| {
        route.matching.methods.is_empty() || route.matching.methods.iter().any(|m| m == facts.method)
    };
    let model =
        |route: &Route| route.matching.model.is_none() || route.matching.model.as_deref() == facts.model;
    let mut of_method = here.iter().filter(|(_, route)| method(route)).peekable();
    if of_method.peek().is_some() {
        let found = of_method.find(|(_, route)| model(route));
        return found.map_or(Routed::NoModel, |(id, _)| Routed::Found(*id));
    }
    let mut allowed: Vec<String> =
        here.iter().flat_map(|(_, route)| route.matching.methods.iter().cloned()).collect();
    if allowed.is_empty() {
        return Routed::NoRoute;
    }
    allowed.sort_unstable();
    allowed.dedup();
    Routed::MethodNotAllowed(allowed)
}

/// Whether a route's conditions hold, method and model aside.
fn takes_but_for_method(matching: &RouteMatch, facts: &Facts<'_>) -> bool {
    host(&matching.host, &normal_host(facts.host))
        && matching.path.takes(facts.path)
        && matching.headers.iter().all(|h| facts.first_header_is(&h.name, h.value.as_deref()))
        && matching.query.iter().all(|q| facts.first_parameter_is(&q.name, q.value.as_deref()))
        && (matching.consumers.is_empty() || facts.consumer.is_some_and(|c| matching.consumers.contains(&c)))
        && matching.time.as_ref().is_none_or(|window| window.is_open(facts.unix_seconds))
}

/// Whether a rule applies, as far as can be told.
pub(crate) fn truth(rule: &AclRule, facts: &Facts<'_>) -> Truth {
    let all = each(&rule.when, facts).into_iter().fold(Truth::Yes, Truth::and);
    let exception = each(&rule.unless, facts).into_iter().fold(Truth::No, Truth::or);
    all.and(exception.negated())
}

/// The conditions that are stated, one by one.
fn each(conditions: &AclConditions, facts: &Facts<'_>) -> Vec<Truth> {
    let mut told = Vec::new();
    let mut tell = |stated: bool, holds: &dyn Fn() -> Truth| {
        if stated {
            told.push(holds());
        }
    };
    let c = conditions;
    tell(!c.listeners.is_empty(), &|| Truth::of(c.listeners.contains(&facts.listener)));
    tell(!c.networks.is_empty(), &|| Truth::of(c.networks.iter().any(|n| within(n, facts.address))));
    tell(!c.countries.is_empty(), &|| match facts.country {
        None => Truth::Unknown,
        Some(country) => Truth::of(c.countries.iter().any(|code| code.as_bytes() == country)),
    });
    tell(!c.methods.is_empty(), &|| Truth::of(c.methods.iter().any(|m| m == facts.method)));
    let name = normal_host(facts.host);
    tell(!c.hosts.is_empty(), &|| Truth::of(c.hosts.iter().any(|h| host(h, &name))));
    tell(!c.paths.is_empty(), &|| Truth::of(c.paths.iter().any(|p| p.takes(facts.path))));
    for header in &c.headers {
        tell(true, &|| Truth::of(facts.has_header(&header.name, &header.values)));
    }
    let agent = facts.user_agent();
    let agent = agent.as_deref();
    tell(!c.user_agents.is_empty(), &|| {
        Truth::of(agent.is_some_and(|agent| c.user_agents.iter().any(|pattern| wild(pattern, agent))))
    });
    tell(!c.bots.is_empty(), &|| Truth::of(BotClass::of(agent).is_some_and(|bot| c.bots.contains(&bot))));
    if let Some(most) = c.body_over {
        tell(true, &|| match facts.body {
            Body::Bytes(bytes) => Truth::of(bytes > most),
            Body::Unread => Truth::Later,
            Body::Untold => Truth::Unknown,
        });
    }
    told
}

fn host(wanted: &HostMatch, name: &str) -> bool {
    match wanted {
        HostMatch::Exact(host) => host == name,
        HostMatch::Suffix(suffix) => name.ends_with(suffix.as_str()),
        HostMatch::Any => true,
    }
}

/// An IPv4-mapped address (RFC 4291 §2.5.5.2) counts as the IPv4 address; no address is in no network.
fn within(network: &IpNet, address: Option<IpAddr>) -> bool {
    address.is_some_and(|address| network.contains(&address.to_canonical()))
}
