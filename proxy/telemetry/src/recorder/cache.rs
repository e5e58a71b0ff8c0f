//! Instruments already bound to an attribute set. It owns a table that is read without a lock and copied
//! when it grows; it refuses to grow past its bound, where the SDK folds series together anyway.

use std::hash::Hash;
use std::sync::Arc;

use arc_swap::ArcSwap;
use hashbrown::{Equivalent, HashMap};
use parking_lot::Mutex;

pub(super) struct Cache<K, V> {
    table: ArcSwap<HashMap<K, Arc<V>>>,
    growing: Mutex<()>,
    bound: usize,
}

impl<K: Clone + Eq + Hash, V> Cache<K, V> {
    pub(super) fn new(bound: usize) -> Self {
        Self { table: ArcSwap::from_pointee(HashMap::new()), growing: Mutex::new(()), bound }
    }

    /// The value of `key`, made by `make` the first time it is asked for.
    pub(super) fn get<Q>(&self, key: &Q, own: impl FnOnce() -> K, make: impl FnOnce() -> V) -> Arc<V>
    where
        Q: Hash + Equivalent<K> + ?Sized,
    {
        if let Some(value) = self.table.load().get(key) {
            return Arc::clone(value);
        }
        let _growing = self.growing.lock();
        let table = self.table.load();
        if let Some(value) = table.get(key) {
            return Arc::clone(value);
        }
        let value = Arc::new(make());
        if table.len() < self.bound {
            let mut grown = HashMap::clone(&table);
            grown.insert(own(), Arc::clone(&value));
            self.table.store(Arc::new(grown));
        }
        value
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_made_once_per_key() {
        let cache: Cache<String, usize> = Cache::new(10);
        let first = cache.get("a", || "a".to_owned(), || 1);
        let again = cache.get("a", || "a".to_owned(), || 2);
        assert_eq!((*first, *again), (1, 1));
        assert!(Arc::ptr_eq(&first, &again));
    }

    #[test]
    fn a_full_cache_still_answers() {
        let cache: Cache<String, usize> = Cache::new(1);
        cache.get("a", || "a".to_owned(), || 1);
        assert_eq!(*cache.get("b", || "b".to_owned(), || 2), 2);
        assert_eq!(*cache.get("b", || "b".to_owned(), || 3), 3);
        assert_eq!(cache.table.load().len(), 1);
    }
}
