//! The index behind the route table: paths and hosts have numbers, a pair of them has slots. It owns the
//! look-up; it refuses to know the order of specificity, which arrives as a rank.
//!
//! Two small tables find the numbers and compare the text; from there on keys are exact, and a slot is one
//! read away. Only routes that ask for headers or parameters take a further step by their values.

use hashbrown::HashMap;
use smallvec::SmallVec;

use super::RouteStats;
use super::shape::Shapes;
use super::slot::{Entry, Slot};
use super::template::Templates;
use crate::buckets::Buckets;
use crate::facts::Facts;
use crate::sections::{HostMatch, PathMatch, RouteMatch};

/// A path's or host's number.
pub(super) type Number = u32;

/// What a request leads to; few routes share one.
pub(super) type Slots<'t> = SmallVec<[&'t Slot; 4]>;

/// A request, and the slots it leads to.
pub(super) struct Found<'r, 't> {
    pub(super) facts: &'r Facts<'r>,
    pub(super) slots: Slots<'t>,
    pub(super) other_methods: Vec<&'t str>,
}

/// Routes by path and host.
#[derive(Clone, Debug, Default)]
pub(super) struct Index {
    paths: Paths,
    hosts: Hosts,
    /// Slots of routes without headers and parameters, by [`pair`].
    plain: Buckets,
    /// Groups of routes with them, by [`pair`].
    asking: Buckets,
    slots: Vec<Slot>,
    shapes: Shapes,
    methods: Methods,
}

/// Paths by number; templates have theirs from the same range.
#[derive(Clone, Debug, Default)]
struct Paths {
    exact: HashMap<String, Number>,
    prefix: HashMap<String, Number>,
    templates: Templates,
    /// No path is cut beyond this length, so a path of a thousand segments costs no more than one of
    /// the manifest's own depth.
    longest_prefix: usize,
    count: Number,
}

/// Hosts by number; any host is 0.
#[derive(Clone, Debug, Default)]
struct Hosts {
    exact: HashMap<String, Number>,
    suffix: HashMap<String, Number>,
    count: Number,
}

/// Lists of methods, each kept once.
#[derive(Clone, Debug, Default)]
pub(super) struct Methods(Vec<Vec<String>>);

/// What building needs and matching does not.
#[derive(Default)]
struct Draft {
    slots: HashMap<(Number, Number, u32), u32>,
    plain: Vec<(u64, u32)>,
    asking: Vec<(u64, u32)>,
}

impl Index {
    /// From routes in order of rank.
    pub(super) fn build<'a>(routes: impl Iterator<Item = (&'a RouteMatch, Entry)>) -> Self {
        let (mut index, mut draft) = (Self::default(), Draft::default());
        for (matching, entry) in routes {
            index.insert(matching, entry, &mut draft);
        }
        index.plain = Buckets::build(draft.plain);
        index.asking = Buckets::build(draft.asking);
        index.shapes.forget_places();
        index
    }

    fn insert(&mut self, matching: &RouteMatch, entry: Entry, draft: &mut Draft) {
        let (path, host) = (self.paths.number(&matching.path), self.hosts.number(&matching.host));
        let methods = self.methods.number(&matching.methods);
        if !matching.headers.is_empty() || !matching.query.is_empty() {
            let (group, new) = self.shapes.insert((path, host), matching, methods, entry);
            draft.asking.extend(new.then_some((pair(path, host), group)));
            return;
        }
        let next = u32::try_from(self.slots.len()).unwrap_or(u32::MAX);
        let at = *draft.slots.entry((path, host, methods)).or_insert_with(|| {
            draft.plain.push((pair(path, host), next));
            self.slots.push(Slot::new(methods));
            next
        });
        if let Some(slot) = self.slots.get_mut(at as usize) {
            slot.add(matching, entry);
        }
    }

    pub(super) fn stats(&self) -> RouteStats {
        RouteStats {
            paths: self.paths.count as usize,
            hosts: self.hosts.count as usize,
            method_lists: self.methods.0.len(),
            ..RouteStats::default()
        }
    }

    pub(super) fn bytes(&self) -> usize {
        let names = [&self.paths.exact, &self.paths.prefix, &self.hosts.exact, &self.hosts.suffix];
        let names: usize = names.into_iter().map(HashMap::allocation_size).sum();
        let lists = self.plain.bytes().saturating_add(self.asking.bytes());
        names.saturating_add(lists).saturating_add(size_of_val(self.slots.as_slice()))
    }

    pub(super) fn collect<'t>(&'t self, host: &str, path: &str, found: &mut Found<'_, 't>) {
        let hosts = self.hosts.of(host);
        self.paths.visit(path, &mut |path| {
            for host in &hosts {
                let key = pair(path, *host);
                for at in self.plain.get(key) {
                    if let Some(slot) = self.slots.get(*at as usize) {
                        self.methods.sort_in(slot, found);
                    }
                }
                if !self.shapes.is_empty() {
                    for group in self.asking.get(key) {
                        self.shapes.collect(*group, &self.methods, found);
                    }
                }
            }
        });
    }
}

