//! A connection one can break. It owns the ways a faulty server ends a connection that HTTP has no word
//! for: a reset, and bytes that are missing; it refuses to know what is being sent.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::server::TlsStream;

const WHOLE: u8 = 0;
/// The end of the next write is withheld.
const TRUNCATING: u8 = 1;
/// The connection is broken off; nothing passes any more.
const BROKEN: u8 = 2;
/// Like broken, and closing it sends a reset.
const RESET: u8 = 3;
/// Our side ends with the next flush; the other side may go on.
const ENDING: u8 = 4;
/// Our side has ended: nothing more is sent, everything is read.
const ENDED: u8 = 5;

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

    /// Ends our side of the connection with the next flush and keeps reading.
    pub(super) fn half_close(&self) {
        self.0.store(ENDING, Ordering::Release);
    }
}

/// What the bytes go over.
#[derive(Debug)]
pub(super) enum Stream {
    Plain(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
}

/// Both directions of a stream.
trait Duplex: AsyncRead + AsyncWrite + Unpin {}
impl<S: AsyncRead + AsyncWrite + Unpin> Duplex for S {}

impl Stream {
    fn io(&mut self) -> Pin<&mut dyn Duplex> {
        match self {
            Self::Plain(stream) => Pin::new(stream),
            Self::Tls(stream) => Pin::new(stream.as_mut()),
        }
    }

    fn tcp(&self) -> &TcpStream {
        match self {
            Self::Plain(stream) => stream,
            Self::Tls(stream) => stream.get_ref().0,
        }
    }
}

/// A stream under a [`Control`].
#[derive(Debug)]
pub(super) struct Connection {
    stream: Stream,
    state: Arc<AtomicU8>,
}

impl Connection {
    pub(super) fn new(stream: Stream) -> Self {
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
            let _ = self.stream.tcp().set_zero_linger();
        }
    }
}

impl AsyncRead for Connection {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if matches!(self.state(), BROKEN | RESET) {
            return Poll::Ready(Err(Self::broken()));
        }
        self.stream.io().poll_read(cx, buf)
    }
}

impl AsyncWrite for Connection {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        match self.state() {
            WHOLE => self.stream.io().poll_write(cx, buf),
            // Swallowed, as a peer that is not heard any more.
            ENDING | ENDED => Poll::Ready(Ok(buf.len())),
            TRUNCATING => {
                let kept = buf.get(..buf.len().saturating_sub(WITHHELD)).unwrap_or_default();
                let written = std::task::ready!(self.stream.io().poll_write(cx, kept))?;
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
        match self.state() {
            ENDING => {
                std::task::ready!(self.stream.io().poll_shutdown(cx))?;
                self.state.store(ENDED, Ordering::Release);
                Poll::Ready(Ok(()))
            }
            ENDED => Poll::Ready(Ok(())),
            _ => self.stream.io().poll_flush(cx),
        }
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if matches!(self.state(), RESET | ENDED) {
            return Poll::Ready(Ok(()));
        }
        self.stream.io().poll_shutdown(cx)
    }
}
