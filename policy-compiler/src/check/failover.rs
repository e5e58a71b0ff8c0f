//! Retries and fallbacks can do what they promise: every chain ends, is reached before
//! attempts do, and leads to something that can serve what comes.

use std::collections::BTreeMap;

use vocabulary::Operation;

use super::Context;
use crate::diagnostics::{Code, Finding, Request, Witness, suggest};
use crate::manifest::{Ambiguous, Fallback, FallbackWhen, Pool, Route};
use crate::resolve::{self, Chains, MAX_ATTEMPTS};

/// From this share of retries on, in millionths, an outage at least doubles the load.
const MULTIPLIES: u64 = 1_000_000;

/// The bit of requests that are passed through; those of operations come before it.
const PIPED: u16 = 1 << 15;

pub(super) fn check(context: &Context<'_>) -> Vec<Finding> {
    let chains = Chains::of(context.manifest);
    let mut findings: Vec<Finding> = chains.cycles().iter().map(|cycle| circle(context, cycle)).collect();
    let asked_of_routes = asked_by_routes(context);
    let asked = chains.spread(asked_of_routes.clone());
    let circular = !findings.is_empty();
    for (name, pool) in &context.manifest.pools {
        findings.extend(double_generation(context, name, pool));
        findings.extend(multiplies(context, name, pool));
        let begins = asked_of_routes.contains_key(name.as_str());
        // In a circle there is no counting what comes before what.
        if begins && !circular && !pool.fallback.is_empty() {
            findings.extend(attempts_end_first(context, name, pool, &chains));
        }
        for (index, fallback) in pool.fallback.0.iter().enumerate() {
            let Some(to) = context.manifest.pools.get(&fallback.to) else { continue };
            let link = Link { context, name, pool, index, fallback, to };
            findings.extend(link.smaller_window());
            findings.extend(link.cannot_serve(&asked));
        }
    }
    findings
}

/// What is asked of pools by the routes that name them.
fn asked_by_routes<'a>(context: &Context<'a>) -> BTreeMap<&'a str, u16> {
    let mut asked = BTreeMap::new();
    for route in context.manifest.routes.values() {
        let Some(pool) = context.manifest.pools.get(&route.pool) else { continue };
        let members = context.members(pool);
        let piped = !members.is_empty() && members.iter().all(|member| member.serving.is_none());
        *asked.entry(route.pool.as_str()).or_default() |= if piped { PIPED } else { operations(route) };
    }
    asked
}

/// The operations at a route's path, each as the bit of its place.
pub(super) fn operations(route: &Route) -> u16 {
    let path = resolve::path(&route.matching.path);
    let reached = |operation: &Operation| path.as_ref().is_ok_and(|path| path.takes(operation.path()));
    bits(reached)
}

/// The operations that a pool's members offer or can have translated. The list of models is the gateway's
/// own, and so is a count of tokens that no backend can give.
pub(super) fn served(context: &Context<'_>, pool: &Pool) -> u16 {
    let mut all = 0;
    for member in context.members(pool) {
        let Some(backend) = context.manifest.backends.get(member.deployed.backend) else { continue };
        let kind = backend.kind.compiled();
        let own = |op: &Operation| matches!(op, Operation::ListModels | Operation::CountTokens);
        let one = |op: &Operation| own(op) || kind.serves_as(*op).is_some();
        all |= if kind.has_models() { bits(one) } else { PIPED };
    }
    all
}

/// Whether requests of a pool are read, and not passed through.
pub(super) fn is_read(context: &Context<'_>, pool: &Pool) -> bool {
    served(context, pool) & !PIPED != 0
}

fn bits(which: impl Fn(&Operation) -> bool) -> u16 {
    let all = Operation::ALL.iter().enumerate();
    all.filter(|(_, operation)| which(operation)).fold(0, |bits, (place, _)| bits | (1 << place))
}

