//! Listeners. It owns binding every socket before any of them accepts, so that a taken port or a bad
//! certificate leaves nothing listening; it refuses to change them at run time (Pingora cannot).

use std::net::{SocketAddr, TcpListener};
use std::os::fd::IntoRawFd;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use pingora_core::apps::HttpServerOptions;
use pingora_core::server::Fds;
use pingora_core::server::configuration::ServerConf;
use pingora_core::services::Service as _;
use pingora_proxy::ProxyServiceBuilder;
use rule_table::{Listener, Policy};
use rustls::sign::CertifiedKey;
use tokio::sync::watch;
use tokio_util::task::TaskTracker;

use super::service::EdgeService;
use super::tls::{self, CertificateError};
use crate::live::Live;

/// An HTTP/2 connection without streams is closed after this long.
const H2_IDLE: Duration = Duration::from_secs(300);

/// Why nothing listens.
#[derive(Debug, thiserror::Error)]
pub enum BindError {
    /// The address cannot be bound.
    #[error("listener `{listener}` cannot listen on {address}: {source}{}", hint(source))]
    Address {
        /// Name in the manifest.
        listener: String,
        /// What was asked for.
        address: String,
        /// Why.
        source: std::io::Error,
    },
    /// Its certificate is unusable.
    #[error("listener `{listener}`: {source}")]
    Certificate {
        /// Name in the manifest.
        listener: String,
        /// Why.
        source: CertificateError,
    },
}

fn hint(error: &std::io::Error) -> &'static str {
    match error.kind() {
        std::io::ErrorKind::AddrInUse => {
            "; another process has the port: stop it, or change `address` in the manifest"
        }
        std::io::ErrorKind::PermissionDenied => "; ports below 1024 need privileges: use a higher one",
        std::io::ErrorKind::AddrNotAvailable => "; no interface of this machine has that address",
        _ => "",
    }
}

/// A socket that is bound but does not accept yet.
#[derive(Debug)]
pub struct Bound {
    section: Listener,
    socket: TcpListener,
    certificate: Option<Arc<CertifiedKey>>,
    /// The real address, with the port chosen where the manifest says 0.
    pub address: SocketAddr,
}

impl Bound {
    /// The listener's name in the manifest.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.section.name
    }
}

/// Binds every listener of `policy`, or none.
///
/// # Errors
/// The first listener that cannot be bound or whose certificate is unusable.
pub fn bind(policy: &Policy, base: &Path) -> Result<Vec<Bound>, BindError> {
    policy.listeners.iter().map(|section| bind_one(section, base)).collect()
}

fn bind_one(section: &Listener, base: &Path) -> Result<Bound, BindError> {
    let certificate = section.tls.as_ref().map(|files| tls::check(files, base)).transpose();
    let certificate =
        certificate.map_err(|source| BindError::Certificate { listener: section.name.clone(), source })?;
    let failed = |source| BindError::Address {
        listener: section.name.clone(),
        address: section.address.clone(),
        source,
    };
    let address: SocketAddr = section.address.parse().map_err(|_| {
        failed(std::io::Error::new(std::io::ErrorKind::InvalidInput, "not an IP address and port"))
    })?;
    let socket = TcpListener::bind(address).map_err(failed)?;
    socket.set_nonblocking(true).map_err(failed)?;
    let address = socket.local_addr().map_err(failed)?;
    Ok(Bound { section: section.clone(), socket, certificate, address })
}

/// The running listeners.
#[derive(Debug)]
pub struct Edge {
    stop: watch::Sender<bool>,
    tasks: TaskTracker,
}

impl Edge {
    /// Starts to accept on every socket. Must be called inside the runtime that shall serve.
    ///
    /// # Errors
    /// When Pingora refuses the TLS settings.
    pub fn start(bound: Vec<Bound>, live: &Arc<Live>) -> pingora_error::Result<Self> {
        let (stop, watch) = watch::channel(false);
        let tasks = TaskTracker::new();
        let connector = Arc::new(super::peer::connector());
        for socket in bound {
            start_one(socket, live, &connector, &tasks, watch.clone())?;
        }
        tasks.close();
        Ok(Self { stop, tasks })
    }

    /// Stops accepting, tells kept-alive connections to close after their request, and waits until the
    /// accept loops have ended.
    pub async fn stop(self) {
        // Nobody left to tell means that every loop has ended already.
        let _ = self.stop.send(true);
        self.tasks.wait().await;
    }
}

fn start_one(
    bound: Bound,
    live: &Arc<Live>,
    connector: &Arc<pingora_core::connectors::http::Connector>,
    tasks: &TaskTracker,
    watch: watch::Receiver<bool>,
) -> pingora_error::Result<()> {
    let Bound { section, socket, certificate, address } = bound;
    let conf =
        Arc::new(ServerConf { upstream_keepalive_pool_size: 256, max_retries: 2, ..ServerConf::default() });
    let mut options = HttpServerOptions::default();
    options.h2c = section.http2 && certificate.is_none();
    options.h2_idle_timeout = Some(H2_IDLE);
    let http2 = section.http2;
    let service = EdgeService::new(section, Arc::clone(live), Arc::clone(connector));
    let mut service = ProxyServiceBuilder::new(&conf, service).name("edge").server_options(options).build();
    let key = address.to_string();
    match certificate {
        Some(certificate) => service.add_tls_with_settings(&key, None, tls::settings(certificate, http2)?),
        None => service.add_tcp(&key),
    }
    let mut fds = Fds::new();
    fds.add(key, socket.into_raw_fd());
    let fds = Arc::new(Mutex::new(fds));
    tasks.spawn(async move { service.start_service(Some(fds), watch, 1).await });
    Ok(())
}
