//! Connections to backends with trust of their own, through proxies, and to the address that answers.

use std::path::Path;
use std::time::{Duration, Instant};

use http::HeaderValue;
use http::header::HOST;
use pingora_http::RequestHeader;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rule_table::{EgressProxy, SecretRef, TlsOptions};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;

use super::*;
use crate::upstream::Upstreams;
use crate::upstream::fixture::backend;

type Authority = CertifiedIssuer<'static, KeyPair>;

fn authority(name: &str) -> Authority {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.distinguished_name.push(rcgen::DnType::CommonName, name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap()
}

/// A certificate for `name`, and its key.
fn leaf(by: &Authority, name: &str) -> (rcgen::Certificate, KeyPair) {
    let key = KeyPair::generate().unwrap();
    let params = CertificateParams::new(vec![name.to_owned()]).unwrap();
    (params.signed_by(&key, by).unwrap(), key)
}

/// A folder with the authority's certificate as `ca.pem` and a client's as `client.pem` and `client.key`.
fn folder(ca: &Authority, client: &Authority) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), ca, client);
    folder
}

fn write(folder: &Path, ca: &Authority, client: &Authority) {
    let (certificate, key) = leaf(client, "gateway.example");
    std::fs::write(folder.join("ca.pem"), ca.pem()).unwrap();
    std::fs::write(folder.join("client.pem"), certificate.pem()).unwrap();
    std::fs::write(folder.join("client.key"), key.serialize_pem()).unwrap();
}

fn server(by: &Authority, name: &str, clients: Option<&Authority>) -> TlsAcceptor {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let (certificate, key) = leaf(by, name);
    let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .unwrap();
    let builder = match clients {
        Some(authority) => {
            let mut roots = RootCertStore::empty();
            roots.add(authority.der().clone()).unwrap();
            let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider).build();
            builder.with_client_cert_verifier(verifier.unwrap())
        }
        None => builder.with_no_client_auth(),
    };
    let key = rustls_pki_types::PrivateKeyDer::try_from(key.serialize_der()).unwrap();
    TlsAcceptor::from(Arc::new(builder.with_single_cert(vec![certificate.der().clone()], key).unwrap()))
}

/// Says 200 to whatever comes, over TLS if it has a certificate.
struct Server {
    address: SocketAddr,
    _tasks: JoinSet<()>,
}

async fn serve(tls: Option<TlsAcceptor>, on: &str) -> Server {
    let listener = TcpListener::bind(on).await.unwrap();
    let address = listener.local_addr().unwrap();
    let mut tasks = JoinSet::new();
    tasks.spawn(async move {
        let mut connections = JoinSet::new();
        while let Ok((stream, _)) = listener.accept().await {
            let tls = tls.clone();
            connections.spawn(async move {
                match tls {
                    None => answer(stream).await,
                    // A client that does not trust us, or that we do not trust, is gone.
                    Some(tls) => {
                        if let Ok(stream) = tls.accept(stream).await {
                            answer(stream).await;
                        }
                    }
                }
            });
        }
    });
    Server { address, _tasks: tasks }
}

async fn answer(mut stream: impl tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin) {
    let mut read = Vec::new();
    while stream.read_buf(&mut read).await.is_ok_and(|count| count > 0) {
        if read.ends_with(b"\r\n\r\n") {
            read.clear();
            let answered = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await;
            if answered.is_err() {
                return;
            }
        }
    }
}

/// A proxy that connects to `target` whatever it is asked for; without one it stays silent.
async fn proxy(target: Option<SocketAddr>, wants: Option<&'static str>) -> Server {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let mut tasks = JoinSet::new();
    tasks.spawn(async move {
        let mut connections = JoinSet::new();
        while let Ok((mut stream, _)) = listener.accept().await {
            connections.spawn(async move {
                let mut head = Vec::new();
                while !head.ends_with(b"\r\n\r\n") {
                    assert!(stream.read_buf(&mut head).await.unwrap() > 0, "the gateway left");
                }
                let Some(target) = target else { return std::future::pending().await };
                let head = String::from_utf8(head).unwrap();
                if wants.is_some_and(|wants| !head.contains(wants)) {
                    stream.write_all(b"HTTP/1.1 407 No\r\n\r\n").await.unwrap();
                    return;
                }
                let mut inside = TcpStream::connect(target).await.unwrap();
                stream.write_all(b"HTTP/1.1 200 Connected\r\n\r\n").await.unwrap();
                drop(tokio::io::copy_bidirectional(&mut stream, &mut inside).await);
            });
        }
    });
    Server { address, _tasks: tasks }
}

