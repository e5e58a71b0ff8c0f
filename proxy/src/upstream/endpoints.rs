//! Every backend's addresses and credential under one policy. It owns resolving names in the background
//! and following their changes; it refuses to do so while a request waits.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use arc_swap::ArcSwap;
use decision::Presentable;
use rule_table::{Backend, Credential, Policy};

use super::credentials::{Secret, SecretError, read};

/// How long a resolved name is believed; the system resolver hides the record's own lifetime.
const RESOLVE_EVERY: Duration = Duration::from_secs(30);

/// A backend, reachable.
#[derive(Debug)]
pub struct Upstream {
    /// Its section in the policy.
    pub backend: Backend,
    /// What to present to it.
    credential: Option<Secret>,
    addresses: Arc<Addresses>,
}

/// A backend cannot be given what it wants to see.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("the credential cannot stand in a header")]
pub struct CredentialError;

#[derive(Debug, Default)]
struct Addresses {
    current: ArcSwap<Vec<SocketAddr>>,
    next: AtomicUsize,
}

impl Upstream {
    /// The next address in turn, or nothing while the name does not resolve.
    #[must_use]
    pub fn address(&self) -> Option<SocketAddr> {
        let current = self.addresses.current.load();
        let turn = self.addresses.next.fetch_add(1, Ordering::Relaxed);
        current.get(turn.checked_rem(current.len())?).copied()
    }

    /// The header that carries the credential, if this backend wants one.
    ///
    /// # Errors
    /// When there is none to present now.
    pub fn credential(&self) -> Result<Option<Arc<Presentable>>, CredentialError> {
        let Some(secret) = &self.credential else { return Ok(None) };
        let header = decision::credential_header(self.backend.kind, secret.expose());
        header.map(|header| Some(Arc::new(header))).ok_or(CredentialError)
    }

    /// The backend refused the credential: it shall be read again soon.
    pub fn distrust_credential(&self) {}

    /// All addresses known now.
    #[must_use]
    pub fn addresses(&self) -> Arc<Vec<SocketAddr>> {
        self.addresses.current.load_full()
    }

    /// Looks the name up again; on failure the last known addresses stay.
    async fn resolve(&self) {
        if self.backend.host.parse::<IpAddr>().is_ok() {
            return;
        }
        match tokio::net::lookup_host((self.backend.host.as_str(), self.backend.port)).await {
            Ok(found) => {
                let mut found: Vec<SocketAddr> = found.collect();
                found.sort();
                found.dedup();
                if !found.is_empty() && **self.addresses.current.load() != found {
                    tracing::info!(backend = %self.backend.name, addresses = found.len(), "backend addresses changed");
                    self.addresses.current.store(Arc::new(found));
                }
            }
            Err(error) => {
                tracing::warn!(backend = %self.backend.name, host = %self.backend.host, %error, "cannot resolve backend");
            }
        }
    }
}

/// All backends of a policy, by its backend index.
#[derive(Debug, Default)]
pub struct Upstreams {
    by_index: Vec<Arc<Upstream>>,
}

impl Upstreams {
    /// Reads credentials and starts from the addresses `previous` knew.
    ///
    /// # Errors
    /// The backend's name and why its credential cannot be read.
    pub fn build(
        policy: &Policy,
        base: &Path,
        previous: Option<&Self>,
    ) -> Result<Self, (String, SecretError)> {
        let known: HashMap<(&str, u16), &Arc<Addresses>> = previous
            .map(|all| {
                all.by_index
                    .iter()
                    .map(|up| ((up.backend.host.as_str(), up.backend.port), &up.addresses))
                    .collect()
            })
            .unwrap_or_default();
        let by_index = policy
            .backends
            .iter()
            .map(|backend| {
                let reference = match &backend.auth {
                    Some(Credential::ApiKey(reference) | Credential::Header { value: reference, .. }) => {
                        Some(reference)
                    }
                    Some(Credential::Entra(_)) | None => None,
                };
                let credential = reference.map(|reference| read(reference, base)).transpose();
                let credential = credential.map_err(|error| (backend.name.clone(), error))?;
                let addresses = match known.get(&(backend.host.as_str(), backend.port)) {
                    Some(addresses) => Arc::clone(addresses),
                    None => Arc::new(Addresses::literal(backend)),
                };
                Ok(Arc::new(Upstream { backend: backend.clone(), credential, addresses }))
            })
            .collect::<Result<_, _>>()?;
        Ok(Self { by_index })
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

    /// Resolves every name once, all at the same time.
    pub async fn resolve(&self) {
        futures_util::future::join_all(self.by_index.iter().map(|upstream| upstream.resolve())).await;
    }

    /// Waits for the time of one look-up, then resolves every name.
    pub async fn wait_and_resolve(&self) {
        tokio::time::sleep(RESOLVE_EVERY).await;
        self.resolve().await;
    }
}

impl Addresses {
    /// A literal address needs no resolver.
    fn literal(backend: &Backend) -> Self {
        let literal = backend.host.parse::<IpAddr>().ok().map(|ip| SocketAddr::new(ip, backend.port));
        Self { current: ArcSwap::from_pointee(literal.into_iter().collect()), next: AtomicUsize::new(0) }
    }
}
