//! Two policies with one numbering of listeners and consumers. It owns that numbering; it refuses to compare.

use std::borrow::Cow;
use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use ipnet::IpNet;
use rule_table::{
    AclAction, AclConditions, AclRule, AclTable, Mode, Policy, Route, RouteMatch, RouteTable, Specificity,
};

use super::Reach;

/// One of the two.
pub(super) struct Half<'p> {
    pub(super) policy: &'p Policy,
    /// Its rules that decide, in order, with the common numbers of listeners.
    pub(super) acl: Vec<AclRule>,
    /// What its routes match, in the order of the policy, with the common numbers of consumers.
    pub(super) matching: Vec<Cow<'p, RouteMatch>>,
    /// A route's place in the order in which they are asked.
    pub(super) rank: Vec<usize>,
    /// Routes by name.
    pub(super) routes: BTreeMap<&'p str, usize>,
    pub(super) is_old: bool,
    pub(super) acl_table: AclTable,
    pub(super) route_table: RouteTable,
}

/// Both, and the names of what is numbered.
pub(super) struct Aligned<'p> {
    pub(super) old: Half<'p>,
    pub(super) new: Half<'p>,
    pub(super) listeners: Vec<&'p str>,
    pub(super) consumers: Vec<&'p str>,
    pub(super) routes: usize,
    /// An address that neither access control list names, if there is one.
    pub(super) outside: String,
    /// When requests arrive that say nothing of it.
    pub(super) unix_seconds: u64,
}

fn union<'p>(old: impl Iterator<Item = &'p String>, new: impl Iterator<Item = &'p String>) -> Vec<&'p str> {
    let all: BTreeSet<&str> = old.chain(new).map(String::as_str).collect();
    all.into_iter().collect()
}

impl<'p> Aligned<'p> {
    pub(super) fn of(old: &'p Policy, new: &'p Policy, unix_seconds: u64) -> Self {
        fn listeners(policy: &Policy) -> impl Iterator<Item = &String> {
            policy.listeners.iter().map(|listener| &listener.name)
        }
        fn consumers(policy: &Policy) -> impl Iterator<Item = &String> {
            policy.consumers.iter().map(|consumer| &consumer.name)
        }
        let names = |policy: &'p Policy| policy.routes.iter().map(|route| &route.name);
        let all_listeners = union(listeners(old), listeners(new));
        let all_consumers = union(consumers(old), consumers(new));
        let half = |policy: &'p Policy, is_old: bool| {
            let numbers = |own: Vec<&String>, all: &[&str]| -> Vec<u32> {
                let number = |name: &&String| all.binary_search(&name.as_str()).ok();
                own.iter().filter_map(number).map(|n| u32::try_from(n).unwrap_or(u32::MAX)).collect()
            };
            let listeners = numbers(listeners(policy).collect(), &all_listeners);
            let consumers = numbers(consumers(policy).collect(), &all_consumers);
            Half::of(policy, &listeners, &consumers, is_old)
        };
        let (old_half, new_half) = (half(old, true), half(new, false));
        Self {
            outside: outside([&old_half, &new_half]),
            old: old_half,
            new: new_half,
            routes: union(names(old), names(new)).len(),
            listeners: all_listeners,
            consumers: all_consumers,
            unix_seconds,
        }
    }

    /// How far something reaches that touches these routes and consumers, everybody where none are given.
    pub(super) fn reach(&self, routes: BTreeSet<String>, consumers: Option<BTreeSet<String>>) -> Reach {
        Reach { routes, consumers, of_routes: self.routes, of_consumers: self.consumers.len() }
    }

    /// Old seen from new, and new seen from old.
    pub(super) fn sides(&self) -> [(&Half<'p>, &Half<'p>, bool); 2] {
        [(&self.old, &self.new, true), (&self.new, &self.old, false)]
    }
}

/// Addresses that requests come from, if nothing is said: private ones, then those of RFC 5737 and RFC 3849.
const CALLERS: [&str; 6] =
    ["10.0.0.1", "172.16.0.1", "192.168.0.1", "192.0.2.1", "203.0.113.1", "2001:db8::1"];

fn outside(halves: [&Half<'_>; 2]) -> String {
    let sides = halves.into_iter().flat_map(|half| &half.acl).flat_map(|rule| [&rule.when, &rule.unless]);
    let networks: Vec<IpNet> = sides.flat_map(|side| &side.networks).copied().collect();
    let is_free = |text: &&&str| {
        let address: Option<IpAddr> = text.parse().ok();
        address.is_some_and(|address| !networks.iter().any(|network| network.contains(&address)))
    };
    let [first, ..] = CALLERS;
    CALLERS.iter().find(is_free).copied().unwrap_or(first).to_owned()
}

/// Numbers of one policy as those of both.
fn renumbered(ids: &[u32], numbers: &[u32]) -> Vec<u32> {
    let number = |id: &u32| numbers.get(usize::try_from(*id).ok()?).copied();
    let mut ids: Vec<u32> = ids.iter().filter_map(number).collect();
    ids.sort_unstable();
    ids
}

impl<'p> Half<'p> {
    fn of(policy: &'p Policy, listeners: &[u32], consumers: &[u32], is_old: bool) -> Self {
        let side = |of: &AclConditions| AclConditions {
            listeners: renumbered(&of.listeners, listeners),
            ..of.clone()
        };
        let decides = |rule: &&AclRule| rule.mode == Mode::Enforce && rule.action != AclAction::Log;
        let rule = |rule: &AclRule| AclRule {
            when: side(&rule.when),
            unless: side(&rule.unless).into(),
            ..rule.clone()
        };
        let matching = |route: &'p Route| {
            if route.matching.consumers.is_empty() {
                return Cow::Borrowed(&route.matching);
            }
            let consumers = renumbered(&route.matching.consumers, consumers);
            Cow::Owned(RouteMatch { consumers, ..route.matching.clone() })
        };
        let mut order: Vec<usize> = (0..policy.routes.len()).collect();
        order.sort_by_cached_key(|id| {
            (policy.routes.get(*id).map(|route| Reverse(Specificity::of(&route.matching))), *id)
        });
        let mut rank = vec![0; order.len()];
        for (place, id) in order.into_iter().enumerate() {
            if let Some(rank) = rank.get_mut(id) {
                *rank = place;
            }
        }
        Self {
            policy,
            acl: policy.acl.iter().filter(decides).map(rule).collect(),
            matching: policy.routes.iter().map(matching).collect(),
            rank,
            routes: policy.routes.iter().enumerate().map(|(id, route)| (route.name.as_str(), id)).collect(),
            is_old,
            acl_table: AclTable::build(policy),
            route_table: RouteTable::build(policy),
        }
    }

    pub(super) fn route(&self, name: &str) -> Option<&'p Route> {
        self.policy.routes.get(*self.routes.get(name)?)
    }

    /// The route that is asked last.
    pub(super) fn widest(&self) -> Option<&'p Route> {
        let (id, _) = self.rank.iter().enumerate().max_by_key(|(_, rank)| **rank)?;
        self.policy.routes.get(id)
    }
}
