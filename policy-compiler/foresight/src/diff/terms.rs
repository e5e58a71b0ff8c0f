//! What holds for requests, as flat lists of named values. It owns how a policy's parts are spelt out with
//! names for numbers; it refuses to compare.

use std::collections::BTreeMap;

use rule_table::{Fallback, Policy, Pool, Route};
use serde::Serialize;
use serde_json::Value;

/// Values by what they are.
pub(super) type Terms = BTreeMap<String, String>;

/// A part that routes, callers and listeners refer to by name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Part {
    Listener,
    Backend,
    Deployment,
    Pool,
    Limit,
    Hook,
    Waf,
    Consumer,
    Team,
    Model,
    Issuer,
    Access,
}

impl Part {
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Listener => "listener",
            Self::Backend => "backend",
            Self::Deployment => "deployment",
            Self::Pool => "pool",
            Self::Limit => "limit",
            Self::Hook => "hook",
            Self::Waf => "firewall",
            Self::Consumer => "consumer",
            Self::Team => "team",
            Self::Model => "model",
            Self::Issuer => "issuer",
            Self::Access => "access",
        }
    }
}

/// Spells a value out, without the fields named `but`.
fn flat(value: &impl Serialize, but: &[&str]) -> Terms {
    let mut terms = Terms::new();
    if let Ok(Value::Object(fields)) = serde_json::to_value(value) {
        for (name, value) in fields.iter().filter(|(name, _)| !but.contains(&name.as_str())) {
            spell(value, name, &mut terms);
        }
    }
    terms
}

fn spell(value: &Value, at: &str, terms: &mut Terms) {
    let mut say = |text: String| {
        terms.insert(at.to_owned(), text);
    };
    match value {
        Value::Null => {}
        Value::Bool(bool) => say(bool.to_string()),
        Value::Number(number) => say(number.to_string()),
        Value::String(text) => say(text.clone()),
        Value::Array(items) => spell_list(items, at, terms),
        Value::Object(fields) => match duration(value) {
            Some(text) => say(text),
            None => fields.iter().for_each(|(name, value)| spell(value, &format!("{at}.{name}"), terms)),
        },
    }
}

fn spell_list(items: &[Value], at: &str, terms: &mut Terms) {
    let texts: Option<Vec<String>> = items.iter().map(word).collect();
    match texts {
        Some(texts) if texts.is_empty() => {}
        Some(texts) => {
            terms.insert(at.to_owned(), texts.join(", "));
        }
        None => {
            for (place, item) in items.iter().enumerate() {
                let name = item.get("name").and_then(Value::as_str);
                let name = name.map_or_else(|| (place + 1).to_string(), str::to_owned);
                spell(item, &format!("{at}.{name}"), terms);
                terms.remove(&format!("{at}.{name}.name"));
            }
        }
    }
}

/// A list's item in one word, where it has one; header and value are one.
fn word(item: &Value) -> Option<String> {
    match item {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Array(pair) => match pair.as_slice() {
            [Value::String(name), Value::String(value)] => Some(format!("{name}: {value}")),
            _ => None,
        },
        Value::Object(one) if one.len() == 1 => {
            one.iter().next().and_then(|(kind, value)| place(kind, value))
        }
        _ => None,
    }
}

/// A host or path as a manifest writes it.
fn place(kind: &str, value: &Value) -> Option<String> {
    match (kind, value) {
        ("exact", Value::String(text)) => Some(text.clone()),
        ("suffix", Value::String(suffix)) => Some(format!("*{suffix}")),
        ("prefix", Value::String(prefix)) => Some(format!("{prefix}/*")),
        ("template", Value::Array(segments)) => {
            Some(segments.iter().map(|one| format!("/{}", one.as_str().unwrap_or("{}"))).collect())
        }
        _ => None,
    }
}

/// Durations have two fields in JSON, and one for people.
fn duration(value: &Value) -> Option<String> {
    let fields = value.as_object().filter(|fields| fields.len() == 2)?;
    let seconds = fields.get("secs")?.as_u64()?;
    let nanos = fields.get("nanos")?.as_u64()?;
    Some(match nanos {
        0 => format!("{seconds}s"),
        nanos if nanos.is_multiple_of(1_000_000) => {
            format!("{}ms", seconds.saturating_mul(1_000).saturating_add(nanos / 1_000_000))
        }
        nanos => format!("{}us", seconds.saturating_mul(1_000_000).saturating_add(nanos / 1_000)),
    })
}

