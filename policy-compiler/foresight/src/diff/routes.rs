//! Requests that another route takes, or that the same route treats otherwise. It owns which pairs of routes
//! are asked about; what their pools and limits hold is `parts`'.

use std::collections::{BTreeMap, BTreeSet};

use policy_compiler::diagnostics::Request;
use policy_compiler::space::{Clause, Exhausted};
use rule_table::{Route, RouteMatch, Specificity};

use super::aligned::{Aligned, Half};
use super::finder::Finder;
use super::outcome::{Outcome, course};
use super::reach::{self, Seen, Wish, variants};
use super::terms::{self, Terms};
use super::{Change, Class, Findings, Form, Subject};

/// What makes two routes the same, names aside.
type Content = (String, Terms);

fn contents(half: &Half<'_>) -> Vec<Content> {
    let one = |(route, matching): (&Route, &std::borrow::Cow<'_, RouteMatch>)| {
        (serde_json::to_string(matching).unwrap_or_default(), terms::of_route(half.policy, route))
    };
    half.policy.routes.iter().zip(&half.matching).map(one).collect()
}

pub(super) fn compare(aligned: &Aligned<'_>, finder: &Finder<'_>, findings: &mut Findings) {
    let all = [contents(&aligned.old), contents(&aligned.new)];
    let [old, new] = &all;
    let known: [BTreeSet<&Content>; 2] = [old.iter().collect(), new.iter().collect()];
    let mut asked = BTreeSet::new();
    for (side, (here, there, here_is_old)) in aligned.sides().into_iter().enumerate() {
        let [own, theirs] = if here_is_old { [old, new] } else { [new, old] };
        let Some(there_known) = known.get(1 - side) else { continue };
        let Some(here_known) = known.get(side) else { continue };
        let pair = Pair { aligned, here, there, here_is_old, own, theirs, here_known };
        for (id, _) in own.iter().enumerate().filter(|(_, content)| !there_known.contains(content)) {
            pair.compare(id, finder, findings, &mut asked);
        }
    }
    findings.classes.extend(strangers(aligned, finder));
    renamed(aligned, old, new, findings);
}

/// Without a public route, who is not known learns nothing of routes; with one, what is taken and what not.
fn strangers(aligned: &Aligned<'_>, finder: &Finder<'_>) -> Option<Class> {
    let public = |half: &Half<'_>| half.policy.routes.iter().any(|route| route.public);
    if public(&aligned.old) == public(&aligned.new) {
        return None;
    }
    let all = finder.routes(&aligned.old).chain(finder.routes(&aligned.new));
    let others: Vec<&Clause<'_>> = all.collect();
    let seen = finder.find_let_in(&[], &others, |request| {
        let mut tried = variants(aligned, &request, [None, None], Wish::default()).into_iter();
        tried.find_map(|request| taken_by_nobody(aligned, request).filter(|seen| seen.old != seen.new))
    });
    let seen = seen.ok().flatten()?;
    Some(Class {
        subject: Subject::Access,
        form: Form::Other,
        requests: "of callers who are not known, that no public route takes".to_owned(),
        witness: seen.witness,
        old: seen.old,
        new: seen.new,
        changes: Vec::new(),
        reach: aligned.reach(BTreeSet::new(), None),
        recorded: None,
    })
}

/// What becomes of a request that no route of either policy takes.
fn taken_by_nobody(aligned: &Aligned<'_>, witness: Request) -> Option<Seen> {
    let old = course(&aligned.old, &witness, aligned.unix_seconds);
    let new = course(&aligned.new, &witness, aligned.unix_seconds);
    let nobody = old.route.is_none() && new.route.is_none();
    nobody.then_some(Seen { witness, old: old.outcome, new: new.outcome })
}

/// Routes that are in both by another name.
fn renamed(aligned: &Aligned<'_>, old: &[Content], new: &[Content], findings: &mut Findings) {
    let by_content: BTreeMap<&Content, &Route> = new.iter().zip(&aligned.new.policy.routes).collect();
    for (content, route) in old.iter().zip(&aligned.old.policy.routes) {
        if let Some(other) = by_content.get(content)
            && other.name != route.name
            && aligned.new.route(&route.name).is_none()
        {
            let (old, new) = (Some(route.name.clone()), Some(other.name.clone()));
            findings.neutral.insert(Change { what: "route".to_owned(), old, new });
        }
    }
}

/// Two policies, one of whose routes the other does not have.
struct Pair<'a, 'p> {
    aligned: &'a Aligned<'p>,
    here: &'a Half<'p>,
    there: &'a Half<'p>,
    here_is_old: bool,
    own: &'a [Content],
    theirs: &'a [Content],
    here_known: &'a BTreeSet<&'a Content>,
}

impl Pair<'_, '_> {
    fn route(half: &Half<'_>, id: Option<usize>) -> Option<String> {
        Some(half.policy.routes.get(id?)?.name.clone())
    }

