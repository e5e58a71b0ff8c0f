//! The nested hash index behind the route table: path, then host, then the shape of the header
//! conditions, then method and model. It owns the lookup; it refuses to know the order of
//! specificity, which arrives as a rank.

use std::collections::HashMap;

use super::template;
use crate::sections::{HeaderMatch, HostMatch, PathMatch, RouteId, RouteMatch};

/// A route and its place in the order of specificity; the lowest rank wins.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Entry {
    pub(super) rank: u32,
    pub(super) id: RouteId,
}

/// A request's method and headers, and the slots they lead to.
pub(super) struct Found<'r, 't, H> {
    pub(super) method: &'r str,
    pub(super) header: &'r H,
    pub(super) slots: Vec<&'t Slot>,
    pub(super) other_methods: Vec<&'t str>,
}

/// Routes by path.
#[derive(Clone, Debug, Default)]
pub(super) struct Paths {
    exact: HashMap<String, Hosts>,
    prefix: HashMap<String, Hosts>,
    templates: Vec<(Vec<Option<String>>, Hosts)>,
    /// No path is cut beyond this length, so a path of a thousand segments costs no more than one of
    /// the manifest's own depth.
    longest_prefix: usize,
}

/// Routes of one path, by host.
#[derive(Clone, Debug, Default)]
struct Hosts {
    exact: HashMap<String, Shapes>,
    suffix: HashMap<String, Shapes>,
    any: Shapes,
}

/// Routes of one path and host, by which headers they ask for.
#[derive(Clone, Debug, Default)]
struct Shapes(Vec<Shape>);

/// Routes that ask for the same headers, by the values they ask for.
#[derive(Clone, Debug)]
struct Shape {
    /// Names, and whether the value is part of the condition.
    headers: Vec<(String, bool)>,
    slots: HashMap<String, Vec<Slot>>,
}

/// Routes that differ at most in their model.
#[derive(Clone, Debug, Default)]
pub(super) struct Slot {
    methods: Vec<String>,
    by_model: HashMap<String, Entry>,
    any_model: Option<Entry>,
}

impl Paths {
    pub(super) fn insert(&mut self, matching: &RouteMatch, entry: Entry) {
        let hosts = match &matching.path {
            PathMatch::Exact(path) => self.exact.entry(path.clone()).or_default(),
            PathMatch::Template(segments) => self.template(segments),
            PathMatch::Prefix(prefix) => {
                self.longest_prefix = self.longest_prefix.max(prefix.len());
                self.prefix.entry(prefix.clone()).or_default()
            }
        };
        let shapes = match &matching.host {
            HostMatch::Exact(host) => hosts.exact.entry(host.clone()).or_default(),
            HostMatch::Suffix(suffix) => hosts.suffix.entry(suffix.clone()).or_default(),
            HostMatch::Any => &mut hosts.any,
        };
        shapes.insert(matching, entry);
    }

    fn template(&mut self, segments: &[Option<String>]) -> &mut Hosts {
        let at = self.templates.iter().position(|(known, _)| known == segments);
        let at = at.unwrap_or_else(|| {
            self.templates.push((segments.to_vec(), Hosts::default()));
            self.templates.len() - 1
        });
        #[expect(clippy::indexing_slicing, reason = "a place found or made above")]
        &mut self.templates[at].1
    }

