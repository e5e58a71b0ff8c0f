//! Who is connected. It owns how many callers may be at once, how long the first head of a request may take
//! and how long a connection may idle; it refuses to look at bytes itself, and never cuts a request in flight.
//!
//! Pingora bounds single reads only: a caller that sends a byte a minute would stay for ever.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use decision::Networks;
use parking_lot::Mutex;
use pingora_core::apps::ServerApp;
use pingora_core::listeners::PreTlsProcess;
use pingora_core::protocols::l4::stream::Stream as TcpStream;
use pingora_core::protocols::raw_connect::ProxyDigest;
use pingora_core::protocols::{GetProxyDigest, GetSocketDigest, Peek, SocketDigest, Stream};
use pingora_core::server::ShutdownWatch;
use pingora_error::{Error, ErrorType, Result};
use pingora_http::ResponseHeader;
use pingora_proxy::Session;
use tokio::io::AsyncRead;
use tokio::sync::Notify;
use tokio::time::Instant;

use super::proxy_protocol;

/// A connection without a request is closed after this long.
pub(super) const IDLE: Duration = Duration::from_secs(300);
/// Files the process needs besides connections.
const OTHER_FILES: u64 = 256;
/// What a listener holds where the system sets no limit.
const UNLIMITED: usize = 100_000;

/// How many connections each of `listeners` may hold: every one may need a second file, to a backend.
pub(super) fn capacity(listeners: usize) -> usize {
    let files = rustix::process::getrlimit(rustix::process::Resource::Nofile).current;
    let each = |files: u64| usize::try_from(files.saturating_sub(OTHER_FILES) / 2).unwrap_or(UNLIMITED);
    files.map_or(UNLIMITED, each).min(UNLIMITED).div_ceil(listeners.max(1)).max(1)
}

/// One listener's door.
#[derive(Debug)]
pub(super) struct Door {
    capacity: usize,
    head_timeout: Duration,
    inside: Mutex<BTreeMap<u64, Arc<Presence>>>,
    next: AtomicU64,
}

/// What is known about a connection.
#[derive(Debug)]
struct Presence {
    came: Instant,
    /// Since when it has no request, in milliseconds after it came.
    idle_since: AtomicU64,
    in_flight: AtomicU32,
    asked: AtomicBool,
    must_go: Notify,
}

/// A connection that was let in; it leaves when this is dropped.
#[derive(Debug)]
pub(super) struct Visit {
    number: u64,
    presence: Arc<Presence>,
    door: Arc<Door>,
}

/// A request on a connection, until it is dropped.
#[derive(Debug)]
pub(super) struct Asking(Arc<Visit>);

impl Door {
    pub(super) fn new(capacity: usize, head_timeout: Duration) -> Arc<Self> {
        Arc::new(Self { capacity, head_timeout, inside: Mutex::default(), next: AtomicU64::new(0) })
    }

    /// Lets a connection in. When the house is full, one that asks for nothing makes room; nobody is let in
    /// when all are busy.
    fn admit(self: &Arc<Self>) -> Option<Arc<Visit>> {
        let presence = Arc::new(Presence {
            came: Instant::now(),
            idle_since: AtomicU64::new(0),
            in_flight: AtomicU32::new(0),
            asked: AtomicBool::new(false),
            must_go: Notify::new(),
        });
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let mut inside = self.inside.lock();
        if inside.len() >= self.capacity {
            let idle = |presence: &Presence| presence.in_flight.load(Ordering::Acquire) == 0;
            // Those that never asked go first, the longest here before the others.
            let leaves = inside
                .iter()
                .find(|(_, one)| idle(one) && !one.asked.load(Ordering::Acquire))
                .or_else(|| inside.iter().find(|(_, one)| idle(one)))
                .map(|(number, _)| *number)?;
            if let Some(leaves) = inside.remove(&leaves) {
                leaves.must_go.notify_one();
            }
        }
        inside.insert(number, Arc::clone(&presence));
        drop(inside);
        Some(Arc::new(Visit { number, presence, door: Arc::clone(self) }))
    }
}

