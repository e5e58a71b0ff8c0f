//! TLS as a server has it. It owns the handshake, the demand for a client's certificate and a handshake
//! that fails on purpose; it refuses to read files: material comes as PEM text.

use std::io;
use std::sync::Arc;

use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;

use super::connection::Stream;
use crate::config::TlsConfig;

/// A TLS record that says `handshake_failure` (RFC 8446, section 6).
const HANDSHAKE_FAILURE: [u8; 7] = [21, 3, 3, 0, 2, 2, 40];

/// Takes connections, over TLS where that is set.
#[derive(Clone)]
pub(super) struct Acceptor(Option<TlsAcceptor>);

impl Acceptor {
    /// Reads the material.
    pub(super) fn new(config: Option<&TlsConfig>) -> io::Result<Self> {
        let Some(config) = config else { return Ok(Self(None)) };
        let wrong = |what: &str, why: &dyn std::fmt::Display| {
            io::Error::new(io::ErrorKind::InvalidInput, format!("TLS {what}: {why}"))
        };
        let chain = certificates(&config.certificates).map_err(|error| wrong("certificates", &error))?;
        let key =
            PrivateKeyDer::from_pem_slice(config.key.as_bytes()).map_err(|error| wrong("key", &error))?;
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .map_err(|error| wrong("versions", &error))?;
        let builder = match &config.client_roots {
            None => builder.with_no_client_auth(),
            Some(roots) => {
                let mut store = RootCertStore::empty();
                for root in certificates(roots).map_err(|error| wrong("client roots", &error))? {
                    store.add(root).map_err(|error| wrong("client roots", &error))?;
                }
                let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(store), provider);
                let verifier = verifier.build().map_err(|error| wrong("client roots", &error))?;
                builder.with_client_cert_verifier(verifier)
            }
        };
        let mut server =
            builder.with_single_cert(chain, key).map_err(|error| wrong("certificate and key", &error))?;
        server.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Ok(Self(Some(TlsAcceptor::from(Arc::new(server)))))
    }

    pub(super) const fn is_tls(&self) -> bool {
        self.0.is_some()
    }

    /// Shakes hands, where there is TLS.
    pub(super) async fn accept(&self, stream: TcpStream) -> io::Result<Stream> {
        match &self.0 {
            None => Ok(Stream::Plain(stream)),
            Some(acceptor) => Ok(Stream::Tls(Box::new(acceptor.accept(stream).await?))),
        }
    }

    /// Hears a caller out and fails the handshake.
    pub(super) async fn refuse(&self, mut stream: TcpStream) {
        let mut hello = [0; 4_096];
        // Whatever becomes of the socket, the handshake has failed.
        let _ = stream.read(&mut hello).await;
        let _ = stream.write_all(&HANDSHAKE_FAILURE).await;
        let _ = stream.shutdown().await;
    }
}

fn certificates(pem: &str) -> Result<Vec<CertificateDer<'static>>, rustls_pki_types::pem::Error> {
    CertificateDer::pem_slice_iter(pem.as_bytes()).collect()
}
