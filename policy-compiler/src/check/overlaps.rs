//! For every request one route is the most specific: no two that overlap are equally so; and every route is
//! that for some request. It owns these two proofs over routes; `windows` tells about hours.

use std::collections::BTreeMap;

use rule_table::{HeaderMatch, HostMatch, PathMatch, QueryMatch, RouteMatch, Specificity};

use vocabulary::Operation;

use super::Context;
use super::windows::{self, Meeting};
use crate::diagnostics::{Code, Finding, Request, Witness, suggest};
use crate::manifest::Route;
use crate::resolve::{self, matching};

/// Pairs of routes that are compared; what is beyond is said not to be known.
const MOST_PAIRS: usize = 2_000_000;

/// What two routes must have in common to be compared at all.
type Place = (Specificity, HostMatch, PathMatch, Option<String>);
/// All but methods, consumers and hours.
type Alike<'r> = (&'r HostMatch, &'r PathMatch, &'r [HeaderMatch], &'r [QueryMatch], &'r Option<String>);

/// A route's name and conditions; consumers are indices in the order of their names.
pub(super) struct Peer<'a> {
    pub(super) name: &'a str,
    pub(super) matching: RouteMatch,
}

pub(super) fn check(context: &Context<'_>) -> Vec<Finding> {
    let peers = peers(context);
    let mut pairs = MOST_PAIRS;
    // Equally specific routes overlap only where host, path and model are equal: two exact hosts or
    // paths, or two wildcards or templates of one length, that differ have nothing in common.
    let mut places: BTreeMap<Place, Vec<&Peer<'_>>> = BTreeMap::new();
    for peer in &peers {
        let RouteMatch { host, path, model, .. } = peer.matching.clone();
        places.entry((Specificity::of(&peer.matching), host, path, model)).or_default().push(peer);
    }
    let mut findings: Vec<Finding> =
        places.values().flat_map(|group| equals(context, group, &mut pairs)).collect();
    findings.extend(for_nobody(context));
    let hidden = hidden(&peers, &mut pairs);
    findings.extend(hidden.iter().map(|(peer, over)| never_taken(context, peer, over)));
    if pairs == 0 {
        findings.extend(peers.first().map(|peer| {
            let message =
                "whether routes overlap is not known of all of them: there are too many alike".to_owned();
            undecided(context, peer.name, message)
        }));
    }
    findings
}

pub(super) fn peers<'a>(context: &Context<'a>) -> Vec<Peer<'a>> {
    let consumers: BTreeMap<&String, u32> = context.manifest.consumers.keys().zip(0..).collect();
    let one = |(name, route): (&'a String, &'a Route)| {
        let mut matching = matching(&route.matching)?;
        let named = &route.matching.consumer.0;
        // Nobody is called by a name that is not known, which is said elsewhere.
        matching.consumers = named.iter().map(|name| consumers.get(name).copied()).collect::<Option<_>>()?;
        Some(Peer { name, matching })
    };
    context.manifest.routes.iter().filter_map(one).collect()
}

/// The names of headers and parameters that routes ask for, and whether by value.
type Shape<'p> = Vec<(&'p str, bool)>;
/// The values, in the order of the shape.
type Values<'p> = Vec<&'p str>;

fn shape(matching: &RouteMatch) -> (Shape<'_>, Values<'_>) {
    let headers = matching.headers.iter().map(|header| (header.name.as_str(), header.value.as_deref()));
    let query = matching.query.iter().map(|query| (query.name.as_str(), query.value.as_deref()));
    let all: Vec<(&str, Option<&str>)> = headers.chain(query).collect();
    (
        all.iter().map(|(name, value)| (*name, value.is_some())).collect(),
        all.iter().filter_map(|(_, value)| *value).collect(),
    )
}

/// Routes of one place that overlap.
fn equals(context: &Context<'_>, group: &[&Peer<'_>], pairs: &mut usize) -> Vec<Finding> {
    let mut findings = Vec::new();
    // Routes that ask for the same values' presence overlap only where the values are equal, so that they
    // are found by them; those of other shapes nearly always overlap, and the first is enough.
    let mut earlier: BTreeMap<Shape<'_>, BTreeMap<Values<'_>, Vec<&Peer<'_>>>> = BTreeMap::new();
    for second in group {
        let (own, values) = shape(&second.matching);
        let same = earlier.get(&own).and_then(|by_value| by_value.get(&values)).into_iter().flatten();
        let others =
            earlier.iter().filter(|(other, _)| **other != own).flat_map(|(_, by)| by.values().flatten());
        let mut unknown = None;
        for first in same.chain(others) {
            if *pairs == 0 {
                return findings;
            }
            *pairs -= 1;
            match overlap(&first.matching, &second.matching) {
                Meeting::Never => {}
                Meeting::Unknown => {
                    unknown.get_or_insert(first.name);
                }
                // One earlier route is enough to name: with it out of the way, the next would show.
                Meeting::At(minute) => {
                    findings.push(tie(context, first, second, minute));
                    unknown = None;
                    break;
                }
            }
        }
        findings.extend(unknown.map(|first| {
            let message = format!(
                "whether routes `{first}` and `{}` ever take the same request is not known: their hours are of two zones",
                second.name
            );
            undecided(context, second.name, message)
        }));
        earlier.entry(own).or_default().entry(values).or_default().push(second);
    }
    findings
}

