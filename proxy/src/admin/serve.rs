//! The admin socket. It owns accepting connections and ending with the gateway; what is answered is
//! `routes`'.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::routes::Desk;

/// A head that takes longer than this is not an operator's.
const HEADER_TIMEOUT: Duration = Duration::from_secs(10);

/// Why the admin API is not served.
#[derive(Debug, thiserror::Error)]
#[error(
    "the admin API cannot listen on {address}: {source}; change `admin.address` in the manifest or stop what uses the port"
)]
pub struct AdminError {
    address: String,
    source: std::io::Error,
}

/// The bound admin socket.
#[derive(Debug)]
pub(crate) struct Admin {
    socket: std::net::TcpListener,
    /// Where it listens.
    pub(crate) address: SocketAddr,
}

impl Admin {
    /// Binds, without accepting yet.
    ///
    /// # Errors
    /// When the address is taken or not one of this machine's.
    pub(crate) fn bind(address: &str) -> Result<Self, AdminError> {
        let failed = |source| AdminError { address: address.to_owned(), source };
        let socket = std::net::TcpListener::bind(address).map_err(failed)?;
        socket.set_nonblocking(true).map_err(failed)?;
        let address = socket.local_addr().map_err(failed)?;
        Ok(Self { socket, address })
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
                connections.spawn(connection(stream, Arc::clone(&desk), stop.clone()));
            }
        });
        Ok(())
    }
}

async fn connection(stream: tokio::net::TcpStream, desk: Arc<Desk>, stop: CancellationToken) {
    let service = service_fn(move |request| {
        let desk = Arc::clone(&desk);
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
