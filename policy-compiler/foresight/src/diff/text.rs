//! A difference in words, for a terminal. It owns the layout and how sets of routes are named; it refuses to
//! find anything out.

use std::collections::BTreeSet;

use rule_table::{AccessRule, AclAction, AclRule};

use super::terms::{self, Terms};
use super::{Change, Class, Diff, Form, Issued, Outcome, Reach, Subject};
use crate::ink::{Ink, printable};

/// Names that are written out.
const MOST_NAMES: usize = 3;
/// Changes that are written out of one class.
const MOST_CHANGES: usize = 12;

fn names(set: &BTreeSet<String>) -> String {
    let first: Vec<String> = set.iter().take(MOST_NAMES).map(|name| format!("`{name}`")).collect();
    let more = set.len().saturating_sub(MOST_NAMES);
    let text = first.join(", ");
    if more == 0 { text } else { format!("{text} and {more} more") }
}

fn plural(count: usize, word: &str) -> String {
    if count == 1 { format!("1 {word}") } else { format!("{count} {word}s") }
}

impl Form {
    /// In words, of these routes.
    pub(super) fn of(self, routes: &BTreeSet<String>) -> String {
        let some = format!("{} {}", if routes.len() == 1 { "route" } else { "routes" }, names(routes));
        match self {
            Self::Terms | Self::Other => format!("of {some}"),
            Self::TakenBefore => format!("that only {some} took"),
            Self::TakenNow => format!("that nobody took before {some}"),
            Self::Nearly => format!("that {some} would take but for their method or model"),
        }
    }
}

pub(super) fn of_routes(routes: &BTreeSet<String>) -> String {
    Form::Terms.of(routes)
}

pub(super) fn of_consumers(consumers: &BTreeSet<String>) -> String {
    format!("of {} {}", if consumers.len() == 1 { "consumer" } else { "consumers" }, names(consumers))
}

/// Conditions and exceptions, as far as they are stated.
fn conditions(terms: &Terms, side: &str) -> String {
    let stated = terms.iter().filter_map(|(what, value)| {
        let what = what.strip_prefix(side)?.strip_prefix('.')?;
        Some(format!("{} {value}", what.replace(['.', '_'], " ")))
    });
    stated.collect::<Vec<_>>().join(", ")
}

pub(super) fn of_rule(rule: &AclRule) -> String {
    let terms = terms::of_rule(rule);
    let action = match rule.action {
        AclAction::Allow => "allow".to_owned(),
        AclAction::Block(status) => format!("block with {status}"),
        AclAction::Log => "log".to_owned(),
    };
    let mut text = action;
    for (word, side) in [("when", "when"), ("unless", "unless")] {
        let stated = conditions(&terms, side);
        if !stated.is_empty() {
            text.push_str(&format!(" {word} {stated}"));
        }
    }
    text
}

pub(super) fn of_access(rule: &AccessRule) -> String {
    let terms = terms::of_access(rule);
    let stated = terms.iter().filter(|(what, _)| !["mode", "unknown_country"].contains(&what.as_str()));
    stated.map(|(what, value)| format!("{} {value}", what.replace('_', " "))).collect::<Vec<_>>().join(", ")
}

const fn subject(subject: Subject) -> &'static str {
    match subject {
        Subject::Acl => "acl",
        Subject::Access => "access",
        Subject::Route => "route",
        Subject::Pool => "pool",
        Subject::Rewrite => "rewrite",
        Subject::Limit => "limit",
        Subject::Price => "price",
        Subject::Hook => "hook",
        Subject::Waf => "firewall",
        Subject::Backend => "backend",
        Subject::Caller => "caller",
        Subject::Listener => "listener",
    }
}

impl std::fmt::Display for Outcome {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::NotListening => f.write_str("nobody listens"),
            Self::Refused { status, reason, by: Some(by) } => {
                write!(f, "refused with {status} {reason} by `{by}`")
            }
            Self::Refused { status, reason, by: None } => write!(f, "refused with {status} {reason}"),
            Self::SentOn { route, pool } => write!(f, "route `{route}`, pool `{pool}`"),
        }
    }
}

