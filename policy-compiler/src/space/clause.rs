//! What a rule, a route or a door asks of a request, in one form. It owns the reading of their networks and
//! what they do where something cannot be told; it refuses to know what they decide.

use std::ops::Deref;

use ipnet::IpNet;
use rule_table::{
    Absent, AccessRule, AclAction, AclConditions, AclRule, HeaderCondition, HostMatch, OnFailure, PathMatch,
    QueryMatch, RouteMatch, TimeWindow,
};

use super::patterns;

/// Conditions that must hold, and exceptions.
#[derive(Debug)]
pub struct Clause<'a> {
    pub(super) when: Side<'a>,
    pub(super) unless: Side<'a>,
    /// Whether it applies where one of its conditions cannot be told.
    pub(super) untold: bool,
}

#[derive(Debug)]
pub(super) struct Side<'a> {
    pub(super) of: Of<'a>,
    pub(super) query: &'a [QueryMatch],
    pub(super) consumers: &'a [u32],
    pub(super) model: Option<&'a str>,
    pub(super) time: Option<&'a TimeWindow>,
    pub(super) is_route: bool,
}

/// Conditions of a rule, or of what is read as one. A large policy has many rules, and each is asked by several
/// proofs: what is nowhere else is kept apart, so that the others stay small.
#[derive(Debug)]
pub(super) enum Of<'a> {
    Rule(&'a AclConditions),
    Read(Box<AclConditions>),
    Nothing,
}

impl Deref for Of<'_> {
    type Target = AclConditions;

    fn deref(&self) -> &AclConditions {
        match self {
            Self::Rule(conditions) => conditions,
            Self::Read(conditions) => conditions,
            Self::Nothing => AclConditions::ABSENT,
        }
    }
}

impl<'a> Side<'a> {
    const fn of(of: Of<'a>) -> Self {
        Self { of, query: &[], consumers: &[], model: None, time: None, is_route: false }
    }

    fn exact_hosts(&self) -> bool {
        self.of.hosts.iter().all(|host| matches!(host, HostMatch::Exact(_)))
    }
}

impl<'a> Clause<'a> {
    /// What a rule of the access control list applies to.
    #[must_use]
    pub fn of_rule(rule: &'a AclRule) -> Self {
        let untold = match rule.action {
            AclAction::Block(_) => rule.on_failure == OnFailure::Closed,
            AclAction::Allow => rule.on_failure == OnFailure::Open,
            AclAction::Log => true,
        };
        let side = |of: &'a AclConditions| Side::of(Of::Rule(of));
        Self { when: side(&rule.when), unless: side(&rule.unless), untold }
    }

    /// What a route matches.
    #[must_use]
    pub fn of_route(matching: &'a RouteMatch) -> Self {
        let header = |header: &rule_table::HeaderMatch| HeaderCondition {
            name: header.name.clone(),
            values: header.value.iter().cloned().collect(),
        };
        let host = Some(&matching.host).filter(|host| **host != HostMatch::Any);
        let of = AclConditions {
            methods: matching.methods.clone(),
            hosts: host.into_iter().cloned().collect(),
            // `/*` is a condition too: the target of `OPTIONS *` is no path.
            paths: vec![matching.path.clone()],
            headers: matching.headers.iter().map(header).collect(),
            ..AclConditions::default()
        };
        let when = Side {
            query: &matching.query,
            consumers: &matching.consumers,
            model: matching.model.as_deref(),
            time: matching.time.as_ref(),
            is_route: true,
            ..Side::of(Of::Read(Box::new(of)))
        };
        Self { when, unless: Side::of(Of::Nothing), untold: false }
    }

    /// What an access rule lets through.
    #[must_use]
    pub fn of_access(rule: &AccessRule) -> Self {
        let header = |header: &rule_table::RequiredHeader| HeaderCondition {
            name: header.name.clone(),
            values: header.values.clone(),
        };
        let when = AclConditions {
            networks: networks(&rule.allow),
            countries: rule.allow_countries.clone(),
            headers: rule.headers.iter().map(header).collect(),
            ..AclConditions::default()
        };
        let unless = AclConditions {
            networks: networks(&rule.deny),
            countries: rule.deny_countries.clone(),
            ..AclConditions::default()
        };
        Self {
            when: Side::of(Of::Read(Box::new(when))),
            unless: Side::of(Of::Read(Box::new(unless))),
            untold: rule.unknown_country == OnFailure::Open,
        }
    }

    /// What these callers send.
    #[must_use]
    pub fn of_consumers(consumers: &'a [u32]) -> Self {
        let when = Side { consumers, ..Side::of(Of::Nothing) };
        Self { when, unless: Side::of(Of::Nothing), untold: false }
    }

    /// Whether no request is both's, as far as a look at single lists tells; false where it may be.
    #[must_use]
    pub fn is_apart(&self, other: &Self) -> bool {
        let (x, y) = (&self.when, &other.when);
        let (a, b) = (&*x.of, &*y.of);
        disjoint(&a.listeners, &b.listeners)
            || disjoint(&a.methods, &b.methods)
            || disjoint(&a.hosts, &b.hosts) && x.exact_hosts() && y.exact_hosts()
            || !a.paths.is_empty() && !b.paths.is_empty() && no_path(&a.paths, &b.paths)
            || disjoint(x.consumers, y.consumers)
            || x.model.is_some() && y.model.is_some() && x.model != y.model
            || a.headers.iter().any(|one| b.headers.iter().any(|other| no_value(one, other)))
            || !a.networks.is_empty()
                && !b.networks.is_empty()
                && !a.networks.iter().any(|one| b.networks.iter().any(|two| meet(one, two)))
    }
}

/// Whether no value of one header meets both; of a header that is sent twice each may meet one.
fn no_value(a: &HeaderCondition, b: &HeaderCondition) -> bool {
    let stated = !a.values.is_empty() && !b.values.is_empty();
    stated && a.name == b.name && !a.values.iter().any(|value| b.values.contains(value))
}

fn networks(texts: &[String]) -> Vec<IpNet> {
    texts.iter().filter_map(|text| text.parse().ok()).collect()
}

/// Pairs of conditions on paths that are compared; lists with more are looked at by the search.
const MOST_PATHS: usize = 256;

/// Whether no path meets a condition of both lists.
fn no_path(a: &[PathMatch], b: &[PathMatch]) -> bool {
    a.len().saturating_mul(b.len()) <= MOST_PATHS
        && !a.iter().any(|one| b.iter().any(|other| patterns::some_path(one, other)))
}

fn meet(a: &IpNet, b: &IpNet) -> bool {
    a.contains(b) || b.contains(a)
}

/// Whether two sorted lists, of which an empty one stands for everything, have nothing in common.
fn disjoint<T: Ord>(a: &[T], b: &[T]) -> bool {
    !a.is_empty() && !b.is_empty() && !a.iter().any(|x| b.binary_search(x).is_ok())
}
