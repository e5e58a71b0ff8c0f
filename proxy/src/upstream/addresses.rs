//! The addresses a name leads to. It owns looking the name up off the request path, spreading over what it
//! found and avoiding what just refused; it refuses to look up while a request waits.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use arc_swap::ArcSwap;
use tokio::time::Instant;

use super::chore::{Chore, Turn};

/// How long a resolved name is believed; the system resolver hides the record's own lifetime.
const RESOLVE_EVERY: Duration = Duration::from_secs(30);
/// How soon it is asked again when a connection failed.
const RESOLVE_AGAIN: Duration = Duration::from_secs(2);
/// The system resolver has timeouts of its own, which add up to minutes.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long an address is avoided after a connection to it failed, where there are others.
const AVOID: Duration = Duration::from_secs(5);

/// A host and port, and the addresses known for it. Lasts from policy to policy.
#[derive(Debug)]
pub(super) struct Addresses {
    host: String,
    port: u16,
    literal: bool,
    /// The resolver's preferred family first, each family sorted.
    current: ArcSwap<Vec<Arc<Known>>>,
    next: AtomicUsize,
    /// Times are kept as milliseconds since then.
    origin: Instant,
    chore: Chore,
}

#[derive(Debug)]
struct Known {
    address: SocketAddr,
    /// 0 when it never failed.
    avoid_until: AtomicU64,
}

impl Addresses {
    /// Nothing is known yet, unless `host` is an address itself.
    pub(super) fn new(host: &str, port: u16, now: Instant) -> Self {
        let literal = host.parse::<IpAddr>().ok().map(|ip| Known::new(SocketAddr::new(ip, port)));
        Self {
            host: host.to_owned(),
            port,
            literal: literal.is_some(),
            current: ArcSwap::from_pointee(literal.into_iter().collect()),
            next: AtomicUsize::new(0),
            origin: now,
            chore: Chore::new(RESOLVE_EVERY, RESOLVE_AGAIN),
        }
    }

    pub(super) fn host(&self) -> &str {
        &self.host
    }

    pub(super) fn port(&self) -> u16 {
        self.port
    }

    /// All that are known.
    pub(super) fn all(&self) -> Vec<SocketAddr> {
        self.current.load().iter().map(|known| known.address).collect()
    }

    /// The next address in turn: of the preferred family, of any, and one that failed lately only when all
    /// did. Nothing while the name does not resolve. The clock is only asked when it matters.
    pub(super) fn pick(&self, now: impl FnOnce() -> Instant) -> Option<SocketAddr> {
        let turn = self.next.fetch_add(1, Ordering::Relaxed);
        let current = self.current.load();
        let first = current.first()?.address;
        if current.len() == 1 {
            return Some(first);
        }
        let all_sound = current.iter().all(|known| known.avoid_until.load(Ordering::Relaxed) == 0);
        let now = if all_sound { 0 } else { self.millis(now()) };
        let usable = |known: &&Arc<Known>| known.avoid_until.load(Ordering::Relaxed) <= now;
        let preferred = |known: &&Arc<Known>| known.address.is_ipv4() == first.is_ipv4();
        nth(current.iter().filter(preferred).filter(usable), turn)
            .or_else(|| nth(current.iter().filter(usable), turn))
            .or_else(|| nth(current.iter(), turn))
    }

    /// Whether a connection to it failed a moment ago.
    pub(super) fn avoids(&self, address: SocketAddr, now: Instant) -> bool {
        let now = self.millis(now);
        self.current
            .load()
            .iter()
            .any(|known| known.address == address && known.avoid_until.load(Ordering::Relaxed) > now)
    }

    /// A connection to `address` failed: leaves it alone for a while and looks the name up again.
    pub(super) fn failed(&self, address: SocketAddr, now: Instant) {
        let until = self.millis(now + AVOID);
        for known in self.current.load().iter().filter(|known| known.address == address) {
            known.avoid_until.store(until, Ordering::Relaxed);
        }
        self.chore.ask();
    }

    /// Begins a look-up if one is due. A literal address needs none.
    pub(super) fn take(&self, now: Instant) -> Option<Turn> {
        if self.literal { None } else { self.chore.take(now) }
    }

    /// Looks the name up; on failure the last known addresses stay. Says whether they changed.
    pub(super) async fn resolve(&self, turn: Turn) -> bool {
        let lookup = tokio::net::lookup_host((self.host.as_str(), self.port));
        let found = match tokio::time::timeout(PATIENCE, lookup).await {
            Ok(found) => found.map(Iterator::collect::<Vec<_>>),
            Err(_) => Err(std::io::ErrorKind::TimedOut.into()),
        };
        let error = match found {
            Ok(found) if !found.is_empty() => {
                let changed = self.found(found);
                if turn.ends(true) || changed {
                    let addresses = self.current.load().len();
                    tracing::info!(host = %self.host, addresses, "backend addresses changed");
                }
                return changed;
            }
            Ok(_) => std::io::Error::other("the resolver knows no address"),
            Err(error) => error,
        };
        let kept = self.current.load().len();
        if turn.ends(false) {
            tracing::warn!(host = %self.host, %error, kept, "cannot resolve a backend's name; the last known addresses stay");
        }
        if kept == 0 {
            // Nothing can be served until it does.
            self.chore.ask();
        }
        false
    }

    /// Takes over what the resolver found, in its order. Says whether it differs.
    pub(super) fn found(&self, found: Vec<SocketAddr>) -> bool {
        let ipv4_first = found.first().is_some_and(SocketAddr::is_ipv4);
        let mut found = found;
        found.sort_by_key(|address| (address.is_ipv4() != ipv4_first, *address));
        found.dedup();
        if self.all() == found {
            return false;
        }
        let before = self.current.load();
        let keep = |address: SocketAddr| {
            let known = before.iter().find(|known| known.address == address);
            known.map_or_else(|| Known::new(address), Arc::clone)
        };
        self.current.store(Arc::new(found.into_iter().map(keep).collect()));
        true
    }

    fn millis(&self, at: Instant) -> u64 {
        u64::try_from(at.saturating_duration_since(self.origin).as_millis()).unwrap_or(u64::MAX)
    }
}

impl Known {
    fn new(address: SocketAddr) -> Arc<Self> {
        Arc::new(Self { address, avoid_until: AtomicU64::new(0) })
    }
}

fn nth<'a>(known: impl Iterator<Item = &'a Arc<Known>> + Clone, turn: usize) -> Option<SocketAddr> {
    let place = turn.checked_rem(known.clone().count())?;
    known.map(|known| known.address).nth(place)
}

#[cfg(test)]
mod tests;
