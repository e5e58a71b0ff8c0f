//! Ten thousand random policies, of each of which the proofs over assignments are compared with trying all of
//! them. It owns the policies; `reference` tries.

mod reference;

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value, json};

use super::{
    Context, capabilities, failover, fallbacks, objectives, prices, quotas, residency, spending, undone,
};
use crate::compose::compose;
use crate::diagnostics::Finding;
use crate::manifest::Manifest;
use crate::resolve::{self, Names};
use crate::source::Source;

/// SplitMix64 (Steele, Lea and Flood 2014): the same policies on every machine.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) % bound as u64) as usize
    }

    /// Once in so many times.
    fn once_in(&mut self, times: usize) -> bool {
        self.below(times) == 0
    }

    fn pick<T: Clone>(&mut self, from: &[T]) -> T {
        from[self.below(from.len())].clone()
    }

    fn some<T: Clone + PartialEq>(&mut self, from: &[T], least: usize, most: usize) -> Vec<T> {
        let mut all: Vec<T> = Vec::new();
        for _ in 0..least + self.below(most - least + 1) {
            let next = self.pick(from);
            if !all.contains(&next) {
                all.push(next);
            }
        }
        all
    }

    fn maybe<T>(&mut self, times: usize, value: impl FnOnce(&mut Self) -> T) -> Option<T> {
        self.once_in(times).then(|| value(self))
    }
}

/// What is served somewhere, which `http` backends do without a model.
#[derive(Clone, Debug, Default)]
struct Served {
    backend: usize,
    model: Option<&'static str>,
    window: Option<u64>,
    capabilities: Vec<&'static str>,
    /// Dollars per million tokens; what changes on a day, in days after the first of May, and until when.
    price: Option<u64>,
    changes: Vec<u64>,
    until: Option<u64>,
    tokens_a_day: Option<u64>,
    ttft_ms: Option<u64>,
    place: Option<&'static str>,
}

/// Headers that are set, or removed where there is no value.
type Edits = Vec<(&'static str, Option<&'static str>)>;

#[derive(Clone, Debug, Default)]
struct Pool {
    members: Vec<usize>,
    attempts: Option<u64>,
    /// Only of adaptive pools.
    objective_ms: Option<u64>,
    fallbacks: Vec<Fallback>,
}

#[derive(Clone, Debug, Default)]
struct Fallback {
    to: usize,
    when: Vec<&'static str>,
    unless: Vec<usize>,
    unless_class: Option<&'static str>,
}

#[derive(Clone, Debug, Default)]
struct Limit {
    tokens_a_day: Option<u64>,
    dollars_a_day: Option<u64>,
    shadow: bool,
}

#[derive(Clone, Debug, Default)]
struct Team {
    limits: Vec<usize>,
    each: Vec<usize>,
    residency: Option<&'static str>,
    class: Option<&'static str>,
}

#[derive(Clone, Debug, Default)]
struct Consumer {
    team: Option<usize>,
    limits: Vec<usize>,
}

#[derive(Clone, Debug, Default)]
struct Route {
    path: &'static str,
    pool: usize,
    consumers: Vec<usize>,
    public: Option<bool>,
    limits: Vec<usize>,
    request: Edits,
    response: Edits,
}

/// A policy in as plain a form as can be.
#[derive(Clone, Debug, Default)]
struct Policy {
    far: bool,
    kinds: Vec<&'static str>,
    edits: Vec<Option<(Edits, Edits)>>,
    served: Vec<Served>,
    pools: Vec<Pool>,
    limits: Vec<Limit>,
    teams: Vec<Team>,
    consumers: Vec<Consumer>,
    routes: Vec<Route>,
    /// Limits of the model `m`.
    model_limits: Vec<usize>,
}

const PLACES: [&str; 4] = ["eu", "us", "de", "global"];
const WHEN: [&str; 6] = ["exhausted", "rate-limited", "error", "timeout", "context-window", "content-filter"];
const MODELS: [&str; 2] = ["m", "k"];

fn edits(random: &mut Random) -> Edits {
    let headers = random.some(&["x-a", "x-b"], 0, 2);
    headers.into_iter().map(|header| (header, random.pick(&[None, Some("1"), Some("2")]))).collect()
}

