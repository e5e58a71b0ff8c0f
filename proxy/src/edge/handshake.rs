//! What a TLS handshake tells of the client. It owns verifying client certificates against authorities whose
//! file is followed, and reading names out of them; it refuses to say who those names are (`identify` does).

use std::any::Any;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arc_swap::ArcSwap;
use async_trait::async_trait;
use decision::ClientCertificate;
use pingora_core::listeners::TlsAccept;
use pingora_core::protocols::tls::TlsRef;
use pingora_proxy::Session;
use rule_table::{ClientCertificates, TlsVersion};
use rustls::client::danger::HandshakeSignatureValid;
use rustls::crypto::ring;
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{DigitallySignedStruct, DistinguishedName, RootCertStore, SignatureScheme};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, CertificateRevocationListDer, UnixTime};
use sha2::{Digest, Sha256};
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::{FromDer, X509Certificate};

use super::tls::{CertificateError, Followed};

/// What is kept of a handshake.
#[derive(Debug)]
struct Handshake {
    version: Option<TlsVersion>,
    certificate: Option<Arc<ClientCertificate>>,
    /// A certificate was shown when the session began, and its authority has been removed since.
    disowned: bool,
}

/// Looks at each handshake once it is complete.
pub(super) struct Witness {
    /// Asked again about every certificate: a resumed session brings the one it began with, unverified.
    pub(super) authorities: Option<Arc<ClientAuthorities>>,
}

impl Witness {
    fn disowns(&self, chain: &[CertificateDer<'_>]) -> bool {
        let Some(((leaf, rest), authorities)) = chain.split_first().zip(self.authorities.as_ref()) else {
            return false;
        };
        authorities.verify_client_cert(leaf, rest, UnixTime::now()).is_err()
    }
}

#[async_trait]
impl TlsAccept for Witness {
    async fn handshake_complete_callback(&self, tls: &TlsRef) -> Option<Arc<dyn Any + Send + Sync>> {
        let version = match tls.version() {
            Some("TLSv1.3" | "TLSv1_3") => Some(TlsVersion::Tls13),
            Some("TLSv1.2" | "TLSv1_2") => Some(TlsVersion::Tls12),
            _ => None,
        };
        let disowned = tls.peer_cert_chain_der().is_some_and(|chain| self.disowns(chain));
        let shown = tls.peer_certificate_der().filter(|_| !disowned);
        let certificate = shown.map(|der| Arc::new(identity(der)));
        Some(Arc::new(Handshake { version, certificate, disowned }))
    }
}

fn handshake<T>(session: &Session, read: impl FnOnce(&Handshake) -> Option<T>) -> Option<T> {
    let digest = session.as_downstream().digest()?;
    read(digest.ssl_digest.as_ref()?.extension.get::<Handshake>()?)
}

/// The client's verified certificate.
pub(super) fn certificate(session: &Session) -> Option<Arc<ClientCertificate>> {
    handshake(session, |handshake| handshake.certificate.clone())
}

/// Whether the client's certificate is of no authority any more.
pub(super) fn is_disowned(session: &Session) -> bool {
    handshake(session, |handshake| Some(handshake.disowned)).unwrap_or_default()
}

/// The connection's version of TLS.
pub(super) fn version(session: &Session) -> Option<TlsVersion> {
    handshake(session, |handshake| handshake.version)
}

/// Names and fingerprint of a certificate that has been verified. One whose names cannot be read still has
/// its fingerprint.
pub(crate) fn identity(der: &[u8]) -> ClientCertificate {
    let names =
        X509Certificate::from_der(der).map(|(_, certificate)| names(&certificate)).unwrap_or_default();
    ClientCertificate { names, sha256: Sha256::digest(der).into() }
}

fn names(certificate: &X509Certificate<'_>) -> Vec<String> {
    let alternative = certificate.subject_alternative_name().ok().flatten();
    let alternative = alternative.iter().flat_map(|extension| &extension.value.general_names);
    let named = alternative.filter_map(|name| match name {
        GeneralName::DNSName(name) | GeneralName::URI(name) => Some((*name).to_owned()),
        _ => None,
    });
    let common = certificate.subject().iter_common_name().filter_map(|name| name.as_str().ok());
    let mut names: Vec<String> = Vec::new();
    for name in named.chain(common.map(str::to_owned)) {
        if !names.contains(&name) {
            names.push(name);
        }
    }
    names
}

/// The authorities of a listener's client certificates. Handshakes under way keep those they began with.
#[derive(Debug)]
pub(super) struct ClientAuthorities {
    verifier: ArcSwap<Arc<dyn ClientCertVerifier>>,
    listener: String,
    section: ClientCertificates,
    base: PathBuf,
}

impl ClientAuthorities {
    pub(super) fn read(
        listener: &str,
        section: &ClientCertificates,
        base: &Path,
    ) -> Result<Self, CertificateError> {
        let verifier = ArcSwap::from_pointee(verifier(section, base)?);
        Ok(Self { verifier, listener: listener.to_owned(), section: section.clone(), base: base.to_owned() })
    }
}

fn verifier(
    section: &ClientCertificates,
    base: &Path,
) -> Result<Arc<dyn ClientCertVerifier>, CertificateError> {
    let unusable = |cause: String| CertificateError::Unusable {
        what: "file of authorities",
        path: section.authorities.clone(),
        cause,
    };
    let revoked = match &section.crl {
        Some(file) => revocations(file, base)?,
        None => Vec::new(),
    };
    let read = CertificateDer::pem_file_iter(base.join(&section.authorities))
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(|error| unusable(error.to_string()))?;
    let mut roots = RootCertStore::empty();
    for certificate in read {
        roots.add(certificate).map_err(|error| unusable(error.to_string()))?;
    }
    let builder =
        WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::new(ring::default_provider()));
    // Without a list nothing is asked of it, and with one a certificate of which nothing is known is refused.
    let builder = builder.with_crls(revoked).only_check_end_entity_revocation();
    let builder = if section.required { builder } else { builder.allow_unauthenticated() };
    // Which says that there is no root, the one thing that can be missing here.
    builder.build().map_err(|error| unusable(error.to_string()))
}

