//! Every fallback is taken by some request: of all callers that rules tell apart, in all situations that end
//! with a pool, some comes to it first. It owns this proof; `failover` judges what a fallback leads to.

use std::collections::BTreeSet;

use super::Context;
use super::failover::is_read;
use super::residency::teams_of;
use crate::diagnostics::{Code, Finding, Witness, suggest};
use crate::manifest::{Fallback, FallbackWhen, Pool};

/// Conditions that hold together when a pool has nobody left for a request.
type Situation = Vec<FallbackWhen>;

/// Somebody whom a request may come from, as far as fallbacks tell callers apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Caller<'a> {
    consumer: Option<&'a str>,
    class: Option<&'a str>,
}

pub(super) fn check(context: &Context<'_>) -> Vec<Finding> {
    let manifest = context.manifest;
    let led_to: BTreeSet<&str> =
        manifest.pools.values().flat_map(|pool| pool.fallback.0.iter().map(|f| f.to.as_str())).collect();
    let mut findings = Vec::new();
    for (name, pool) in manifest.pools.iter().filter(|(_, pool)| !pool.fallback.is_empty()) {
        // Where a request begins, and nowhere else, that pool's attempts count.
        let once = pool.retry.max_attempts == Some(1) && !led_to.contains(name.as_str());
        let list = List {
            context,
            name,
            fallbacks: &pool.fallback.0,
            callers: callers(context, pool),
            situations: situations(once, is_read(context, pool)),
            once,
        };
        findings.extend((0..pool.fallback.0.len()).filter_map(|index| list.never_fires(index)));
    }
    findings
}

/// All in which a request may be when its pool has nobody for it. `once` tells that there is one attempt, so
/// that after a failed one there is no going on.
fn situations(once: bool, read: bool) -> Vec<Situation> {
    let failures = [FallbackWhen::RateLimited, FallbackWhen::Error, FallbackWhen::Timeout].map(Some);
    let last: Vec<Option<FallbackWhen>> =
        [None].into_iter().chain(failures.into_iter().filter(|_| !once)).collect();
    let mut all = Vec::new();
    for last in last {
        for long in [false, true].into_iter().filter(|long| read || !long) {
            let exhausted = [FallbackWhen::Exhausted].into_iter().chain(last);
            all.push(exhausted.chain(long.then_some(FallbackWhen::ContextWindow)).collect());
        }
    }
    if read {
        // Before any attempt, where no member's window is large enough.
        all.push(vec![FallbackWhen::ContextWindow]);
        if !once {
            all.push(vec![FallbackWhen::ContentFilter]);
        }
    }
    all
}

/// One caller of each sort that the fallbacks of `pool` tell apart.
fn callers<'a>(context: &'a Context<'_>, pool: &'a Pool) -> BTreeSet<Caller<'a>> {
    let manifest = context.manifest;
    let unless = || pool.fallback.0.iter().filter_map(|fallback| fallback.unless.as_ref());
    let named: BTreeSet<&str> = unless().flat_map(|unless| &unless.consumers).map(String::as_str).collect();
    let classes =
        || manifest.teams.values().map(|team| team.data_class.as_ref().map(|class| class.0.as_str()));
    let mut callers = BTreeSet::new();
    let public = manifest.routes.values().any(|route| route.public == Some(true));
    if public || !manifest.issuers.is_empty() || unless().next().is_none() {
        callers.insert(Caller { consumer: None, class: None });
    }
    if unless().next().is_none() {
        return callers;
    }
    if !manifest.issuers.is_empty() {
        callers.extend(classes().map(|class| Caller { consumer: None, class }));
    }
    for (name, consumer) in &manifest.consumers {
        let name = Some(name.as_str()).filter(|name| named.contains(name));
        for team in teams_of(context, consumer) {
            let team = team.and_then(|team| manifest.teams.get(team));
            let class = team.and_then(|team| team.data_class.as_ref()).map(|class| class.0.as_str());
            callers.insert(Caller { consumer: name, class });
        }
    }
    callers
}

