//! Certificates of listeners. It owns reading and checking them before anything listens, since Pingora
//! panics on a bad file, and following their files afterwards; it refuses to choose names or versions.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use arc_swap::ArcSwap;
use pingora_core::listeners::tls::TlsSettings;
use rule_table::ListenerTls;
use rustls::crypto::ring;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};

/// Why a certificate cannot serve.
#[derive(Debug, thiserror::Error)]
pub enum CertificateError {
    /// The file cannot be read or holds no PEM of that sort.
    #[error("{what} {path} cannot be used: {cause}")]
    Unusable {
        /// `certificate` or `private key`.
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

/// Reads a certificate and its key and checks that they belong together.
///
/// # Errors
/// Names the file and what is wrong with it; never quotes key material.
pub fn check(files: &ListenerTls, base: &Path) -> Result<Arc<CertifiedKey>, CertificateError> {
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

/// The certificate a listener shows, whatever name the client asks for. Handshakes under way keep the one
/// they began with.
#[derive(Debug)]
pub struct Certificate {
    shown: ArcSwap<CertifiedKey>,
    listener: String,
    files: ListenerTls,
    base: PathBuf,
}

impl Certificate {
    /// Reads the certificate of `listener`; its files are relative to `base`.
    ///
    /// # Errors
    /// See [`check`].
    pub fn read(listener: &str, files: &ListenerTls, base: &Path) -> Result<Self, CertificateError> {
        let shown = ArcSwap::new(check(files, base)?);
        Ok(Self { shown, listener: listener.to_owned(), files: files.clone(), base: base.to_owned() })
    }

    /// Reads the files again. A pair that cannot serve changes nothing, and the log says why: half of a
    /// rotation looks like that, too.
    pub fn reread(&self) {
        match check(&self.files, &self.base) {
            Ok(read) if read.cert == self.shown.load().cert => {}
            Ok(read) => {
                self.shown.store(read);
                tracing::info!(listener = %self.listener, "the listener shows a new certificate");
            }
            Err(error) => {
                tracing::error!(listener = %self.listener, %error, "the listener keeps its certificate");
            }
        }
    }

    /// The certificate's file and the key's.
    #[must_use]
    pub fn files(&self) -> [PathBuf; 2] {
        [&self.files.certificate, &self.files.key].map(|file| self.base.join(file))
    }
}

impl ResolvesServerCert for Certificate {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.shown.load_full())
    }
}

/// TLS settings of a listener.
pub(super) fn settings(certificate: Arc<Certificate>, http2: bool) -> pingora_error::Result<TlsSettings> {
    struct NoCallbacks;
    impl pingora_core::listeners::TlsAccept for NoCallbacks {}
    let mut settings = TlsSettings::with_callbacks(Box::new(NoCallbacks))?;
    settings.set_cert_resolver(certificate);
    if http2 {
        settings.enable_h2();
    }
    Ok(settings)
}
