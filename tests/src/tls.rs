//! Certificates made for one test. It owns a certificate authority and what it signs; it refuses to trust
//! anything else.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use rcgen::{
    BasicConstraints, CertificateParams, CertificateRevocationListParams, CertifiedIssuer, IsCa, KeyIdMethod,
    KeyPair, KeyUsagePurpose, RevokedCertParams, SerialNumber, date_time_ymd,
};
use rustls::server::{WantsServerCert, WebPkiClientVerifier};
use rustls::{ClientConfig, ConfigBuilder, RootCertStore, ServerConfig, WantsVerifier};
use rustls_pki_types::PrivateKeyDer;
use sluicegate::clock::unix_nanos;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;

/// An authority that exists for one test.
#[derive(Debug)]
pub struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
}

/// A certificate for `localhost` and 127.0.0.1, and its key.
#[derive(Debug)]
pub struct Leaf {
    certificate: rcgen::Certificate,
    key: KeyPair,
    serial: SerialNumber,
}

impl Default for Authority {
    fn default() -> Self {
        Self::new()
    }
}

impl Authority {
    /// A fresh one.
    #[must_use]
    pub fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).expect("parameters");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let key = KeyPair::generate().expect("a key");
        Self { issuer: CertifiedIssuer::self_signed(params, key).expect("a certificate") }
    }

    /// Signs a certificate for this machine.
    #[must_use]
    pub fn sign(&self) -> Leaf {
        self.sign_for(&["localhost", "127.0.0.1"])
    }

    /// Signs a certificate for other names.
    #[must_use]
    pub fn sign_for(&self, names: &[&str]) -> Leaf {
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let mut params = CertificateParams::new(names).expect("parameters");
        let key = KeyPair::generate().expect("a key");
        let serial = SerialNumber::from(unix_nanos());
        params.serial_number = Some(serial.clone());
        let certificate = params.signed_by(&key, &self.issuer).expect("a certificate");
        Leaf { certificate, key, serial }
    }

    /// Its list of revoked certificates, PEM.
    #[must_use]
    pub fn revoking(&self, leaves: &[&Leaf]) -> String {
        let revoked = |leaf: &&Leaf| RevokedCertParams {
            serial_number: leaf.serial.clone(),
            revocation_time: date_time_ymd(2026, 1, 1),
            reason_code: None,
            invalidity_date: None,
        };
        let params = CertificateRevocationListParams {
            this_update: date_time_ymd(2026, 1, 1),
            next_update: date_time_ymd(2126, 1, 1),
            crl_number: SerialNumber::from(1_u64),
            issuing_distribution_point: None,
            revoked_certs: leaves.iter().map(revoked).collect(),
            key_identifier_method: KeyIdMethod::Sha256,
        };
        params.signed_by(&self.issuer).expect("a list").pem().expect("PEM")
    }

    /// Its own certificate.
    #[must_use]
    pub fn pem(&self) -> String {
        self.issuer.pem()
    }

    /// A client that trusts it and offers these protocols, such as `h2` and `http/1.1`.
    #[must_use]
    pub fn client(&self, protocols: &[&str]) -> Arc<ClientConfig> {
        self.client_of(protocols, rustls::DEFAULT_VERSIONS, None)
    }

    /// The same, speaking only TLS 1.2.
    #[must_use]
    pub fn old_client(&self, protocols: &[&str]) -> Arc<ClientConfig> {
        self.client_of(protocols, &[&rustls::version::TLS12], None)
    }

    /// The same, showing a certificate of its own.
    #[must_use]
    pub fn client_showing(&self, protocols: &[&str], own: &Leaf) -> Arc<ClientConfig> {
        self.client_of(protocols, rustls::DEFAULT_VERSIONS, Some(own))
    }

    fn client_of(
        &self,
        protocols: &[&str],
        versions: &[&'static rustls::SupportedProtocolVersion],
        own: Option<&Leaf>,
    ) -> Arc<ClientConfig> {
        let mut roots = RootCertStore::empty();
        roots.add(self.issuer.der().clone()).expect("a root");
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = ClientConfig::builder_with_provider(provider).with_protocol_versions(versions);
        let builder = builder.expect("versions").with_root_certificates(roots);
        let mut config = match own {
            None => builder.with_no_client_auth(),
            Some(own) => {
                let key = PrivateKeyDer::try_from(own.key.serialize_der()).expect("a key");
                builder.with_client_auth_cert(vec![own.certificate.der().clone()], key).expect("a pair")
            }
        };
        config.alpn_protocols = protocols.iter().map(|name| name.as_bytes().to_vec()).collect();
        Arc::new(config)
    }
}

