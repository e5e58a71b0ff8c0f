//! What stands in a stage's line and below it. It owns the words; it refuses to lay them out.

use vocabulary::{ByteSize, Usd};

use super::Lines;
use crate::explanation::{Explanation, LimitAsked, PoolTold, Sending};
use crate::ink::{Ink, printable};

pub(super) fn of(told: &Explanation, stage: &str, ink: Ink) -> Lines {
    match stage {
        "accept" => accept(told),
        "identify" => identify(told, ink),
        "admit" => admit(told, ink),
        "inspect" => inspect(told, ink),
        "reserve" => reserve(told, ink),
        "choose" => choose(told, ink),
        "rewrite" => rewrite(told, ink),
        "relay" => relay(told),
        _ => settle(told),
    }
}

fn accept(told: &Explanation) -> Lines {
    let asked = &told.request;
    let from = asked.from.as_deref().unwrap_or("an unknown address");
    let country = asked.country.as_ref().map(|code| format!(" ({code})")).unwrap_or_default();
    Lines { says: format!("listener {}, from {from}{country}", asked.listener), below: Vec::new() }
}

fn identify(told: &Explanation, ink: Ink) -> Lines {
    let mut says = match &told.caller {
        None => "no caller known".to_owned(),
        Some(caller) => {
            let mut words = Vec::new();
            words.extend(caller.consumer.as_ref().map(|name| format!("consumer {}", ink.strong(name))));
            words.extend(caller.team.as_ref().map(|name| format!("team {name}")));
            words.extend(caller.residency.as_ref().map(|place| format!("data stays in {place}")));
            words.extend(caller.data_class.as_ref().map(|class| format!("data class {class}")));
            words.join(", ")
        }
    };
    if told.caller.as_ref().is_some_and(|caller| caller.vouched) {
        says.push_str(&ink.faint(" (as --consumer says)"));
    }
    let mut below = acl(told, ink);
    below.extend(objections(told, "listener", ink));
    if told.body.is_none() {
        below.extend(routes(told, ink));
    }
    Lines { says, below }
}

fn acl(told: &Explanation, ink: Ink) -> Vec<String> {
    let acl = &told.acl;
    if acl.rules == 0 {
        return Vec::new();
    }
    let decided = match &acl.decided {
        Some(rule) => format!(
            "acl: {} decides: {} {}",
            ink.strong(&rule.rule),
            rule.action,
            ink.faint(&format!("(priority {}, {} in the list)", rule.priority, count(acl.rules, "rule")))
        ),
        None => format!("acl: none of {} decides", count(acl.rules, "rule")),
    };
    let mut lines = vec![decided];
    if !acl.noted.is_empty() {
        lines.push(format!("  noted by {}", acl.noted.join(", ")));
    }
    if !acl.shadowed.is_empty() {
        lines.push(ink.wary(&format!("  in shadow mode it meets {}", acl.shadowed.join(", "))));
    }
    for near in &acl.near {
        let rule = &near.rule;
        lines.push(ink.faint(&format!("  not {} ({}): {}", rule.rule, rule.action, near.because)));
    }
    lines
}

fn objections(told: &Explanation, of: &str, ink: Ink) -> Vec<String> {
    let of_here = told.objections.iter().filter(|objection| objection.of == of);
    let line = |objection: &crate::explanation::Objection| {
        let words = format!("access {} objects: {}", objection.rule, objection.reason);
        if objection.shadow { ink.wary(&format!("{words} (shadow)")) } else { ink.bad(&words) }
    };
    of_here.map(line).collect()
}

fn routes(told: &Explanation, ink: Ink) -> Vec<String> {
    let mut lines = Vec::new();
    if let Some(route) = &told.route {
        lines.push(format!("route {}", ink.strong(route)));
    }
    for near in &told.near_routes {
        let name = &near.route;
        lines.push(ink.faint(&match near.missed.as_slice() {
            [] if told.route.is_some() => format!("  not {name}: matches too, and is less specific"),
            [] => format!("  {name} matches, as far as it was asked"),
            missed => {
                let verb = if missed.len() == 1 { "does" } else { "do" };
                format!("  not {name}: `{}` {verb} not hold", missed.join("`, `"))
            }
        }));
    }
    lines
}

fn admit(told: &Explanation, ink: Ink) -> Lines {
    let says = match told.request.body_bytes {
        0 => "no body".to_owned(),
        bytes => format!("{} of body", ByteSize(bytes)),
    };
    let below = if told.body.is_none() { objections(told, "route", ink) } else { Vec::new() };
    Lines { says, below }
}

fn inspect(told: &Explanation, ink: Ink) -> Lines {
    let Some(body) = &told.body else {
        return Lines { says: "the body".to_owned(), below: Vec::new() };
    };
    let most = body.max_output_tokens.map(|most| format!(", at most {most} out")).unwrap_or_default();
    let stream = if body.stream { ", streamed" } else { "" };
    let says = format!(
        "{} for {}, about {} tokens in{most}{stream}",
        body.operation,
        ink.strong(&printable(&body.model)),
        body.prompt_tokens
    );
    let mut below = routes(told, ink);
    below.extend(objections(told, "route", ink));
    Lines { says, below }
}

