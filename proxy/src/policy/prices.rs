//! Prices whose day has come. It owns putting the policy in force again with them, so that one request is
//! counted with one price throughout; it refuses to know prices.

use vocabulary::admin::audit::AuditAction;

use super::change::Cause;
use super::keeper::{Keeper, Offer};
use crate::audit::Actor;
use crate::clock::{unix_nanos, unix_time};

const TRY_EVERY_MS: u64 = 60_000;

impl Keeper {
    /// Puts the policy in force again where a price in it has changed since. One on trial keeps its prices.
    pub async fn follow_prices(&self) {
        let gate = std::sync::Arc::clone(&self.live().in_force().gate);
        if self.canary().is_some() || !gate.policy().has_outdated_prices(unix_time()) {
            return;
        }
        // What was missing a moment ago will be missing now.
        if self.has_rejected_since((unix_nanos() / 1_000_000).saturating_sub(TRY_EVERY_MS)) {
            return;
        }
        let (manifest, generation) = self.manifest();
        let mut cause = Cause::new(Actor::local("gateway"), AuditAction::Reload);
        cause.reason = Some("prices change today".to_owned());
        let same = |now| now == generation;
        if let Offer::Rejected(_) = self.offer(manifest, cause, &same).await {
            tracing::error!("prices have changed, and the policy in force cannot be put in force again");
        }
    }
}
