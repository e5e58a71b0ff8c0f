//! Connections for requests that upgrade (RFC 9110 section 7.8). It owns that a server's 101 is read only
//! after the request has ended; it refuses to know what is spoken afterwards.
//!
//! Pingora 0.9 takes the end of an upgrading request's empty body for the end of the tunnel when it reads a
//! fast server's 101 first (cloudflare/pingora#946), and hangs up on the caller. Which it reads first is
//! left to chance where both are there, so the 101 is held back for one turn.

use std::io::Result as IoResult;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use async_trait::async_trait;
use pingora_core::connectors::L4Connect;
use pingora_core::protocols::l4::socket::SocketAddr;
use pingora_core::protocols::l4::stream::Stream;
use pingora_core::protocols::l4::virt::{VirtualSockOpt, VirtualSocket, VirtualSocketStream};
use pingora_core::upstreams::peer::HttpPeer;
use pingora_error::{Error, ErrorType, OkOrErr as _, OrErr as _, Result};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

/// Pingora may not reuse another request's connection for this one, as it would not be held back.
const APART: u64 = 1 << 63;

/// Lets `peer` serve a request that upgrades.
pub(super) fn prepare(peer: &mut HttpPeer) {
    peer.group_key |= APART;
    let patience = peer.options.connection_timeout.unwrap_or(Duration::MAX);
    peer.options.custom_l4 = Some(Arc::new(InTurn { through: peer.options.custom_l4.take(), patience }));
}

/// Opens connections that are read in turn.
#[derive(Debug)]
struct InTurn {
    /// Where a proxy is between.
    through: Option<Arc<dyn L4Connect + Send + Sync>>,
    patience: Duration,
}

#[async_trait]
impl L4Connect for InTurn {
    async fn connect(&self, address: &SocketAddr) -> Result<Stream> {
        let stream = match &self.through {
            Some(through) => through.connect(address).await?,
            None => direct(address, self.patience).await?,
        };
        Ok(VirtualSocketStream::new(Box::new(HeldBack { stream, written: false })).into())
    }
}

async fn direct(address: &SocketAddr, patience: Duration) -> Result<Stream> {
    let address = address.as_inet().or_err(ErrorType::ConnectError, "a backend speaks TCP")?;
    let connecting = tokio::time::timeout(patience, TcpStream::connect(address)).await;
    let connected = connecting.or_err(ErrorType::ConnectTimedout, "the backend did not answer in time")?;
    match connected {
        Ok(stream) => {
            stream.set_nodelay(true).or_err(ErrorType::ConnectError, "a socket takes the option")?;
            Ok(stream.into())
        }
        Err(error) if error.kind() == std::io::ErrorKind::ConnectionRefused => {
            Error::e_because(ErrorType::ConnectRefused, "nothing listens", error)
        }
        Err(error) => Error::e_because(ErrorType::ConnectError, "connecting to a backend", error),
    }
}

/// Whose first read after a write comes a turn later, when everything else that is ready had its turn.
#[derive(Debug)]
struct HeldBack {
    stream: Stream,
    written: bool,
}

impl AsyncRead for HeldBack {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<IoResult<()>> {
        if std::mem::take(&mut self.written) {
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl AsyncWrite for HeldBack {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<IoResult<usize>> {
        self.written = true;
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<IoResult<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<IoResult<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

impl VirtualSocket for HeldBack {
    /// The stream within has had its options.
    fn set_socket_option(&self, _: VirtualSockOpt) -> IoResult<()> {
        Ok(())
    }
}