impl Leaf {
    /// Writes `certificate.pem` and `key.pem` into a folder.
    pub fn write(&self, folder: &Path) {
        std::fs::write(folder.join("certificate.pem"), self.certificate.pem()).expect("a file");
        std::fs::write(folder.join("key.pem"), self.key.serialize_pem()).expect("a file");
    }

    /// The certificate, PEM.
    #[must_use]
    pub fn pem(&self) -> String {
        self.certificate.pem()
    }

    /// Its key, PEM.
    #[must_use]
    pub fn key_pem(&self) -> String {
        self.key.serialize_pem()
    }

    /// The certificate itself, DER.
    #[must_use]
    pub fn der(&self) -> Vec<u8> {
        self.certificate.der().to_vec()
    }

    /// A server that shows it, speaking HTTP/1.1.
    #[must_use]
    pub fn server(&self) -> Arc<ServerConfig> {
        self.shown_by(|builder| builder.with_no_client_auth())
    }

    /// The same, letting in only clients that show a certificate of `clients`.
    #[must_use]
    pub fn server_for(&self, clients: &Authority) -> Arc<ServerConfig> {
        let mut roots = RootCertStore::empty();
        roots.add(clients.issuer.der().clone()).expect("a root");
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider).build();
        self.shown_by(|builder| builder.with_client_cert_verifier(verifier.expect("a verifier")))
    }

    fn shown_by(
        &self,
        clients: impl FnOnce(
            ConfigBuilder<ServerConfig, WantsVerifier>,
        ) -> ConfigBuilder<ServerConfig, WantsServerCert>,
    ) -> Arc<ServerConfig> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
        let chain = vec![self.certificate.der().clone()];
        let key = PrivateKeyDer::try_from(self.key.serialize_der()).expect("a key");
        let config = clients(builder.expect("versions")).with_single_cert(chain, key);
        Arc::new(config.expect("a certificate and its key"))
    }
}

/// A server that takes TLS off and passes the bytes on.
#[derive(Debug)]
pub struct Terminator {
    address: SocketAddr,
    _tasks: JoinSet<()>,
}

impl Terminator {
    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

/// Shows `leaf` to whoever connects and passes what is inside on to `to`.
pub async fn terminate(leaf: &Leaf, to: SocketAddr) -> Terminator {
    terminate_with(leaf.server(), to).await
}

/// The same with a server's own settings, such as [`Leaf::server_for`].
pub async fn terminate_with(server: Arc<ServerConfig>, to: SocketAddr) -> Terminator {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("an address");
    let acceptor = TlsAcceptor::from(server);
    let mut tasks = JoinSet::new();
    tasks.spawn(async move {
        let mut connections = JoinSet::new();
        while let Ok((stream, _)) = listener.accept().await {
            let acceptor = acceptor.clone();
            connections.spawn(async move {
                // A caller that does not trust us leaves in the middle of the handshake.
                let Ok(mut outside) = acceptor.accept(stream).await else { return };
                let mut inside = TcpStream::connect(to).await.expect("the server behind");
                drop(tokio::io::copy_bidirectional(&mut outside, &mut inside).await);
            });
        }
    });
    Terminator { address, _tasks: tasks }
}