fn upstream(backend: Backend, base: &Path) -> Arc<Upstream> {
    Arc::clone(Upstreams::build(&[backend], base, None).unwrap().get(0).unwrap())
}

fn tls(host: &str, port: u16, options: TlsOptions) -> Backend {
    Backend { tls: true, tls_options: options, ..backend("a", host, port) }
}

fn trusting() -> TlsOptions {
    TlsOptions { ca: Some("ca.pem".into()), ..TlsOptions::default() }
}

fn with_certificate() -> TlsOptions {
    TlsOptions { certificate: Some("client.pem".into()), key: Some("client.key".into()), ..trusting() }
}

/// The status of a GET, and whether its connection was used before. Gives the connection back.
async fn get(links: &Links, upstream: &Upstream) -> Result<(u16, bool)> {
    let clock = Clock::new(1.0);
    let (mut session, reused, peer) = connect(links, upstream, &clock).await?;
    let mut header = RequestHeader::build("GET", b"/", None)?;
    header.insert_header(HOST, "x")?;
    session.write_request_header(Box::new(header)).await?;
    session.finish_request_body().await?;
    session.read_response_header().await?;
    let status = session.response_header().unwrap().status.as_u16();
    while session.read_response_body().await?.is_some() {}
    links.give_back(session, &peer).await;
    Ok((status, reused))
}

fn kind(outcome: &Result<(u16, bool)>) -> ErrorType {
    outcome.as_ref().unwrap_err().etype().clone()
}

#[tokio::test]
async fn a_backend_of_a_private_authority_is_trusted_if_the_manifest_says_so_and_not_otherwise() {
    let (ours, other) = (authority("ours"), authority("other"));
    let server = serve(Some(server(&ours, "localhost", None)), "127.0.0.1:0").await;
    let (sound, wrong) = (folder(&ours, &ours), folder(&other, &ours));
    let links = Links::new();
    let at =
        |options, base: &TempDir| upstream(tls("localhost", server.address.port(), options), base.path());
    let trusted = at(trusting(), &sound);
    trusted.resolve_now().await;
    assert_eq!(get(&links, &trusted).await.unwrap(), (200, false));
    assert_eq!(get(&links, &trusted).await.unwrap(), (200, true), "the connection is used again");
    for upstream in [at(trusting(), &wrong), at(TlsOptions::default(), &sound)] {
        upstream.resolve_now().await;
        let outcome = get(&links, &upstream).await;
        assert_eq!(kind(&outcome), ErrorType::TLSHandshakeFailure, "no trust, and no connection of others");
    }
}

#[tokio::test]
async fn a_backend_that_wants_to_know_us_accepts_our_certificate_and_nothing_less() {
    let (ours, clients, strangers) = (authority("ours"), authority("clients"), authority("strangers"));
    let server = serve(Some(server(&ours, "127.0.0.1", Some(&clients))), "127.0.0.1:0").await;
    let (known, unknown) = (folder(&ours, &clients), folder(&ours, &strangers));
    let links = Links::new();
    let at =
        |options, base: &TempDir| upstream(tls("127.0.0.1", server.address.port(), options), base.path());
    assert_eq!(get(&links, &at(with_certificate(), &known)).await.unwrap().0, 200);
    for upstream in [at(trusting(), &known), at(with_certificate(), &unknown)] {
        let error = get(&links, &upstream).await.unwrap_err();
        assert!(is_certificate_refused(&error), "{error:?}");
    }
}

