//! What becomes of a request under a policy, as far as the policy alone decides. It owns the order in which
//! doors, access control list, routes and callers are asked; what each of them says is the interpreter's. It
//! refuses to count, to choose between members and to read bodies.

use std::net::IpAddr;

use policy_compiler::diagnostics::Request;
use rule_table::{
    AccessRule, AclAction, AclVerdict, Body, Facts, Head, Listener, Mode, OnFailure, Policy, Route, Routed,
    plain,
};
use serde::Serialize;
use vocabulary::{Operation, Reason};

use super::aligned::Half;

/// What becomes of a request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "decision", rename_all = "snake_case")]
pub enum Outcome {
    /// There is no such listener.
    NotListening,
    /// It is refused.
    Refused {
        /// HTTP status.
        status: u16,
        /// Why.
        reason: Reason,
        /// The rule or route that refuses, where one does.
        #[serde(skip_serializing_if = "Option::is_none")]
        by: Option<String>,
    },
    /// It is sent on, limits, load and health allowing.
    SentOn {
        /// The route that takes it.
        route: String,
        /// The pool it is sent to.
        pool: String,
    },
}

impl Outcome {
    fn refused(reason: Reason, by: Option<&str>) -> Self {
        Self::Refused { status: reason.status(), reason, by: by.map(str::to_owned) }
    }

    /// Names of rules and routes aside.
    pub(super) fn kind(&self) -> String {
        match self {
            Self::NotListening => "not listening".to_owned(),
            Self::Refused { status, reason, .. } => format!("{status} {reason}"),
            Self::SentOn { .. } => "sent on".to_owned(),
        }
    }
}

/// What is found on the way to an outcome.
pub(super) struct Course {
    pub(super) outcome: Outcome,
    /// The rule of the access control list that decides.
    pub(super) rule: Option<String>,
    /// The route that is the most specific, whatever comes of it.
    pub(super) route: Option<String>,
}

/// Decides a request under a policy, by its plain meaning. `unix_seconds` is when it arrives, unless it says so
/// itself.
#[must_use]
pub fn replay(policy: &Policy, request: &Request, unix_seconds: u64) -> Outcome {
    let ask = |facts: &Facts<'_>| (plain::acl(policy, facts), plain::route(policy, facts));
    follow(policy, request, unix_seconds, ask).outcome
}

/// The same by a policy's tables, which do not take longer for a larger policy.
pub(super) fn course(half: &Half<'_>, request: &Request, unix_seconds: u64) -> Course {
    let ask = |facts: &Facts<'_>| {
        let routed = match half.route_table.head(facts) {
            Head::Found(found) => found.by_model(facts.model).map_or(Routed::NoModel, Routed::Found),
            Head::MethodNotAllowed(_) => Routed::MethodNotAllowed(Vec::new()),
            Head::NoRoute => Routed::NoRoute,
        };
        (half.acl_table.ask(facts), routed)
    };
    follow(half.policy, request, unix_seconds, ask)
}

