//! Backends that do exactly what a test says, byte by byte, and simulated model servers that behave. It
//! owns reading requests and playing a script; it uses no HTTP library, so that what the gateway sends and
//! makes of odd bytes is seen as it is.

mod reply;
mod request;

use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::Duration;

use model_sim::{Profile, SimConfig, SimHandle};
use parking_lot::Mutex;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::manifest::MODEL;
use crate::wait::within;
pub use reply::{Reply, Step, chunk, stream_body};
pub use request::Received;

/// Decides what the request gets; the number counts requests from 0, probes included.
type Script = dyn Fn(usize, &Received) -> Reply + Send + Sync;

/// A backend that plays a script. Dropping it closes everything.
#[derive(Debug)]
pub struct FakeBackend {
    address: SocketAddr,
    seen: Arc<Seen>,
    changes: watch::Receiver<()>,
    _tasks: JoinSet<()>,
}

#[derive(Debug)]
struct Seen {
    requests: Mutex<Vec<Received>>,
    /// Connections accepted.
    connections: Mutex<usize>,
    /// Connections the other side closed before the script was played out.
    left: Mutex<usize>,
    changed: watch::Sender<()>,
}

impl FakeBackend {
    /// Serves `script` on a free port.
    pub async fn start(script: impl Fn(usize, &Received) -> Reply + Send + Sync + 'static) -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("an address");
        let script: Arc<Script> = Arc::new(script);
        let (changed, changes) = watch::channel(());
        let seen = Arc::new(Seen {
            requests: Mutex::default(),
            connections: Mutex::default(),
            left: Mutex::default(),
            changed,
        });
        let mut tasks = JoinSet::new();
        let shared = Arc::clone(&seen);
        tasks.spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                *shared.connections.lock() += 1;
                connections.spawn(converse(stream, Arc::clone(&script), Arc::clone(&shared)));
            }
        });
        Self { address, seen, changes, _tasks: tasks }
    }

    /// Answers every request alike.
    pub async fn always(reply: Reply) -> Self {
        Self::start(move |_, _| reply.clone()).await
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Every request so far.
    #[must_use]
    pub fn requests(&self) -> Vec<Received> {
        self.seen.requests.lock().clone()
    }

    /// Requests that ask a model for something: probes are left out.
    #[must_use]
    pub fn calls(&self) -> Vec<Received> {
        self.requests().into_iter().filter(|request| request.method == "POST").collect()
    }

    /// Connections accepted so far.
    #[must_use]
    pub fn connections(&self) -> usize {
        *self.seen.connections.lock()
    }

    /// Waits until `count` requests have come.
    pub async fn await_requests(&self, count: usize) -> Vec<Received> {
        self.changed("enough requests at the backend", || self.seen.requests.lock().len() >= count).await;
        self.requests()
    }

    /// Waits until the other side has closed a connection while the script still played.
    pub async fn await_left(&self) {
        self.changed("the gateway to leave", || *self.seen.left.lock() > 0).await;
    }

    async fn changed(&self, what: &str, mut is_so: impl FnMut() -> bool) {
        let mut changes = self.changes.clone();
        within(what, changes.wait_for(|()| is_so())).await.expect("the backend lives");
    }
}

async fn converse(mut stream: TcpStream, script: Arc<Script>, seen: Arc<Seen>) {
    stream.set_nodelay(true).expect("a socket takes the option");
    let mut rest = Vec::new();
    while let Some(mut received) = request::read(&mut stream, &mut rest).await {
        received.at = tokio::time::Instant::now();
        let reply = {
            let mut requests = seen.requests.lock();
            let reply = script(requests.len(), &received);
            requests.push(received);
            reply
        };
        seen.changed.send_replace(());
        match reply.play(&mut stream).await {
            reply::Played::KeepAlive => {}
            reply::Played::Closed => return,
            reply::Played::Left => {
                *seen.left.lock() += 1;
                seen.changed.send_replace(());
                return;
            }
        }
    }
    // The peer is done; whether it hears of our end is its own affair.
    drop(stream.shutdown().await);
}

/// An address at which nothing listens.
#[must_use]
pub fn nobody() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).expect("a free port")
}

/// A fast simulated server of [`MODEL`]: 5 ms to the first token, 1 ms for each further one.
#[must_use]
pub fn fast(name: &str) -> SimConfig {
    let profile = Profile::hosted(Duration::from_millis(5), 1e6, Duration::from_millis(1));
    SimConfig::new(name, MODEL, profile)
}

/// Starts a simulated server on a thread of its own.
#[must_use]
pub fn simulate(config: SimConfig) -> SimHandle {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    model_sim::spawn_thread(listener, config).expect("a thread for the simulator")
}
