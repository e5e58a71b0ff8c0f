//! Every backend of one policy, reachable: addresses, credential, trust. It owns reading all of it before
//! the policy is in force and following its changes afterwards; it refuses to do so while a request waits.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use rule_table::{Backend, Entra};
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::addresses::Addresses;
use super::chore::{Chore, Turn};
use super::client::Client;
use super::credential::{CredentialError, Holder, Presented};
use super::entra::Identity;
use super::secret::SecretError;
use super::transport::{self, Transport, TransportError};
use super::tunnel::Tunnel;
use crate::clock::Clock;
use crate::edge::Peers;

/// The longest a policy waits for names and tokens before it serves; later they are followed.
const PREPARE_AT_MOST: Duration = Duration::from_secs(3);
/// How often certificates and keys are read again.
const REREAD_EVERY: Duration = Duration::from_secs(5);

/// Why a backend cannot be made ready.
#[derive(Debug, thiserror::Error)]
pub enum UpstreamError {
    /// What to present to it cannot be read.
    #[error(transparent)]
    Credential(#[from] SecretError),
    /// What its TLS or its egress proxy needs cannot be read.
    #[error(transparent)]
    Transport(#[from] TransportError),
}

/// A backend, reachable.
#[derive(Debug)]
pub struct Upstream {
    /// Its section in the policy.
    pub backend: Backend,
    /// The edge's own way of reaching it, built when first needed.
    pub(crate) peers: Peers,
    base: PathBuf,
    holder: Holder,
    addresses: Arc<Addresses>,
    transport: ArcSwap<Transport>,
    /// None when nothing of the transport can change.
    reread: Option<Chore>,
}

impl Upstream {
    /// The header to present to it, if any; ready to send.
    ///
    /// # Errors
    /// When its identity has no token that is still good.
    pub fn credential(&self) -> Result<Option<Arc<Presented>>, CredentialError> {
        self.holder.credential()
    }

    /// It answered 401: what was presented is looked at again soon.
    pub fn credential_refused(&self, clock: &Clock) {
        match &self.holder {
            Holder::None => {}
            Holder::Key(key) => key.refused(),
            Holder::Entra(identity) => identity.refused(clock.now()),
        }
    }

    /// Where to connect next: its own address or, behind an egress proxy, the proxy's. Nothing while the
    /// name does not resolve.
    #[must_use]
    pub fn address(&self) -> Option<SocketAddr> {
        self.addresses.pick(Instant::now)
    }

    /// All addresses known now.
    #[must_use]
    pub fn addresses(&self) -> Vec<SocketAddr> {
        self.addresses.all()
    }

    /// A connection to `address` failed: others are preferred for a while, and the name is looked up again.
    pub fn connect_failed(&self, address: SocketAddr) {
        self.addresses.failed(address, Instant::now());
    }

    /// Whether a connection to `address` failed a moment ago.
    #[must_use]
    pub fn avoids(&self, address: SocketAddr) -> bool {
        self.addresses.avoids(address, Instant::now())
    }

    /// What opening a connection needs.
    #[must_use]
    pub fn transport(&self) -> Arc<Transport> {
        self.transport.load_full()
    }

    /// The way through the egress proxy, if there is one.
    #[must_use]
    pub fn tunnel(&self, transport: &Transport) -> Option<Tunnel> {
        self.backend.egress.as_ref().map(|_| Tunnel {
            host: self.backend.host.clone(),
            port: self.backend.port,
            authorization: transport.proxy_authorization.clone(),
        })
    }

    /// Reads certificates, keys and the proxy's credential again; what cannot be used changes nothing.
    /// Blocks.
    fn reread(&self, turn: Turn) {
        match transport::load(&self.backend, &self.base) {
            Ok(transport) => {
                if !self.transport.load().is_same(&transport) {
                    self.transport.store(Arc::new(transport));
                    tracing::info!(backend = %self.backend.name, "certificates of a backend's connections changed");
                }
                turn.ends(true);
            }
            Err(error) => {
                if turn.ends(false) {
                    tracing::warn!(backend = %self.backend.name, %error, "the last good certificates stay");
                }
            }
        }
    }
}

/// All backends of a policy, by its backend index.
#[derive(Debug, Default)]
pub struct Upstreams {
    by_index: Vec<Arc<Upstream>>,
    /// There is one as soon as an identity needs it.
    client: Option<Client>,
}

impl Upstreams {
    /// Reads credentials and certificates, and takes over what `previous` knew of addresses and tokens.
    ///
    /// # Errors
    /// The backend's name and what of it cannot be read.
    pub fn build(
        backends: &[Backend],
        base: &Path,
        previous: Option<&Self>,
    ) -> Result<Self, (String, UpstreamError)> {
        let mut known = Known::of(previous);
        let by_index = backends
            .iter()
            .map(|backend| {
                let upstream = known.upstream(backend, base);
                upstream.map(Arc::new).map_err(|error| (backend.name.clone(), error))
            })
            .collect::<Result<_, _>>()?;
        let client = previous.and_then(|previous| previous.client.clone());
        let client = client.or_else(|| if known.identities.is_empty() { None } else { Client::new() });
        Ok(Self { by_index, client })
    }

    /// A backend by its index in the policy.
    #[must_use]
    pub fn get(&self, index: u32) -> Option<&Arc<Upstream>> {
        self.by_index.get(index as usize)
    }

    /// All backends.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<Upstream>> {
        self.by_index.iter()
    }

    /// Resolves names and gets tokens, all at the same time, as far as that is possible in 3 s: a backend
    /// that is slow to be reached must not keep the others from serving.
    pub async fn prepare(&self, clock: &Clock) {
        let mut work = JoinSet::new();
        self.tend(clock, &mut work);
        let all = async { while work.join_next().await.is_some() {} };
        // What is not done by then is cut off and begun again by whoever tends.
        let _ = tokio::time::timeout(PREPARE_AT_MOST, all).await;
    }

    /// Starts whatever is due as a piece of `work`, each of which says whether addresses changed. To be
    /// called a few times per second.
    pub fn tend(&self, clock: &Clock, work: &mut JoinSet<bool>) {
        let now = Instant::now();
        for upstream in &self.by_index {
            if let Some(turn) = upstream.addresses.take(now) {
                let addresses = Arc::clone(&upstream.addresses);
                work.spawn(async move { addresses.resolve(turn).await });
            }
            if let Some(turn) = upstream.reread.as_ref().and_then(|chore| chore.take(now)) {
                let upstream = Arc::clone(upstream);
                work.spawn_blocking(move || {
                    upstream.reread(turn);
                    false
                });
            }
            self.tend_credential(upstream, now, clock, work);
        }
    }

    fn tend_credential(&self, upstream: &Upstream, now: Instant, clock: &Clock, work: &mut JoinSet<bool>) {
        match &upstream.holder {
            Holder::None => {}
            Holder::Key(key) => {
                if let Some(turn) = key.take(now) {
                    let key = Arc::clone(key);
                    work.spawn_blocking(move || {
                        key.reread(turn);
                        false
                    });
                }
            }
            Holder::Entra(identity) => {
                if let (Some(client), Some(asking)) = (&self.client, identity.tend(clock.now())) {
                    let (client, clock) = (client.clone(), *clock);
                    work.spawn(async move {
                        asking.finish(&client, &clock).await;
                        false
                    });
                }
            }
        }
    }
}

/// What is shared between backends, and from policy to policy.
#[derive(Default)]
struct Known {
    addresses: Vec<Arc<Addresses>>,
    identities: Vec<Arc<Identity>>,
}

impl Known {
    fn of(previous: Option<&Upstreams>) -> Self {
        let mut known = Self::default();
        for upstream in previous.into_iter().flat_map(Upstreams::iter) {
            known.addresses.push(Arc::clone(&upstream.addresses));
            if let Holder::Entra(identity) = &upstream.holder {
                known.identities.push(Arc::clone(identity));
            }
        }
        known
    }

