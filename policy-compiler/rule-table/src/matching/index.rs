//! The nested hash index behind the route table: path, then host, then the shape of the header and query
//! conditions, then method and model. It owns the lookup; it refuses to know the order of
//! specificity, which arrives as a rank.

use hashbrown::HashMap;

use super::slot::{Entry, Slot};
use super::template;
use crate::facts::Facts;
use crate::sections::{HeaderMatch, HostMatch, PathMatch, QueryMatch, RouteMatch};

/// A request, and the slots it leads to.
pub(super) struct Found<'r, 't> {
    pub(super) facts: &'r Facts<'r>,
    pub(super) slots: Vec<&'t Slot>,
    pub(super) other_methods: Vec<&'t str>,
}

/// Routes by path.
#[derive(Clone, Debug, Default)]
pub(super) struct Paths {
    exact: HashMap<String, Hosts>,
    prefix: HashMap<String, Hosts>,
    /// Templates by how many segments they have.
    templates: HashMap<usize, Templates>,
    /// No path is cut beyond this length, so a path of a thousand segments costs no more than one of
    /// the manifest's own depth.
    longest_prefix: usize,
}

/// A template's segments and its routes.
type Template = (Vec<Option<String>>, Hosts);

/// Templates of one length, by their first segment where it is stated.
#[derive(Clone, Debug, Default)]
struct Templates {
    stated: HashMap<String, Vec<Template>>,
    open: Vec<Template>,
}

/// Routes of one path, by host.
#[derive(Clone, Debug, Default)]
struct Hosts {
    exact: HashMap<String, Shapes>,
    suffix: HashMap<String, Shapes>,
    any: Shapes,
}

/// Routes of one path and host, by which headers and parameters they ask for.
#[derive(Clone, Debug, Default)]
struct Shapes(Vec<Shape>);

/// Routes that ask for the same headers and parameters, by the values they ask for.
#[derive(Clone, Debug)]
struct Shape {
    /// Names, and whether the value is part of the condition.
    headers: Vec<(String, bool)>,
    query: Vec<(String, bool)>,
    slots: HashMap<Vec<u8>, Vec<Slot>>,
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
        let templates = self.templates.entry(segments.len()).or_default();
        let known = match segments.first().and_then(Option::as_ref) {
            Some(first) => templates.stated.entry(first.clone()).or_default(),
            None => &mut templates.open,
        };
        let at = known.iter().position(|(known, _)| known == segments);
        let at = at.unwrap_or_else(|| {
            known.push((segments.to_vec(), Hosts::default()));
            known.len() - 1
        });
        #[expect(clippy::indexing_slicing, reason = "a place found or made above")]
        &mut known[at].1
    }

    pub(super) fn collect<'t>(&'t self, host: &str, path: &str, found: &mut Found<'_, 't>) {
        if let Some(hosts) = self.exact.get(path) {
            hosts.collect(host, found);
        }
        if !self.templates.is_empty() {
            self.collect_templates(host, path, found);
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

    fn collect_templates<'t>(&'t self, host: &str, path: &str, found: &mut Found<'_, 't>) {
        let Some(templates) = self.templates.get(&path.split('/').skip(1).count()) else { return };
        let stated = path.split('/').nth(1).and_then(|first| templates.stated.get(first));
        for (segments, hosts) in stated.into_iter().flatten().chain(&templates.open) {
            if template::fits(segments, path) {
                hosts.collect(host, found);
            }
        }
    }
}

impl Hosts {
    fn collect<'t>(&'t self, host: &str, found: &mut Found<'_, 't>) {
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
        let mut asked: Vec<&HeaderMatch> = matching.headers.iter().collect();
        asked.sort_unstable();
        let mut parameters: Vec<&QueryMatch> = matching.query.iter().collect();
        parameters.sort_unstable();
        let headers: Vec<_> = asked.iter().map(|h| (h.name.clone(), h.value.is_some())).collect();
        let query: Vec<_> = parameters.iter().map(|q| (q.name.clone(), q.value.is_some())).collect();
        let values = asked.iter().filter_map(|h| h.value.as_deref());
        let mut key = Vec::new();
        values
            .chain(parameters.iter().filter_map(|q| q.value.as_deref()))
            .for_each(|value| extend_key(&mut key, value.as_bytes()));
        let at = self.0.iter().position(|shape| shape.headers == headers && shape.query == query);
        let slots = match at.and_then(|at| self.0.get_mut(at)) {
            Some(shape) => shape.slots.entry(key).or_default(),
            None => {
                let slots = HashMap::from([(key, vec![Slot::new(matching, entry)])]);
                self.0.push(Shape { headers, query, slots });
                return;
            }
        };
        match slots.iter_mut().find(|slot| slot.methods == matching.methods) {
            Some(slot) => slot.add(matching, entry),
            None => slots.push(Slot::new(matching, entry)),
        }
    }

    fn collect<'t>(&'t self, found: &mut Found<'_, 't>) {
        for shape in &self.0 {
            let Some(slots) = shape.key(found.facts).and_then(|key| shape.slots.get(&key)) else { continue };
            for slot in slots.iter().filter(|slot| slot.is_open(found.facts)) {
                if slot.methods.is_empty() || slot.methods.iter().any(|m| m == found.facts.method) {
                    found.slots.push(slot);
                } else {
                    found.other_methods.extend(slot.methods.iter().map(String::as_str));
                }
            }
        }
    }
}

/// Appends a value to a key, its length first: no value can pass for two.
fn extend_key(key: &mut Vec<u8>, value: &[u8]) {
    key.extend_from_slice(&value.len().to_le_bytes());
    key.extend_from_slice(value);
}

impl Shape {
    /// The request's values for the headers and parameters of this shape; `None` when one is missing.
    fn key(&self, facts: &Facts<'_>) -> Option<Vec<u8>> {
        let mut key = Vec::new();
        for (name, by_value) in &self.headers {
            facts.first_header(name, |value| {
                if *by_value {
                    extend_key(&mut key, value);
                }
            })?;
        }
        for (name, by_value) in &self.query {
            let value = facts.first_parameter(name)?;
            if *by_value {
                extend_key(&mut key, value.as_bytes());
            }
        }
        Some(key)
    }
}