fn served(random: &mut Random, backend: usize, model: Option<&'static str>) -> Served {
    Served {
        backend,
        model,
        window: random.maybe(2, |r| r.pick(&[1000, 2000, 3000])).filter(|_| model.is_some()),
        capabilities: random.some(&["tools", "vision", "jsonMode"], 0, 3),
        price: random.maybe(2, |r| r.pick(&[1, 2, 10])).filter(|_| model.is_some()),
        changes: random.some(&[1, 3, 5, 7], 0, 2),
        until: random.maybe(3, |r| r.pick(&[2, 5, 9])),
        tokens_a_day: random.maybe(2, |r| r.pick(&[1_000_000, 2_000_000])).filter(|_| model.is_some()),
        ttft_ms: random.maybe(2, |r| r.pick(&[200, 400, 800])).filter(|_| model.is_some()),
        place: random.maybe(2, |r| r.pick(&PLACES)),
    }
}

fn pool(random: &mut Random, policy: &Policy, at: usize) -> Pool {
    let piped = random.once_in(6);
    let fits: Vec<usize> =
        (0..policy.served.len()).filter(|one| policy.served[*one].model.is_none() == piped).collect();
    let later: Vec<usize> = (at + 1..4).collect();
    let to = if later.is_empty() { Vec::new() } else { random.some(&later, 0, 3) };
    let fallback = |random: &mut Random, to: usize| Fallback {
        to,
        when: random.some(&WHEN, 1, 3),
        unless: if random.once_in(3) { random.some(&[0, 1, 2], 0, 3) } else { Vec::new() },
        unless_class: random.maybe(6, |r| r.pick(&["secret", "personal"])),
    };
    Pool {
        members: random.some(&fits, 1, 3),
        attempts: random.maybe(3, |r| r.pick(&[1, 2, 3])),
        objective_ms: random.maybe(4, |r| r.pick(&[100, 300, 500])).filter(|_| !piped),
        fallbacks: to.into_iter().map(|to| fallback(random, to)).collect(),
    }
}

fn policy(random: &mut Random) -> Policy {
    let mut policy = Policy { far: !random.once_in(4), ..Policy::default() };
    policy.kinds = vec!["vllm", random.pick(&["vllm", "anthropic"]), "http"];
    policy.edits = (0..3).map(|_| random.maybe(2, |r| (edits(r), edits(r)))).collect();
    for backend in 0..2 {
        policy.served.extend(MODELS.map(|model| served(random, backend, Some(model))));
    }
    policy.served.push(served(random, 2, None));
    policy.pools = (0..4).map(|at| pool(random, &policy, at)).collect();
    policy.limits = (0..3)
        .map(|_| Limit {
            tokens_a_day: random.maybe(2, |r| r.pick(&[500_000, 1_500_000, 5_000_000])),
            dollars_a_day: random.maybe(3, |r| r.pick(&[1, 5, 50])),
            shadow: random.once_in(5),
        })
        .collect();
    let limits = |random: &mut Random| random.some(&[0, 1, 2], 0, 1);
    policy.teams = (0..2)
        .map(|_| Team {
            limits: limits(random),
            each: limits(random),
            residency: random.maybe(2, |r| r.pick(&["eu", "us", "de"])),
            class: random.maybe(2, |r| r.pick(&["secret", "personal"])),
        })
        .collect();
    if !random.once_in(4) {
        policy.consumers = (0..3)
            .map(|_| Consumer { team: random.maybe(2, |r| r.below(2)), limits: limits(random) })
            .collect();
    }
    let paths = ["/v1/*", "/v1/chat/completions", "/v1/embeddings", "/tools"];
    policy.routes = (0..=random.below(3))
        .map(|_| Route {
            path: random.pick(&paths),
            pool: random.below(4),
            consumers: if random.once_in(2) { random.some(&[0, 1, 2], 0, 2) } else { Vec::new() },
            public: random.maybe(3, |r| r.once_in(2)),
            limits: limits(random),
            request: edits(random),
            response: edits(random),
        })
        .collect();
    if policy.consumers.is_empty() {
        policy.routes.iter_mut().for_each(|route| route.consumers.clear());
        policy.pools.iter_mut().flat_map(|p| &mut p.fallbacks).for_each(|f| f.unless.clear());
    }
    policy.model_limits = if random.once_in(3) { limits(random) } else { Vec::new() };
    policy
}