fn circle(context: &Context<'_>, cycle: &[&str]) -> Finding {
    let first = cycle.first().copied().unwrap_or_default();
    let way = cycle.iter().map(|pool| format!("`{pool}`")).collect::<Vec<_>>().join(" → ");
    let finding = Finding::new(Code::FallbackCycle, format!("fallbacks lead in a circle: {way}"));
    let finding = finding.at_key(context.document, &["pools", first, "fallback"], "begins here");
    match cycle.iter().rev().nth(1).filter(|last| **last != first) {
        Some(last) => {
            let span = context.document.key_span(&["pools", last, "fallback"]);
            finding.also(span, format!("leads back to `{first}`"))
        }
        None => finding,
    }
    .help("remove one of these fallbacks")
}

fn double_generation(context: &Context<'_>, name: &str, pool: &Pool) -> Option<Finding> {
    if pool.retry.ambiguous != Ambiguous::Always {
        return None;
    }
    let members = context.members(pool);
    let priced = members.iter().find(|member| {
        let backend = context.manifest.backends.get(member.deployed.backend);
        member.serving.is_some_and(|serving| serving.price.is_some())
            && backend.is_some_and(|backend| backend.idempotency_header.is_none())
    })?;
    let member = priced.deployed.name();
    let message = format!("a repeated request in pool `{name}` may be paid for twice at `{member}`");
    let witness = Witness::values([("sent to", member.as_str()), ("then", "cut off before an answer")]);
    let finding = Finding::new(Code::DoubleGeneration, message).witness(witness);
    let finding = finding.at_value(
        context.document,
        &["pools", name, "retry", "ambiguous"],
        "repeats what may be running",
    );
    let span = context.document.key_span(&["pools", name, "members", priced.name]);
    Some(
        finding.also(span, "paid by the token").help(
            "write `ambiguous: never`, or state the `idempotencyHeader` of that backend if it honours one",
        ),
    )
}

/// In an outage every attempt of every request fails. What is added to the load is bounded by the attempts
/// and by the share of retries, whichever is less.
fn multiplies(context: &Context<'_>, name: &str, pool: &Pool) -> Option<Finding> {
    let attempts = u64::from(pool.retry.max_attempts?);
    let share = u64::from(pool.retry.budget.0.ppm);
    if share < MULTIPLIES || attempts < 2 {
        return None;
    }
    let most = (1_000_000 + share).min(attempts * 1_000_000);
    let message = format!("where every attempt fails, pool `{name}` sends {} times as much", tenths(most));
    let values = [("requests", "100".to_owned()), ("attempts in an outage", (most / 10_000).to_string())];
    let finding = Finding::new(Code::RetriesMultiply, message).witness(Witness::values(values));
    let path = ["pools", name, "retry", "budget"];
    let finding = finding.at_value(context.document, &path, "as many retries as requests");
    Some(
        finding.help(
            "write a share such as `budget: 20%`: what has failed for many is not mended by asking again",
        ),
    )
}

/// Millionths with one decimal.
fn tenths(ppm: u64) -> String {
    let tenths = ppm / 100_000;
    if tenths.is_multiple_of(10) {
        (tenths / 10).to_string()
    } else {
        format!("{}.{}", tenths / 10, tenths % 10)
    }
}

/// `pool` is where a request begins, so its `maxAttempts` is the one that counts.
fn attempts_end_first(
    context: &Context<'_>,
    name: &str,
    pool: &Pool,
    chains: &Chains<'_>,
) -> Option<Finding> {
    let attempts = pool.retry.max_attempts?;
    let (name, _) = context.manifest.pools.get_key_value(name)?;
    let before = chains.tried_before(name);
    let most = usize::try_from(attempts).unwrap_or(usize::MAX);
    let late = before.iter().filter(|(_, tried)| **tried >= most);
    let (late, tried) = late.min_by_key(|(pool, tried)| (**tried, **pool))?;
    let (message, help) = if most < usize::try_from(MAX_ATTEMPTS).unwrap_or(usize::MAX) {
        let wanted = before.values().max().map_or(0, |tried| tried.saturating_add(1));
        let wanted = wanted.min(usize::try_from(MAX_ATTEMPTS).unwrap_or(wanted));
        (
            format!(
                "a request that begins in pool `{name}` may have used up its attempts ({attempts}) before it gets to `{late}`, since as many members are tried before ({tried})"
            ),
            format!("write `maxAttempts: {wanted}`, or leave it out"),
        )
    } else {
        (
            format!(
                "a request that begins in pool `{name}` may have used up its attempts ({attempts}, the most there can be) before it gets to `{late}`"
            ),
            "make the pools before it smaller".to_owned(),
        )
    };
    let stated = ["pools", name, "retry", "maxAttempts"];
    let values = [("attempts", attempts.to_string()), ("members tried before", tried.to_string())];
    let finding = Finding::new(Code::AttemptsEndFirst, message).witness(Witness::values(values));
    let finding = if context.document.value(&stated).is_some() {
        finding.at_value(context.document, &stated, "too few")
    } else {
        finding.at_key(context.document, &["pools", name, "fallback"], "a long way")
    };
    Some(finding.help(help))
}