#[tokio::test]
async fn the_name_that_is_sent_and_verified_can_differ_from_the_host() {
    let ours = authority("ours");
    let server = serve(Some(server(&ours, "model.internal", None)), "127.0.0.1:0").await;
    let folder = folder(&ours, &ours);
    let links = Links::new();
    let named = |name: Option<&str>| TlsOptions { server_name: name.map(str::to_owned), ..trusting() };
    for (name, good) in [(Some("model.internal"), true), (Some("other.internal"), false), (None, false)] {
        let upstream = upstream(tls("127.0.0.1", server.address.port(), named(name)), folder.path());
        let outcome = get(&links, &upstream).await;
        assert_eq!(outcome.is_ok(), good, "{name:?}: {outcome:?}");
    }
}

#[tokio::test]
async fn a_name_that_is_empty_verifies_nothing_and_so_nothing_is_accepted() {
    let ours = authority("ours");
    let server = serve(Some(server(&ours, "127.0.0.1", None)), "127.0.0.1:0").await;
    let folder = folder(&ours, &ours);
    let options = TlsOptions { server_name: Some(String::new()), ..trusting() };
    let upstream = upstream(tls("127.0.0.1", server.address.port(), options), folder.path());
    let outcome = get(&Links::new(), &upstream).await;
    assert_eq!(kind(&outcome), ErrorType::TLSHandshakeFailure);
}

#[tokio::test]
async fn renewed_certificates_are_used_by_new_connections_and_bad_ones_are_not() {
    let (old, new) = (authority("old"), authority("new"));
    let server = serve(Some(server(&new, "127.0.0.1", Some(&new))), "127.0.0.1:0").await;
    let folder = folder(&old, &old);
    let upstream = upstream(tls("127.0.0.1", server.address.port(), with_certificate()), folder.path());
    let links = Links::new();
    let before = peer(&upstream, server.address, &Clock::new(1.0));
    assert!(get(&links, &upstream).await.is_err());
    write(folder.path(), &new, &new);
    upstream.reread_now();
    assert_eq!(get(&links, &upstream).await.unwrap(), (200, false));
    assert_ne!(peer(&upstream, server.address, &Clock::new(1.0)).group_key, before.group_key);
    std::fs::write(folder.path().join("client.key"), "canary").unwrap();
    upstream.reread_now();
    assert_eq!(get(&links, &upstream).await.unwrap(), (200, true), "the last good ones stay");
}

#[test]
fn a_peer_is_built_once_per_address() {
    let ours = authority("ours");
    let folder = folder(&ours, &ours);
    let upstream = upstream(tls("127.0.0.1", 443, with_certificate()), folder.path());
    let (one, two) = ("192.0.2.1:443".parse().unwrap(), "[2001:db8::1]:443".parse().unwrap());
    let clock = Clock::new(1.0);
    let first = peer(&upstream, one, &clock);
    let second = peer(&upstream, two, &clock);
    assert!(Arc::ptr_eq(&first, &peer(&upstream, one, &clock)));
    assert!(Arc::ptr_eq(first.client_cert_key.as_ref().unwrap(), second.client_cert_key.as_ref().unwrap()));
    assert_eq!(second._address.as_inet(), Some(&two));
    for last in 1..200_u8 {
        peer(&upstream, SocketAddr::from(([192, 0, 2, last], 443)), &clock);
    }
    assert!(upstream.peers.built.load().len() <= KEPT);
}

fn behind(proxy: SocketAddr, host: &str, base: &Path) -> Arc<Upstream> {
    let authorization = Some(SecretRef::File("proxy".into()));
    let egress = Some(EgressProxy { host: proxy.ip().to_string(), port: proxy.port(), authorization });
    upstream(Backend { egress, ..tls(host, 443, trusting()) }, base)
}

