//! The admin socket. It owns accepting connections, their TLS, and ending with the gateway; what is answered is
//! `routes`'.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use decision::ClientCertificate;
use http::Request;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::routes::Desk;
use crate::edge::{CertificateError, Followed, ServerTls, client_certificate};

/// A head that takes longer than this is not an operator's.
const HEADER_TIMEOUT: Duration = Duration::from_secs(10);

/// A handshake that takes longer than this is not an operator's either.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);

/// Why the admin API is not served.
#[derive(Debug, thiserror::Error)]
pub enum AdminError {
    /// Its address cannot be listened on.
    #[error(
        "the admin API cannot listen on {address}: {source}; change `admin.address` in the manifest or stop what uses the port"
    )]
    Address {
        /// What was asked for.
        address: String,
        /// Why.
        source: std::io::Error,
    },
    /// Its certificate, or its authorities, cannot be used.
    #[error("the admin API: {0}")]
    Certificate(#[from] CertificateError),
}

/// The bound admin socket.
#[derive(Debug)]
pub(crate) struct Admin {
    socket: std::net::TcpListener,
    tls: Option<ServerTls>,
    /// Where it listens.
    pub(crate) address: SocketAddr,
}

impl Admin {
    /// Binds, without accepting yet; files are relative to `base`.
    ///
    /// # Errors
    /// When the address is taken or not one of this machine's, or the certificate cannot be used.
    pub(crate) fn bind(
        address: &str,
        section: Option<&rule_table::Admin>,
        base: &Path,
    ) -> Result<Self, AdminError> {
        let failed = |source| AdminError::Address { address: address.to_owned(), source };
        let tls = section.and_then(|section| section.tls.as_ref());
        let tls = tls.map(|tls| ServerTls::read("admin", tls, base)).transpose()?;
        let socket = std::net::TcpListener::bind(address).map_err(failed)?;
        socket.set_nonblocking(true).map_err(failed)?;
        let address = socket.local_addr().map_err(failed)?;
        Ok(Self { socket, tls, address })
    }

    /// Whether it speaks TLS.
    pub(crate) fn is_tls(&self) -> bool {
        self.tls.is_some()
    }

    /// What it reads from files and takes up when they change.
    pub(crate) fn followed(&self) -> Vec<Arc<dyn Followed>> {
        self.tls.as_ref().map(ServerTls::followed).unwrap_or_default()
    }

    /// Serves until `stop`.
    ///
    /// # Errors
    /// When the runtime cannot take the socket.
    pub(crate) fn serve(
        self,
        desk: Desk,
        stop: CancellationToken,
        tasks: &TaskTracker,
    ) -> std::io::Result<()> {
        let listener = TcpListener::from_std(self.socket)?;
        let desk = Arc::new(desk);
        let acceptor = self.tls.as_ref().map(ServerTls::acceptor);
        let connections = tasks.clone();
        tasks.spawn(async move {
            loop {
                let accepted = tokio::select! {
                    accepted = listener.accept() => accepted,
                    () = stop.cancelled() => return,
                };
                let Ok((stream, _)) = accepted else {
                    // Out of descriptors or a peer that has gone: give others time to finish.
                    tokio::time::sleep(Duration::from_millis(50)).await;
                    continue;
                };
                let (desk, stop) = (Arc::clone(&desk), stop.clone());
                match acceptor.clone() {
                    None => connections.spawn(connection(stream, None, desk, stop)),
                    Some(acceptor) => connections.spawn(secured(stream, acceptor, desk, stop)),
                };
            }
        });
        Ok(())
    }
}

/// A connection that begins with a handshake.
async fn secured(stream: TcpStream, acceptor: TlsAcceptor, desk: Arc<Desk>, stop: CancellationToken) {
    let Ok(Ok(stream)) = tokio::time::timeout(HANDSHAKE_TIMEOUT, acceptor.accept(stream)).await else {
        tracing::debug!("a handshake with the admin API failed");
        return;
    };
    let shown = stream.get_ref().1.peer_certificates().and_then(<[_]>::first);
    let certificate = shown.map(|der| Arc::new(client_certificate(der)));
    connection(stream, certificate, desk, stop).await;
}

async fn connection<S>(
    stream: S,
    certificate: Option<Arc<ClientCertificate>>,
    desk: Arc<Desk>,
    stop: CancellationToken,
) where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let service = service_fn(move |mut request: Request<Incoming>| {
        let desk = Arc::clone(&desk);
        if let Some(certificate) = &certificate {
            request.extensions_mut().insert(Arc::clone(certificate));
        }
        async move { Ok::<_, Infallible>(desk.handle(request).await) }
    });
    let mut builder = Builder::new(TokioExecutor::new());
    builder.http1().timer(TokioTimer::new()).header_read_timeout(HEADER_TIMEOUT);
    let served = builder.serve_connection(TokioIo::new(stream), service);
    tokio::pin!(served);
    tokio::select! {
        // How an operator's connection ends is no concern of the gateway.
        _ = served.as_mut() => {}
        () = stop.cancelled() => {}
    }
}
