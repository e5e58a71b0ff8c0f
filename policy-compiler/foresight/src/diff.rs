//! What a change of policy does to requests: which kinds of them are decided differently, each with a request
//! that shows it and what becomes of it before and after. It owns the comparison; it refuses to read files and
//! to know what either policy was written in, so that form alone is never a difference.
//!
//! A request can only be decided differently where the rule or route that decides it, before or after, is not
//! in both policies. So each rule, route and door of which that is true is taken, and `space` is asked for a
//! request that it decides while this or that decides on the other side. What these refer to is compared by
//! name. Every request found is decided again under both policies before it is told of.

mod acl;
mod aligned;
mod doors;
mod finder;
mod issued;
mod outcome;
mod parts;
mod reach;
mod routes;
mod terms;
mod text;
mod traffic;

use std::collections::{BTreeMap, BTreeSet};

use policy_compiler::diagnostics::Request;
use rule_table::Policy;
use serde::Serialize;

use aligned::Aligned;
use finder::Finder;
pub use issued::{Issued, with_keys};
pub use outcome::{Outcome, replay};
pub use text::render as render_diff;
pub use traffic::{Recorded, count};

/// The version of the JSON form.
pub const DIFF_VERSION: u32 = 1;

/// What is decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Subject {
    /// The access control list.
    Acl,
    /// Access rules of a listener or route, and who may use a route.
    Access,
    /// Which route takes a request, and its own terms.
    Route,
    /// The pool it is sent to, and how that picks.
    Pool,
    /// Edits of requests and answers.
    Rewrite,
    /// Limits and budgets.
    Limit,
    /// What tokens cost.
    Price,
    /// A policy service.
    Hook,
    /// What requests and answers are inspected for.
    Waf,
    /// A backend or a deployment on it.
    Backend,
    /// Who calls, and what holds for them.
    Caller,
    /// The socket it comes by.
    Listener,
}

/// A value before and after.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Change {
    /// Which, such as `pool gpt: members.eus/std.weight`.
    pub what: String,
    /// Before; absent where there was none.
    pub old: Option<String>,
    /// After; absent where there is none.
    pub new: Option<String>,
}

/// How far a change reaches.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Reach {
    /// Routes of either policy whose requests it touches; narrower conditions may leave few of them.
    pub routes: BTreeSet<String>,
    /// Consumers that it touches; everybody where absent.
    pub consumers: Option<BTreeSet<String>>,
    /// Routes of both policies, by name.
    pub of_routes: usize,
    /// Consumers of both policies, by name.
    pub of_consumers: usize,
}

impl Reach {
    /// An upper bound of the share of kinds of requests, where every pair of route and consumer is one kind;
    /// in millionths.
    #[must_use]
    pub fn share_ppm(&self) -> u64 {
        let share = |part: usize, of: usize| (part.min(of) as u64 * 1_000_000).checked_div(of as u64);
        let routes = share(self.routes.len(), self.of_routes).unwrap_or(1_000_000);
        let consumers = self.consumers.as_ref().and_then(|some| share(some.len(), self.of_consumers));
        routes * consumers.unwrap_or(1_000_000) / 1_000_000
    }
}

/// How a class of requests is worded, where several routes have one like it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Form {
    /// Of routes whose own terms differ, or those of what they refer to.
    Terms,
    /// Of routes whose requests nobody takes now.
    TakenBefore,
    /// Of routes whose requests nobody took.
    TakenNow,
    /// Of routes that take such requests but for their method or model.
    Nearly,
    /// In words of its own.
    Other,
}

/// Requests that are decided differently in the same way.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Class {
    /// What is decided differently.
    pub subject: Subject,
    #[serde(skip)]
    form: Form,
    /// Which requests, in words.
    pub requests: String,
    /// One of them.
    pub witness: Request,
    /// What became of it.
    pub old: Outcome,
    /// What becomes of it.
    pub new: Outcome,
    /// What holds for them that differs.
    pub changes: Vec<Change>,
    /// How far it reaches.
    pub reach: Reach,
    /// Of recorded traffic, where some was given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub recorded: Option<Recorded>,
}

/// The difference between two policies.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Diff {
    /// [`DIFF_VERSION`].
    pub v: u32,
    /// Whether no request is decided differently and nothing else changes.
    pub same: bool,
    /// Classes of requests, the widest first.
    pub classes: Vec<Class>,
    /// What changes without changing what becomes of a request.
    pub elsewhere: Vec<Change>,
    /// What is written otherwise and does the same, such as another name, which logs and metrics follow.
    pub neutral: Vec<Change>,
    /// Keys issued at run time, where some were given.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub issued: Vec<Issued>,
    /// Questions whose answer would have taken too long to find.
    pub unknown: Vec<String>,
}

/// What is gathered on the way.
#[derive(Default)]
struct Findings {
    classes: Vec<Class>,
    elsewhere: Vec<Change>,
    neutral: BTreeSet<Change>,
    unknown: BTreeSet<String>,
}

/// Compares two policies. `unix_seconds` is the time at which requests without a time of their own arrive.
#[must_use]
pub fn diff(old: &Policy, new: &Policy, unix_seconds: u64) -> Diff {
    let aligned = Aligned::of(old, new, unix_seconds);
    let mut findings = Findings::default();
    if old != new {
        let finder = Finder::new(&aligned);
        acl::compare(&aligned, &finder, &mut findings);
        doors::compare(&aligned, &finder, &mut findings);
        routes::compare(&aligned, &finder, &mut findings);
        parts::compare(&aligned, &finder, &mut findings);
    }
    let mut classes = merged(findings.classes);
    classes.sort_by(|a, b| {
        let key = |class: &Class| (std::cmp::Reverse(class.reach.share_ppm()), class.subject);
        key(a).cmp(&key(b)).then_with(|| a.requests.cmp(&b.requests))
    });
    let same = classes.is_empty() && findings.elsewhere.is_empty() && findings.unknown.is_empty();
    Diff {
        v: DIFF_VERSION,
        same,
        classes,
        elsewhere: findings.elsewhere,
        neutral: findings.neutral.into_iter().collect(),
        issued: Vec::new(),
        unknown: findings.unknown.into_iter().collect(),
    }
}

impl Diff {
    /// Whether some request is decided differently, or may be.
    #[must_use]
    pub fn touches_requests(&self) -> bool {
        !self.classes.is_empty() || !self.unknown.is_empty()
    }
}

/// What classes have in common that are told as one.
type Likeness = (Subject, Form, Vec<Change>, String, String);

/// Puts classes together that differ only in the route they are seen on.
fn merged(classes: Vec<Class>) -> Vec<Class> {
    let mut kept: Vec<Class> = Vec::new();
    let mut places: BTreeMap<Likeness, usize> = BTreeMap::new();
    for class in classes {
        if class.form == Form::Other && class.changes.is_empty() {
            kept.push(class);
            continue;
        }
        let key = (class.subject, class.form, class.changes.clone(), class.old.kind(), class.new.kind());
        match places.get(&key).and_then(|place| kept.get_mut(*place)) {
            None => {
                places.insert(key, kept.len());
                kept.push(class);
            }
            Some(first) => {
                first.reach.routes.extend(class.reach.routes);
                let both = first.reach.consumers.take().zip(class.reach.consumers);
                first.reach.consumers = both.map(|(mut all, more)| {
                    all.extend(more);
                    all
                });
                first.requests = first.form.of(&first.reach.routes);
            }
        }
    }
    kept
}
