//! A gateway before a backend with a fault and one without. It owns making the fault; it refuses to look at
//! what comes of it.

use std::net::{SocketAddr, TcpListener, TcpStream};
use std::time::Duration;

use model_sim::{Fault as Strike, FaultKind, FaultScript, SimHandle};

use super::{Fault, How};
use crate::backend::{fast, simulate};
use crate::gateway::TestGateway;
use crate::manifest::Manifest;
use crate::tls::Authority;

/// Name of the backend that has the fault. Members stand in the order of names, so it is asked first.
pub(super) const FAULTY: &str = "faulty";
const HEALTHY: &str = "healthy";

/// Timeouts of both backends, as in the page's words.
const TIMEOUTS: [(&str, &str); 3] = [("connect", "500ms"), ("firstToken", "1s"), ("idle", "1s")];

/// A running scene; dropping it ends it.
pub(super) struct Scene {
    pub(super) gateway: TestGateway,
    _servers: Vec<SimHandle>,
    _sockets: Sockets,
}

/// A listener and what fills its backlog.
type Sockets = Option<(TcpListener, Vec<TcpStream>)>;

impl Scene {
    pub(super) async fn of(fault: &Fault) -> Self {
        let healthy = simulate(fast(HEALTHY));
        let mut servers = Vec::new();
        let mut sockets = None;
        let url = match &fault.how {
            How::Simulated(kind) | How::SimulatedLarge(kind) => {
                let server = struck(kind, 1.0, false);
                let url = format!("http://{}", server.addr());
                servers.push(server);
                url
            }
            How::Sometimes(share, kind) => {
                let server = struck(kind, *share, false);
                let url = format!("http://{}", server.addr());
                servers.push(server);
                url
            }
            How::Handshake => {
                let server = struck(&FaultKind::TlsFailure, 1.0, true);
                let url = format!("https://localhost:{}", server.addr().port());
                servers.push(server);
                url
            }
            How::FullBacklog => {
                let (address, made) = full();
                sockets = Some(made);
                format!("http://{address}")
            }
            How::NameGone => "http://gone.invalid:80".to_owned(),
        };
        let mut manifest = Manifest::new()
            .backend_of(FAULTY, "openai", &url)
            .member("chat", FAULTY)
            .backend(HEALTHY, healthy.addr());
        for name in [FAULTY, HEALTHY] {
            for (limit, span) in TIMEOUTS {
                manifest = manifest.set(&format!("/backends/{name}/timeouts/{limit}"), span);
            }
        }
        servers.push(healthy);
        Self { gateway: TestGateway::start(&manifest).await, _servers: servers, _sockets: sockets }
    }
}

/// A simulated server with a fault that lasts.
fn struck(kind: &FaultKind, fraction: f64, tls: bool) -> SimHandle {
    let mut config = fast(FAULTY);
    if tls {
        let leaf = Authority::new().sign();
        config.tls = Some(model_sim::config::TlsConfig {
            certificates: leaf.pem(),
            key: leaf.key_pem(),
            client_roots: None,
        });
    }
    config.faults =
        FaultScript { faults: vec![Strike { at: 0.0, lasting: None, fraction, kind: kind.clone() }] };
    simulate(config)
}

/// A listener whose queue of completed connections is full, so that the system drops what else comes.
fn full() -> (SocketAddr, (TcpListener, Vec<TcpStream>)) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    rustix::net::listen(&listener, 0).expect("a listener may shorten its queue");
    let address = listener.local_addr().expect("an address");
    let mut waiting = Vec::new();
    while let Ok(stream) = TcpStream::connect_timeout(&address, Duration::from_millis(200)) {
        waiting.push(stream);
        assert!(waiting.len() < 64, "the queue does not fill");
    }
    (address, (listener, waiting))
}
