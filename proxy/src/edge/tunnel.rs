//! Egress proxies as Pingora connects through them. It owns the patience for a proxy's answer and which
//! error it becomes; it refuses to speak the protocol, which `upstream` does.

use std::time::Duration;

use async_trait::async_trait;
use pingora_core::connectors::L4Connect;
use pingora_core::protocols::l4::socket::SocketAddr;
use pingora_core::protocols::l4::stream::Stream;
use pingora_error::{Error, ErrorType, OkOrErr, Result};

use crate::upstream::{Tunnel, TunnelError};

/// Opens connections through a proxy. The address it is given is the proxy's.
#[derive(Debug)]
pub(super) struct Through {
    pub(super) tunnel: Tunnel,
    /// For connecting to the proxy and for its answer together.
    pub(super) patience: Duration,
}

#[async_trait]
impl L4Connect for Through {
    async fn connect(&self, proxy: &SocketAddr) -> Result<Stream> {
        let proxy = proxy.as_inet().copied().or_err(ErrorType::ConnectError, "an egress proxy speaks TCP")?;
        match tokio::time::timeout(self.patience, self.tunnel.open(proxy)).await {
            Ok(Ok(stream)) => Ok(stream.into()),
            Ok(Err(error)) => {
                let kind = match &error {
                    TunnelError::Io(io) if io.kind() == std::io::ErrorKind::ConnectionRefused => {
                        ErrorType::ConnectRefused
                    }
                    TunnelError::Io(_) => ErrorType::ConnectError,
                    TunnelError::Refused(_) | TunnelError::Protocol(_) => ErrorType::ConnectProxyFailure,
                };
                Error::e_because(kind, "through the egress proxy", error)
            }
            Err(_) => Error::e_explain(ErrorType::ConnectTimedout, "the egress proxy did not answer in time"),
        }
    }
}