/// A key for a pair of numbers, and for no other: every step can be undone.
const fn pair(path: Number, host: Number) -> u64 {
    let both = ((path as u64) << 32 | host as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    (both ^ (both >> 32)).wrapping_mul(0xd6e8_feb8_6659_fd93)
}

impl Paths {
    fn number(&mut self, path: &PathMatch) -> Number {
        let next = self.count;
        let number = match path {
            PathMatch::Exact(path) => *self.exact.entry_ref(path.as_str()).or_insert(next),
            PathMatch::Template(segments) => self.templates.number(segments, next),
            PathMatch::Prefix(prefix) => {
                self.longest_prefix = self.longest_prefix.max(prefix.len());
                *self.prefix.entry_ref(prefix.as_str()).or_insert(next)
            }
        };
        self.count = self.count.max(number.saturating_add(1));
        number
    }

    fn visit(&self, path: &str, seen: &mut dyn FnMut(Number)) {
        if let Some(number) = self.exact.get(path) {
            seen(*number);
        }
        self.templates.visit(path, seen);
        if self.prefix.is_empty() {
            return;
        }
        let boundaries = path.bytes().enumerate().filter(|(_, byte)| *byte == b'/').map(|(at, _)| at);
        for end in boundaries.chain([path.len()]).take_while(|end| *end <= self.longest_prefix) {
            if let Some(number) = path.get(..end).and_then(|prefix| self.prefix.get(prefix)) {
                seen(*number);
            }
        }
    }
}

impl Hosts {
    fn number(&mut self, host: &HostMatch) -> Number {
        let next = self.count.saturating_add(1);
        let number = match host {
            HostMatch::Exact(host) => *self.exact.entry_ref(host.as_str()).or_insert(next),
            HostMatch::Suffix(suffix) => *self.suffix.entry_ref(suffix.as_str()).or_insert(next),
            HostMatch::Any => 0,
        };
        self.count = self.count.max(number);
        number
    }

    /// The numbers that a host goes by.
    fn of(&self, host: &str) -> SmallVec<[Number; 4]> {
        let mut numbers = SmallVec::new();
        numbers.extend(self.exact.get(host).copied());
        if !self.suffix.is_empty() {
            let suffixes = host.match_indices('.').filter_map(|(at, _)| self.suffix.get(host.get(at..)?));
            numbers.extend(suffixes.copied());
        }
        numbers.push(0);
        numbers
    }
}

impl Methods {
    fn number(&mut self, methods: &[String]) -> u32 {
        let at = self.0.iter().position(|known| known == methods).unwrap_or_else(|| {
            self.0.push(methods.to_vec());
            self.0.len().saturating_sub(1)
        });
        u32::try_from(at).unwrap_or(u32::MAX)
    }

    /// Adds a slot to those found if it takes the request's method, or notes the methods it takes.
    pub(super) fn sort_in<'t>(&'t self, slot: &'t Slot, found: &mut Found<'_, 't>) {
        let methods = self.0.get(slot.methods as usize).map(Vec::as_slice).unwrap_or_default();
        if !slot.is_open(found.facts) {
            return;
        }
        if methods.is_empty() || methods.iter().any(|method| method == found.facts.method) {
            found.slots.push(slot);
        } else {
            found.other_methods.extend(methods.iter().map(String::as_str));
        }
    }
}
