//! What is presented to backends, ready to be sent. It owns keeping a key's header and following the file
//! it is read from; it refuses to lose a good value over a bad one.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use http::{HeaderName, HeaderValue};
use rule_table::{Backend, BackendKind, Credential, EntraSource, SecretRef};
use tokio::time::Instant;

use super::chore::{Chore, Turn};
use super::entra::Identity;
use super::secret::{SecretError, place, read};

/// How often a secret's file is read again.
const REREAD_EVERY: Duration = Duration::from_secs(5);
/// How soon it is read again when a backend refused its value.
const REREAD_AGAIN: Duration = Duration::from_secs(1);

/// A header as it is presented; its value is marked sensitive, so that it never prints.
pub type Presented = (HeaderName, HeaderValue);

/// Why there is nothing to present at the moment.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CredentialError {
    /// The identity has no token that is still good.
    #[error("no token of Microsoft Entra ID could be had: {0}")]
    NoToken(String),
}

/// Where a backend's credential comes from.
#[derive(Clone, Debug)]
pub(super) enum Holder {
    /// Nothing is presented.
    None,
    /// A key or a header of its own.
    Key(Arc<Key>),
    /// A token.
    Entra(Arc<Identity>),
}

/// A key, and the header it becomes.
#[derive(Debug)]
pub(super) struct Key {
    reference: SecretRef,
    base: PathBuf,
    form: Form,
    current: ArcSwap<Presented>,
    chore: Chore,
}

/// How a secret becomes a header.
#[derive(Debug)]
enum Form {
    /// As backends of this kind want it.
    Kind(BackendKind),
    /// Whole, under this name.
    Named(HeaderName),
}

impl Holder {
    /// The holder of `backend`'s credential, read now; `identity` gives the one for an identity, shared
    /// with other backends.
    pub(super) fn build(
        backend: &Backend,
        base: &Path,
        identity: impl FnOnce(&rule_table::Entra) -> Arc<Identity>,
    ) -> Result<Self, SecretError> {
        let (reference, form) = match &backend.auth {
            None => return Ok(Self::None),
            Some(Credential::Entra(entra)) => {
                if let EntraSource::ClientSecret { secret, .. } = &entra.source {
                    // Read for each token; whether it can be is known before anything is served.
                    read(secret, base)?;
                }
                return Ok(Self::Entra(identity(entra)));
            }
            Some(Credential::ApiKey(reference)) => (reference, Form::Kind(backend.kind)),
            Some(Credential::Header { name, value }) => {
                let unusable = |_| SecretError::NotAHeader(place(value, base));
                (value, Form::Named(HeaderName::from_bytes(name.as_bytes()).map_err(unusable)?))
            }
        };
        Ok(Self::Key(Arc::new(Key {
            current: ArcSwap::from_pointee(form.header(reference, base)?),
            reference: reference.clone(),
            base: base.to_owned(),
            form,
            chore: Chore::new(REREAD_EVERY, REREAD_AGAIN).done(Instant::now()),
        })))
    }

    pub(super) fn credential(&self) -> Result<Option<Arc<Presented>>, CredentialError> {
        match self {
            Self::None => Ok(None),
            Self::Key(key) => Ok(Some(key.current.load_full())),
            Self::Entra(identity) => identity.credential().map(Some),
        }
    }
}

impl Form {
    fn header(&self, reference: &SecretRef, base: &Path) -> Result<Presented, SecretError> {
        let secret = read(reference, base)?;
        let header = match self {
            Self::Kind(kind) => decision::credential_header(*kind, secret.expose()),
            Self::Named(name) => HeaderValue::from_str(secret.expose()).ok().map(|mut value| {
                value.set_sensitive(true);
                (name.clone(), value)
            }),
        };
        header.ok_or_else(|| SecretError::NotAHeader(place(reference, base)))
    }
}

impl Key {
    /// A backend refused it: it may have been replaced.
    pub(super) fn refused(&self) {
        self.chore.ask();
    }

    /// Begins to read it again if that is due. The environment does not change while we run.
    pub(super) fn take(&self, now: Instant) -> Option<Turn> {
        match self.reference {
            SecretRef::File(_) => self.chore.take(now),
            SecretRef::Env(_) => None,
        }
    }

    /// Reads the file again; what cannot be used changes nothing. Blocks.
    pub(super) fn reread(&self, turn: Turn) {
        match self.form.header(&self.reference, &self.base) {
            Ok(header) => {
                if **self.current.load() != header {
                    self.current.store(Arc::new(header));
                    tracing::info!(secret = %place(&self.reference, &self.base), "a backend's credential changed");
                }
                turn.ends(true);
            }
            Err(error) => {
                if turn.ends(false) {
                    tracing::warn!(%error, "a backend's credential cannot be read; the last good one stays");
                }
            }
        }
    }
}