impl Visit {
    /// Resolves when the connection has been without a request for too long, or must make room.
    async fn overstayed(&self) {
        let presence = &self.presence;
        let waited = async {
            loop {
                let asked = presence.asked.load(Ordering::Acquire);
                let limit = if asked { IDLE } else { self.door.head_timeout };
                let now = Instant::now();
                let since = Duration::from_millis(presence.idle_since.load(Ordering::Acquire));
                let end = if presence.in_flight.load(Ordering::Acquire) > 0 {
                    now + limit
                } else {
                    presence.came + since + limit
                };
                if end <= now {
                    return;
                }
                tokio::time::sleep_until(end).await;
            }
        };
        tokio::select! {
            () = waited => {}
            () = presence.must_go.notified() => {}
        }
    }

    fn ask(self: Arc<Self>) -> Asking {
        self.presence.in_flight.fetch_add(1, Ordering::AcqRel);
        self.presence.asked.store(true, Ordering::Release);
        Asking(self)
    }
}

impl Drop for Visit {
    fn drop(&mut self) {
        self.door.inside.lock().remove(&self.number);
    }
}

impl Drop for Asking {
    fn drop(&mut self) {
        let presence = &self.0.presence;
        let now = u64::try_from(presence.came.elapsed().as_millis()).unwrap_or(u64::MAX);
        presence.idle_since.store(now, Ordering::Release);
        presence.in_flight.fetch_sub(1, Ordering::AcqRel);
    }
}

/// A connection's own data.
#[derive(Clone, Debug)]
struct Guest {
    visit: Arc<Visit>,
    /// The client, where a load balancer stated it.
    stated: Option<IpAddr>,
}

/// Marks the connection of `session` as busy.
pub(super) fn asking(session: &Session) -> Option<Asking> {
    let digest = session.as_downstream().digest()?;
    Some(guest(digest.proxy_digest.as_deref()?)?.visit.ask())
}

/// Who is at the other end of `session`'s connection: the client that a load balancer stated, else the
/// socket's own peer.
pub(super) fn address(session: &Session) -> Option<IpAddr> {
    let digest = session.as_downstream().digest()?;
    let stated = digest.proxy_digest.as_deref().and_then(guest).and_then(|guest| guest.stated);
    stated.or_else(|| peer(digest.socket_digest.as_deref()))
}

fn peer(digest: Option<&SocketDigest>) -> Option<IpAddr> {
    Some(digest?.peer_addr()?.as_inet()?.ip().to_canonical())
}

fn guest(digest: &ProxyDigest) -> Option<Guest> {
    digest.user_data.as_ref()?.downcast_ref::<Guest>().cloned()
}

/// Hangs `guest` on a connection. Of the data that Pingora carries from a connection to its requests, the
/// digest of a proxy is the only one that is ours to fill.
fn hang(guest: Guest, set: impl FnOnce(ProxyDigest)) -> Result<()> {
    set(ProxyDigest::new(Box::new(ResponseHeader::build(200, Some(0))?), Some(Box::new(guest))));
    Ok(())
}

/// A listener's door and the load balancers that come through it.
#[derive(Debug)]
pub(super) struct Entrance {
    pub(super) door: Arc<Door>,
    /// Their connections begin with a PROXY header.
    pub(super) balancers: Networks,
}

impl Entrance {
    /// Lets a connection from `peer` in, and takes the PROXY header off it where there is to be one. Whoever
    /// dribbles that has a place among the idle, so it ends with the time for a head, or sooner.
    async fn receive<S: AsyncRead + Unpin>(
        &self,
        stream: &mut S,
        peer: Option<IpAddr>,
    ) -> std::result::Result<Guest, &'static str> {
        let visit = self.door.admit().ok_or("every connection is busy")?;
        if !peer.is_some_and(|peer| self.balancers.contains(peer)) {
            return Ok(Guest { visit, stated: None });
        }
        let stated = tokio::select! {
            taken = proxy_protocol::take(stream) => taken.map_err(|error| {
                tracing::debug!(%error, "a load balancer's connection was closed");
                "no PROXY protocol header from a load balancer"
            }),
            () = visit.overstayed() => Err("no PROXY protocol header in time"),
        }?;
        Ok(Guest { visit, stated })
    }
}

