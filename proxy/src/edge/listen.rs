//! Listeners. It owns binding every socket before any of them accepts, so that a taken port or a bad
//! certificate leaves nothing listening; it refuses to change them at run time (Pingora cannot).

use std::net::{IpAddr, SocketAddr, TcpListener};
use std::os::fd::IntoRawFd;
use std::path::Path;
use std::sync::Arc;

use decision::Networks;
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

use super::connections::{self, BeforeTls, Door, Entrance, Guarded};
use super::links::{self, Links};
use super::service::EdgeService;
use super::tls::{self, CertificateError, Certificates, Followed};
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
    /// It is to be private, and would be reached at a public address.
    #[error(
        "listener `{listener}` is private, but listening on {address} it would be reached at {public}, which is public; listen on a private address, or write `private: false`"
    )]
    Public {
        /// Name in the manifest.
        listener: String,
        /// What was asked for.
        address: SocketAddr,
        /// An address of this machine.
        public: IpAddr,
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
    certificates: Option<Arc<Certificates>>,
    /// The real address, with the port chosen where the manifest says 0.
    pub address: SocketAddr,
}

impl Bound {
    /// The listener's name in the manifest.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.section.name
    }

    /// The certificates it shows and believes, if it speaks TLS.
    #[must_use]
    pub fn followed(&self) -> Vec<Arc<dyn Followed>> {
        self.certificates.as_ref().map(|certificates| certificates.followed()).unwrap_or_default()
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
    let read = |tls| Certificates::read(&section.name, tls, base).map(Arc::new);
    let certificates = section.tls.as_ref().map(read).transpose();
    let certificates =
        certificates.map_err(|source| BindError::Certificate { listener: section.name.clone(), source })?;
    let failed = |source| BindError::Address {
        listener: section.name.clone(),
        address: section.address.clone(),
        source,
    };
    let address: SocketAddr = section.address.parse().map_err(|_| {
        failed(std::io::Error::new(std::io::ErrorKind::InvalidInput, "not an IP address and port"))
    })?;
    if section.private
        && let Some(public) = public_address(address.ip()).map_err(failed)?
    {
        return Err(BindError::Public { listener: section.name.clone(), address, public });
    }
    let socket = TcpListener::bind(address).map_err(failed)?;
    rustix::net::listen(&socket, BACKLOG).map_err(|error| failed(error.into()))?;
    socket.set_nonblocking(true).map_err(failed)?;
    let address = socket.local_addr().map_err(failed)?;
    Ok(Bound { section: section.clone(), socket, certificates, address })
}

/// A public address at which a socket on `ip` would be reached.
fn public_address(ip: IpAddr) -> std::io::Result<Option<IpAddr>> {
    let public = |ip: &IpAddr| !ip.is_unspecified() && !vocabulary::is_private(*ip);
    if !ip.is_unspecified() {
        return Ok(Some(ip).filter(public));
    }
    // `[::]` takes IPv4 as well.
    let reached = |own: &IpAddr| own.is_ipv4() || ip.is_ipv6();
    let own = if_addrs::get_if_addrs()?;
    Ok(own.iter().map(if_addrs::Interface::ip).filter(reached).find(public))
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
        for (index, socket) in (0..).zip(bound) {
            let service =
                EdgeService::new(index, socket.section.clone(), Arc::clone(live), Arc::clone(&links));
            start_one(socket, service, capacity, &tasks, watch.clone())?;
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
    service: EdgeService,
    capacity: usize,
    tasks: &TaskTracker,
    watch: watch::Receiver<bool>,
) -> pingora_error::Result<()> {
    let Bound { section, socket, certificates, address } = bound;
    let conf =
        Arc::new(ServerConf { upstream_keepalive_pool_size: 256, max_retries: 2, ..ServerConf::default() });
    let mut options = HttpServerOptions::default();
    options.h2c = section.http2 && certificates.is_none();
    options.h2_idle_timeout = Some(connections::IDLE);
    let most = section.max_connections.and_then(|most| usize::try_from(most).ok());
    let entrance = Arc::new(Entrance {
        door: Door::new(most.map_or(capacity, |most| most.min(capacity)), section.head_timeout),
        balancers: Networks::new(section.proxy_protocol.iter().map(String::as_str)),
    });
    let mut proxy = pingora_proxy::http_proxy(&conf, service);
    proxy.server_options = Some(options);
    let guarded = Guarded { inner: Arc::new(proxy), entrance: Arc::clone(&entrance) };
    let mut service = Service::new("edge".to_owned(), guarded);
    let key = address.to_string();
    let buffer = L4BufferSettings::default().read(READ_BUFFER);
    let mut endpoint = ListenerConfig::tcp(&key).l4_buffer(buffer);
    if let Some(certificates) = certificates {
        endpoint = endpoint.tls(tls::settings(certificates, section.http2)?);
        service.endpoints().set_pre_tls_callback(Arc::new(BeforeTls(entrance)));
    }
    service.add_listener(endpoint);
    let mut fds = Fds::new();
    fds.add(key, socket.into_raw_fd());
    let fds = Arc::new(Mutex::new(fds));
    tasks.spawn(async move { service.start_service(Some(fds), watch, 1).await });
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn private(address: &str) -> Listener {
        Listener {
            name: "internal".to_owned(),
            address: address.to_owned(),
            tls: None,
            http2: true,
            max_body: 1,
            head_timeout: std::time::Duration::from_secs(1),
            body_timeout: std::time::Duration::from_secs(1),
            private: true,
            proxy_protocol: Vec::new(),
            forwarded: None,
            max_connections: None,
            access: Vec::new(),
            authn: None,
            waf: None,
        }
    }

    #[test]
    fn a_private_listener_does_not_bind_to_a_public_address_and_says_which() {
        for (address, public) in [("8.8.8.8:0", "8.8.8.8"), ("[2600::1]:0", "2600::1")] {
            let error = bind_one(&private(address), Path::new("")).unwrap_err();
            assert!(matches!(&error, BindError::Public { public: found, .. } if found.to_string() == public));
            let said = error.to_string();
            assert!(said.contains("`internal`") && said.contains(public), "{said}");
        }
        assert!(bind_one(&private("127.0.0.1:0"), Path::new("")).is_ok());
    }
}
