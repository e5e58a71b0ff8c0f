//! The real thing: HTTP/1.1 and h2, with TLS or without, and the APIs. It owns sockets, the clock and the driver that
//! lets tokens out when they fall due; it refuses to decide anything, which `backend` does.
//!
//! One driver per server sleeps until the next token is due and lets out everything that is due by then.
//! Deadlines are absolute, so lateness of one wake-up never adds to the next; tokens that fall due
//! within one wake-up are written together, as separate events.
//!
//! What it answers depends on its `Flavour`; whatever that is, also:
//!
//! | path | |
//! |---|---|
//! | `GET /health` | 200, or 503 under `unhealthy_probe` |
//! | `GET /sim/log`, `/sim/totals` | its own account of what it generated: JSON lines, and sums |
//! | `GET /sim/exchanges` | its own account of every HTTP exchange, as JSON lines |
//! | `GET`, `POST /sim/faults` | the fault script, as a JSON array; times count from the moment it is set |
//! | `POST /sim/keys` | the keys it accepts, as a JSON object of lists |
//! | `POST /sim/reset` | back to the start |
//!
//! Headers a request may carry: `x-sim-output-tokens` fixes the length of each choice, `x-sim-key` the
//! request's luck, `x-sim-fault` a fault of its own such as `drop_mid_stream:3`.

mod answer;
mod asked;
mod audio;
mod auth;
mod chat;
mod connection;
mod content;
mod control;
mod encode;
mod errors;
mod files;
mod generate;
mod mcp;
mod messages;
mod multipart;
mod paths;
mod realtime;
mod respond;
mod responses;
mod routes;
mod schema;
mod services;
mod shared;
mod steps;
mod tls;
mod tools;

use std::fmt;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use tokio::net::TcpSocket;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::config::{Keys, SimConfig};
use crate::faults::{Door, FaultScript};
use crate::log::{Exchange, Record, Totals};
use connection::Connection;
use shared::Shared;
use tls::Acceptor;

/// A running server. Dropping it stops the server.
pub struct SimHandle {
    addr: SocketAddr,
    shared: Arc<Shared>,
    stop: CancellationToken,
    thread: Option<JoinHandle<()>>,
}

impl fmt::Debug for SimHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SimHandle").field("addr", &self.addr).finish_non_exhaustive()
    }
}

impl SimHandle {
    /// Where it listens.
    #[must_use]
    pub const fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// Every request since the start or the last reset, in order of arrival.
    #[must_use]
    pub fn log(&self) -> Vec<Record> {
        self.shared.log()
    }

    /// Every HTTP exchange since the start or the last reset, generated answers and all others, in order.
    #[must_use]
    pub fn exchanges(&self) -> Vec<Exchange> {
        self.shared.exchanges()
    }

    /// Replaces the keys it accepts. `SimConfig::api_key` stays.
    pub fn set_keys(&self, keys: Keys) {
        self.shared.set_keys(keys);
    }

    /// Sums over ended requests. A request has ended in here before its caller can see its last byte.
    #[must_use]
    pub fn totals(&self) -> Totals {
        self.shared.totals()
    }

    /// Replaces the fault script; its times count from now.
    pub fn set_faults(&self, faults: FaultScript) {
        self.shared.set_faults(faults);
    }

    /// Back to the state of the start: clock at zero, empty log and quota, and the script set last
    /// begins again. Answers under way are cut off.
    pub fn reset(&self) {
        self.shared.reset();
    }

    /// Stops: no more connections, those there are closed. Waits for the thread of [`spawn_thread`].
    pub fn shutdown(self) {
        drop(self);
    }
}

impl Drop for SimHandle {
    fn drop(&mut self) {
        self.stop.cancel();
        if let Some(thread) = self.thread.take() {
            // A panic over there has been reported by the thread itself.
            let _ = thread.join();
        }
    }
}

/// Serves on the caller's tokio runtime.
///
/// # Errors
/// When the listener or the TLS material cannot be used.
///
/// # Panics
/// Outside a tokio runtime.
pub fn serve(listener: TcpListener, config: SimConfig) -> io::Result<SimHandle> {
    listener.set_nonblocking(true)?;
    let addr = listener.local_addr()?;
    let listener = tokio::net::TcpListener::from_std(listener)?;
    let acceptor = Acceptor::new(config.tls.as_ref())?;
    let stop = CancellationToken::new();
    let shared = Arc::new(Shared::new(config, stop.clone()));
    let tasks = TaskTracker::new();
    let house =
        House { addr, acceptor, shared: Arc::clone(&shared), stop: stop.clone(), tasks: tasks.clone() };
    tasks.spawn(house.run(listener));
    Ok(SimHandle { addr, shared, stop, thread: None })
}