fn named<'p, T>(ids: &[u32], list: &'p [T], name: impl Fn(&'p T) -> &'p String) -> String {
    let mut names: Vec<&str> = ids
        .iter()
        .filter_map(|id| list.get(usize::try_from(*id).ok()?))
        .map(|one| name(one).as_str())
        .collect();
    names.sort_unstable();
    names.join(", ")
}

/// Adds a list of names where there is one.
fn say(terms: &mut Terms, what: &str, names: String) {
    if !names.is_empty() {
        terms.insert(what.to_owned(), names);
    }
}

/// A route's own terms: all but its name and what it matches.
pub(super) fn of_route(policy: &Policy, route: &Route) -> Terms {
    let but = ["name", "matching", "path_template", "pool", "consumers", "limits", "access", "hook", "waf"];
    let mut terms = flat(route, &but);
    say(&mut terms, "pool", named(&[route.pool], &policy.pools, |pool| &pool.name));
    say(&mut terms, "consumers", named(&route.consumers, &policy.consumers, |consumer| &consumer.name));
    say(&mut terms, "limit", named(&route.limits, &policy.limits, |limit| &limit.name));
    say(&mut terms, "access", named(&route.access, &policy.access, |rule| &rule.name));
    say(&mut terms, "hook", named(route.hook.as_slice(), &policy.hooks, |hook| &hook.name));
    say(&mut terms, "waf", named(route.waf.as_slice(), &policy.waf, |waf| &waf.name));
    terms
}

fn of_pool(policy: &Policy, pool: &Pool) -> Terms {
    let mut terms = flat(pool, &["name", "members", "fallback"]);
    if pool.strategy != rule_table::Strategy::Adaptive {
        terms.retain(|what, _| !what.starts_with("objective"));
    }
    for member in &pool.members {
        let name = named(&[member.deployment], &policy.deployments, |deployment| &deployment.name);
        terms.insert(format!("members.{name}"), format!("weight {}", member.weight));
    }
    for (place, fallback) in (1..).zip(&pool.fallback) {
        terms.insert(format!("fallback.{place}"), of_fallback(policy, fallback));
    }
    terms
}

fn of_fallback(policy: &Policy, fallback: &Fallback) -> String {
    let when = flat(fallback, &["pool", "unless_consumers", "unless_data_classes"]);
    let mut text = named(&[fallback.pool], &policy.pools, |pool| &pool.name);
    for condition in when.values() {
        text.push_str(&format!(" when {condition}"));
    }
    let unless = named(&fallback.unless_consumers, &policy.consumers, |consumer| &consumer.name);
    let classes = fallback.unless_data_classes.join(", ");
    for (kind, names) in [("consumers", unless), ("data classes", classes)] {
        if !names.is_empty() {
            text.push_str(&format!(" unless {kind} {names}"));
        }
    }
    text
}

fn of_listener(policy: &Policy, listener: &rule_table::Listener) -> Terms {
    let mut terms = flat(listener, &["name", "access", "authn", "waf"]);
    say(&mut terms, "waf", named(listener.waf.as_slice(), &policy.waf, |waf| &waf.name));
    say(&mut terms, "access", named(&listener.access, &policy.access, |rule| &rule.name));
    if let Some(authn) = &listener.authn {
        say(&mut terms, "authn.keys", authn.keys.to_string());
        say(&mut terms, "authn.certificates", authn.certificates.to_string());
        say(&mut terms, "authn.issuers", named(&authn.issuers, &policy.issuers, |issuer| &issuer.name));
    }
    terms
}

fn of_consumer(policy: &Policy, consumer: &rule_table::Consumer) -> Terms {
    let mut terms = flat(consumer, &["name", "team", "limits", "credentials"]);
    for key in &consumer.keys {
        // A key's hash is nobody's business; that it is another one is.
        if let Some(hash) = terms.get_mut(&format!("keys.{}.sha256", key.name)) {
            hash.truncate(8);
        }
    }
    say(&mut terms, "team", named(consumer.team.as_slice(), &policy.teams, |team| &team.name));
    say(&mut terms, "limit", named(&consumer.limits, &policy.limits, |limit| &limit.name));
    let ways = consumer.credentials.iter().map(|way| match way {
        rule_table::Credentials::Certificate(name) => format!("certificate {name}"),
        rule_table::Credentials::Subject { issuer, subject } => {
            format!("{subject} of {}", named(&[*issuer], &policy.issuers, |issuer| &issuer.name))
        }
    });
    say(&mut terms, "credentials", ways.collect::<Vec<_>>().join(", "));
    terms
}