fn reserve(told: &Explanation, ink: Ink) -> Lines {
    let says = match told.limits.len() {
        0 => "no limit counts it".to_owned(),
        counters => format!("{}, all or nothing", count(counters, "counter")),
    };
    let names = told.limits.iter().map(|limit| limit_name(limit).chars().count());
    let width = names.max().unwrap_or_default();
    let line = |limit: &LimitAsked| {
        let most = match limit.asks {
            u64::MAX => "unbounded".to_owned(),
            asks => amount(limit.unit, asks),
        };
        let kind = match (limit.hard, limit.shadow) {
            (_, true) => ink.wary(" (shadow)"),
            (true, false) => ink.faint(" (hard)"),
            (false, false) => String::new(),
        };
        let unit = if limit.unit == "nano-dollars" { "" } else { limit.unit };
        let per = if limit.per == "at once" { " at once".to_owned() } else { format!("/{}", limit.per) };
        let ceiling = amount(limit.unit, limit.ceiling);
        let gap = if unit.is_empty() { "" } else { " " };
        format!("{:<width$}  {most} of {ceiling}{gap}{unit}{per}{kind}", limit_name(limit))
    };
    Lines { says, below: told.limits.iter().map(line).collect() }
}

fn limit_name(limit: &LimitAsked) -> String {
    format!("{} ({})", limit.limit.as_deref().unwrap_or("the key's own"), limit.scope)
}

fn amount(unit: &str, amount: u64) -> String {
    match unit {
        "nano-dollars" => Usd { nanos: amount }.to_string(),
        _ => match amount {
            n if n >= 1_000_000 && n.is_multiple_of(1_000_000) => format!("{}M", n / 1_000_000),
            n if n >= 1_000 && n.is_multiple_of(1_000) => format!("{}k", n / 1_000),
            n => n.to_string(),
        },
    }
}

fn choose(told: &Explanation, ink: Ink) -> Lines {
    let Some(last) = told.pools.last() else {
        return Lines { says: "no pool".to_owned(), below: Vec::new() };
    };
    let able = last.members.iter().filter(|member| member.out.is_none()).count();
    let says = format!(
        "pool {} ({}), {able} of {} can serve it",
        ink.strong(&last.pool),
        last.strategy,
        count(last.members.len(), "member")
    );
    let several = told.pools.len() > 1;
    let below = told.pools.iter().flat_map(|pool| pool_lines(pool, several, ink)).collect();
    Lines { says, below }
}

fn pool_lines(pool: &PoolTold, named: bool, ink: Ink) -> Vec<String> {
    let width = pool.members.iter().map(|member| member.member.chars().count()).max().unwrap_or_default();
    let mut lines = Vec::new();
    if named {
        lines.push(format!("pool {}", pool.pool));
    }
    let picked = pool.members.iter().any(|member| member.picked);
    for member in &pool.members {
        let name = format!("{:<width$}", member.member);
        lines.push(match (&member.out, member.picked) {
            (Some(out), _) => ink.faint(&format!("✗ {name}  {out}")),
            (None, true) => {
                let why = pool.why.as_ref().map(|why| format!("  {why}")).unwrap_or_default();
                format!("{} {}{}", ink.good("▸"), ink.strong(&name), ink.faint(&why)).trim_end().to_owned()
            }
            (None, false) if picked => format!("  {}", name.trim_end()),
            (None, false) => format!("{} {}", ink.good("▸"), name.trim_end()),
        });
    }
    for fallback in &pool.fallbacks {
        let when = fallback.when.join(", ");
        lines.push(match &fallback.closed {
            Some(closed) => ink.faint(&format!("then never {}: {closed}", fallback.to)),
            None => format!("then pool {} {}", fallback.to, ink.faint(&format!("({when})"))),
        });
    }
    lines
}

fn rewrite(told: &Explanation, ink: Ink) -> Lines {
    let Some(sending) = &told.sending else {
        return Lines { says: "the request for its backend".to_owned(), below: Vec::new() };
    };
    Lines { says: printable(&sending.url), below: edits(sending, ink) }
}

fn edits(sending: &Sending, ink: Ink) -> Vec<String> {
    let mut lines = Vec::new();
    if let Some(operation) = sending.translated_to {
        lines.push(format!("translated: sent as {operation}"));
    }
    lines.push(match sending.body_changed {
        true => format!("body rewritten, {}", ByteSize(sending.body_bytes)),
        false => ink.faint("body as it came"),
    });
    let mut row = |what: &str, names: &[String]| {
        if !names.is_empty() {
            lines.push(format!("{what} {}", names.join(", ")));
        }
    };
    row("sets header", &sending.headers_set);
    row("removes header", &sending.headers_removed);
    row("edits field", &sending.fields);
    if sending.system_prefix {
        lines.push("puts text before the system prompt".to_owned());
    }
    if !sending.lost_fields.is_empty() {
        lines.push(ink.wary(&format!("has no place for {}", sending.lost_fields.join(", "))));
    }
    lines
}

fn relay(told: &Explanation) -> Lines {
    let Some(sending) = &told.sending else { return Lines::default() };
    let attempts = count(sending.max_attempts as usize, "attempt");
    let says = format!("at most {attempts}, {} s until the first output", sending.deadline_s);
    Lines { says, below: Vec::new() }
}

fn settle(told: &Explanation) -> Lines {
    let says = match (told.limits.is_empty(), told.sending.is_some()) {
        (_, false) => "accounted as it ended",
        (true, true) => "accounted; nothing was held",
        (false, true) => "what it took is counted, the rest given back",
    };
    Lines { says: says.to_owned(), below: Vec::new() }
}

fn count(number: usize, what: &str) -> String {
    if number == 1 { format!("1 {what}") } else { format!("{number} {what}s") }
}
