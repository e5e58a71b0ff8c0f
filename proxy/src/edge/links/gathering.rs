//! A connection whose writes wait for each other. It owns putting the head and the body of a request into
//! one write, though its session flushes after each; it refuses to hold anything back once an answer is
//! awaited.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use async_trait::async_trait;
use pingora_core::protocols::raw_connect::ProxyDigest;
use pingora_core::protocols::tls::SslDigest;
use pingora_core::protocols::{
    ALPN, GetProxyDigest, GetSocketDigest, GetTimingDigest, Peek, Shutdown, SocketDigest, Ssl, Stream,
    TimingDigest, UniqueID, UniqueIDType,
};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// The most that is held back; a larger body is worth a write of its own.
const MOST: usize = 16 * 1024;

/// Sends what was written when it is read from, or when there is too much to hold.
#[derive(Debug)]
pub(super) struct Gathering {
    inner: Stream,
    held: Vec<u8>,
    /// How much of `held` is sent already.
    sent: usize,
}

impl Gathering {
    pub(super) fn new(inner: Stream) -> Self {
        Self { inner, held: Vec::new(), sent: 0 }
    }

    fn poll_send(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while let Some(rest) = self.held.get(self.sent..).filter(|rest| !rest.is_empty()) {
            let count = ready!(Pin::new(&mut self.inner).poll_write(cx, rest))?;
            if count == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.sent += count;
        }
        ready!(Pin::new(&mut self.inner).poll_flush(cx))?;
        self.forget();
        Poll::Ready(Ok(()))
    }

    fn forget(&mut self) {
        self.held.clear();
        self.sent = 0;
    }
}

impl AsyncWrite for Gathering {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        if this.held.len() + bytes.len() <= MOST {
            this.held.extend_from_slice(bytes);
            return Poll::Ready(Ok(bytes.len()));
        }
        ready!(this.poll_send(cx))?;
        Pin::new(&mut this.inner).poll_write(cx, bytes)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if this.held.is_empty() { Pin::new(&mut this.inner).poll_flush(cx) } else { Poll::Ready(Ok(())) }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().inner).poll_shutdown(cx)
    }
}

impl AsyncRead for Gathering {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if !this.held.is_empty()
            && let Poll::Ready(Err(_)) = this.poll_send(cx)
        {
            // A backend may have answered and stopped reading; whether it has is for the read to tell.
            this.forget();
        }
        Pin::new(&mut this.inner).poll_read(cx, buffer)
    }
}

#[async_trait]
impl Shutdown for Gathering {
    async fn shutdown(&mut self) {
        self.inner.shutdown().await;
    }
}

#[async_trait]
impl Peek for Gathering {
    async fn try_peek(&mut self, buffer: &mut [u8]) -> io::Result<bool> {
        self.inner.try_peek(buffer).await
    }
}

impl UniqueID for Gathering {
    fn id(&self) -> UniqueIDType {
        self.inner.id()
    }
}

impl Ssl for Gathering {
    fn get_ssl_digest(&self) -> Option<Arc<SslDigest>> {
        self.inner.get_ssl_digest()
    }

    fn selected_alpn_proto(&self) -> Option<ALPN> {
        self.inner.selected_alpn_proto()
    }
}

impl GetTimingDigest for Gathering {
    fn get_timing_digest(&self) -> Vec<Option<TimingDigest>> {
        self.inner.get_timing_digest()
    }

    fn get_read_pending_time(&self) -> Duration {
        self.inner.get_read_pending_time()
    }

    fn get_write_pending_time(&self) -> Duration {
        self.inner.get_write_pending_time()
    }
}

impl GetProxyDigest for Gathering {
    fn get_proxy_digest(&self) -> Option<Arc<ProxyDigest>> {
        self.inner.get_proxy_digest()
    }

    fn set_proxy_digest(&mut self, digest: ProxyDigest) {
        self.inner.set_proxy_digest(digest);
    }
}

impl GetSocketDigest for Gathering {
    fn get_socket_digest(&self) -> Option<Arc<SocketDigest>> {
        self.inner.get_socket_digest()
    }

    fn set_socket_digest(&mut self, digest: SocketDigest) {
        self.inner.set_socket_digest(digest);
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream, duplex};

    use super::*;

    fn pair(room: usize) -> (Gathering, DuplexStream) {
        let (near, far) = duplex(room);
        (Gathering::new(Box::new(near)), far)
    }

    #[tokio::test]
    async fn what_is_flushed_piece_by_piece_leaves_in_one_when_an_answer_is_awaited() {
        let (mut near, mut far) = pair(64 * 1024);
        for piece in ["head ", "body"] {
            near.write_all(piece.as_bytes()).await.unwrap();
            near.flush().await.unwrap();
        }
        let mut seen = [0; 32];
        assert!(futures_util::FutureExt::now_or_never(far.read(&mut seen)).is_none(), "sent too early");
        let mut answer = [0; 2];
        let (read, answered) = tokio::join!(near.read_exact(&mut answer), async {
            let count = far.read(&mut seen).await.unwrap();
            far.write_all(b"ok").await.unwrap();
            count
        });
        read.unwrap();
        assert_eq!((&seen[..answered], &answer), (&b"head body"[..], b"ok"));
    }

    #[tokio::test]
    async fn a_large_body_is_not_held() {
        let (mut near, mut far) = pair(256 * 1024);
        let body = vec![b'x'; 3 * MOST];
        near.write_all(b"head").await.unwrap();
        near.write_all(&body).await.unwrap();
        near.flush().await.unwrap();
        let mut seen = vec![0; 4 + body.len()];
        far.read_exact(&mut seen).await.unwrap();
        assert!(seen.starts_with(b"headx"));
    }

    #[tokio::test]
    async fn an_answer_is_read_though_the_request_cannot_be_sent() {
        let (mut near, mut far) = pair(8);
        near.write_all(&[b'x'; 100]).await.unwrap();
        far.write_all(b"no").await.unwrap();
        let mut answer = [0; 2];
        near.read_exact(&mut answer).await.unwrap();
        assert_eq!(&answer, b"no");
        drop(far);
        assert_eq!(near.read(&mut answer).await.unwrap(), 0, "a closed connection ends");
    }
}
