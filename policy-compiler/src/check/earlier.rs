//! Rules of a long list, found by what they have in common with another one. It owns the look-up, so that proofs
//! about each rule do not compare it with all; that none is left out that matters is told by `relevant`.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::net::IpAddr;

use ipnet::IpNet;
use rule_table::PathMatch;

use super::prover::{Ready, decides};
use crate::space::atoms::{self, Kind};
use crate::space::{Clause, Side};

/// Family and bits of an address, in one order.
type Place = (u8, u128);

/// The rules that decide, so far.
pub(in crate::check) struct Earlier<'r> {
    list: &'r [Ready<'r>],
    /// What there is always another value of, and nobody an exception to.
    free: Vec<Kind>,
    groups: BTreeMap<Vec<Kind>, Group>,
    by_priority: HashMap<u32, Vec<usize>>,
}

/// Rules that look at the same things, under one of the values that they name.
#[derive(Default)]
struct Group {
    networks: BTreeMap<Place, Vec<(Place, usize)>>,
    /// Families and lengths of the networks there are: what may hold another one.
    lengths: BTreeSet<(u8, u8)>,
    paths: BTreeMap<String, Vec<usize>>,
    /// By name, then by value.
    headers: BTreeMap<String, HashMap<String, Vec<usize>>>,
    rest: Vec<usize>,
}

/// What a rule is entered under, the most telling first.
enum Anchor<'a> {
    Networks(&'a [IpNet]),
    Paths(&'a [PathMatch]),
    Header(&'a str, &'a [String]),
    None,
}

impl<'a> Anchor<'a> {
    fn of(rule: &'a Ready<'_>) -> Self {
        let when = &*rule.clause.when.of;
        let plain = |path: &PathMatch| !matches!(path, PathMatch::Template(_));
        if !when.networks.is_empty() && rule.clause.when.networks.len() == when.networks.len() {
            return Self::Networks(&rule.clause.when.networks);
        }
        if !when.paths.is_empty() && when.paths.iter().all(plain) {
            return Self::Paths(&when.paths);
        }
        match when.headers.iter().find(|header| !header.values.is_empty()) {
            Some(header) => Self::Header(&header.name, &header.values),
            None => Self::None,
        }
    }
}

const fn place(ip: IpAddr) -> Place {
    match ip {
        IpAddr::V4(ip) => (4, ip.to_bits() as u128),
        IpAddr::V6(ip) => (6, ip.to_bits()),
    }
}

fn ends(network: &IpNet) -> (Place, Place) {
    (place(network.network()), place(network.broadcast()))
}

/// What a side looks at.
fn kinds(side: &Side<'_>) -> Vec<Kind> {
    let headers = side.of.headers.iter().map(|header| Kind::Header(header.name.clone()));
    let kinds: BTreeSet<Kind> = atoms::PLAIN.into_iter().chain(headers).collect();
    kinds.into_iter().filter(|kind| kind.constrains(side)).collect()
}

impl<'r> Earlier<'r> {
    /// None yet of `list`, which is all there will be.
    pub(in crate::check) fn of(list: &'r [Ready<'r>]) -> Self {
        let deciding: Vec<&Ready<'_>> = list.iter().filter(|rule| decides(rule.rule)).collect();
        let excepted: BTreeSet<Kind> = deciding.iter().flat_map(|rule| kinds(&rule.clause.unless)).collect();
        let clauses: Vec<&Clause<'_>> = deciding.iter().map(|ready| &ready.clause).collect();
        let mut free = atoms::unbounded(&clauses);
        free.retain(|kind| !excepted.contains(kind));
        Self { list, free, groups: BTreeMap::new(), by_priority: HashMap::new() }
    }

    /// Adds the rule at `index`, if it decides.
    pub(in crate::check) fn add(&mut self, index: usize) {
        let Some(rule) = self.list.get(index).filter(|rule| decides(rule.rule)) else { return };
        self.by_priority.entry(rule.rule.priority).or_default().push(index);
        let group = self.groups.entry(kinds(&rule.clause.when)).or_default();
        match Anchor::of(rule) {
            Anchor::Networks(networks) => {
                for network in networks {
                    let (first, last) = ends(network);
                    group.networks.entry(first).or_default().push((last, index));
                    group.lengths.insert((first.0, network.prefix_len()));
                }
            }
            Anchor::Paths(paths) => {
                for path in paths.iter().filter_map(text) {
                    group.paths.entry(path.to_owned()).or_default().push(index);
                }
            }
            Anchor::Header(name, values) => {
                let by_value = group.headers.entry(name.to_owned()).or_default();
                values.iter().for_each(|value| by_value.entry(value.clone()).or_default().push(index));
            }
            Anchor::None => group.rest.push(index),
        }
    }

    /// Those of the same priority.
    pub(super) fn peers(&self, rule: &Ready<'_>) -> impl Iterator<Item = &'r Ready<'r>> {
        let indices = self.by_priority.get(&rule.rule.priority).map(Vec::as_slice).unwrap_or_default();
        indices.iter().filter_map(|index| self.list.get(*index))
    }

    /// Those that may help to take what `rule` applies to, in the order of the list; more are told than do.
    pub(super) fn beside(&self, rule: &Ready<'_>) -> BTreeSet<usize> {
        let mut found = BTreeSet::new();
        let helps = |shape: &[Kind]| {
            let asked =
                |kind: &Kind| kind.constrains(&rule.clause.when) || kind.constrains(&rule.clause.unless);
            shape.iter().all(|kind| asked(kind) || !self.free.contains(kind))
        };
        for (_, group) in self.groups.iter().filter(|(shape, _)| helps(shape)) {
            group.meeting(rule, &mut found);
        }
        found
    }

    pub(super) fn get(&self, index: usize) -> Option<&'r Ready<'r>> {
        self.list.get(index)
    }
}

