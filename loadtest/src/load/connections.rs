//! Keep-alive HTTP/1.1 connections to one address. It owns opening, lending and reusing them; it
//! refuses to know what is sent on them, and never limits how many there are: an open-loop client that
//! waits for a connection measures itself.

use std::io;
use std::net::SocketAddr;

use bytes::Bytes;
use http_body_util::Full;
use hyper::client::conn::http1::{self, SendRequest};
use hyper::{Request, Response, body::Incoming};
use hyper_util::rt::TokioIo;
use parking_lot::Mutex;
use tokio::net::TcpStream;
use tokio_util::task::TaskTracker;

type Sender = SendRequest<Full<Bytes>>;

/// Connections of one worker.
#[derive(Debug)]
pub(crate) struct Connections {
    address: SocketAddr,
    idle: Mutex<Vec<Sender>>,
    drivers: TaskTracker,
}

/// A connection lent to one exchange.
#[derive(Debug)]
pub(crate) struct Lent {
    sender: Sender,
}

/// Why a request got no response head.
#[derive(Debug)]
pub(crate) enum SendError {
    /// No connection could be opened.
    Connect(io::Error),
    /// The connection ended before a response head.
    Reset,
}

impl Connections {
    pub(crate) fn new(address: SocketAddr) -> Self {
        Self { address, idle: Mutex::default(), drivers: TaskTracker::new() }
    }

    /// Sends `request` on an idle connection, or on a new one. An idle connection the server has closed
    /// meanwhile is not the server's fault as long as nothing was sent on it: the request moves on.
    pub(crate) async fn send(
        &self,
        request: Request<Full<Bytes>>,
    ) -> Result<(Lent, Response<Incoming>), SendError> {
        let mut request = request;
        loop {
            let idle = self.take_idle();
            let reused = idle.is_some();
            let mut sender = match idle {
                Some(sender) => sender,
                None => self.open().await.map_err(SendError::Connect)?,
            };
            match sender.try_send_request(request).await {
                Ok(response) => return Ok((Lent { sender }, response)),
                Err(mut refused) => match refused.take_message() {
                    Some(unsent) if reused => request = unsent,
                    _ => return Err(SendError::Reset),
                },
            }
        }
    }

    /// Takes a connection back after its answer was read to the end.
    pub(crate) async fn give_back(&self, mut lent: Lent) {
        if lent.sender.ready().await.is_ok() {
            self.idle.lock().push(lent.sender);
        }
    }

    /// The most recently used first, so that a burst's surplus can grow old and close.
    fn take_idle(&self) -> Option<Sender> {
        let mut idle = self.idle.lock();
        while let Some(sender) = idle.pop() {
            if sender.is_ready() {
                return Some(sender);
            }
        }
        None
    }

    async fn open(&self) -> io::Result<Sender> {
        let stream = TcpStream::connect(self.address).await?;
        stream.set_nodelay(true)?;
        let (sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(io::Error::other)?;
        // A broken connection shows in the exchange that uses it; its driver has nothing to add.
        self.drivers.spawn(async move { drop(connection.await) });
        Ok(sender)
    }
}
