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
    whole: HashMap<Key, Vec<usize>>,
    /// Those whose keys have no second part, by the first.
    short: HashMap<String, Vec<usize>>,
    /// All that have a key, by its first part.
    first: HashMap<String, Vec<usize>>,
    /// Those that may meet any key.
    open: Vec<usize>,
    all: Vec<usize>,
}

/// A text in two parts, of which a path may state the first alone.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
struct Key(String, Option<String>);

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
            group.keep(at, &clause.when);
        }
        Self { groups: groups.into_values().collect(), free }
    }

    /// The places, in order, of all that may help to cover what `clause` applies to.
    #[must_use]
    pub fn to(&self, clause: &Clause<'_>) -> Vec<usize> {
        let mut own = kinds(&clause.when);
        own.extend(kinds(&clause.unless));
        let mut found = Vec::new();
        for group in &self.groups {
            if !group.kinds.iter().any(|kind| self.free.contains(kind) && !own.contains(kind)) {
                group.find(&clause.when, &mut found);
            }
        }
        found.sort_unstable();
        found.dedup();
        found
    }
}

impl Group {
    fn of(kinds: BTreeSet<Kind>) -> Self {
        let header = || kinds.iter().find(|kind| matches!(kind, Kind::Header(_)));
        let other = |wanted: Kind| kinds.get(&wanted);
        let key = header().or_else(|| other(Kind::Address)).or_else(|| other(Kind::Path)).cloned();
        let (whole, short, first) = (HashMap::new(), HashMap::new(), HashMap::new());
        Self { kinds, key, whole, short, first, open: Vec::new(), all: Vec::new() }
    }

    fn keys(&self, side: &Side<'_>) -> Option<BTreeSet<Key>> {
        self.key.as_ref().and_then(|kind| keys(kind, side))
    }

    fn keep(&mut self, at: usize, side: &Side<'_>) {
        self.all.push(at);
        let Some(keys) = self.keys(side) else {
            self.open.push(at);
            return;
        };
        for key in keys {
            self.first.entry(key.0.clone()).or_default().push(at);
            if key.1.is_some() {
                self.whole.entry(key).or_default().push(at);
            } else {
                self.short.entry(key.0).or_default().push(at);
            }
        }
    }

    fn find(&self, side: &Side<'_>, found: &mut Vec<usize>) {
        let Some(keys) = self.keys(side) else {
            found.extend(&self.all);
            return;
        };
        found.extend(&self.open);
        for key in &keys {
            if key.1.is_some() {
                found.extend(self.whole.get(key).into_iter().flatten());
                found.extend(self.short.get(&key.0).into_iter().flatten());
            } else {
                found.extend(self.first.get(&key.0).into_iter().flatten());
            }
        }
    }
}

/// Keys one of which two sides have in common, as far as both have them written, if both have such keys and some
/// value of this kind meets both.
fn keys(kind: &Kind, side: &Side<'_>) -> Option<BTreeSet<Key>> {
    let whole = |text: String| Key(text, Some(String::new()));
    match kind {
        Kind::Header(name) => {
            let header =
                side.of.headers.iter().find(|header| header.name == *name && !header.values.is_empty());
            header.map(|header| header.values.iter().cloned().map(whole).collect())
        }
        Kind::Address if !side.of.networks.is_empty() => {
            side.of.networks.iter().map(|network| beginning(network).map(whole)).collect()
        }
        Kind::Path if !side.of.paths.is_empty() => side.of.paths.iter().map(first_segments).collect(),
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

/// The first two segments of a path, or the first, where it states as many. A prefix takes its own path too, which
/// ends with the last of its segments; that one is no less than stated.
fn first_segments(path: &PathMatch) -> Option<Key> {
    let (first, second) = match path {
        PathMatch::Exact(path) | PathMatch::Prefix(path) => {
            let mut segments = path.split('/').skip(1);
            (segments.next().filter(|first| !first.is_empty())?, segments.next())
        }
        PathMatch::Template(segments) => {
            (segments.first()?.as_deref()?, segments.get(1).and_then(Option::as_deref))
        }
    };
    Some(Key(first.to_owned(), second.map(str::to_owned)))
}