fn text(path: &PathMatch) -> Option<&String> {
    match path {
        PathMatch::Exact(path) | PathMatch::Prefix(path) => Some(path),
        PathMatch::Template(_) => None,
    }
}

impl Group {
    fn meeting(&self, rule: &Ready<'_>, found: &mut BTreeSet<usize>) {
        found.extend(&self.rest);
        let when = &*rule.clause.when.of;
        if rule.clause.when.networks.is_empty() {
            found.extend(self.networks.values().flatten().map(|(_, index)| index));
        } else {
            rule.clause.when.networks.iter().for_each(|network| self.networks_meeting(network, found));
        }
        let texts: Option<Vec<&String>> = when.paths.iter().map(text).collect();
        match texts.filter(|texts| !texts.is_empty()) {
            Some(texts) => texts.into_iter().for_each(|path| self.paths_meeting(path, found)),
            None => found.extend(self.paths.values().flatten()),
        }
        for (name, by_value) in &self.headers {
            let asked = when.headers.iter().find(|header| header.name == *name && !header.values.is_empty());
            match asked {
                Some(header) => {
                    found.extend(header.values.iter().filter_map(|value| by_value.get(value)).flatten());
                }
                None => found.extend(by_value.values().flatten()),
            }
        }
    }

    /// Networks that hold this one or lie within it; no two overlap in another way.
    fn networks_meeting(&self, network: &IpNet, found: &mut BTreeSet<usize>) {
        let (first, last) = ends(network);
        let within = self.networks.range(first..=last).flat_map(|(_, entries)| entries);
        found.extend(within.map(|(_, index)| index));
        for (_, length) in self.lengths.iter().filter(|(family, _)| *family == first.0) {
            let Ok(wider) = IpNet::new(network.network(), (*length).min(network.prefix_len())) else {
                continue;
            };
            let holding = self.networks.get(&place(wider.trunc().network())).into_iter().flatten();
            found.extend(holding.filter(|(end, _)| *end >= last).map(|(_, index)| index));
        }
    }

    /// Paths above this one and below it, whether they take what is below them or not.
    fn paths_meeting(&self, path: &str, found: &mut BTreeSet<usize>) {
        let cuts = path.match_indices('/').map(|(at, _)| at).chain([path.len()]);
        for above in cuts.filter_map(|at| path.get(..at)) {
            found.extend(self.paths.get(above).into_iter().flatten());
        }
        let below = format!("{path}/");
        let within = self.paths.range(below.clone()..).take_while(|(other, _)| other.starts_with(&below));
        found.extend(within.flat_map(|(_, indices)| indices));
    }
}