/// Whether some request matches both, given equal hosts, paths and models; and when.
fn overlap(a: &RouteMatch, b: &RouteMatch) -> Meeting {
    let common = |a: &[String], b: &[String]| a.is_empty() || b.is_empty() || a.iter().any(|m| b.contains(m));
    let consumers = a.consumers.is_empty()
        || b.consumers.is_empty()
        || a.consumers.iter().any(|consumer| b.consumers.contains(consumer));
    let agree = |x: &Option<String>, y: &Option<String>| x.is_none() || y.is_none() || x == y;
    let headers = a
        .headers
        .iter()
        .all(|x| b.headers.iter().filter(|y| y.name == x.name).all(|y| agree(&x.value, &y.value)));
    let query = a
        .query
        .iter()
        .all(|x| b.query.iter().filter(|y| y.name == x.name).all(|y| agree(&x.value, &y.value)));
    if !(common(&a.methods, &b.methods) && consumers && headers && query) {
        return Meeting::Never;
    }
    windows::meeting(a.time.as_ref(), b.time.as_ref())
}

fn tie(context: &Context<'_>, first: &Peer<'_>, second: &Peer<'_>, minute: Option<u16>) -> Finding {
    let path = |name| ["routes", name, "match"];
    let (a, b) = (first.name, second.name);
    let (code, message, help) = if first.matching == second.matching {
        (
            Code::SameMatch,
            format!("routes `{a}` and `{b}` take exactly the same requests"),
            "remove one of them, or add a condition such as `model`, `header` or `host` to one",
        )
    } else {
        (
            Code::OverlappingRoutes,
            format!("some requests match both `{a}` and `{b}`, and neither is more specific"),
            "add a condition to one of them; file order never decides",
        )
    };
    Finding::new(code, message)
        .at_key(context.document, &path(b), format!("route `{b}`"))
        .also(context.document.key_span(&path(a)), format!("route `{a}`"))
        .witness(Witness::from(request(context, &[&first.matching, &second.matching], minute)))
        .help(help)
}

/// A request that meets all of these conditions, which have one in common.
fn request(context: &Context<'_>, of: &[&RouteMatch], minute: Option<u16>) -> Request {
    let mut request = Request::default();
    for matching in of {
        request.host = match &matching.host {
            HostMatch::Exact(host) => Some(host.clone()),
            HostMatch::Suffix(suffix) => Some(format!("host{suffix}")),
            HostMatch::Any => None,
        };
        request.path = some_path(&matching.path);
        request.model.clone_from(&matching.model);
        for HeaderMatch { name, value } in &matching.headers {
            fill(&mut request.headers, name, value.as_ref());
        }
        for QueryMatch { name, value } in &matching.query {
            fill(&mut request.query, name, value.as_ref());
        }
        let zone = matching.time.as_ref().map(|window| window.zone.as_str());
        request.at = minute.zip(zone).map(|(minute, zone)| windows::spelt(minute, zone)).or(request.at);
    }
    request.method = common(of.iter().map(|matching| matching.methods.as_slice()));
    let consumer = common(of.iter().map(|matching| matching.consumers.as_slice()));
    let named =
        consumer.and_then(|index| context.manifest.consumers.keys().nth(usize::try_from(index).ok()?));
    request.consumer = named.cloned();
    request
}

/// A path that a condition takes, an operation's if there is one.
fn some_path(path: &PathMatch) -> String {
    match path {
        PathMatch::Exact(path) => path.clone(),
        PathMatch::Template(segments) => {
            segments.iter().map(|segment| format!("/{}", segment.as_deref().unwrap_or("x"))).collect()
        }
        PathMatch::Prefix(prefix) => {
            let operation = Operation::ALL.into_iter().map(Operation::path).find(|known| path.takes(known));
            operation.map_or_else(|| format!("{prefix}/"), str::to_owned)
        }
    }
}

/// The same of a path as written.
pub(super) fn path_of(route: &Route) -> String {
    resolve::path(&route.matching.path).map_or_else(|_| route.matching.path.clone(), |path| some_path(&path))
}