fn share(reach: &Reach) -> String {
    let routes = format!("{} of {}", reach.routes.len(), plural(reach.of_routes, "route"));
    match &reach.consumers {
        None => format!("{routes}, whoever calls"),
        Some(some) => format!("{routes}, {} of {}", some.len(), plural(reach.of_consumers, "consumer")),
    }
}

fn change(change: &Change, ink: Ink) -> String {
    let value = |value: &Option<String>| value.as_deref().map_or("none".to_owned(), printable);
    format!("{}  {} → {}", change.what, ink.bad(&value(&change.old)), ink.good(&value(&change.new)))
}

fn class(class: &Class, ink: Ink, page: &mut String) {
    let head = ink.strong(&format!("{:<9}", subject(class.subject)));
    page.push_str(&format!("{head} requests {}\n", printable(&class.requests)));
    page.push_str(&format!("          {}\n", ink.faint(&share(&class.reach))));
    if let Some(recorded) = &class.recorded {
        let line = format!(
            "recorded: {} touched, {} undecided, of {}",
            recorded.touched, recorded.undecided, recorded.of
        );
        page.push_str(&format!("          {line}\n"));
    }
    for one in class.changes.iter().take(MOST_CHANGES) {
        page.push_str(&format!("          {}\n", change(one, ink)));
    }
    let more = class.changes.len().saturating_sub(MOST_CHANGES);
    if more > 0 {
        page.push_str(&format!("          and {more} more, see --output json\n"));
    }
    page.push_str(&format!("          for example {}\n", printable(&class.witness.to_string())));
    if class.old == class.new {
        page.push_str(&format!("            both  {}\n", class.new));
    } else {
        page.push_str(&format!("            old   {}\n", ink.bad(&class.old.to_string())));
        page.push_str(&format!("            new   {}\n", ink.good(&class.new.to_string())));
    }
    page.push('\n');
}

fn issued(key: &Issued, ink: Ink) -> String {
    let opens = |routes: &Option<BTreeSet<String>>| match routes {
        None => "nothing, its consumer is not known".to_owned(),
        Some(routes) if routes.is_empty() => "nothing".to_owned(),
        Some(routes) => names(routes),
    };
    let narrows = if key.narrows.is_empty() { String::new() } else { format!(" ({})", key.narrows) };
    let opened = if key.differs() {
        format!("{} → {}", ink.bad(&opens(&key.old)), ink.good(&opens(&key.new)))
    } else {
        opens(&key.new)
    };
    format!("  {}… {} of {}{narrows}  opens {opened}\n", key.prefix, printable(&key.name), key.consumer)
}

/// Writes a difference for a terminal.
#[must_use]
pub fn render(diff: &Diff, colour: bool) -> String {
    let ink = Ink { colour };
    let mut page = String::new();
    if diff.same {
        page.push_str("no behavioural change\n");
    } else if diff.classes.is_empty() {
        page.push_str("no request is decided differently\n");
    } else {
        let kinds = plural(diff.classes.len(), "kind");
        let verb = if diff.classes.len() == 1 { "is" } else { "are" };
        page.push_str(&format!("{kinds} of requests {verb} decided differently, the widest first\n\n"));
    }
    for one in &diff.classes {
        class(one, ink, &mut page);
    }
    for (heading, changes) in [
        ("Besides, what concerns no request in particular:", &diff.elsewhere),
        ("Written otherwise, to the same effect:", &diff.neutral),
    ] {
        if !changes.is_empty() {
            page.push_str(&format!("{heading}\n"));
            changes.iter().for_each(|one| page.push_str(&format!("  {}\n", change(one, ink))));
        }
    }
    if !diff.issued.is_empty() {
        page.push_str("Keys issued at run time, which only narrow what the policy says:\n");
        diff.issued.iter().for_each(|key| page.push_str(&issued(key, ink)));
    }
    for unknown in &diff.unknown {
        page.push_str(&format!(
            "{} not known: {unknown}; it would take too long to find out\n",
            ink.wary("!")
        ));
    }
    page
}