#[tokio::test]
async fn a_backend_is_reached_through_its_proxy_by_a_name_nobody_here_can_resolve() {
    let ours = authority("ours");
    let server = serve(Some(server(&ours, "model.invalid", None)), "127.0.0.1:0").await;
    let folder = folder(&ours, &ours);
    std::fs::write(folder.path().join("proxy"), "Basic canary").unwrap();
    let proxy = proxy(Some(server.address), Some("CONNECT model.invalid:443 HTTP/1.1")).await;
    let links = Links::new();
    let upstream = behind(proxy.address, "model.invalid", folder.path());
    assert_eq!(get(&links, &upstream).await.unwrap(), (200, false));
    assert_eq!(get(&links, &upstream).await.unwrap(), (200, true));
    let other = behind(proxy.address, "other.invalid", folder.path());
    let outcome = get(&links, &other).await;
    assert_eq!(kind(&outcome), ErrorType::ConnectProxyFailure, "not on the connection to another backend");
    let peer = peer(&upstream, proxy.address, &Clock::new(1.0));
    assert!(
        !format!("{upstream:?} {peer:?} {outcome:?}").contains("canary"),
        "the proxy's credential prints"
    );
}

#[tokio::test]
async fn a_proxy_that_refuses_or_says_nothing_is_a_connection_that_failed_in_time() {
    let ours = authority("ours");
    let folder = folder(&ours, &ours);
    std::fs::write(folder.path().join("proxy"), "Basic canary").unwrap();
    let refusing = proxy(Some(SocketAddr::from(([127, 0, 0, 1], 9))), Some("Basic other")).await;
    let outcome = get(&Links::new(), &behind(refusing.address, "model.invalid", folder.path())).await;
    assert_eq!(kind(&outcome), ErrorType::ConnectProxyFailure);
    let silent = proxy(None, None).await;
    let began = Instant::now();
    let outcome = get(&Links::new(), &behind(silent.address, "model.invalid", folder.path())).await;
    assert_eq!(kind(&outcome), ErrorType::ConnectTimedout);
    assert!(began.elapsed() < Duration::from_secs(3), "the manifest allows one second");
}

#[tokio::test]
async fn a_backend_at_an_ipv6_address_is_reached() {
    if TcpListener::bind("[::1]:0").await.is_err() {
        eprintln!("skipped: this machine has no IPv6 loopback address");
        return;
    }
    let ours = authority("ours");
    let server = serve(Some(server(&ours, "::1", None)), "[::1]:0").await;
    let folder = folder(&ours, &ours);
    let upstream = upstream(tls("::1", server.address.port(), trusting()), folder.path());
    assert_eq!(get(&Links::new(), &upstream).await.unwrap().0, 200);
}

#[tokio::test]
async fn an_address_that_refuses_costs_no_request_where_another_answers() {
    let server = serve(None, "127.0.0.1:0").await;
    let upstream = upstream(backend("a", "localhost", server.address.port()), Path::new(""));
    upstream.resolve_now().await;
    // 127.0.0.2 is this machine as well, and nothing listens there.
    upstream.know(&["127.0.0.2".parse().unwrap(), "127.0.0.1".parse().unwrap()]);
    let links = Links::new();
    for _ in 0..6 {
        assert_eq!(get(&links, &upstream).await.unwrap().0, 200);
    }
    assert!(upstream.avoids(SocketAddr::from(([127, 0, 0, 2], server.address.port()))));
}

#[tokio::test]
async fn a_name_that_does_not_resolve_is_a_failed_connection() {
    let upstream = upstream(backend("a", "gone.invalid", 80), Path::new(""));
    let outcome = get(&Links::new(), &upstream).await;
    assert_eq!(kind(&outcome), ErrorType::ConnectNoRoute);
}

#[test]
fn a_credential_of_a_proxy_is_not_part_of_what_keeps_connections_apart() {
    let ours = authority("ours");
    let folder = folder(&ours, &ours);
    let proxy = SocketAddr::from(([127, 0, 0, 1], 3128));
    let with = |secret: &str| {
        std::fs::write(folder.path().join("proxy"), secret).unwrap();
        behind(proxy, "model.invalid", folder.path())
    };
    let (one, two) = (with("Basic one"), with("Basic two"));
    assert_eq!(one.transport().group, two.transport().group);
    assert_ne!(one.transport().proxy_authorization, two.transport().proxy_authorization);
    let sent: Option<HeaderValue> = two.tunnel(&two.transport()).unwrap().authorization;
    assert_eq!(sent.unwrap(), "Basic two");
}