/// All parts of a policy, spelt out.
pub(super) fn parts(policy: &Policy) -> BTreeMap<(Part, &str), Terms> {
    let mut parts: BTreeMap<(Part, &str), Terms> = BTreeMap::new();
    let limits = |ids: &[u32]| named(ids, &policy.limits, |limit| &limit.name);
    let but_name = &["name"];
    for one in &policy.listeners {
        parts.insert((Part::Listener, &one.name), of_listener(policy, one));
    }
    for deployment in &policy.deployments {
        let mut terms = flat(deployment, &["name", "backend"]);
        say(&mut terms, "backend", named(&[deployment.backend], &policy.backends, |backend| &backend.name));
        parts.insert((Part::Deployment, &deployment.name), terms);
    }
    for one in &policy.backends {
        parts.insert((Part::Backend, &one.name), flat(one, but_name));
    }
    for one in &policy.pools {
        parts.insert((Part::Pool, &one.name), of_pool(policy, one));
    }
    for one in &policy.limits {
        parts.insert((Part::Limit, &one.name), flat(one, but_name));
    }
    for one in &policy.hooks {
        parts.insert((Part::Hook, &one.name), flat(one, but_name));
    }
    for one in &policy.waf {
        parts.insert((Part::Waf, &one.name), flat(one, but_name));
    }
    for one in &policy.access {
        parts.insert((Part::Access, &one.name), flat(one, but_name));
    }
    for one in &policy.consumers {
        parts.insert((Part::Consumer, &one.name), of_consumer(policy, one));
    }
    for team in &policy.teams {
        let mut terms = flat(team, &["name", "limits", "each"]);
        say(&mut terms, "limit", limits(&team.limits));
        say(&mut terms, "each.limit", limits(&team.each));
        parts.insert((Part::Team, &team.name), terms);
    }
    for model in &policy.models {
        let mut terms = Terms::new();
        say(&mut terms, "limit", limits(&model.limits));
        parts.insert((Part::Model, &model.model), terms);
    }
    for issuer in &policy.issuers {
        let mut terms = flat(issuer, &["name", "teams"]);
        for (claim, team) in &issuer.teams {
            terms.insert(format!("teams.{claim}"), named(&[*team], &policy.teams, |team| &team.name));
        }
        parts.insert((Part::Issuer, &issuer.name), terms);
    }
    parts
}

/// What concerns no request in particular.
pub(super) fn elsewhere(policy: &Policy) -> Terms {
    let mut terms = Terms::new();
    let sections = [
        ("admin", serde_json::to_value(&policy.admin)),
        ("countries", serde_json::to_value(&policy.countries)),
        ("store", serde_json::to_value(&policy.store)),
        ("overload", serde_json::to_value(&policy.overload)),
        ("telemetry", serde_json::to_value(&policy.telemetry)),
    ];
    for (name, value) in sections {
        if let Ok(value) = value {
            spell(&value, name, &mut terms);
        }
    }
    terms
}

/// What differs, in order.
pub(super) fn changes(what: &str, old: &Terms, new: &Terms) -> Vec<super::Change> {
    let names: std::collections::BTreeSet<&String> = old.keys().chain(new.keys()).collect();
    let differing = names.into_iter().filter(|name| old.get(*name) != new.get(*name));
    differing
        .map(|name| super::Change {
            what: format!("{what}{name}"),
            old: old.get(name).cloned(),
            new: new.get(name).cloned(),
        })
        .collect()
}

/// A rule of the access control list, but for its name.
pub(super) fn of_rule(rule: &rule_table::AclRule) -> Terms {
    flat(rule, &["name"])
}

/// An access rule, but for its name.
pub(super) fn of_access(rule: &rule_table::AccessRule) -> Terms {
    flat(rule, &["name"])
}
