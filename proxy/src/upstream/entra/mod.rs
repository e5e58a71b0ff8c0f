//! Tokens of Microsoft Entra ID, one per identity however many backends present it. It owns when a token
//! is in use and when it is withdrawn; a request never waits for one, and none is ever printed.

mod answer;
mod client;
mod renewal;
mod request;

use std::path::PathBuf;
use std::sync::Arc;

use arc_swap::ArcSwapOption;
use parking_lot::Mutex;
use rule_table::Entra;
use vocabulary::Moment;

use self::answer::{Refused, Token};
use self::renewal::Renewal;
use super::client::Client;
use super::{CredentialError, Presented};
use crate::clock::{Clock, unix_nanos};

/// An identity and its token. Lasts from policy to policy.
pub(super) struct Identity {
    /// What it is in the manifest.
    pub(super) entra: Entra,
    base: PathBuf,
    renewal: Mutex<Renewal>,
    token: ArcSwapOption<Presented>,
    /// Why there was none the last time.
    trouble: Mutex<String>,
}

impl std::fmt::Debug for Identity {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Identity").field("renewal", &self.renewal).finish_non_exhaustive()
    }
}

/// The right to ask, held by one at a time.
pub(super) struct Asking(Arc<Identity>);

impl Identity {
    /// Without a token yet; files relative to `base`.
    pub(super) fn new(entra: &Entra, base: PathBuf) -> Self {
        Self {
            entra: entra.clone(),
            base,
            renewal: Mutex::new(Renewal::new()),
            token: ArcSwapOption::empty(),
            trouble: Mutex::new("it has not been asked yet".to_owned()),
        }
    }

    /// The header to present.
    pub(super) fn credential(&self) -> Result<Arc<Presented>, CredentialError> {
        self.token.load_full().ok_or_else(|| CredentialError::NoToken(self.trouble.lock().clone()))
    }

    /// A backend refused the token.
    pub(super) fn refused(&self, now: Moment) {
        self.renewal.lock().refused(now);
    }

    /// Withdraws a token that has run out, and begins to ask for one if that is due.
    pub(super) fn tend(self: &Arc<Self>, now: Moment) -> Option<Asking> {
        let mut renewal = self.renewal.lock();
        if !renewal.is_usable(now) && self.token.swap(None).is_some() {
            tracing::error!(scope = %self.entra.scope, why = %self.trouble.lock(), "the token has expired and no other could be had");
        }
        renewal.begin(now).then(|| Asking(Arc::clone(self)))
    }
}

impl Asking {
    /// Asks for a token and keeps what comes.
    pub(super) async fn finish(self, client: &Client, clock: &Clock) {
        let identity = &self.0;
        let answer = match request::request(&identity.entra, &identity.base, |name| std::env::var(name).ok())
        {
            Ok(request) => client::ask(client, request, unix_nanos() / 1_000_000_000).await,
            Err(error) => Err(Refused::because(error.to_string())),
        };
        self.told(answer, clock.now(), rand::random());
    }

    fn told(&self, answer: Result<Token, Refused>, now: Moment, chance: f64) {
        let identity = &self.0;
        let mut renewal = identity.renewal.lock();
        let was_failing = renewal.is_failing();
        match answer {
            Ok(Token { header, lifetime }) => {
                renewal.obtained(now, lifetime, chance);
                identity.token.store(Some(Arc::new(header)));
                if was_failing {
                    tracing::info!(scope = %identity.entra.scope, "tokens can be had again");
                }
            }
            Err(Refused { why, retry_after }) => {
                renewal.failed(now, retry_after, chance);
                if !was_failing {
                    let in_hand = renewal.is_usable(now);
                    tracing::warn!(scope = %identity.entra.scope, %why, in_hand, "no token could be had; asking again");
                }
                *identity.trouble.lock() = why;
            }
        }
    }
}

impl Drop for Asking {
    fn drop(&mut self) {
        // After an outcome this changes nothing: the next request has its time.
        self.0.renewal.lock().abandoned();
    }
}

#[cfg(test)]
mod tests;