/// Writes a value, or any where none is asked for.
fn fill(values: &mut BTreeMap<String, String>, name: &str, value: Option<&String>) {
    match value {
        Some(value) => values.insert(name.to_owned(), value.clone()),
        None => values.insert(name.to_owned(), values.get(name).cloned().unwrap_or_else(|| "x".to_owned())),
    };
}

/// The first that is in all lists, of which an empty one stands for everything.
fn common<'l, T: PartialEq + Clone + 'l>(lists: impl Iterator<Item = &'l [T]>) -> Option<T> {
    let lists: Vec<&[T]> = lists.filter(|list| !list.is_empty()).collect();
    let first = lists.first()?;
    first.iter().find(|item| lists.iter().all(|list| list.contains(item))).cloned()
}

/// Routes whose own two conditions on callers leave nobody.
fn for_nobody(context: &Context<'_>) -> Vec<Finding> {
    let empty = |route: &Route| {
        let (taken, served) = (&route.matching.consumer.0, &route.consumers);
        !taken.is_empty() && !served.is_empty() && !taken.iter().any(|name| served.contains(name))
    };
    let one = |(name, route): (&String, &Route)| {
        let message = format!("nobody may use route `{name}`: who it takes is not who it is for");
        let consumer = route.matching.consumer.0.first().cloned();
        let request = Request { path: path_of(route), consumer, ..Request::default() };
        Finding::new(Code::RouteForNobody, message)
            .at_key(context.document, &["routes", name, "consumers"], "lets these in")
            .also(context.document.key_span(&["routes", name, "match", "consumer"]), "takes these")
            .witness(Witness::from(request))
            .help("name some consumer in both, or leave out one of the two")
    };
    context.manifest.routes.iter().filter(|(_, route)| empty(route)).map(one).collect()
}

/// Routes all of whose hours belong to more specific ones: the only way in which several can hide one, since
/// there is always another host, path, method, value and caller than some others name.
fn hidden<'p, 'a>(peers: &'p [Peer<'a>], pairs: &mut usize) -> Vec<(&'p Peer<'a>, Vec<&'p Peer<'a>>)> {
    let mut alike: BTreeMap<Alike<'p>, (Vec<&'p Peer<'a>>, Vec<&'p Peer<'a>>)> = BTreeMap::new();
    for peer in peers {
        let RouteMatch { host, path, headers, query, model, time, .. } = &peer.matching;
        let (always, at_times) = alike.entry((host, path, headers, query, model)).or_default();
        if time.is_none() { always.push(peer) } else { at_times.push(peer) }
    }
    let mut hidden = Vec::new();
    for (always, at_times) in alike.values() {
        for peer in always {
            *pairs = pairs.saturating_sub(at_times.len());
            if *pairs == 0 {
                return hidden;
            }
            let over = at_times.iter().filter(|other| covers(&other.matching, &peer.matching));
            let over: Vec<&Peer<'a>> = over.copied().collect();
            if windows::whole_week(over.iter().filter_map(|other| other.matching.time.as_ref())) {
                hidden.push((*peer, over));
            }
        }
    }
    hidden
}

/// Whether `a` has the methods and consumers of `b`, and more specific ones never.
fn covers(a: &RouteMatch, b: &RouteMatch) -> bool {
    a.methods.is_empty() == b.methods.is_empty()
        && b.methods.iter().all(|method| a.methods.contains(method))
        && a.consumers.is_empty() == b.consumers.is_empty()
        && b.consumers.iter().all(|consumer| a.consumers.contains(consumer))
}

fn never_taken(context: &Context<'_>, peer: &Peer<'_>, over: &[&Peer<'_>]) -> Finding {
    let name = peer.name;
    let names: Vec<&str> = over.iter().map(|other| other.name).collect();
    let message = format!(
        "route `{name}` is never taken: together {} take its requests at every hour",
        suggest::listed(&names)
    );
    let mut finding = Finding::new(Code::RouteNeverTaken, message)
        .at_key(context.document, &["routes", name, "match"], "never the most specific")
        .witness(Witness::from(request(context, &[&peer.matching], None)));
    for other in names.iter().take(3) {
        finding = finding.also(context.document.key_span(&["routes", other, "match"]), "takes some hours");
    }
    finding.help("leave some hours to it, or remove it")
}

fn undecided(context: &Context<'_>, name: &str, message: String) -> Finding {
    Finding::new(Code::OverlapUnknown, message)
        .at_key(context.document, &["routes", name, "match"], "not proven")
        .help("give one of them another condition, or both hours of one zone")
}

#[cfg(test)]
mod tests;
