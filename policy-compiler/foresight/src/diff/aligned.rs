//! Two policies with one numbering of listeners and consumers. It owns that numbering; it refuses to compare.

use std::borrow::Cow;
use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use policy_compiler::space::Clause;
use rule_table::{AclAction, AclConditions, AclRule, Mode, Policy, Route, RouteMatch, Specificity};

/// Ways past the access control list that are tried.
const MOST_WAYS: usize = 8;

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
}

/// Both, and the names of what is numbered.
pub(super) struct Aligned<'p> {
    pub(super) old: Half<'p>,
    pub(super) new: Half<'p>,
    pub(super) listeners: Vec<&'p str>,
    pub(super) consumers: Vec<&'p str>,
    pub(super) routes: usize,
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
        let half = |policy: &'p Policy| {
            let numbers = |own: Vec<&String>, all: &[&str]| -> Vec<u32> {
                let number = |name: &&String| all.binary_search(&name.as_str()).ok();
                own.iter().filter_map(number).map(|n| u32::try_from(n).unwrap_or(u32::MAX)).collect()
            };
            let listeners = numbers(listeners(policy).collect(), &all_listeners);
            let consumers = numbers(consumers(policy).collect(), &all_consumers);
            Half::of(policy, &listeners, &consumers)
        };
        Self {
            old: half(old),
            new: half(new),
            routes: union(names(old), names(new)).len(),
            listeners: all_listeners,
            consumers: all_consumers,
            unix_seconds,
        }
    }

    /// Old seen from new, and new seen from old.
    pub(super) fn sides(&self) -> [(&Half<'p>, &Half<'p>, bool); 2] {
        [(&self.old, &self.new, true), (&self.new, &self.old, false)]
    }
}

/// Numbers of one policy as those of both.
fn renumbered(ids: &[u32], numbers: &[u32]) -> Vec<u32> {
    let number = |id: &u32| numbers.get(usize::try_from(*id).ok()?).copied();
    let mut ids: Vec<u32> = ids.iter().filter_map(number).collect();
    ids.sort_unstable();
    ids
}

impl<'p> Half<'p> {
    fn of(policy: &'p Policy, listeners: &[u32], consumers: &[u32]) -> Self {
        let side = |of: &AclConditions| AclConditions {
            listeners: renumbered(&of.listeners, listeners),
            ..of.clone()
        };
        let decides = |rule: &&AclRule| rule.mode == Mode::Enforce && rule.action != AclAction::Log;
        let rule =
            |rule: &AclRule| AclRule { when: side(&rule.when), unless: side(&rule.unless), ..rule.clone() };
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

    /// The ways past the access control list for requests that all of `wanted` apply to: by a rule that allows
    /// them before any blocks them, or by none. The second value says whether these are all ways.
    pub(super) fn ways(&self, wanted: &[&Clause<'_>]) -> (Vec<Way<'_>>, bool) {
        let mut ways = Vec::new();
        let mut blocks = Vec::new();
        for rule in &self.acl {
            let clause = Clause::of_rule(rule);
            if wanted.iter().any(|one| one.is_apart(&clause)) {
                continue;
            }
            if rule.action == AclAction::Allow {
                if ways.len() >= MOST_WAYS {
                    return (ways, false);
                }
                ways.push(Way { allowed: Some(rule), blocks: blocks.clone() });
            } else {
                blocks.push(rule);
            }
        }
        ways.push(Way { allowed: None, blocks });
        // Most requests are let through by no rule at all.
        ways.reverse();
        (ways, true)
    }
}

/// A way past the access control list.
pub(super) struct Way<'h> {
    pub(super) allowed: Option<&'h AclRule>,
    pub(super) blocks: Vec<&'h AclRule>,
}
