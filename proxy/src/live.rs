//! What a request reads once at its arrival: the policy in force and how to reach its backends. It owns
//! swapping both together; it refuses to decide when (the policy source does).

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use arc_swap::ArcSwap;
use decision::Gate;
use vocabulary::admin::stores::Stores;

use crate::clock::Clock;
use crate::countries::Countries;
use crate::doors::KeySets;
use crate::edge::Pipes;
use crate::hooks::Hooks;
use crate::overload::Occupancy;
use crate::policy::Shadow;
use crate::settlement::Observers;
use crate::store::Health;
use crate::store::refill::Leases;
use crate::upstream::Upstreams;

/// A policy and its upstreams, swapped as one.
#[derive(Debug)]
pub struct InForce {
    /// Decides.
    pub gate: Arc<Gate>,
    /// Reaches backends, by the gate's backend indices.
    pub upstreams: Arc<Upstreams>,
    /// Balances piped routes.
    pub pipes: Arc<Pipes>,
    /// Asks policy hooks.
    pub hooks: Arc<Hooks>,
    /// Tells which country an address is in.
    pub countries: Arc<Countries>,
}

/// Has tokenizers built that the policy's hard limits may count with. Requests do not wait for it.
pub(crate) fn build_tokenizers(gate: &Arc<Gate>) {
    let gate = Arc::clone(gate);
    drop(tokio::task::spawn_blocking(move || gate.build_tokenizers()));
}

/// The gateway's shared state.
#[derive(Debug)]
pub struct Live {
    /// Policy time.
    pub clock: Clock,
    /// Where accounts of requests go.
    pub observers: Observers,
    /// The requests that were let in, and what is held for them.
    pub occupancy: Occupancy,
    /// Fetches keys of issuers.
    pub key_sets: KeySets,
    /// A second policy that is compared with the one in force.
    pub shadow: Shadow,
    in_force: ArcSwap<InForce>,
    in_flight: AtomicU64,
    draining: AtomicBool,
    health: Health,
}

impl Live {
    /// State that serves `in_force`.
    #[must_use]
    pub fn new(clock: Clock, observers: Observers, key_sets: KeySets, in_force: InForce) -> Self {
        Self {
            clock,
            observers,
            occupancy: Occupancy::default(),
            key_sets,
            shadow: Shadow::default(),
            in_force: ArcSwap::from_pointee(in_force),
            in_flight: AtomicU64::new(0),
            draining: AtomicBool::new(false),
            health: Health::default(),
        }
    }

    /// The same, with counts that are kept somewhere.
    #[must_use]
    pub fn with_stores(mut self, health: Health) -> Self {
        self.health = health;
        self
    }

    /// How what counts are kept in is doing under the policy in force.
    #[must_use]
    pub fn stores(&self) -> Stores {
        self.health.look(&self.in_force.load().gate.policy().limits)
    }

    /// This replica's leases of shared limits; nothing when each replica counts for itself.
    #[must_use]
    pub fn leases(&self) -> Option<&Arc<Leases>> {
        self.health.leases()
    }

    /// The policy in force now.
    #[must_use]
    pub fn in_force(&self) -> Arc<InForce> {
        self.in_force.load_full()
    }

    /// Puts another policy in force for requests that arrive from now on.
    pub fn swap(&self, next: InForce) {
        self.in_force.store(Arc::new(next));
    }

    /// Requests between arrival and settlement.
    #[must_use]
    pub fn in_flight(&self) -> u64 {
        self.in_flight.load(Ordering::Acquire)
    }

    /// Whether the gateway is shutting down.
    #[must_use]
    pub fn draining(&self) -> bool {
        self.draining.load(Ordering::Acquire)
    }

    /// Makes readiness fail while requests in flight go on.
    pub fn drain(&self) {
        self.draining.store(true, Ordering::Release);
    }

    /// Counts a request until the guard is dropped.
    #[must_use]
    pub fn admit(self: &Arc<Self>) -> InFlight {
        self.in_flight.fetch_add(1, Ordering::AcqRel);
        InFlight(Arc::clone(self))
    }
}

/// A fresh request id: UUIDv7 (RFC 9562 §5.7) of this time, so ids sort by millisecond. Its random bits
/// come from this thread's generator, which asks the system for entropy only now and then.
#[must_use]
pub fn request_id(unix_nanos: u64) -> String {
    let id = uuid::Builder::from_unix_timestamp_millis(unix_nanos / 1_000_000, &rand::random());
    id.into_uuid().simple().to_string()
}

/// A request in flight.
#[derive(Debug)]
pub struct InFlight(Arc<Live>);

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.in_flight.fetch_sub(1, Ordering::AcqRel);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn request_ids_are_distinct_and_sort_by_time() {
        let at = |millis: u64| request_id(millis * 1_000_000);
        assert_ne!(at(1_795_000_000_000), at(1_795_000_000_000));
        assert!(at(1_795_000_000_000) < at(1_795_000_000_001));
        let id = uuid::Uuid::parse_str(&at(1_795_000_000_000)).unwrap();
        assert_eq!(id.get_version(), Some(uuid::Version::SortRand));
    }
}
