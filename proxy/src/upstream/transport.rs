//! What TLS to a backend needs and what the proxy on the way out is told. It owns reading and checking
//! certificates, keys and the proxy's credential before anything is connected; it refuses to connect.

use std::path::Path;

use http::HeaderValue;
use rule_table::{Backend, EgressProxy, TlsOptions};
use rustls::RootCertStore;
use rustls::crypto::ring;
use rustls::sign::CertifiedKey;
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use sha2::{Digest, Sha256};

use super::secret::{SecretError, place, read};

/// What is needed to open a connection, read from its files and checked. Its parts are sound: whoever
/// parses them again will succeed.
#[derive(Debug, Default)]
pub struct Transport {
    /// Authorities to trust instead of the system's.
    pub roots: Option<Vec<CertificateDer<'static>>>,
    /// What we show of ourselves.
    pub identity: Option<ClientIdentity>,
    /// What the egress proxy wants to see; never prints.
    pub proxy_authorization: Option<HeaderValue>,
    /// Tells apart whatever must not share a connection: trust, our identity, the way out. 0 when there is
    /// nothing special about any of them.
    pub group: u64,
}

/// A client certificate and its key.
#[derive(PartialEq, Eq)]
pub struct ClientIdentity {
    /// Our certificate first, then what leads to its authority.
    pub chain: Vec<CertificateDer<'static>>,
    /// DER: PKCS#8 (RFC 5958), PKCS#1 (RFC 8017) or SEC1 (RFC 5915).
    pub key: Vec<u8>,
}

impl std::fmt::Debug for ClientIdentity {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ClientIdentity").field("certificates", &self.chain.len()).finish_non_exhaustive()
    }
}

/// Why a backend's connections cannot be prepared.
#[derive(Debug, thiserror::Error)]
pub enum TransportError {
    /// A file cannot be read or does not hold what it should.
    #[error("the {what} {path} cannot be used: {cause}")]
    Unusable {
        /// What the file is for.
        what: &'static str,
        /// The file.
        path: String,
        /// Why.
        cause: String,
    },
    /// Key and certificate do not belong together.
    #[error("the private key {key} does not belong to the client certificate {certificate}: {cause}")]
    Mismatch {
        /// Certificate file.
        certificate: String,
        /// Key file.
        key: String,
        /// Why.
        cause: String,
    },
    /// One of the two is missing.
    #[error("a client certificate and its private key come together; give both or neither")]
    Half,
    /// The proxy's credential cannot be read.
    #[error("egress proxy: {0}")]
    Proxy(#[from] SecretError),
}

/// The files of a backend's TLS, what they are for, and its proxy's credential: whether any of it may
/// change while the gateway runs.
pub(super) fn may_change(backend: &Backend) -> bool {
    let TlsOptions { ca, certificate, key, .. } = &backend.tls_options;
    let authorization = backend.egress.as_ref().and_then(|proxy| proxy.authorization.as_ref());
    ca.is_some() || certificate.is_some() || key.is_some() || authorization.is_some()
}

/// Reads and checks everything; files relative to `base`.
///
/// # Errors
/// Names the file and what is wrong with it; never quotes key material.
pub(super) fn load(backend: &Backend, base: &Path) -> Result<Transport, TransportError> {
    let TlsOptions { ca, certificate, key, server_name } = &backend.tls_options;
    let roots = ca.as_ref().map(|file| roots(file, base)).transpose()?;
    let identity = match (certificate, key) {
        (Some(certificate), Some(key)) => Some(identity(certificate, key, base)?),
        (None, None) => None,
        _ => return Err(TransportError::Half),
    };
    let proxy_authorization = backend.egress.as_ref().map(|proxy| authorization(proxy, base)).transpose()?;
    let mut transport =
        Transport { roots, identity, proxy_authorization: proxy_authorization.flatten(), group: 0 };
    let special = transport.roots.is_some() || transport.identity.is_some() || server_name.is_some();
    if special || backend.egress.is_some() {
        transport.group = group(backend, &transport);
    }
    Ok(transport)
}

impl Transport {
    /// Whether connections opened by one are as good as those opened by the other.
    pub(super) fn is_same(&self, other: &Self) -> bool {
        self.group == other.group
            && self.roots == other.roots
            && self.identity == other.identity
            && self.proxy_authorization == other.proxy_authorization
    }
}

fn roots(file: &str, base: &Path) -> Result<Vec<CertificateDer<'static>>, TransportError> {
    const WHAT: &str = "file of trusted authorities";
    let roots = certificates(WHAT, file, base)?;
    for root in &roots {
        RootCertStore::empty().add(root.clone()).map_err(|error| unusable(WHAT, file, error))?;
    }
    Ok(roots)
}

