//! Listeners. It owns binding every socket before any of them accepts, so that a taken port or a bad
//! certificate leaves nothing listening; it refuses to change them at run time (Pingora cannot).

use std::net::{SocketAddr, TcpListener};
use std::os::fd::IntoRawFd;
use std::path::Path;
use std::sync::Arc;

use parking_lot::Mutex;
use pingora_core::apps::HttpServerOptions;
use pingora_core::listeners::{L4BufferSettings, ListenerConfig};
use pingora_core::server::Fds;
use pingora_core::server::configuration::ServerConf;
use pingora_core::services::Service as _;
use pingora_core::services::listening::Service;
use rule_table::{Listener, Policy};
use tokio::sync::watch;
use tokio_util::task::TaskTracker;

use super::connections::{self, BeforeTls, Door, Guarded};
use super::links::{self, Links};
use super::service::EdgeService;
use super::tls::{self, Certificate, CertificateError};
use crate::live::Live;

/// Connections the system completes before they are accepted. The standard library's 128 are gone in
/// milliseconds when everybody comes at once, and whoever is dropped tries again after a second.
const BACKLOG: i32 = 4096;

/// Every connection owns such a buffer, also while it asks for nothing; Pingora's 64 KiB would make ten
/// thousand idle callers cost 640 MiB. Bodies are read past it.
const READ_BUFFER: usize = 8 * 1024;

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
    certificate: Option<Arc<Certificate>>,
    /// The real address, with the port chosen where the manifest says 0.
    pub address: SocketAddr,
}

impl Bound {
    /// The listener's name in the manifest.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.section.name
    }

    /// The certificate it shows, if it speaks TLS.
    #[must_use]
    pub fn certificate(&self) -> Option<Arc<Certificate>> {
        self.certificate.clone()
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
    let read = |files| Certificate::read(&section.name, files, base).map(Arc::new);
    let certificate = section.tls.as_ref().map(read).transpose();
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
    rustix::net::listen(&socket, BACKLOG).map_err(|error| failed(error.into()))?;
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
        let links = Arc::new(Links::new());
        tasks.spawn(sweep(Arc::clone(&links), watch.clone()));
        let capacity = connections::capacity(bound.len());
        for socket in bound {
            let door = Door::new(capacity, socket.section.head_timeout);
            start_one(socket, live, &links, door, &tasks, watch.clone())?;
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

/// Looks at idle connections to backends until the edge stops.
async fn sweep(links: Arc<Links>, mut stop: watch::Receiver<bool>) {
    // Whether it stops or its sender is gone: there is no edge any more.
    while tokio::time::timeout(links::SWEEP, stop.changed()).await.is_err() {
        links.sweep();
    }
}

fn start_one(
    bound: Bound,
    live: &Arc<Live>,
    links: &Arc<Links>,
    door: Arc<Door>,
    tasks: &TaskTracker,
    watch: watch::Receiver<bool>,
) -> pingora_error::Result<()> {
    let Bound { section, socket, certificate, address } = bound;
    let conf =
        Arc::new(ServerConf { upstream_keepalive_pool_size: 256, max_retries: 2, ..ServerConf::default() });
    let mut options = HttpServerOptions::default();
    options.h2c = section.http2 && certificate.is_none();
    options.h2_idle_timeout = Some(connections::IDLE);
    let http2 = section.http2;
    let service = EdgeService::new(section, Arc::clone(live), Arc::clone(links));
    let mut proxy = pingora_proxy::http_proxy(&conf, service);
    proxy.server_options = Some(options);
    let guarded = Guarded { inner: Arc::new(proxy), door: Arc::clone(&door) };
    let mut service = Service::new("edge".to_owned(), guarded);
    let key = address.to_string();
    let buffer = L4BufferSettings::default().read(READ_BUFFER);
    let mut endpoint = ListenerConfig::tcp(&key).l4_buffer(buffer);
    if let Some(certificate) = certificate {
        endpoint = endpoint.tls(tls::settings(certificate, http2)?);
        service.endpoints().set_pre_tls_callback(Arc::new(BeforeTls(door)));
    }
    service.add_listener(endpoint);
    let mut fds = Fds::new();
    fds.add(key, socket.into_raw_fd());
    let fds = Arc::new(Mutex::new(fds));
    tasks.spawn(async move { service.start_service(Some(fds), watch, 1).await });
    Ok(())
}