/// One step from a pool to the next.
struct Link<'c, 'a> {
    context: &'c Context<'a>,
    name: &'a str,
    pool: &'a Pool,
    index: usize,
    fallback: &'a Fallback,
    to: &'a Pool,
}

impl Link<'_, '_> {
    fn finding(&self, code: Code, message: String, field: &str, label: &str) -> Finding {
        let mut path = self.context.fallback_path(self.name, self.index);
        path.push(field.to_owned());
        Finding::new(code, message).at_value(self.context.document, &path, label)
    }

    fn has(&self, when: FallbackWhen) -> bool {
        self.fallback.when.contains(&when)
    }

    fn smaller_window(&self) -> Option<Finding> {
        let (here, there) = (self.largest_window(self.pool)?, self.largest_window(self.to)?);
        let for_length = self.has(FallbackWhen::ContextWindow);
        if there > here || (there == here && !for_length) {
            return None;
        }
        let (name, to) = (self.name, &self.fallback.to);
        let message = if for_length {
            format!(
                "pool `{to}` holds {there} tokens, so what does not fit the {here} of pool `{name}` does not fit there either"
            )
        } else {
            format!("pool `{to}` holds {there} tokens and stands in for pool `{name}`, which holds {here}")
        };
        let help = if for_length {
            "lead to a pool with a larger `contextWindow`, or leave out `context-window`"
        } else {
            "lead to a pool with as large a `contextWindow`, or expect long requests to be refused there"
        };
        let tokens = if for_length { here.saturating_add(1) } else { there.saturating_add(1) };
        let witness = Witness::values([("tokens of a request", tokens.to_string())]);
        Some(self.finding(Code::SmallerWindow, message, "to", "the smaller one").witness(witness).help(help))
    }

    /// Of a pool whose members all state one.
    fn largest_window(&self, pool: &Pool) -> Option<u64> {
        let members = self.context.members(pool);
        let windows: Option<Vec<u64>> =
            members.iter().map(|member| member.serving.and_then(|serving| serving.context_window)).collect();
        windows?.into_iter().max()
    }

    fn cannot_serve(&self, asked: &BTreeMap<&str, u16>) -> Option<Finding> {
        let asked = asked.get(self.name).copied().filter(|asked| *asked != 0)?;
        let served = served(self.context, self.to);
        if served == 0 || asked & served != 0 {
            return None;
        }
        let (name, to) = (self.name, &self.fallback.to);
        let names: Vec<&str> = Operation::ALL
            .iter()
            .enumerate()
            .filter(|(place, _)| asked & (1 << place) != 0)
            .map(|(_, operation)| operation.path())
            .collect();
        let what = match (asked & PIPED != 0, served & PIPED != 0) {
            (true, _) => "requests that are passed through unread cannot go on to models".to_owned(),
            (_, true) => "its members take requests unread, as they are".to_owned(),
            _ => format!("no member of it offers {}", suggest::listed(&names)),
        };
        let message = format!("pool `{to}` cannot stand in for pool `{name}`: {what}");
        let finding = self.finding(Code::FallbackCannotServe, message, "to", "cannot serve what comes");
        let witness = names.first().map_or_else(
            || Witness::values([("in pool", self.name), ("a request", "passed through unread")]),
            |path| {
                let (method, path) = (Some("POST".to_owned()), (*path).to_owned());
                Witness::from(Request { method, path, ..Request::default() })
            },
        );
        Some(finding.witness(witness).help("lead to a pool whose backends offer what the routes ask for"))
    }
}
