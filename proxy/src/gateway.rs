//! A running gateway: what it holds, how it stops, what it does beside serving. It owns ending in order; how it
//! begins is `start`'s.

mod error;
mod prepare;
mod start;
mod work;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use self::work::{end_forever, follow_certificate, follow_file, reload, tend_upstreams, tick_forever};
use crate::clock::Clock;
use crate::doors::Overlay;
use crate::edge::{self, Edge, Followed};
use crate::observability::Observability;
use crate::policy::{Keeper, ManifestFiles, Offer, Source};
use crate::store::{self, Counts};
use crate::{costs, countries};

pub use self::error::{Options, StartError};

/// How long a start waits for the shared store: a server that was empty grants nothing for two seconds.
const STORE_READY: Duration = Duration::from_secs(3);

/// A running gateway.
#[derive(Debug)]
pub struct Gateway {
    /// Every listener's name and real address.
    pub listeners: Vec<(String, SocketAddr)>,
    /// Where the admin API listens.
    pub admin: SocketAddr,
    /// Whether it speaks TLS.
    pub admin_is_tls: bool,
    keeper: Arc<Keeper>,
    edge: Edge,
    observability: Observability,
    stop: CancellationToken,
    tasks: TaskTracker,
    manifest: ManifestFiles,
    certificates: Vec<Arc<dyn Followed>>,
    counts: Option<Arc<Counts>>,
}

impl Gateway {
    /// Policy and status.
    #[must_use]
    pub fn keeper(&self) -> &Arc<Keeper> {
        &self.keeper
    }

    /// Reads certificates, the database of countries and the manifest file again and offers what it says; for SIGHUP.
    pub async fn reload(&self) -> Offer {
        for certificate in &self.certificates {
            certificate.reread();
        }
        countries::reread(self.keeper.live()).await;
        reload(&self.keeper, &self.manifest, "signal").await
    }

    /// Stops accepting, lets requests in flight end for at most `limit`, then ends everything. Returns
    /// how many requests had to be cut.
    pub async fn shutdown(self, limit: Duration) -> u64 {
        let Self { keeper, edge, observability, stop, tasks, counts, .. } = self;
        let live = Arc::clone(keeper.live());
        live.drain();
        edge.stop().await;
        let drained = async {
            while live.in_flight() > 0 {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        // Running out of time is the limit doing its work; what is left is counted below.
        let _ = tokio::time::timeout(limit, drained).await;
        let cut = live.in_flight();
        stop.cancel();
        tasks.close();
        tasks.wait().await;
        store::close(counts, live.clock.now()).await;
        let costs = live.observers.costs.clone();
        if let Ok(Err(error)) = tokio::task::spawn_blocking(move || costs.flush()).await {
            tracing::error!(%error, "the last costs were not written");
        }
        // Exporters flush on their own threads and block.
        let _ = tokio::task::spawn_blocking(move || observability.shutdown()).await;
        cut
    }

    async fn begin_work(&self, clock: Clock, sync: Duration, source: Source, overlay: Arc<Overlay>) {
        if let Some(counts) = &self.counts {
            self.spawn(Arc::clone(counts).keep(clock, sync));
        }
        self.spawn_loops(source);
        self.supply().await;
        self.spawn(async move { overlay.keep_sharing().await });
    }

    /// Begins to supply shared limits, and waits a moment for the first word of the store.
    async fn supply(&self) {
        let Some(leases) = self.keeper.live().leases() else { return };
        // Tracked and not cut off: it gives back what is left when the gateway stops.
        self.tasks.spawn(Arc::clone(leases).work(self.stop.clone()));
        if !leases.ready(STORE_READY).await {
            tracing::warn!("the shared store is not ready; limits are held as the manifest says for that");
        }
    }

    fn spawn_loops(&self, source: Source) {
        let live = Arc::clone(self.keeper.live());
        self.spawn(edge::probe_forever(Arc::clone(&live)));
        self.spawn(tend_upstreams(Arc::clone(&live)));
        let issuers = Arc::clone(&live);
        self.spawn(async move { issuers.key_sets.keep_fresh(Arc::clone(&issuers)).await });
        self.spawn(countries::follow(Arc::clone(&live)));
        self.spawn(costs::keep(live.observers.costs.clone()));
        self.spawn(tick_forever(Arc::clone(&self.keeper), live));
        self.spawn(end_forever(Arc::clone(&self.keeper)));
        for certificate in &self.certificates {
            self.spawn(follow_certificate(Arc::clone(certificate)));
        }
        if source == Source::File {
            self.spawn(follow_file(Arc::clone(&self.keeper), self.manifest.clone()));
        }
    }

    fn spawn(&self, work: impl Future<Output = ()> + Send + 'static) {
        let stop = self.stop.clone();
        self.tasks.spawn(async move {
            tokio::select! {
                () = work => {}
                () = stop.cancelled() => {}
            }
        });
    }
}
