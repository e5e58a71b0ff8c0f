//! A connection one can break. It owns the ways a faulty server ends a connection that HTTP has no word
//! for: a reset, and bytes that are missing; it refuses to know what is being sent.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

const WHOLE: u8 = 0;
/// The end of the next write is withheld.
const TRUNCATING: u8 = 1;
/// The connection is broken off; nothing passes any more.
const BROKEN: u8 = 2;
/// Like broken, and closing it sends a reset.
const RESET: u8 = 3;

/// Bytes withheld from the end of a truncated write: the end of its last chunk and some of its data.
const WITHHELD: usize = 12;

/// Breaks a connection from inside a request.
#[derive(Clone, Debug)]
pub(super) struct Control(Arc<AtomicU8>);

impl Control {
    /// Withholds the end of the next write and breaks the connection there.
    pub(super) fn truncate_next_write(&self) {
        self.0.store(TRUNCATING, Ordering::Release);
    }

    /// Breaks the connection; its close is a reset.
    pub(super) fn reset(&self) {
        self.0.store(RESET, Ordering::Release);
    }
}

/// A TCP stream under a [`Control`].
#[derive(Debug)]
pub(super) struct Connection {
    stream: TcpStream,
    state: Arc<AtomicU8>,
}

impl Connection {
    pub(super) fn new(stream: TcpStream) -> Self {
        Self { stream, state: Arc::new(AtomicU8::new(WHOLE)) }
    }

    pub(super) fn control(&self) -> Control {
        Control(Arc::clone(&self.state))
    }

    fn state(&self) -> u8 {
        self.state.load(Ordering::Acquire)
    }

    fn broken() -> io::Error {
        io::Error::new(io::ErrorKind::ConnectionAborted, "broken off by a fault")
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        if self.state() == RESET {
            // Where it cannot be set the caller sees an early end instead, which is broken enough.
            let _ = self.stream.set_zero_linger();
        }
    }
}

impl AsyncRead for Connection {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.state() >= BROKEN {
            return Poll::Ready(Err(Self::broken()));
        }
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl AsyncWrite for Connection {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        match self.state() {
            WHOLE => Pin::new(&mut self.stream).poll_write(cx, buf),
            TRUNCATING => {
                let kept = buf.get(..buf.len().saturating_sub(WITHHELD)).unwrap_or_default();
                let written = std::task::ready!(Pin::new(&mut self.stream).poll_write(cx, kept))?;
                if written == kept.len() {
                    self.state.store(BROKEN, Ordering::Release);
                    return Poll::Ready(Ok(buf.len()));
                }
                Poll::Ready(Ok(written))
            }
            _ => Poll::Ready(Err(Self::broken())),
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.state() == RESET {
            return Poll::Ready(Ok(()));
        }
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
