//! Certificates of listeners. It owns reading and checking them before anything listens, since Pingora
//! panics on a bad file, and following their files afterwards, and choosing
//! between them by server name; it refuses to look at what clients show (`handshake` does).

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arc_swap::ArcSwap;
use pingora_core::listeners::tls::TlsSettings;
use rule_table::{ListenerTls, TlsVersion};
use rustls::crypto::ring;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};

use super::handshake::{ClientAuthorities, Witness};

/// Why a certificate cannot serve.
#[derive(Debug, thiserror::Error)]
pub enum CertificateError {
    /// The file cannot be read or holds no PEM of that sort.
    #[error("{what} {path} cannot be used: {cause}")]
    Unusable {
        /// `certificate`, `private key`, `file of authorities` or `file of revoked certificates`.
        what: &'static str,
        /// The file.
        path: String,
        /// Why.
        cause: String,
    },
    /// Key and certificate do not belong together.
    #[error("the private key {key} does not belong to the certificate {certificate}: {cause}")]
    Mismatch {
        /// Certificate file.
        certificate: String,
        /// Key file.
        key: String,
        /// Why.
        cause: String,
    },
}

/// Certificate chain and key of one certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Files {
    certificate: String,
    key: String,
}

/// Reads a certificate and its key and checks that they belong together. Errors name the file and what is
/// wrong with it, never key material.
fn check(files: &Files, base: &Path) -> Result<Arc<CertifiedKey>, CertificateError> {
    let unusable =
        |what, path: &str, cause: String| CertificateError::Unusable { what, path: path.to_owned(), cause };
    let chain = CertificateDer::pem_file_iter(base.join(&files.certificate))
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(|error| unusable("certificate", &files.certificate, error.to_string()))?;
    if chain.is_empty() {
        return Err(unusable("certificate", &files.certificate, "it holds no PEM certificate".to_owned()));
    }
    let key = PrivateKeyDer::from_pem_file(base.join(&files.key))
        .map_err(|error| unusable("private key", &files.key, error.to_string()))?;
    CertifiedKey::from_der(chain, key, &ring::default_provider()).map(Arc::new).map_err(|error| {
        CertificateError::Mismatch {
            certificate: files.certificate.clone(),
            key: files.key.clone(),
            cause: error.to_string(),
        }
    })
}

/// What a listener reads from files and takes up when they change.
pub trait Followed: std::fmt::Debug + Send + Sync {
    /// The files.
    fn files(&self) -> Vec<PathBuf>;

    /// Reads them again. What cannot serve changes nothing, and the log says why: half of a rotation looks
    /// like that, too.
    fn reread(&self);
}

/// One certificate. Handshakes under way keep the one they began with.
#[derive(Debug)]
struct Certificate {
    shown: ArcSwap<CertifiedKey>,
    listener: String,
    files: Files,
    base: PathBuf,
}

impl Certificate {
    fn read(
        listener: &str,
        certificate: &str,
        key: &str,
        base: &Path,
    ) -> Result<Arc<Self>, CertificateError> {
        let files = Files { certificate: certificate.to_owned(), key: key.to_owned() };
        let shown = ArcSwap::new(check(&files, base)?);
        Ok(Arc::new(Self { shown, listener: listener.to_owned(), files, base: base.to_owned() }))
    }
}

impl Followed for Certificate {
    fn files(&self) -> Vec<PathBuf> {
        [&self.files.certificate, &self.files.key].map(|file| self.base.join(file)).into()
    }

    fn reread(&self) {
        match check(&self.files, &self.base) {
            Ok(read) if read.cert == self.shown.load().cert => {}
            Ok(read) => {
                self.shown.store(read);
                let file = &self.files.certificate;
                tracing::info!(listener = %self.listener, file, "the listener shows a new certificate");
            }
            Err(error) => {
                tracing::error!(listener = %self.listener, %error, "the listener keeps its certificate");
            }
        }
    }
}

/// What a listener shows, and whom it wants to be shown.
#[derive(Debug)]
pub(super) struct Certificates {
    fallback: Arc<Certificate>,
    /// By server name, `*.` and the rest for any label before it.
    named: BTreeMap<String, Arc<Certificate>>,
    clients: Option<Arc<ClientAuthorities>>,
}