    fn upstream(&mut self, backend: &Backend, base: &Path) -> Result<Upstream, UpstreamError> {
        let holder = Holder::build(backend, base, |entra| self.identity(entra, base))?;
        let transport = ArcSwap::from_pointee(transport::load(backend, base)?);
        let reread = transport::may_change(backend)
            .then(|| Chore::new(REREAD_EVERY, REREAD_EVERY).done(Instant::now()));
        let (host, port) = match &backend.egress {
            Some(proxy) => (proxy.host.as_str(), proxy.port),
            None => (backend.host.as_str(), backend.port),
        };
        Ok(Upstream {
            addresses: self.addresses(host, port),
            backend: backend.clone(),
            peers: Peers::default(),
            base: base.to_owned(),
            holder,
            transport,
            reread,
        })
    }

    fn addresses(&mut self, host: &str, port: u16) -> Arc<Addresses> {
        let known = self.addresses.iter().find(|known| known.host() == host && known.port() == port);
        let addresses =
            known.map_or_else(|| Arc::new(Addresses::new(host, port, Instant::now())), Arc::clone);
        self.addresses.push(Arc::clone(&addresses));
        addresses
    }

    fn identity(&mut self, entra: &Entra, base: &Path) -> Arc<Identity> {
        let known = self.identities.iter().find(|known| known.entra == *entra);
        let identity = known.map_or_else(|| Arc::new(Identity::new(entra, base.to_owned())), Arc::clone);
        self.identities.push(Arc::clone(&identity));
        identity
    }
}

/// What tests do at once that otherwise has its time.
#[cfg(test)]
impl Upstream {
    pub(crate) async fn resolve_now(&self) {
        if let Some(turn) = self.addresses.take(Instant::now()) {
            self.addresses.resolve(turn).await;
        }
    }

    pub(crate) fn know(&self, found: &[std::net::IpAddr]) {
        self.addresses.found(found.iter().map(|ip| SocketAddr::new(*ip, self.addresses.port())).collect());
    }

    pub(crate) fn reread_now(&self) {
        let turn = Chore::new(Duration::ZERO, Duration::ZERO).take(Instant::now());
        self.reread(turn.expect("nobody else is at it"));
    }
}

#[cfg(test)]
mod tests;