    /// Who may take its requests on the other side: nobody, routes that are not here, and routes of both that
    /// are less specific.
    fn counterparts(&self, id: usize, finder: &Finder<'_>) -> Vec<Option<usize>> {
        let own = self.here.matching.get(id).zip(finder.route(self.here, id));
        let Some((matching, own)) = own else { return Vec::new() };
        let clauses = finder.routes(self.there);
        let specificity = Specificity::of(matching);
        let mut may: Vec<usize> = Vec::new();
        let all = self.there.matching.iter().zip(self.theirs).zip(clauses).enumerate();
        for (other, ((theirs, content), clause)) in all {
            if own.is_apart(clause) {
                continue;
            }
            if !self.here_known.contains(content) || Specificity::of(theirs) <= specificity {
                may.push(other);
            }
        }
        let name = Self::route(self.here, Some(id));
        may.sort_by_key(|other| Self::route(self.there, Some(*other)) != name);
        may.into_iter().map(Some).chain([None]).collect()
    }

    fn compare(
        &self,
        id: usize,
        finder: &Finder<'_>,
        findings: &mut Findings,
        asked: &mut BTreeSet<[Option<String>; 2]>,
    ) {
        for other in self.counterparts(id, finder) {
            let names = self.old_and_new(Self::route(self.here, Some(id)), Self::route(self.there, other));
            if !asked.insert(names.clone()) {
                continue;
            }
            let ours = self.own.get(id).map(|(_, terms)| terms);
            let theirs = other.and_then(|other| self.theirs.get(other)).map(|(_, terms)| terms);
            if ours == theirs {
                continue;
            }
            match self.find(id, other, finder) {
                Ok(None) => {}
                Ok(Some(seen)) => {
                    let terms = self.old_and_new(ours, theirs);
                    findings.classes.push(self.class(seen, &names, terms));
                }
                Err(_) => {
                    let [old, new] =
                        names.map(|name| name.map_or("no route".to_owned(), |n| format!("`{n}`")));
                    findings.unknown.insert(format!("whether requests go from route {old} to {new}"));
                }
            }
        }
        match self.refused_otherwise(id, finder) {
            Ok(class) => findings.classes.extend(class),
            Err(_) => {
                let name = Self::route(self.here, Some(id)).unwrap_or_default();
                let what = format!(
                    "whether requests that lack only the method of route `{name}` are told otherwise"
                );
                findings.unknown.insert(what);
            }
        }
    }

    fn old_and_new<T>(&self, here: T, there: T) -> [T; 2] {
        if self.here_is_old { [here, there] } else { [there, here] }
    }

    /// A request that goes from one to the other.
    fn find(&self, id: usize, other: Option<usize>, finder: &Finder<'_>) -> Result<Option<Seen>, Exhausted> {
        let Some(own) = finder.route(self.here, id) else { return Ok(None) };
        let theirs = other.and_then(|other| finder.route(self.there, other));
        let mut others = finder.before(self.here, id);
        match other {
            Some(other) => others.extend(finder.before(self.there, other)),
            None => others.extend(finder.routes(self.there).filter(|clause| !own.is_apart(clause))),
        }
        let mut doors: Vec<Clause<'_>> = Vec::new();
        for (half, route) in [(self.here, Some(id)), (self.there, other)] {
            let route = route.and_then(|route| half.policy.routes.get(route));
            doors.extend(route.map(|route| reach::doors(half.policy, &route.access)).unwrap_or_default());
            let listener = half.policy.listeners.first();
            doors.extend(listener.map(|one| reach::doors(half.policy, &one.access)).unwrap_or_default());
        }
        let open: Vec<&Clause<'_>> = [Some(own), theirs].into_iter().flatten().chain(&doors).collect();
        finder.find_let_in(&open, &others, |request| self.goes(&request, id, other))
    }

    fn goes(&self, request: &Request, id: usize, other: Option<usize>) -> Option<Seen> {
        let at = self.aligned.unix_seconds;
        let routes = self.old_and_new(
            self.here.policy.routes.get(id),
            other.and_then(|o| self.there.policy.routes.get(o)),
        );
        let wanted = self.old_and_new(Self::route(self.here, Some(id)), Self::route(self.there, other));
        let tried = variants(self.aligned, request, routes, Wish::default());
        let mut best: Option<Seen> = None;
        for witness in tried {
            let old = course(&self.aligned.old, &witness, at);
            let new = course(&self.aligned.new, &witness, at);
            if [old.route, new.route] != wanted {
                continue;
            }
            let refused = |outcome: &Outcome| !matches!(outcome, Outcome::SentOn { .. });
            if refused(&old.outcome) && refused(&new.outcome) {
                continue;
            }
            let seen = Seen { witness, old: old.outcome, new: new.outcome };
            if seen.old.kind() != seen.new.kind() {
                return Some(seen);
            }
            best.get_or_insert(seen);
        }
        best
    }