impl Certificates {
    /// Reads everything that the TLS of `listener` needs; its files are relative to `base`.
    pub(super) fn read(listener: &str, section: &ListenerTls, base: &Path) -> Result<Self, CertificateError> {
        let fallback = Certificate::read(listener, &section.certificate, &section.key, base)?;
        let mut named = BTreeMap::new();
        for one in &section.names {
            named.insert(one.host.clone(), Certificate::read(listener, &one.certificate, &one.key, base)?);
        }
        let clients = section.clients.as_ref();
        let clients = clients.map(|clients| ClientAuthorities::read(listener, clients, base).map(Arc::new));
        Ok(Self { fallback, named, clients: clients.transpose()? })
    }

    /// Everything that is read from files.
    pub(super) fn followed(&self) -> Vec<Arc<dyn Followed>> {
        let certificates = std::iter::once(&self.fallback).chain(self.named.values());
        let mut all: Vec<Arc<dyn Followed>> =
            certificates.map(|one| Arc::clone(one) as Arc<dyn Followed>).collect();
        all.extend(self.clients.iter().map(|one| Arc::clone(one) as Arc<dyn Followed>));
        all
    }

    /// The certificate for a server name (RFC 6066 §3): its own, else one for its parent with `*` in place
    /// of its first label (RFC 9525 §6.3), else the listener's.
    fn for_name(&self, name: Option<&str>) -> &Certificate {
        let Some(name) = name.map(str::to_ascii_lowercase) else { return &self.fallback };
        let wildcard = || Some(format!("*.{}", name.split_once('.')?.1));
        let found = self.named.get(&name).or_else(|| self.named.get(&wildcard()?));
        found.unwrap_or(&self.fallback)
    }
}

impl ResolvesServerCert for Certificates {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.for_name(hello.server_name()).shown.load_full())
    }
}

/// TLS of a socket that Pingora does not serve.
#[derive(Debug)]
pub(crate) struct ServerTls {
    certificates: Arc<Certificates>,
    config: Arc<rustls::ServerConfig>,
}

impl ServerTls {
    /// Reads everything that the TLS of `name` needs; its files are relative to `base`.
    pub(crate) fn read(name: &str, section: &ListenerTls, base: &Path) -> Result<Self, CertificateError> {
        let certificates = Arc::new(Certificates::read(name, section, base)?);
        let oldest: &[_] = match section.min_version {
            TlsVersion::Tls12 => &[&rustls::version::TLS13, &rustls::version::TLS12],
            TlsVersion::Tls13 => &[&rustls::version::TLS13],
        };
        let builder = rustls::ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_protocol_versions(oldest)
            .map_err(|error| CertificateError::Unusable {
                what: "certificate",
                path: section.certificate.clone(),
                cause: error.to_string(),
            })?;
        let builder = match &certificates.clients {
            None => builder.with_no_client_auth(),
            Some(clients) => {
                let clients: Arc<ClientAuthorities> = Arc::clone(clients);
                builder.with_client_cert_verifier(clients)
            }
        };
        let shown: Arc<Certificates> = Arc::clone(&certificates);
        Ok(Self { certificates, config: Arc::new(builder.with_cert_resolver(shown)) })
    }

    /// Everything that is read from files.
    pub(crate) fn followed(&self) -> Vec<Arc<dyn Followed>> {
        self.certificates.followed()
    }

    /// Makes handshakes.
    pub(crate) fn acceptor(&self) -> tokio_rustls::TlsAcceptor {
        Arc::clone(&self.config).into()
    }
}

/// TLS settings of a listener.
pub(super) fn settings(certificates: Arc<Certificates>, http2: bool) -> pingora_error::Result<TlsSettings> {
    let mut settings =
        TlsSettings::with_callbacks(Box::new(Witness { authorities: certificates.clients.clone() }))?;
    if let Some(clients) = &certificates.clients {
        let clients: Arc<ClientAuthorities> = Arc::clone(clients);
        settings.set_client_cert_verifier(clients);
    }
    settings.set_cert_resolver(certificates);
    if http2 {
        settings.enable_h2();
    }
    Ok(settings)
}