fn follow(
    policy: &Policy,
    request: &Request,
    unix_seconds: u64,
    ask: impl FnOnce(&Facts<'_>) -> (AclVerdict, Routed),
) -> Course {
    let mut course = Course { outcome: Outcome::NotListening, rule: None, route: None };
    let place = match &request.listener {
        None => Some(0),
        Some(name) => policy.listeners.iter().position(|listener| listener.name == *name),
    };
    let Some((place, listener)) = place.and_then(|place| Some((place, policy.listeners.get(place)?))) else {
        return course;
    };
    let headers: Vec<(&str, &str)> =
        request.headers.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    let pairs: Vec<String> = request.query.iter().map(|(name, value)| format!("{name}={value}")).collect();
    let query = pairs.join("&");
    let consumer = request
        .consumer
        .as_ref()
        .and_then(|name| policy.consumers.iter().position(|consumer| consumer.name == *name));
    let country = request.country.as_ref().and_then(|code| code.as_bytes().try_into().ok());
    let headers = headers.as_slice();
    let facts = Facts {
        listener: u32::try_from(place).unwrap_or(u32::MAX),
        address: request.from.as_ref().and_then(|from| from.parse().ok()),
        country,
        method: request.method.as_deref().unwrap_or("GET"),
        host: request.host.as_deref().unwrap_or_default(),
        path: &request.path,
        query: &query,
        headers: &headers,
        body: request.body.map_or(Body::Bytes(0), Body::Bytes),
        consumer: consumer.and_then(|id| u32::try_from(id).ok()),
        unix_seconds: request.at.as_ref().and_then(|at| at.parse().ok()).unwrap_or(unix_seconds),
        model: request.model.as_deref(),
    };
    let (acl, routed) = ask(&facts);
    if let Routed::Found(id) = routed {
        let route = usize::try_from(id).ok().and_then(|id| policy.routes.get(id));
        course.route = route.map(|route| route.name.clone());
    }
    course.outcome = decide(policy, listener, &facts, request, &mut course, (&acl, &routed));
    course
}

fn decide(
    policy: &Policy,
    listener: &Listener,
    facts: &Facts<'_>,
    request: &Request,
    course: &mut Course,
    (acl, routed): (&AclVerdict, &Routed),
) -> Outcome {
    if let Some((id, action)) = acl.decided {
        course.rule = usize::try_from(id).ok().and_then(|id| Some(policy.acl.get(id)?.name.clone()));
        if let AclAction::Block(status) = action {
            return Outcome::Refused { status, reason: Reason::AclBlocked, by: course.rule.clone() };
        }
    }
    if listener.private && !facts.address.is_some_and(vocabulary::is_private) {
        return Outcome::refused(Reason::AddressForbidden, Some(&listener.name));
    }
    if let Some((rule, reason)) = objection(policy, &listener.access, facts) {
        return Outcome::refused(reason, Some(&rule.name));
    }
    let knows_callers = !policy.consumers.is_empty() || !policy.issuers.is_empty();
    // Whoever is a consumer of the other policy alone shows a key that nobody knows here.
    let stranger = if request.consumer.is_some() { Reason::InvalidKey } else { Reason::MissingKey };
    if knows_callers && facts.consumer.is_none() && !policy.routes.iter().any(|route| route.public) {
        return Outcome::refused(stranger, None);
    }
    let route = match routed {
        Routed::Found(id) => usize::try_from(*id).ok().and_then(|id| policy.routes.get(id)),
        Routed::MethodNotAllowed(_) => return Outcome::refused(Reason::MethodNotAllowed, None),
        Routed::NoModel => return Outcome::refused(Reason::UnknownModel, None),
        Routed::NoRoute => None,
    };
    let Some(route) = route else { return Outcome::refused(Reason::UnknownRoute, None) };
    if !route.public && knows_callers {
        let Some(consumer) = facts.consumer else {
            return Outcome::refused(stranger, Some(&route.name));
        };
        if !route.consumers.is_empty() && !route.consumers.contains(&consumer) {
            return Outcome::refused(Reason::RouteForbidden, Some(&route.name));
        }
    }
    if let Some((rule, reason)) = objection(policy, &route.access, facts) {
        return Outcome::refused(reason, Some(&rule.name));
    }
    sent_on(policy, route, request)
}

fn sent_on(policy: &Policy, route: &Route, request: &Request) -> Outcome {
    let Some(pool) = usize::try_from(route.pool).ok().and_then(|id| policy.pools.get(id)) else {
        return Outcome::refused(Reason::UnknownRoute, Some(&route.name));
    };
    if !pool.piped {
        if Operation::from_path(&request.path).is_none() && !route.pass_through {
            return Outcome::refused(Reason::UnknownRoute, Some(&route.name));
        }
        let mut models = models(policy, pool);
        if request.model.as_deref().is_some_and(|wanted| !models.any(|model| model == wanted)) {
            return Outcome::refused(Reason::UnknownModel, Some(&route.name));
        }
    }
    Outcome::SentOn { route: route.name.clone(), pool: pool.name.clone() }
}

/// The models of a pool's members.
pub(super) fn models<'p>(policy: &'p Policy, pool: &'p rule_table::Pool) -> impl Iterator<Item = &'p str> {
    let deployment =
        |id: u32| usize::try_from(id).ok().and_then(|id| policy.deployments.get(id)?.model.as_deref());
    pool.members.iter().filter_map(move |member| deployment(member.deployment))
}

/// The first enforced rule that objects, and to what.
fn objection<'p>(policy: &'p Policy, ids: &[u32], facts: &Facts<'_>) -> Option<(&'p AccessRule, Reason)> {
    let rules = ids.iter().filter_map(|id| policy.access.get(usize::try_from(*id).ok()?));
    let mut enforced = rules.filter(|rule| rule.mode == Mode::Enforce);
    enforced.find_map(|rule| Some((rule, objects(rule, facts)?)))
}

fn objects(rule: &AccessRule, facts: &Facts<'_>) -> Option<Reason> {
    let within = |networks: &[String]| facts.address.is_some_and(|address| is_within(networks, address));
    if within(&rule.deny) || !rule.allow.is_empty() && !within(&rule.allow) {
        return Some(Reason::AddressForbidden);
    }
    let lists = |codes: &[String], country: &[u8; 2]| codes.iter().any(|code| code.as_bytes() == country);
    let by_country = !rule.allow_countries.is_empty() || !rule.deny_countries.is_empty();
    let welcome = facts.country.map_or(rule.unknown_country == OnFailure::Open, |country| {
        !lists(&rule.deny_countries, &country)
            && (rule.allow_countries.is_empty() || lists(&rule.allow_countries, &country))
    });
    if by_country && !welcome {
        return Some(Reason::CountryForbidden);
    }
    let lacks = |header: &rule_table::RequiredHeader| {
        let fits = |sent: &[u8]| {
            header.values.is_empty() || header.values.iter().any(|wanted| wanted.as_bytes() == sent)
        };
        let mut all_fit = true;
        let any = facts.headers.any(&header.name, &mut |sent| {
            all_fit &= fits(sent);
            false
        });
        // `any` says whether somebody had seen enough: nobody ever has, so presence is asked apart.
        let present = any || facts.headers.any(&header.name, &mut |_| true);
        !present || !all_fit
    };
    rule.headers.iter().any(lacks).then_some(Reason::HeaderRequired)
}

fn is_within(networks: &[String], address: IpAddr) -> bool {
    let address = address.to_canonical();
    networks.iter().filter_map(|network| network.parse().ok()).any(|net: ipnet::IpNet| net.contains(&address))
}