    pub(super) fn collect<'t, 'h, H>(&'t self, host: &str, path: &str, found: &mut Found<'_, 't, H>)
    where
        H: Fn(&str) -> Option<&'h str>,
    {
        if let Some(hosts) = self.exact.get(path) {
            hosts.collect(host, found);
        }
        for (segments, hosts) in &self.templates {
            if template::fits(segments, path) {
                hosts.collect(host, found);
            }
        }
        if self.prefix.is_empty() {
            return;
        }
        let boundaries = path.match_indices('/').map(|(at, _)| at).chain([path.len()]);
        for end in boundaries.take_while(|end| *end <= self.longest_prefix) {
            if let Some(hosts) = path.get(..end).and_then(|prefix| self.prefix.get(prefix)) {
                hosts.collect(host, found);
            }
        }
    }
}

impl Hosts {
    fn collect<'t, 'h, H>(&'t self, host: &str, found: &mut Found<'_, 't, H>)
    where
        H: Fn(&str) -> Option<&'h str>,
    {
        if let Some(shapes) = self.exact.get(host) {
            shapes.collect(found);
        }
        if !self.suffix.is_empty() {
            for (at, _) in host.match_indices('.') {
                if let Some(shapes) = host.get(at..).and_then(|suffix| self.suffix.get(suffix)) {
                    shapes.collect(found);
                }
            }
        }
        self.any.collect(found);
    }
}

impl Shapes {
    fn insert(&mut self, matching: &RouteMatch, entry: Entry) {
        let mut conditions: Vec<&HeaderMatch> = matching.headers.iter().collect();
        conditions.sort_unstable();
        let headers: Vec<_> = conditions.iter().map(|h| (h.name.clone(), h.value.is_some())).collect();
        let mut key = String::new();
        conditions.iter().filter_map(|h| h.value.as_deref()).for_each(|value| extend_key(&mut key, value));
        let at = self.0.iter().position(|shape| shape.headers == headers);
        let slots = match at.and_then(|at| self.0.get_mut(at)) {
            Some(shape) => shape.slots.entry(key).or_default(),
            None => {
                self.0
                    .push(Shape { headers, slots: HashMap::from([(key, vec![Slot::new(matching, entry)])]) });
                return;
            }
        };
        match slots.iter_mut().find(|slot| slot.methods == matching.methods) {
            Some(slot) => slot.add(matching, entry),
            None => slots.push(Slot::new(matching, entry)),
        }
    }

    fn collect<'t, 'h, H>(&'t self, found: &mut Found<'_, 't, H>)
    where
        H: Fn(&str) -> Option<&'h str>,
    {
        for shape in &self.0 {
            let Some(slots) = shape.key(found.header).and_then(|key| shape.slots.get(&key)) else { continue };
            for slot in slots {
                if slot.methods.is_empty() || slot.methods.iter().any(|m| m == found.method) {
                    found.slots.push(slot);
                } else {
                    found.other_methods.extend(slot.methods.iter().map(String::as_str));
                }
            }
        }
    }
}

/// Appends a header value to a key. No header value can hold the separator (RFC 9110 §5.5).
fn extend_key(key: &mut String, value: &str) {
    key.push_str(value);
    key.push('\0');
}

impl Shape {
    /// The request's values for the headers of this shape; `None` when one is missing.
    fn key<'h>(&self, header: &impl Fn(&str) -> Option<&'h str>) -> Option<String> {
        let mut key = String::new();
        for (name, by_value) in &self.headers {
            let value = header(name)?;
            if *by_value {
                extend_key(&mut key, value);
            }
        }
        Some(key)
    }
}

impl Slot {
    fn new(matching: &RouteMatch, entry: Entry) -> Self {
        let mut slot = Self { methods: matching.methods.clone(), ..Self::default() };
        slot.add(matching, entry);
        slot
    }

    /// Entries arrive in order of rank, so whoever is there already wins.
    fn add(&mut self, matching: &RouteMatch, entry: Entry) {
        match &matching.model {
            Some(model) => {
                self.by_model.entry(model.clone()).or_insert(entry);
            }
            None => {
                self.any_model.get_or_insert(entry);
            }
        }
    }

    pub(super) fn best(&self, model: Option<&str>) -> Option<Entry> {
        model.and_then(|name| self.by_model.get(name)).copied().or(self.any_model)
    }

    pub(super) fn all(&self) -> impl Iterator<Item = Entry> {
        self.by_model.values().copied().chain(self.any_model)
    }

    pub(super) fn names_models(&self) -> bool {
        !self.by_model.is_empty()
    }
}
