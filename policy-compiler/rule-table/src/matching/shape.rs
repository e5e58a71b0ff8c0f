//! Routes that ask for headers or parameters, by the values they ask for. It owns groups of routes that ask for
//! the same names; it refuses to look at paths and hosts, which led to a group.

use hashbrown::HashMap;
use smallvec::SmallVec;

use super::index::{Found, Methods, Number};
use super::slot::{Entry, Slot};
use crate::facts::Facts;
use crate::sections::{HeaderMatch, QueryMatch, RouteMatch};

/// Values one after another; most fit without memory of their own.
type Key = SmallVec<[u8; 64]>;

/// Names, and whether the value is part of the condition.
type Names = Vec<(String, bool)>;

/// All groups.
#[derive(Clone, Debug, Default)]
pub(super) struct Shapes {
    all: Vec<Shape>,
    places: HashMap<((Number, Number), Names, Names), u32>,
}

/// Routes of one path and host that ask for the same headers and parameters.
#[derive(Clone, Debug)]
struct Shape {
    headers: Names,
    query: Names,
    slots: HashMap<Key, Vec<Slot>>,
}

impl Shapes {
    pub(super) fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    /// Once all are there, nobody looks for them by content.
    pub(super) fn forget_places(&mut self) {
        self.places = HashMap::new();
    }

    /// Enters a route; tells its group, and whether that is new.
    pub(super) fn insert(
        &mut self,
        at: (Number, Number),
        matching: &RouteMatch,
        methods: u32,
        entry: Entry,
    ) -> (u32, bool) {
        let mut headers: Vec<&HeaderMatch> = matching.headers.iter().collect();
        headers.sort_unstable();
        let mut query: Vec<&QueryMatch> = matching.query.iter().collect();
        query.sort_unstable();
        let mut key = Key::new();
        let values = headers.iter().filter_map(|header| header.value.as_deref());
        for value in values.chain(query.iter().filter_map(|parameter| parameter.value.as_deref())) {
            extend_key(&mut key, value.as_bytes());
        }
        let headers: Names = headers.iter().map(|h| (h.name.clone(), h.value.is_some())).collect();
        let query: Names = query.iter().map(|q| (q.name.clone(), q.value.is_some())).collect();
        let next = u32::try_from(self.all.len()).unwrap_or(u32::MAX);
        let group = *self.places.entry((at, headers.clone(), query.clone())).or_insert(next);
        if group == next {
            self.all.push(Shape { headers, query, slots: HashMap::new() });
        }
        if let Some(shape) = self.all.get_mut(group as usize) {
            let slots = shape.slots.entry(key).or_default();
            match slots.iter_mut().find(|slot| slot.methods == methods) {
                Some(slot) => slot.add(matching, entry),
                None => {
                    let mut slot = Slot::new(methods);
                    slot.add(matching, entry);
                    slots.push(slot);
                }
            }
        }
        (group, group == next)
    }

    pub(super) fn collect<'t>(&'t self, group: u32, methods: &'t Methods, found: &mut Found<'_, 't>) {
        let Some(shape) = self.all.get(group as usize) else { return };
        let slots = shape.key(found.facts).and_then(|key| shape.slots.get(&key));
        for slot in slots.into_iter().flatten() {
            methods.sort_in(slot, found);
        }
    }
}

/// Appends a value to a key, its length first: no value can pass for two.
fn extend_key(key: &mut Key, value: &[u8]) {
    key.extend_from_slice(&value.len().to_le_bytes());
    key.extend_from_slice(value);
}

impl Shape {
    /// The request's values for the headers and parameters of this shape; `None` when one is missing.
    fn key(&self, facts: &Facts<'_>) -> Option<Key> {
        let mut key = Key::new();
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