    /// Requests that only lack its method or model, and are told something else for it.
    fn refused_otherwise(&self, id: usize, finder: &Finder<'_>) -> Result<Option<Class>, Exhausted> {
        let Some(matching) = self.here.matching.get(id) else { return Ok(None) };
        if matching.methods.is_empty() && matching.model.is_none() {
            return Ok(None);
        }
        // They are told that they lack a method or model where only that is missing; elsewhere, that there is
        // no such route.
        let relaxed =
            |matching: &RouteMatch| RouteMatch { methods: Vec::new(), model: None, ..matching.clone() };
        let own = relaxed(matching);
        let nearly: Vec<RouteMatch> = self.there.matching.iter().map(|matching| relaxed(matching)).collect();
        let own = Clause::of_route(&own);
        let everybody: Vec<u32> = (0..).zip(&self.aligned.consumers).map(|(id, _)| id).collect();
        let everybody = Clause::of_consumers(&everybody);
        let nearly: Vec<Clause<'_>> = nearly.iter().map(Clause::of_route).collect();
        let others: Vec<&Clause<'_>> = finder.routes(self.here).chain(&nearly).collect();
        let is_one = |request: Request| {
            let tried = reach::anybody(self.aligned).into_iter();
            let tried = tried.flat_map(|wish| variants(self.aligned, &request, [None, None], wish));
            let mut seen = tried.filter_map(|witness| taken_by_nobody(self.aligned, witness));
            seen.find(|seen| seen.old.kind() != seen.new.kind())
        };
        let mut seen = finder.find_let_in(&[&own, &everybody], &others, is_one)?;
        // Who is not known is told so only where something is public.
        let open = |half: &Half<'_>| half.policy.routes.iter().any(|route| route.public);
        if seen.is_none() && open(self.here) && open(self.there) {
            let others: Vec<&Clause<'_>> = others.iter().copied().chain([&everybody]).collect();
            seen = finder.find_let_in(&[&own], &others, is_one)?;
        }
        let (Some(seen), Some(name)) = (seen, Self::route(self.here, Some(id))) else { return Ok(None) };
        let names = self.old_and_new(Some(name.clone()), None);
        let class = self.class(seen, &names, [None, None]);
        let form = Form::Nearly;
        Ok(Some(Class { requests: form.of(&class.reach.routes), form, ..class }))
    }

    fn class(&self, seen: Seen, names: &[Option<String>; 2], both: [Option<&Terms>; 2]) -> Class {
        let [old, new] = names;
        let changes = match both {
            [Some(old), Some(new)] => terms::changes("", old, new),
            _ => Vec::new(),
        };
        let form = match (old, new) {
            (Some(old), Some(new)) if old == new => Form::Terms,
            (Some(_), Some(_)) => Form::Other,
            (Some(_), None) => Form::TakenBefore,
            (None, _) => Form::TakenNow,
        };
        let requests = match (old, new) {
            (Some(old), Some(new)) if old != new => format!("that go from route `{old}` to `{new}`"),
            _ => form.of(&names.iter().flatten().cloned().collect()),
        };
        let same = old == new;
        let subject = if same { subject(&changes) } else { Subject::Route };
        Class {
            subject,
            form,
            requests,
            witness: seen.witness,
            old: seen.old,
            new: seen.new,
            reach: self
                .aligned
                .reach(names.iter().flatten().cloned().collect(), self.touched(names, &changes)),
            changes,
            recorded: None,
        }
    }

    /// The consumers that a route of this name is for, or those for whom that changes.
    fn touched(&self, names: &[Option<String>; 2], changes: &[Change]) -> Option<BTreeSet<String>> {
        let [Some(old), Some(new)] = names else { return None };
        let list = |half: &Half<'_>, name: &str| -> Option<BTreeSet<String>> {
            let route = half.route(name)?;
            let name = |id: &u32| Some(half.policy.consumers.get(usize::try_from(*id).ok()?)?.name.clone());
            (!route.consumers.is_empty()).then(|| route.consumers.iter().filter_map(name).collect())
        };
        let (old, new) = (list(&self.aligned.old, old)?, list(&self.aligned.new, new)?);
        let only_callers = changes.iter().all(|change| change.what == "consumers");
        Some(if only_callers {
            old.symmetric_difference(&new).cloned().collect()
        } else {
            old.union(&new).cloned().collect()
        })
    }
}

/// What a change of a route's own terms is about.
fn subject(changes: &[Change]) -> Subject {
    let of = |change: &Change| match change.what.split('.').next().unwrap_or_default() {
        "pool" => Subject::Pool,
        "consumers" | "public" | "access" => Subject::Access,
        "limit" => Subject::Limit,
        "rewrite" => Subject::Rewrite,
        "hook" => Subject::Hook,
        "waf" => Subject::Waf,
        _ => Subject::Route,
    };
    let subjects: BTreeSet<Subject> = changes.iter().map(of).collect();
    let order =
        [Subject::Pool, Subject::Access, Subject::Limit, Subject::Rewrite, Subject::Hook, Subject::Waf];
    order.into_iter().find(|subject| subjects.contains(subject)).unwrap_or(Subject::Route)
}
