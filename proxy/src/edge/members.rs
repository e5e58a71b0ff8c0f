//! Members of piped pools, as Pingora balances them. It owns the balancers, what their addresses belong to
//! and when they are probed; it refuses to see requests.

use std::collections::{BTreeSet, HashMap};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use async_trait::async_trait;
use parking_lot::Mutex;
use pingora_error::Result;
use pingora_load_balancing::discovery::ServiceDiscovery;
use pingora_load_balancing::selection::RoundRobin;
use pingora_load_balancing::{Backend, Backends, LoadBalancer};
use rule_table::{DeploymentId, Policy, Pool, PoolId};
use tokio::time::Instant;

use super::probes::Probe;
use crate::clock::Clock;
use crate::upstream::{Upstream, Upstreams};

/// The balancers of a policy's piped pools.
#[derive(Default)]
pub struct Pipes {
    by_pool: HashMap<PoolId, Pipe>,
}

/// A pool's balancer and the members that operators hold back from it.
pub(super) struct Balanced {
    pub(super) balancer: Arc<LoadBalancer<RoundRobin>>,
    held_back: Arc<BTreeSet<String>>,
}

impl Balanced {
    /// Whether a member may take a new request.
    pub(super) fn takes(&self, member: &Member) -> bool {
        !self.held_back.contains(&member.name)
    }
}

struct Pipe {
    section: Pool,
    held_back: ArcSwap<BTreeSet<String>>,
    balancer: Arc<LoadBalancer<RoundRobin>>,
    /// The shortest interval among the members' probes.
    probe_every: Option<Duration>,
    due: Mutex<Instant>,
}

impl std::fmt::Debug for Pipes {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Pipes").field("pools", &self.by_pool.len()).finish()
    }
}

impl Pipes {
    /// One balancer per piped pool; empty until [`Pipes::update`] has run once.
    #[must_use]
    pub fn build(policy: &Policy, upstreams: &Upstreams, clock: &Clock) -> Self {
        let by_pool = (0..)
            .zip(&policy.pools)
            .filter(|(_, pool)| pool.piped)
            .map(|(id, pool)| {
                let members: Vec<_> = pool
                    .members
                    .iter()
                    .filter_map(|member| {
                        let deployment = policy.deployments.get(member.deployment as usize)?;
                        let upstream = upstreams.get(deployment.backend)?;
                        let found = Member {
                            upstream: Arc::clone(upstream),
                            name: deployment.name.clone(),
                            deployment: member.deployment,
                        };
                        Some((found, member.weight.max(1) as usize))
                    })
                    .collect();
                let intervals =
                    members.iter().filter_map(|(member, _)| member.upstream.backend.health.as_ref());
                let probe_every = intervals.map(|probe| clock.wall(probe.interval)).min();
                let mut balancer = LoadBalancer::from_backends(Backends::new(Box::new(Members(members))));
                balancer.set_health_check(Box::new(Probe::new(*clock)));
                let pipe = Pipe {
                    section: pool.clone(),
                    held_back: ArcSwap::default(),
                    balancer: Arc::new(balancer),
                    probe_every,
                    due: Mutex::new(Instant::now()),
                };
                (id, pipe)
            })
            .collect();
        Self { by_pool }
    }

    /// The balancer of a pool, if Pingora balances it.
    pub(super) fn balancer(&self, pool: PoolId) -> Option<Balanced> {
        let pipe = self.by_pool.get(&pool)?;
        let held_back = pipe.held_back.load_full();
        Some(Balanced { balancer: Arc::clone(&pipe.balancer), held_back })
    }

    /// Holds members back from new requests, in place of those held back before.
    pub fn hold(&self, held: &dyn Fn(&Pool) -> BTreeSet<String>) {
        for pipe in self.by_pool.values() {
            pipe.held_back.store(Arc::new(held(&pipe.section)));
        }
    }

    /// Follows address changes.
    pub async fn update(&self) {
        for pipe in self.by_pool.values() {
            if let Err(error) = pipe.balancer.update().await {
                tracing::warn!(%error, "cannot update the members of a piped pool");
            }
        }
    }

    /// Runs the active probes whose time has come.
    pub(super) async fn probe_when_due(&self) {
        for pipe in self.by_pool.values() {
            let Some(every) = pipe.probe_every else { continue };
            let now = Instant::now();
            let due = std::mem::replace(&mut *pipe.due.lock(), now + every);
            if due <= now {
                pipe.balancer.backends().run_health_check(true).await;
            } else {
                *pipe.due.lock() = due;
            }
        }
    }
}

/// A pool's members as Pingora discovers them: the addresses our resolver knows now.
struct Members(Vec<(Member, usize)>);

/// What a discovered address belongs to.
#[derive(Clone)]
pub(super) struct Member {
    pub(super) upstream: Arc<Upstream>,
    pub(super) name: String,
    pub(super) deployment: DeploymentId,
}

#[async_trait]
impl ServiceDiscovery for Members {
    async fn discover(&self) -> Result<(BTreeSet<Backend>, HashMap<u64, bool>)> {
        let mut found = BTreeSet::new();
        for (place, (member, weight)) in (0..).zip(&self.0) {
            let addresses = match &member.upstream.backend.egress {
                // The proxy's address would be the same for all members behind it.
                Some(_) => vec![behind_proxy(place)],
                None => member.upstream.addresses(),
            };
            for address in addresses {
                let mut backend = Backend::new_with_weight(&address.to_string(), *weight)?;
                backend.ext.insert(member.clone());
                found.insert(backend);
            }
        }
        Ok((found, HashMap::new()))
    }
}

impl Member {
    /// Where to connect to for what the balancer selected.
    pub(super) fn address(&self, selected: &Backend) -> Option<SocketAddr> {
        match &self.upstream.backend.egress {
            Some(_) => self.upstream.address(),
            None => selected.addr.as_inet().copied(),
        }
    }

    /// Whether there is reason to hope for an answer.
    pub(super) fn is_promising(&self, selected: &Backend) -> bool {
        let avoided = self.address(selected).is_none_or(|address| self.upstream.avoids(address));
        !avoided && self.upstream.credential().is_ok()
    }
}

/// Stands in the balancer for a member behind an egress proxy; of the range nothing is sent to (RFC 6666).
fn behind_proxy(member: u16) -> SocketAddr {
    SocketAddr::from(([0x100, 0, 0, 0, 0, 0, 0, member], 0))
}
