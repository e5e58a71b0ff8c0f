//! Keys issued at run time beside a difference: they stand for consumers of the manifest and only narrow it, so
//! what a change leaves them is told. It owns what each may do under either policy; it refuses to know secrets.

use std::collections::BTreeSet;

use rule_table::{Policy, Route};
use serde::Serialize;
use vocabulary::admin::keys::KeyStatus;

use super::Diff;

/// An issued key and the routes it opens.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Issued {
    /// What people call it.
    pub name: String,
    /// The consumer it stands for.
    pub consumer: String,
    /// Its first characters.
    pub prefix: String,
    /// How it narrows what its consumer may, in words; empty where it does not.
    pub narrows: String,
    /// Routes it opened; absent where its consumer was not known.
    pub old: Option<BTreeSet<String>>,
    /// Routes it opens; absent where its consumer is not known.
    pub new: Option<BTreeSet<String>>,
}

impl Issued {
    /// Whether it opens other routes than before, or none at all.
    #[must_use]
    pub fn differs(&self) -> bool {
        self.old != self.new
    }
}

/// The routes that a key opens.
fn opens(policy: &Policy, key: &KeyStatus) -> Option<BTreeSet<String>> {
    let place = policy.consumers.iter().position(|consumer| consumer.name == key.consumer)?;
    let id = u32::try_from(place).ok()?;
    let may = |route: &&Route| {
        let of_consumer = route.public || route.consumers.is_empty() || route.consumers.contains(&id);
        of_consumer && (key.routes.is_empty() || key.routes.contains(&route.name))
    };
    Some(policy.routes.iter().filter(may).map(|route| route.name.clone()).collect())
}

/// Adds what a change leaves issued keys that are neither revoked nor expired at `unix_seconds`. A key that
/// opens other routes than before is a difference.
pub fn with_keys(diff: &mut Diff, old: &Policy, new: &Policy, keys: &[KeyStatus], unix_seconds: u64) {
    let good = |key: &&KeyStatus| {
        key.revoked.is_none() && key.expires.is_none_or(|expires| expires.0 > unix_seconds)
    };
    for key in keys.iter().filter(good) {
        let routes = (!key.routes.is_empty()).then(|| format!("routes {}", key.routes.join(", ")));
        let limits = (!key.limits.is_empty()).then(|| key.limits.to_string());
        let narrows: Vec<String> = [routes, limits].into_iter().flatten().collect();
        let issued = Issued {
            name: key.name.clone(),
            consumer: key.consumer.clone(),
            prefix: key.prefix.clone(),
            narrows: narrows.join("; "),
            old: opens(old, key),
            new: opens(new, key),
        };
        diff.same &= !issued.differs();
        diff.issued.push(issued);
    }
}