/// Serves on a thread and a runtime of its own, so that several simulators disturb neither each other
/// nor the caller.
///
/// # Errors
/// When the listener or the TLS material cannot be used, or the thread cannot start.
pub fn spawn_thread(listener: TcpListener, config: SimConfig) -> io::Result<SimHandle> {
    listener.set_nonblocking(true)?;
    let addr = listener.local_addr()?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let name = format!("sim-{}", config.name);
    let acceptor = Acceptor::new(config.tls.as_ref())?;
    let stop = CancellationToken::new();
    let shared = Arc::new(Shared::new(config, stop.clone()));
    let listener = {
        let _context = runtime.enter();
        tokio::net::TcpListener::from_std(listener)?
    };
    let tasks = TaskTracker::new();
    let house = House { addr, acceptor, shared: Arc::clone(&shared), stop: stop.clone(), tasks };
    let running = house.run(listener);
    let thread = std::thread::Builder::new().name(name).spawn(move || runtime.block_on(running))?;
    Ok(SimHandle { addr, shared, stop, thread: Some(thread) })
}

/// How long a handshake may take, and how long a listener that cannot be had back is waited for.
const HANDSHAKE: Duration = Duration::from_secs(10);
const PAUSE: Duration = Duration::from_millis(10);

/// Connections that may wait to be taken.
const BACKLOG: u32 = 1_024;

/// What takes connections.
struct House {
    addr: SocketAddr,
    acceptor: Acceptor,
    shared: Arc<Shared>,
    stop: CancellationToken,
    tasks: TaskTracker,
}

impl House {
    async fn run(self, listener: tokio::net::TcpListener) {
        let driver = shared::drive(Arc::clone(&self.shared));
        tokio::select! {
            () = self.stop.cancelled() => {}
            () = driver => {}
            () = self.take_connections(listener) => {}
        }
        // Connections that have left HTTP behind end with the server.
        self.stop.cancel();
    }

    async fn take_connections(&self, listener: tokio::net::TcpListener) {
        let mut door = self.shared.door();
        let (mut listener, mut reserved) = (Some(listener), None);
        // Connections nobody reads, for as long as nobody does.
        let mut unread = Vec::new();
        loop {
            let state = *door.borrow_and_update();
            if state == Door::Shut && listener.take().is_some() {
                reserved = reserve(self.addr).ok();
            } else if state != Door::Shut && listener.is_none() {
                let socket = reserved.take().map_or_else(|| reserve(self.addr), Ok);
                listener = socket.and_then(|socket| socket.listen(BACKLOG)).ok();
            }
            if state != Door::Blackhole {
                unread.clear();
            }
            let accepted = async {
                match &listener {
                    Some(listener) => listener.accept().await,
                    None if state == Door::Shut => std::future::pending().await,
                    None => Err(io::ErrorKind::AddrInUse.into()),
                }
            };
            tokio::select! {
                accepted = accepted => match accepted {
                    Ok((stream, _)) if state == Door::Blackhole => unread.push(stream),
                    Ok((stream, _)) => self.take(stream, state),
                    // Out of descriptors, a connection that died in the queue, or a port not yet back.
                    Err(_) => tokio::time::sleep(PAUSE).await,
                },
                _ = door.changed() => {}
            }
        }
    }

    fn take(&self, stream: tokio::net::TcpStream, door: Door) {
        // A socket that refuses the option still serves, only later.
        let _ = stream.set_nodelay(true);
        let (acceptor, shared) = (self.acceptor.clone(), Arc::clone(&self.shared));
        let stop = self.stop.clone();
        let conversation = async move {
            if door == Door::NoHandshake && acceptor.is_tls() {
                return acceptor.refuse(stream).await;
            }
            // A handshake that fails is the caller's story to tell.
            if let Ok(Ok(stream)) = tokio::time::timeout(HANDSHAKE, acceptor.accept(stream)).await {
                converse(Connection::new(stream), shared).await;
            }
        };
        self.tasks.spawn(async move { stop.run_until_cancelled(conversation).await });
    }
}

/// Holds a port without listening at it: connections are refused, and nobody else takes it.
fn reserve(addr: SocketAddr) -> io::Result<TcpSocket> {
    let socket = if addr.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    socket.set_reuseaddr(true)?;
    socket.bind(addr)?;
    Ok(socket)
}

async fn converse(connection: Connection, shared: Arc<Shared>) {
    let control = connection.control();
    let service = service_fn(move |request| routes::answer(Arc::clone(&shared), control.clone(), request));
    let builder = auto::Builder::new(TokioExecutor::new());
    // It ends with an error whenever a caller leaves or a fault breaks it off; the log has the story.
    let _ = builder.serve_connection_with_upgrades(TokioIo::new(connection), service).await;
}
