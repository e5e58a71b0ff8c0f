//! Collections that rules keep across requests (`IP`, `GLOBAL`, …), in memory. It owns their bound and their ends; it
//! refuses to survive a restart.

use std::collections::HashMap;

use parking_lot::Mutex;
use waf::program::Collection;
use waf::run::Vars;

/// Collections at once; when full, all that have an end in the past go, and then all.
const MOST: usize = 50_000;

#[derive(Default)]
pub(crate) struct Kept {
    collections: Mutex<HashMap<(Collection, Vec<u8>), One>>,
}

#[derive(Clone)]
struct One {
    vars: Vars,
    expiries: Vec<(Vec<u8>, i64)>,
}

impl Kept {
    pub(super) fn load(&self, collection: Collection, key: &[u8], now: i64) -> Vars {
        let collections = self.collections.lock();
        let Some(one) = collections.get(&(collection, key.to_vec())) else { return Vars::default() };
        let mut vars = one.vars.clone();
        for (name, _) in one.expiries.iter().filter(|(_, end)| *end <= now) {
            vars.set(name, None);
        }
        vars
    }

    pub(super) fn save(
        &self,
        collection: Collection,
        key: &[u8],
        vars: &Vars,
        expiries: &[(Vec<u8>, i64)],
        now: i64,
    ) {
        let mut collections = self.collections.lock();
        if collections.len() >= MOST {
            collections.retain(|_, one| one.expiries.iter().any(|(_, end)| *end > now));
            if collections.len() >= MOST {
                collections.clear();
            }
        }
        let mut ends =
            collections.get(&(collection, key.to_vec())).map(|one| one.expiries.clone()).unwrap_or_default();
        ends.retain(|(name, end)| *end > now && !expiries.iter().any(|(known, _)| known == name));
        ends.extend_from_slice(expiries);
        collections.insert((collection, key.to_vec()), One { vars: vars.clone(), expiries: ends });
    }
}

impl std::fmt::Debug for Kept {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Kept").finish_non_exhaustive()
    }
}
