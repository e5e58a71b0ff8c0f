//! Keys that were issued while the gateway runs. It owns their index, which every policy in force shares and
//! which is swapped whole; it refuses to store, issue or revoke them (the gateway does), and to widen what
//! the manifest grants: a key stands for a consumer of the manifest, or for nobody.

use std::collections::BTreeMap;
use std::sync::Arc;

use arc_swap::ArcSwap;
use vocabulary::admin::keys::KeyLimits;

use crate::counters::{Counted, of_key};

use super::{Found, KeyHash, KeyIndex, Known, NEVER, short};

/// A key that was issued.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IssuedKey {
    /// Its SHA-256.
    pub sha256: KeyHash,
    /// The consumer it stands for, by name.
    pub consumer: Arc<str>,
    /// Unix seconds from which it is refused.
    pub expires: Option<u64>,
    /// The routes it may be used on, of those its consumer may use; all of them when empty.
    pub routes: Vec<Arc<str>>,
    /// By which people know it, and its limits are counted.
    pub id: Arc<str>,
    /// What it may take, within what its consumer may.
    pub limits: KeyLimits,
}

/// What an issued key says beyond its consumer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Terms {
    routes: Vec<Arc<str>>,
    /// Its own counters.
    pub(crate) counted: Vec<Counted>,
}

impl Terms {
    /// Whether the key may be used on a route of this name.
    pub(crate) fn allow(&self, route: &str) -> bool {
        self.routes.is_empty() || self.routes.iter().any(|allowed| **allowed == *route)
    }
}

/// All issued keys. One value for the life of the process; what it holds is replaced whole.
#[derive(Debug, Default)]
pub struct IssuedKeys {
    held: ArcSwap<Held>,
}

#[derive(Debug, Default)]
struct Held {
    index: KeyIndex,
    consumers: Vec<Arc<str>>,
    terms: Vec<Arc<Terms>>,
    /// The keys that have limits of their own, by id.
    limited: Vec<(Arc<str>, Arc<Terms>)>,
}

/// Whose an issued key is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Owner {
    Unknown,
    Expired,
    /// Of the consumer of this name, on these terms.
    Good(Arc<str>, Arc<Terms>),
}

impl IssuedKeys {
    /// Replaces all keys, for requests that arrive from now on.
    pub fn replace(&self, keys: impl IntoIterator<Item = IssuedKey>) {
        let (mut consumers, mut terms) = (Interned::default(), Interned::default());
        let mut limits = BTreeMap::new();
        let keys = keys.into_iter().map(|key| {
            let own = (!key.limits.is_empty()).then(|| Arc::clone(&key.id));
            limits.extend(own.clone().map(|id| (id, key.limits)));
            let known = Known {
                owner: consumers.id(key.consumer),
                terms: terms.id((key.routes, own)),
                expires: key.expires.map_or(NEVER, short),
            };
            (key.sha256, known)
        });
        let index = KeyIndex::new(keys);
        let (mut all, mut limited) = (Vec::new(), Vec::new());
        for (routes, own) in terms.all {
            let id_and_limits = own.and_then(|id| Some((limits.get(&id)?, id)));
            let counted = id_and_limits.as_ref().map(|(limits, id)| of_key(id, limits)).unwrap_or_default();
            let terms = Arc::new(Terms { routes, counted });
            limited.extend(id_and_limits.map(|(_, id)| (id, Arc::clone(&terms))));
            all.push(terms);
        }
        self.held.store(Arc::new(Held { index, consumers: consumers.all, terms: all, limited }));
    }

    /// The keys that have limits of their own, by id.
    pub(crate) fn limited(&self) -> Vec<(Arc<str>, Arc<Terms>)> {
        self.held.load().limited.clone()
    }

    /// Whose this hash is `now`, in Unix seconds.
    pub(crate) fn find(&self, hash: &KeyHash, now: u64) -> Owner {
        let held = self.held.load();
        match held.index.find(hash, now) {
            Found::Unknown => Owner::Unknown,
            Found::Expired => Owner::Expired,
            Found::Good(known) => {
                let consumer = held.consumers.get(known.owner as usize);
                match (consumer, held.terms.get(known.terms as usize)) {
                    (Some(consumer), Some(terms)) => Owner::Good(Arc::clone(consumer), Arc::clone(terms)),
                    _ => Owner::Unknown,
                }
            }
        }
    }
}

/// Values that many keys share, each once, by the order of their first use.
#[derive(Debug)]
struct Interned<T> {
    ids: BTreeMap<T, u32>,
    all: Vec<T>,
}

impl<T> Default for Interned<T> {
    fn default() -> Self {
        Self { ids: BTreeMap::new(), all: Vec::new() }
    }
}

impl<T: Ord + Clone> Interned<T> {
    fn id(&mut self, value: T) -> u32 {
        let next = u32::try_from(self.all.len()).unwrap_or(u32::MAX);
        if let Some(known) = self.ids.get(&value) {
            return *known;
        }
        self.ids.insert(value.clone(), next);
        self.all.push(value);
        next
    }
}