/// Whether a fallback is for this caller.
fn is_for(fallback: &Fallback, caller: &Caller<'_>) -> bool {
    fallback.unless.as_ref().is_none_or(|unless| {
        let named = caller.consumer.is_some_and(|name| unless.consumers.iter().any(|one| one == name));
        let class = unless.data_class.as_ref().is_some_and(|class| Some(class.0.as_str()) == caller.class);
        !named && !class
    })
}

fn is_when(fallback: &Fallback, situation: &Situation) -> bool {
    fallback.when.iter().any(|when| situation.contains(when))
}

/// The fallbacks of a pool, of which the first that is for a request is taken.
struct List<'c, 'a> {
    context: &'c Context<'a>,
    name: &'a str,
    fallbacks: &'a [Fallback],
    callers: BTreeSet<Caller<'c>>,
    situations: Vec<Situation>,
    once: bool,
}

impl List<'_, '_> {
    fn never_fires(&self, index: usize) -> Option<Finding> {
        let own = self.fallbacks.get(index)?;
        let earlier = self.fallbacks.get(..index).unwrap_or_default();
        let callers: Vec<_> = self.callers.iter().filter(|caller| is_for(own, caller)).collect();
        let situations: Vec<_> = self.situations.iter().filter(|now| is_when(own, now)).collect();
        let mut before: BTreeSet<usize> = BTreeSet::new();
        for caller in &callers {
            for situation in &situations {
                let takes = |one: &Fallback| is_for(one, caller) && is_when(one, situation);
                // Where no earlier one is taken, this one is.
                before.insert(earlier.iter().position(takes)?);
            }
        }
        let finding = if callers.is_empty() {
            let why = "`unless` names every consumer there is";
            let help = "leave out those that may go on, or remove the fallback";
            self.finding(index, why, "unless", "all of them", help)
        } else if situations.is_empty() {
            self.no_situation(index)
        } else {
            let names: Vec<&str> =
                before.iter().filter_map(|at| Some(earlier.get(*at)?.to.as_str())).collect();
            let names = suggest::listed(&names);
            let (subject, them) = match before.len() {
                1 => (format!("the one to {names} before it is"), "that pool"),
                _ => (format!("those to {names} before it are"), "each of those pools"),
            };
            let why = format!("{subject} taken in every case");
            let help = format!("to go on after {names}, give {them} a fallback of its own");
            self.finding(index, &why, "when", "nothing is left for it", &help)
        };
        let when: Vec<&str> = own.when.iter().map(|when| when.name()).collect();
        let mut values = vec![("in pool", self.name.to_owned()), ("a request after", when.join(" or "))];
        values.extend(callers.iter().find_map(|caller| caller.consumer).map(|name| ("of", name.to_owned())));
        Some(finding.witness(Witness::values(values)))
    }

    /// Its conditions hold of no request that gets so far.
    fn no_situation(&self, index: usize) -> Finding {
        let can = |once, read| {
            let own = self.fallbacks.get(index);
            situations(once, read).iter().any(|now| own.is_some_and(|own| is_when(own, now)))
        };
        if self.once && !can(true, true) {
            let why = "it follows a failed attempt, and there is only one";
            let help = "raise `retry.maxAttempts` of the pool, or write `when: [exhausted]`";
            self.finding(index, why, "when", "after the last attempt", help)
        } else {
            let why = "requests of this pool are passed through unread";
            self.finding(index, why, "when", "nobody would know", "write `when: [exhausted]`")
        }
    }

    fn finding(&self, index: usize, why: &str, field: &str, label: &str, help: &str) -> Finding {
        let to = self.fallbacks.get(index).map(|own| own.to.as_str()).unwrap_or_default();
        let message = format!("the fallback of pool `{}` to `{to}` can never fire: {why}", self.name);
        let mut path = self.context.fallback_path(self.name, index);
        path.push(field.to_owned());
        Finding::new(Code::FallbackNeverFires, message)
            .at_value(self.context.document, &path, label)
            .help(help)
    }
}