fn named(letter: char, many: &[usize]) -> Vec<String> {
    many.iter().map(|one| format!("{letter}{one}")).collect()
}

fn map<T>(letter: char, of: &[T], one: impl Fn(&T) -> Value) -> Value {
    Value::Object(of.iter().enumerate().map(|(at, of)| (format!("{letter}{at}"), one(of))).collect())
}

/// What is not stated is left out.
fn stated(fields: Value) -> Value {
    let Value::Object(fields) = fields else { return fields };
    let empty = |value: &Value| value.is_null() || value.as_array().is_some_and(Vec::is_empty);
    Value::Object(fields.into_iter().filter(|(_, value)| !empty(value)).collect())
}

fn header_edits(edits: &Edits) -> Value {
    let set: Map<String, Value> =
        edits.iter().filter_map(|(name, value)| Some(((*name).to_owned(), json!((*value)?)))).collect();
    let removed: Vec<&str> =
        edits.iter().filter(|(_, value)| value.is_none()).map(|(name, _)| *name).collect();
    json!({"headers": {"set": set, "remove": removed}})
}

fn date(day: u64) -> String {
    format!("2031-05-{:02}", day + 1)
}

impl Served {
    fn name(&self) -> String {
        let backend = format!("b{}", self.backend);
        self.model.map_or(backend.clone(), |model| format!("{backend}/{model}"))
    }

    fn json(&self) -> Value {
        let price = self.price.map(|dollars| {
            let unit = format!("{dollars} USD/1M");
            let change = |day: &u64| json!({"from": date(*day), "input": unit, "output": unit});
            let changes: Vec<Value> = self.changes.iter().map(change).collect();
            stated(json!({"input": unit, "output": unit, "changes": changes, "until": self.until.map(date)}))
        });
        stated(json!({
            "contextWindow": self.window,
            "capabilities": self.capabilities,
            "price": price,
            "quota": self.tokens_a_day.map(|tokens| json!({"tokens": format!("{tokens} tokens/day")})),
            "expectedTtft": self.ttft_ms.map(|ms| format!("{ms}ms")),
            "processing": self.place,
        }))
    }
}

impl Policy {
    fn backend(&self, at: usize) -> Value {
        let own = self.served.iter().filter(|served| served.backend == at);
        let models: Map<String, Value> =
            own.clone().filter_map(|served| Some((served.model?.to_owned(), served.json()))).collect();
        let rewrite = self.edits[at].as_ref().map(|(request, response)| {
            json!({"request": header_edits(request), "response": header_edits(response)})
        });
        let place = own.clone().find(|served| served.model.is_none()).and_then(|served| served.place);
        let mut backend = stated(json!({
            "kind": self.kinds[at],
            "url": format!("http://127.0.0.1:{}", 8000 + at),
            "rewrite": rewrite,
            "processing": place,
        }));
        if !models.is_empty() {
            backend["models"] = Value::Object(models);
        }
        backend
    }

    fn pool(&self, pool: &Pool) -> Value {
        let fallback = |fallback: &Fallback| {
            let unless = stated(json!({
                "consumers": named('c', &fallback.unless),
                "dataClass": fallback.unless_class,
            }));
            let unless = unless.as_object().is_some_and(|of| !of.is_empty()).then_some(unless);
            stated(json!({"to": format!("p{}", fallback.to), "when": fallback.when, "unless": unless}))
        };
        stated(json!({
            "members": pool.members.iter().map(|at| self.served[*at].name()).collect::<Vec<_>>(),
            "strategy": if pool.objective_ms.is_some() { "adaptive" } else { "round-robin" },
            "objective": pool.objective_ms.map(|ms| json!({"ttft": format!("{ms}ms")})),
            "retry": pool.attempts.map(|attempts| json!({"maxAttempts": attempts})),
            "fallback": pool.fallbacks.iter().map(fallback).collect::<Vec<_>>(),
        }))
    }

