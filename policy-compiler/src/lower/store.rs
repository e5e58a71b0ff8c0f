//! Where counts are kept.

use rule_table::{SharedStore, Store, WhenAway};

use super::edge::secret;
use crate::manifest::{self, Manifest};

pub(super) fn store(manifest: &Manifest) -> Store {
    Store { shared: manifest.store.shared.as_ref().map(shared), sync: manifest.store.sync.0.0 }
}

fn shared(store: &manifest::SharedStore) -> SharedStore {
    SharedStore {
        url: store.redis.url.clone(),
        auth: store.redis.auth.as_ref().map(secret),
        prefix: store.prefix.clone(),
        replicas: store.replicas,
        when_away: match store.when_away {
            manifest::WhenAway::LocalShare => WhenAway::LocalShare,
            manifest::WhenAway::Closed => WhenAway::Closed,
        },
    }
}
