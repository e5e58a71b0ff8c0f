//! Routes that differ at most in model, callers and hours. It owns the choice between them; it refuses to
//! look at paths, hosts and headers, which led here.

use hashbrown::HashMap;

use crate::facts::Facts;
use crate::hours::Hours;
use crate::sections::{ConsumerId, RouteId, RouteMatch};

/// A route and its place in the order of specificity; the lowest rank wins.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Entry {
    pub(super) rank: u32,
    pub(super) id: RouteId,
}

/// What routes ask for beyond what the caller sent: who that is, and when.
#[derive(Clone, Copy, Debug)]
pub(super) struct Asker {
    consumer: Option<ConsumerId>,
    unix_seconds: u64,
}

impl From<&Facts<'_>> for Asker {
    fn from(facts: &Facts<'_>) -> Self {
        Self { consumer: facts.consumer, unix_seconds: facts.unix_seconds }
    }
}

/// A route that may be for some callers or hours only.
#[derive(Clone, Debug)]
struct Guarded {
    entry: Entry,
    consumers: Vec<ConsumerId>,
    hours: Option<Hours>,
    /// Its hours are in a zone nobody knows.
    never: bool,
}

/// Routes of one method and one set of values.
#[derive(Clone, Debug, Default)]
pub(super) struct Slot {
    /// A number of `Methods`.
    pub(super) methods: u32,
    by_model: HashMap<String, Vec<Guarded>>,
    /// Those for some callers or hours that come before `open`.
    any_model: Vec<Guarded>,
    /// The first for every model, caller and hour: none after it is ever taken.
    open: Option<Entry>,
}

impl Guarded {
    fn takes_all(&self) -> bool {
        self.consumers.is_empty() && self.hours.is_none() && !self.never
    }

    fn takes(&self, asker: Asker) -> bool {
        !self.never
            && (self.consumers.is_empty()
                || asker.consumer.is_some_and(|caller| self.consumers.contains(&caller)))
            && self.hours.as_ref().is_none_or(|hours| hours.hold(asker.unix_seconds))
    }
}

impl Slot {
    pub(super) fn new(methods: u32) -> Self {
        Self { methods, ..Self::default() }
    }

    /// Entries arrive in order of rank, so the first that takes a request wins.
    pub(super) fn add(&mut self, matching: &RouteMatch, entry: Entry) {
        let hours = matching.time.as_ref().map(Hours::of);
        let never = matches!(hours, Some(None));
        let guarded = Guarded { entry, consumers: matching.consumers.clone(), hours: hours.flatten(), never };
        match &matching.model {
            Some(model) => self.by_model.entry(model.clone()).or_default().push(guarded),
            None if self.open.is_some() => {}
            None if guarded.takes_all() => self.open = Some(entry),
            None => self.any_model.push(guarded),
        }
    }

    pub(super) fn best(&self, model: Option<&str>, asker: Asker) -> Option<Entry> {
        let first = |of: &[Guarded]| of.iter().find(|one| one.takes(asker)).map(|one| one.entry);
        let named = model.and_then(|name| self.by_model.get(name)).and_then(|named| first(named));
        named.into_iter().chain(first(&self.any_model).or(self.open)).min()
    }

    pub(super) fn all(&self, asker: Asker) -> impl Iterator<Item = Entry> {
        let every = self.by_model.values().flatten().chain(&self.any_model);
        every.filter(move |one| one.takes(asker)).map(|one| one.entry).chain(self.open)
    }

    /// Whether one of them takes requests of this caller now.
    pub(super) fn is_open(&self, facts: &Facts<'_>) -> bool {
        let asker = Asker::from(facts);
        self.open.is_some() || self.all(asker).next().is_some()
    }

    pub(super) fn names_models(&self) -> bool {
        !self.by_model.is_empty()
    }
}