    fn json(&self) -> Value {
        let route = |route: &Route| {
            stated(json!({
                "match": {"path": route.path},
                "pool": format!("p{}", route.pool),
                "consumers": named('c', &route.consumers),
                "public": route.public,
                "limit": named('l', &route.limits),
                "rewrite": {"request": header_edits(&route.request), "response": header_edits(&route.response)},
            }))
        };
        let limit = |limit: &Limit| {
            stated(json!({
                "tokens": limit.tokens_a_day.map(|tokens| format!("{tokens} tokens/day")),
                "budget": limit.dollars_a_day.map(|dollars| format!("{dollars} USD/day")),
                "mode": limit.shadow.then_some("shadow"),
            }))
        };
        let team = |team: &Team| {
            stated(json!({
                "limit": named('l', &team.limits),
                "each": named('l', &team.each),
                "residency": team.residency,
                "dataClass": team.class,
            }))
        };
        let consumer = |consumer: &Consumer| {
            let team = consumer.team.map(|team| format!("t{team}"));
            stated(json!({"team": team, "limit": named('l', &consumer.limits)}))
        };
        let backends = (0..3).map(|at| (format!("b{at}"), self.backend(at))).collect();
        json!({
            "apiVersion": "sluicegate/v1",
            "listeners": {"l": {"address": if self.far { "0.0.0.0:80" } else { "127.0.0.1:80" }}},
            "backends": Value::Object(backends),
            "pools": map('p', &self.pools, |pool| self.pool(pool)),
            "routes": map('r', &self.routes, route),
            "limits": map('l', &self.limits, limit),
            "teams": map('t', &self.teams, team),
            "consumers": map('c', &self.consumers, consumer),
            "models": {"m": stated(json!({"limit": named('l', &self.model_limits)}))},
        })
    }
}

/// A verdict: a code, and the names that it is about.
type Verdict = (&'static str, Vec<String>);

/// What the proofs say.
fn said(policy: &Policy) -> BTreeSet<Verdict> {
    let source = Source::new("gateway.json", policy.json().to_string());
    let mut faults = Vec::new();
    let document = compose(&source, &mut faults).expect("a document");
    let mut manifest: Manifest = serde_json::from_value(document.root.to_json()).expect("a manifest");
    resolve::fill(&mut manifest, &Names::of(&document));
    let context = Context { document: &document, manifest: &manifest, names: Names::of(&document) };
    let checks = [
        capabilities::check,
        failover::check,
        fallbacks::check,
        objectives::check,
        prices::check,
        quotas::check,
        residency::check,
        spending::check,
        undone::check,
    ];
    checks.iter().flat_map(|check| check(&context)).filter_map(|finding| verdict(&finding)).collect()
}

fn verdict(finding: &Finding) -> Option<Verdict> {
    let quoted: Vec<&str> = finding.message.split('`').skip(1).step_by(2).collect();
    let code = finding.code.as_str();
    let names: &[usize] = match code {
        "SG0421" | "SG0905" | "SG1504" | "SG1601" | "SG1604" | "SG1611" => &[0],
        "SG0902" | "SG0903" | "SG0904" | "SG1505" | "SG1007" => &[0, 1],
        "SG0908" => &[0, 3],
        "SG1602" => return Some((code, quoted.iter().map(|name| (*name).to_owned()).collect())),
        "SG1603" => {
            let field = if finding.message.starts_with("the budget") { "budget" } else { "tokens" };
            return Some((code, vec![quoted[0].to_owned(), field.to_owned()]));
        }
        _ => return None,
    };
    assert!(finding.witness.is_some(), "{finding:?}");
    Some((code, names.iter().map(|at| quoted[*at].to_owned()).collect()))
}

fn agree(seed: u64) {
    let mut random = Random(seed);
    let mut seen: BTreeMap<&str, usize> = BTreeMap::new();
    for number in 0..5_000 {
        let policy = policy(&mut random);
        let (said, tried) = (said(&policy), reference::verdicts(&policy));
        let apart: Vec<_> = said.symmetric_difference(&tried).collect();
        assert!(apart.is_empty(), "{number}: {apart:?}\n{}\n{policy:?}", policy.json());
        for (code, _) in said {
            *seen.entry(code).or_default() += 1;
        }
    }
    assert!(seen.len() == 14 && seen.values().all(|times| *times > 20), "{seen:?}");
}

// Two, so that two processors share them.
#[test]
fn five_thousand_policies_are_judged_as_by_trying_every_assignment() {
    agree(5);
}

#[test]
fn five_thousand_more_are_judged_as_by_trying_every_assignment() {
    agree(6);
}
