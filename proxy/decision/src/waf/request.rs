//! A request and its firewall: which one it is, what it is shown, and whether what it says holds. It owns shadow mode
//! and what is told in the end; what is looked for is `checks`'.

use std::hash::{BuildHasher as _, BuildHasherDefault, DefaultHasher};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use bytes::Bytes;
use vocabulary::access_log::WafOutcome;
use vocabulary::{Operation, Reason};
use waf::program::Collection;
use waf::run::{Circumstances, Inspection, Outside, Vars};

use super::note::{self, WafNote};
use super::{Firewall, Kept};
use crate::{Exchange, Refusal};

/// Tells the country of an address.
pub trait CountryOf: Send + Sync {
    /// Its ISO 3166 code.
    fn country(&self, address: IpAddr) -> Option<String>;
}

/// The head of a request as a firewall sees it.
pub struct WafRequest<'a> {
    /// Path and query, as they were sent.
    pub target: &'a str,
    /// `HTTP/1.1`.
    pub protocol: &'a str,
    /// Names, as they were spelled, and values, in the order they came.
    pub headers: &'a [(&'a str, &'a [u8])],
    /// Who sent it.
    pub client: SocketAddr,
    /// Where it arrived.
    pub server: SocketAddr,
    /// Whether it came over TLS.
    pub secure: bool,
    /// Whether it is HTTP/1.
    pub http1: bool,
    /// Countries of addresses.
    pub countries: Option<Arc<dyn CountryOf>>,
}

/// A firewall at work on one request.
pub(crate) struct Guard {
    pub(super) firewall: Arc<Firewall>,
    pub(super) inspection: Option<Inspection>,
    pub(super) note: WafNote,
    /// The most output tokens that may be asked for.
    pub(crate) most_tokens: Option<u64>,
}

impl std::fmt::Debug for Guard {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Guard").field("firewall", &self.firewall.name).finish_non_exhaustive()
    }
}

/// What only the host knows.
struct Host {
    countries: Option<Arc<dyn CountryOf>>,
    kept: Arc<Kept>,
    now: i64,
}

impl Outside for Host {
    fn country(&self, address: IpAddr) -> Option<String> {
        self.countries.as_ref()?.country(address)
    }

    fn load(&self, collection: Collection, key: &[u8]) -> Vars {
        self.kept.load(collection, key, self.now)
    }

    fn save(&self, collection: Collection, key: &[u8], vars: &Vars, expiries: &[(Vec<u8>, i64)]) {
        self.kept.save(collection, key, vars, expiries, self.now);
    }
}

impl Exchange {
    /// The firewall of this request: its route's, else its listener's.
    pub(crate) fn firewall(&self) -> Option<&Arc<Firewall>> {
        match self.route().and_then(|route| route.waf) {
            Some(own) => self.gate.firewalls().get(own),
            None => self.listeners_firewall(),
        }
    }

    /// The firewall of its listener.
    pub(super) fn listeners_firewall(&self) -> Option<&Arc<Firewall>> {
        let listener = self.gate.policy().listeners.get(self.peer.listener as usize)?;
        self.gate.firewalls().get(listener.waf?)
    }

    /// Puts another body in the place of the caller's.
    ///
    /// # Errors
    /// [`Reason::Internal`] where it is no body of this operation.
    pub fn replace_body(&mut self, operation: Operation, body: &Bytes) -> Result<(), Refusal> {
        let layout = wire::Layout::of(operation, body);
        self.layout =
            Some(layout.map_err(|_| {
                Refusal::new(Reason::Internal, "a body that was read could not be read again")
            })?);
        self.count_body_anew(body);
        Ok(())
    }

    /// Whether anything inspects this request.
    #[must_use]
    pub fn is_guarded(&self) -> bool {
        self.firewall().is_some()
    }

    /// Whether what is inspected of a piped body may leave in other bytes than it came.
    #[must_use]
    pub fn may_rewrite_body(&self) -> bool {
        self.firewall().is_some_and(|firewall| firewall.schema(None).is_some())
    }