fn identity(certificate: &str, key: &str, base: &Path) -> Result<ClientIdentity, TransportError> {
    const KEY: &str = "private key";
    let chain = certificates("client certificate", certificate, base)?;
    let private = PrivateKeyDer::from_pem_file(base.join(key)).map_err(|error| unusable(KEY, key, error))?;
    let der = private.secret_der().to_vec();
    // The connector gets the bytes alone and guesses their format.
    PrivateKeyDer::try_from(der.as_slice()).map_err(|error| unusable(KEY, key, error))?;
    CertifiedKey::from_der(chain.clone(), private, &ring::default_provider()).map_err(|error| {
        TransportError::Mismatch {
            certificate: certificate.to_owned(),
            key: key.to_owned(),
            cause: error.to_string(),
        }
    })?;
    Ok(ClientIdentity { chain, key: der })
}

/// At least one certificate, each of which parses.
fn certificates(
    what: &'static str,
    file: &str,
    base: &Path,
) -> Result<Vec<CertificateDer<'static>>, TransportError> {
    let found = CertificateDer::pem_file_iter(base.join(file))
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(|error| unusable(what, file, error))?;
    if found.is_empty() {
        return Err(unusable(what, file, "it holds no PEM certificate"));
    }
    for certificate in &found {
        // The connector panics on what its own parser does not understand.
        x509_parser::parse_x509_certificate(certificate).map_err(|error| unusable(what, file, error))?;
    }
    Ok(found)
}

fn authorization(proxy: &EgressProxy, base: &Path) -> Result<Option<HeaderValue>, TransportError> {
    let Some(reference) = &proxy.authorization else { return Ok(None) };
    let secret = read(reference, base)?;
    let mut value = HeaderValue::from_str(secret.expose())
        .map_err(|_| SecretError::NotAHeader(place(reference, base)))?;
    value.set_sensitive(true);
    Ok(Some(value))
}

fn unusable(what: &'static str, path: &str, cause: impl std::fmt::Display) -> TransportError {
    TransportError::Unusable { what, path: path.to_owned(), cause: cause.to_string() }
}

/// A digest of what makes a connection different from others to the same address.
fn group(backend: &Backend, transport: &Transport) -> u64 {
    let mut hash = Sha256::new();
    let mut part = |label: u8, bytes: &[u8]| {
        hash.update([label]);
        hash.update((bytes.len() as u64).to_be_bytes());
        hash.update(bytes);
    };
    for root in transport.roots.iter().flatten() {
        part(1, root);
    }
    for certificate in transport.identity.iter().flat_map(|identity| &identity.chain) {
        part(2, certificate);
    }
    if let Some(proxy) = &backend.egress {
        // The address of the connection is the proxy's: where it leads to is only known here.
        part(3, format!("{}:{}", proxy.host, proxy.port).as_bytes());
        part(4, format!("{}:{}", backend.host, backend.port).as_bytes());
    }
    part(5, backend.tls_options.server_name.as_deref().unwrap_or_default().as_bytes());
    let digest = hash.finalize();
    digest.first_chunk().map_or(1, |first| u64::from_be_bytes(*first))
}

#[cfg(test)]
mod tests;