/// The lists in a file. One without any would revoke nothing while its operator thinks it does.
fn revocations(
    file: &str,
    base: &Path,
) -> Result<Vec<CertificateRevocationListDer<'static>>, CertificateError> {
    let unusable = |cause: String| CertificateError::Unusable {
        what: "file of revoked certificates",
        path: file.to_owned(),
        cause,
    };
    let read = CertificateRevocationListDer::pem_file_iter(base.join(file))
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(|error| unusable(error.to_string()))?;
    if read.is_empty() { Err(unusable("it holds no PEM list (`X509 CRL`)".to_owned())) } else { Ok(read) }
}

impl Followed for ClientAuthorities {
    fn files(&self) -> Vec<PathBuf> {
        let files = std::iter::once(&self.section.authorities).chain(&self.section.crl);
        files.map(|file| self.base.join(file)).collect()
    }

    fn reread(&self) {
        match verifier(&self.section, &self.base) {
            Ok(read) => self.verifier.store(Arc::new(read)),
            Err(error) => {
                tracing::error!(listener = %self.listener, %error, "the listener keeps its authorities");
            }
        }
    }
}

impl ClientCertVerifier for ClientAuthorities {
    fn client_auth_mandatory(&self) -> bool {
        self.section.required
    }

    /// No hints: they cannot be borrowed from what may be swapped, and clients do without (RFC 8446 §4.2.4).
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, rustls::Error> {
        self.verifier.load().verify_client_cert(end_entity, intermediates, now)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.verifier.load().verify_tls12_signature(message, certificate, signature)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.verifier.load().verify_tls13_signature(message, certificate, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.verifier.load().supported_verify_schemes()
    }
}

#[cfg(test)]
mod tests {
    use rcgen::{CertificateParams, DnType, KeyPair, SanType};

    use super::*;

    #[test]
    fn a_certificates_names_are_its_alternative_ones_and_then_its_common_one() {
        let mut params = CertificateParams::new(vec!["agent.example".to_owned()]).unwrap();
        let uri = "spiffe://corp/agent".try_into().unwrap();
        params.subject_alt_names.push(SanType::URI(uri));
        params.distinguished_name.push(DnType::CommonName, "claims agent");
        let certificate = params.self_signed(&KeyPair::generate().unwrap()).unwrap();
        let identity = identity(certificate.der());
        assert_eq!(identity.names, ["agent.example", "spiffe://corp/agent", "claims agent"]);
        assert_eq!(identity.sha256[..], Sha256::digest(certificate.der())[..]);
    }

    #[test]
    fn what_is_no_certificate_has_no_names() {
        assert!(identity(b"junk").names.is_empty());
    }
}
