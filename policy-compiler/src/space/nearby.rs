//! Which of many clauses may have to do with one, found without looking at each. It owns that index; what it
//! gives may be more than there are, and is never less.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use ipnet::IpNet;
use rule_table::PathMatch;

use super::atoms::{Kind, kinds, unbounded};
use super::clause::{Clause, Side};

/// Bits by which networks are kept, where they have that many.
const BITS: (u32, u32) = (24, 48);

/// Clauses, by what they look at and then by what of it.
#[derive(Debug)]
pub struct Nearby {
    groups: Vec<Group>,
    /// Of these there is always another value than any clause names, and none has an exception to it.
    free: BTreeSet<Kind>,
}

#[derive(Debug)]
struct Group {
    kinds: BTreeSet<Kind>,
    /// What it is kept by.
    key: Option<Kind>,
    keyed: HashMap<String, Vec<usize>>,
    /// Those that may meet any key.
    open: Vec<usize>,
    all: Vec<usize>,
}

impl Nearby {
    /// Keeps clauses by their places in the list.
    #[must_use]
    pub fn of(clauses: &[&Clause<'_>]) -> Self {
        let excepted: BTreeSet<Kind> = clauses.iter().flat_map(|clause| kinds(&clause.unless)).collect();
        let free = unbounded(clauses).into_iter().filter(|kind| !excepted.contains(kind)).collect();
        let mut groups: BTreeMap<BTreeSet<Kind>, Group> = BTreeMap::new();
        for (at, clause) in clauses.iter().enumerate() {
            let kinds = kinds(&clause.when);
            let group = groups.entry(kinds.clone()).or_insert_with(|| Group::of(kinds));
            group.all.push(at);
            match group.key.as_ref().and_then(|key| keys(key, &clause.when)) {
                Some(keys) => keys.into_iter().for_each(|key| group.keyed.entry(key).or_default().push(at)),
                None => group.open.push(at),
            }
        }
        Self { groups: groups.into_values().collect(), free }
    }

    /// The places, in order, of all that may help to cover what `clause` applies to.
    #[must_use]
    pub fn to(&self, clause: &Clause<'_>) -> Vec<usize> {
        let mut own = kinds(&clause.when);
        own.extend(kinds(&clause.unless));
        let mut found = BTreeSet::new();
        for group in &self.groups {
            if group.kinds.iter().any(|kind| self.free.contains(kind) && !own.contains(kind)) {
                continue;
            }
            match group.key.as_ref().and_then(|key| keys(key, &clause.when)) {
                Some(keys) => {
                    found.extend(keys.iter().filter_map(|key| group.keyed.get(key)).flatten());
                    found.extend(&group.open);
                }
                None => found.extend(&group.all),
            }
        }
        found.into_iter().collect()
    }
}

impl Group {
    fn of(kinds: BTreeSet<Kind>) -> Self {
        let header = || kinds.iter().find(|kind| matches!(kind, Kind::Header(_)));
        let other = |wanted: Kind| kinds.get(&wanted);
        let key = header().or_else(|| other(Kind::Address)).or_else(|| other(Kind::Path)).cloned();
        Self { kinds, key, keyed: HashMap::new(), open: Vec::new(), all: Vec::new() }
    }
}

/// Texts one of which two sides have in common if both have such texts and some value of this kind meets both.
fn keys(kind: &Kind, side: &Side<'_>) -> Option<BTreeSet<String>> {
    match kind {
        Kind::Header(name) => {
            let header =
                side.of.headers.iter().find(|header| header.name == *name && !header.values.is_empty());
            header.map(|header| header.values.iter().cloned().collect())
        }
        Kind::Address if !side.networks.is_empty() => side.networks.iter().map(beginning).collect(),
        Kind::Path if !side.of.paths.is_empty() => side.of.paths.iter().map(two_segments).collect(),
        _ => None,
    }
}

/// The first bits of a network, where it has that many.
fn beginning(network: &IpNet) -> Option<String> {
    match network {
        IpNet::V4(v4) => {
            let long = u32::from(v4.prefix_len()) >= BITS.0;
            long.then(|| format!("4 {}", v4.network().to_bits() >> (32 - BITS.0)))
        }
        IpNet::V6(v6) => {
            let long = u32::from(v6.prefix_len()) >= BITS.1;
            long.then(|| format!("6 {}", v6.network().to_bits() >> (128 - BITS.1)))
        }
    }
}

/// The first two segments of a path, where it states as many.
fn two_segments(path: &PathMatch) -> Option<String> {
    let (first, second) = match path {
        PathMatch::Exact(path) | PathMatch::Prefix(path) => {
            let mut segments = path.split('/').skip(1);
            (segments.next()?, segments.next()?)
        }
        PathMatch::Template(segments) => {
            (segments.first()?.as_deref()?, segments.get(1).and_then(Option::as_deref)?)
        }
    };
    Some(format!("{first}/{second}"))
}