    /// Begins the inspection of this request with its head.
    ///
    /// # Errors
    /// [`Reason::BotBlocked`], [`Reason::WafBlocked`], [`Reason::WafUnavailable`].
    pub fn guard_head(&mut self, request: &WafRequest<'_>) -> Result<(), Refusal> {
        let Some(firewall) = self.firewall().map(Arc::clone) else { return Ok(()) };
        let note = note::new(&firewall.name);
        let mut guard = Guard { firewall, inspection: None, note, most_tokens: None };
        let done = guard.client(&self.method, request).and_then(|()| {
            let circumstances = self.circumstances(request, &guard.firewall);
            guard.head(self.method.as_str(), request, circumstances)
        });
        self.guard = Some(Box::new(guard));
        self.concluded(done)
    }

    /// Inspects the body, empty where there is none. What the backend is to get in its place, where that differs.
    ///
    /// # Errors
    /// [`Reason::AmbiguousBody`], [`Reason::ShapeExceeded`], [`Reason::WafBlocked`], [`Reason::LeakBlocked`],
    /// [`Reason::JailbreakBlocked`].
    pub fn guard_body(
        &mut self,
        operation: Option<Operation>,
        body: &Bytes,
    ) -> Result<Option<Bytes>, Refusal> {
        let Some(mut guard) = self.guard.take() else { return Ok(None) };
        let caller = BuildHasherDefault::<DefaultHasher>::default().hash_one((
            self.consumer,
            &self.subject,
            self.route,
        ));
        let done = guard.body(self.facts.as_ref(), operation, body, caller);
        if let (Some(most), Some(facts)) = (guard.most_tokens, self.facts.as_mut())
            && let Some(asked) = &mut facts.max_output_tokens
        {
            *asked = most.min(*asked);
        }
        self.guard = Some(guard);
        self.concluded(done)
    }

    /// What the firewall found, once the request is over.
    pub(crate) fn guard_note(&mut self) -> Option<WafNote> {
        let guard = self.guard.as_mut()?;
        if let Some(inspection) = &mut guard.inspection {
            inspection.finish();
        }
        let told = guard.note.outcome != WafOutcome::Passed;
        told.then(|| guard.note.clone())
    }

    /// A refusal holds where the firewall enforces; elsewhere it is counted.
    fn concluded<T: Default>(&mut self, done: Result<T, Refusal>) -> Result<T, Refusal> {
        let Some(guard) = &mut self.guard else { return done };
        match done {
            Err(mut refusal) if guard.firewall.enforces() => {
                note::raise(&mut guard.note, WafOutcome::Refused);
                if refusal.reason == Reason::WafBlocked {
                    refusal.message = format!("{} (request {})", refusal.message, self.request_id).into();
                }
                Err(refusal)
            }
            Err(refusal) => {
                self.would_refuse_for(refusal.reason);
                Ok(T::default())
            }
            Ok(done) => Ok(done),
        }
    }

    /// Counts what a rule in shadow mode would have refused.
    pub(crate) fn would_refuse_for(&mut self, reason: Reason) {
        if let Some(guard) = &mut self.guard {
            note::raise(&mut guard.note, WafOutcome::WouldRefuse);
        }
        if !self.would_refuse.contains(&reason) {
            self.would_refuse.push(reason);
        }
    }

    fn circumstances(&self, request: &WafRequest<'_>, firewall: &Firewall) -> Circumstances {
        let now = i64::try_from(self.arrived_unix_nanos / 1_000_000_000).unwrap_or_default();
        let kept = Arc::clone(&firewall.shared.kept);
        Circumstances {
            client: request.client,
            server: request.server,
            unique_id: self.request_id.clone(),
            epoch_seconds: now,
            outside: Arc::new(Host { countries: request.countries.clone(), kept, now }),
        }
    }
}
