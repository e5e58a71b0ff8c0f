//! How connections are taken: refused, unread, over TLS, with a client's certificate, and not at all.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use model_sim::{FaultScript, SimConfig, TlsConfig};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, ExtendedKeyUsagePurpose, IsCa, KeyPair};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};

use super::socket::{Ending, chat, get, get_with};
use super::{body, fast, start, until};

fn script(json: &str) -> FaultScript {
    FaultScript::parse(json).unwrap()
}

/// Whether something listens there. A closed port of one's own may connect to itself.
fn is_open(addr: SocketAddr) -> bool {
    TcpStream::connect(addr).is_ok_and(|stream| stream.local_addr().unwrap() != addr)
}

#[test]
fn a_server_that_refuses_connections_takes_them_again_afterwards() {
    let sim = start(fast());
    sim.set_faults(script(r#"[{"at": 0, "kind": "refuse_connection"}]"#));
    until("a closed door", || !is_open(sim.addr()));
    // The fault begins anew, and now it ends by itself.
    sim.set_faults(script(r#"[{"at": 0, "for": 0.2, "kind": "refuse_connection"}]"#));
    until("an open door", || is_open(sim.addr()));
    assert_eq!(chat(sim.addr(), &[], &body(true, 3, 4)).ending, Ending::Whole);
}

#[test]
fn a_black_hole_takes_connections_and_never_reads_them() {
    let sim = start(fast());
    sim.set_faults(script(r#"[{"at": 0, "kind": "blackhole"}]"#));
    let mut socket = TcpStream::connect(sim.addr()).unwrap();
    socket.set_read_timeout(Some(Duration::from_millis(300))).unwrap();
    socket.write_all(b"GET /health HTTP/1.1\r\nhost: sim\r\n\r\n").unwrap();
    let error = socket.read(&mut [0]).unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut), "{error}");
    sim.set_faults(FaultScript::default());
    until("an end to the black hole", || get_with_patience(sim.addr()));
}

/// Whether a connection is answered, rather than taken and dropped.
fn get_with_patience(addr: SocketAddr) -> bool {
    get_with(addr, "/health", &[]).status == 200
}

/// What both sides of a handshake need.
struct Material {
    server: TlsConfig,
    roots: RootCertStore,
    client: (Vec<CertificateDer<'static>>, PrivateKeyDer<'static>),
}

fn material(asks_for_client: bool) -> Material {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
    let (server_key, client_key) = (KeyPair::generate().unwrap(), KeyPair::generate().unwrap());
    let server = CertificateParams::new(vec!["localhost".to_owned()])
        .unwrap()
        .signed_by(&server_key, &issuer)
        .unwrap();
    let mut params = CertificateParams::new(vec!["caller".to_owned()]).unwrap();
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    let client = params.signed_by(&client_key, &issuer).unwrap();
    let mut roots = RootCertStore::empty();
    roots.add(issuer.der().clone()).unwrap();
    Material {
        server: TlsConfig {
            certificates: server.pem(),
            key: server_key.serialize_pem(),
            client_roots: asks_for_client.then(|| issuer.pem()),
        },
        roots,
        client: (vec![client.der().clone()], PrivateKeyDer::Pkcs8(client_key.serialize_der().into())),
    }
}

/// The first line of the answer to `GET /health` over TLS.
fn over_tls(addr: SocketAddr, material: &Material, shows_certificate: bool) -> std::io::Result<String> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder =
        ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let builder = builder.with_root_certificates(material.roots.clone());
    let (chain, key) = (material.client.0.clone(), material.client.1.clone_key());
    let config = if shows_certificate {
        builder.with_client_auth_cert(chain, key).unwrap()
    } else {
        builder.with_no_client_auth()
    };
    let name = ServerName::try_from("localhost").unwrap();
    let client = ClientConnection::new(Arc::new(config), name).unwrap();
    let mut stream = StreamOwned::new(client, TcpStream::connect(addr)?);
    stream.write_all(b"GET /health HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n")?;
    let mut head = [0; 15];
    stream.read_exact(&mut head)?;
    Ok(String::from_utf8_lossy(&head).into_owned())
}

#[test]
fn tls_is_served_and_its_handshake_can_fail() {
    let material = material(false);
    let sim = start(SimConfig { tls: Some(material.server.clone()), ..fast() });
    assert_eq!(over_tls(sim.addr(), &material, false).unwrap(), "HTTP/1.1 200 OK");
    assert!(!format!("{:?}", material.server).contains("PRIVATE"));
    sim.set_faults(script(r#"[{"at": 0, "kind": "tls_failure"}]"#));
    until("a failed handshake", || over_tls(sim.addr(), &material, false).is_err());
    let error = over_tls(sim.addr(), &material, false).unwrap_err();
    assert!(error.to_string().contains("HandshakeFailure"), "{error}");
    sim.set_faults(FaultScript::default());
    until("a handshake", || over_tls(sim.addr(), &material, false).is_ok());
}

#[test]
fn a_client_certificate_can_be_demanded() {
    let material = material(true);
    let sim = start(SimConfig { tls: Some(material.server.clone()), ..fast() });
    assert_eq!(over_tls(sim.addr(), &material, true).unwrap(), "HTTP/1.1 200 OK");
    assert!(over_tls(sim.addr(), &material, false).is_err());
}

#[test]
fn wrong_tls_material_is_an_error_at_the_start() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let tls = TlsConfig { certificates: "none".to_owned(), key: "none".to_owned(), client_roots: None };
    let error = model_sim::spawn_thread(listener, SimConfig { tls: Some(tls), ..fast() }).unwrap_err();
    assert!(error.to_string().starts_with("TLS "), "{error}");
}

#[test]
fn a_plain_server_does_not_mind_a_failing_handshake() {
    let sim = start(fast());
    sim.set_faults(script(r#"[{"at": 0, "kind": "tls_failure"}]"#));
    assert_eq!(get(sim.addr(), "/health").status, 200);
}
