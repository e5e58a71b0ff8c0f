//! A collector that accepts everything and keeps nothing. It owns counting exports, so that a run can tell
//! whether telemetry really left the gateway; it refuses to read them.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use memchr::memmem;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

use crate::backend::content_length;

/// An empty Export…ServiceResponse, which is what full success looks like (OTLP specification).
const ACCEPTED: &[u8] =
    b"HTTP/1.1 200 OK\r\ncontent-type: application/x-protobuf\r\ncontent-length: 0\r\n\r\n";

/// A running collector; it ends when it is dropped.
#[derive(Debug)]
pub(crate) struct Sink {
    /// Where it listens.
    pub(crate) address: SocketAddr,
    metrics: Arc<AtomicU64>,
    traces: Arc<AtomicU64>,
    _accepting: JoinSet<io::Result<()>>,
}

impl Sink {
    /// Starts to listen in the current runtime.
    pub(crate) async fn start() -> io::Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let address = listener.local_addr()?;
        let (metrics, traces) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
        let mut accepting = JoinSet::new();
        accepting.spawn(accept(listener, Arc::clone(&metrics), Arc::clone(&traces)));
        Ok(Self { address, metrics, traces, _accepting: accepting })
    }

    /// Exports of metrics and of traces so far.
    pub(crate) fn exports(&self) -> (u64, u64) {
        (self.metrics.load(Ordering::Relaxed), self.traces.load(Ordering::Relaxed))
    }
}

async fn accept(listener: TcpListener, metrics: Arc<AtomicU64>, traces: Arc<AtomicU64>) -> io::Result<()> {
    let mut connections = JoinSet::new();
    loop {
        let (stream, _) = listener.accept().await?;
        connections.spawn(take(stream, Arc::clone(&metrics), Arc::clone(&traces)));
        while connections.try_join_next().is_some() {}
    }
}

async fn take(mut stream: TcpStream, metrics: Arc<AtomicU64>, traces: Arc<AtomicU64>) -> io::Result<()> {
    let mut buffer = Vec::with_capacity(64 * 1024);
    loop {
        while memmem::find(&buffer, b"\r\n\r\n").is_none() {
            if stream.read_buf(&mut buffer).await? == 0 {
                return Ok(());
            }
        }
        let head = memmem::find(&buffer, b"\r\n\r\n").unwrap_or_default();
        let line = buffer.get(..head).unwrap_or_default();
        let counter = if line.starts_with(b"POST /v1/metrics ") { &metrics } else { &traces };
        let end = head + 4 + content_length(line).unwrap_or(0);
        while buffer.len() < end {
            if stream.read_buf(&mut buffer).await? == 0 {
                return Ok(());
            }
        }
        counter.fetch_add(1, Ordering::Relaxed);
        buffer.drain(..end);
        stream.write_all(ACCEPTED).await?;
    }
}