/// An application behind an entrance.
pub(super) struct Guarded<A> {
    pub(super) inner: Arc<A>,
    pub(super) entrance: Arc<Entrance>,
}

#[async_trait]
impl<A: ServerApp + Send + Sync + 'static> ServerApp for Guarded<A> {
    async fn process_new(self: &Arc<Self>, mut stream: Stream, shutdown: &ShutdownWatch) -> Option<Stream> {
        let known = stream.get_proxy_digest().and_then(|digest| guest(&digest));
        let visit = match known {
            Some(guest) => guest.visit,
            None => {
                let peer = peer(stream.get_socket_digest().as_deref());
                let guest = self.entrance.receive(&mut stream, peer).await.ok()?;
                let visit = Arc::clone(&guest.visit);
                hang(guest, |digest| stream.set_proxy_digest(digest)).ok()?;
                visit
            }
        };
        tokio::select! {
            biased;
            over = self.inner.process_new(stream, shutdown) => over,
            () = visit.overstayed() => None,
        }
    }

    async fn cleanup(&self) {
        self.inner.cleanup().await;
    }
}

/// Lets in those that are to speak TLS: before the handshake, since whoever never begins one takes room too.
pub(super) struct BeforeTls(pub(super) Arc<Entrance>);

#[async_trait]
impl PreTlsProcess for BeforeTls {
    async fn process(&self, stream: &mut TcpStream) -> Result<()> {
        let gone = |why| Error::e_explain(ErrorType::ConnectionClosed, why);
        let peer = peer(stream.get_socket_digest().as_deref());
        let guest = match self.0.receive(stream, peer).await {
            Ok(guest) => guest,
            Err(why) => return gone(why),
        };
        let mut first = [0];
        tokio::select! {
            peeked = stream.try_peek(&mut first) => match peeked {
                Ok(_) => {}
                Err(_) => return gone("the caller left before its handshake"),
            },
            () = guest.visit.overstayed() => return gone("the caller began no handshake"),
        }
        hang(guest, |digest| stream.set_proxy_digest(digest))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn inside(door: &Door) -> Vec<u64> {
        door.inside.lock().keys().copied().collect()
    }

    #[tokio::test]
    async fn a_full_house_makes_room_by_sending_idle_ones_away_and_never_busy_ones() {
        let door = Door::new(3, Duration::from_secs(30));
        let [busy, asked, silent] = [0; 3].map(|_| door.admit().unwrap());
        let _request = Arc::clone(&busy).ask();
        drop(Arc::clone(&asked).ask());
        let fourth = door.admit().unwrap();
        silent.overstayed().await;
        assert_eq!(inside(&door), [0, 1, 3], "who never asked goes first");
        let _request = fourth.ask();
        let fifth = door.admit().unwrap();
        asked.overstayed().await;
        let _request = fifth.ask();
        assert!(door.admit().is_none(), "all are busy");
        drop((busy, asked, silent));
        assert_eq!(inside(&door), [0, 3, 4], "a request keeps its connection inside");
    }

    #[tokio::test(start_paused = true)]
    async fn a_connection_without_a_request_goes_after_its_time_and_one_with_a_request_stays() {
        let door = Door::new(3, Duration::from_secs(30));
        let visit = door.admit().unwrap();
        let start = Instant::now();
        visit.overstayed().await;
        assert_eq!(start.elapsed(), Duration::from_secs(30));
        let request = Arc::clone(&visit).ask();
        let stayed = tokio::time::timeout(IDLE * 10, visit.overstayed()).await;
        assert!(stayed.is_err(), "a request in flight is never cut");
        drop(request);
        let end = Instant::now();
        visit.overstayed().await;
        assert_eq!(end.elapsed().as_secs(), IDLE.as_secs());
    }

    #[test]
    fn every_listener_holds_something() {
        assert!(capacity(1) > 1 && capacity(1_000_000) >= 1);
    }
}
