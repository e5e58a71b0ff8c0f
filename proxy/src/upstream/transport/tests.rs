//! What keeps connections apart, and what does not.

use rcgen::{CertificateParams, KeyPair};
use rule_table::{EgressProxy, SecretRef};

use super::*;
use crate::upstream::fixture;

/// A self-signed certificate, and its key.
fn certificate() -> (rcgen::Certificate, KeyPair) {
    let key = KeyPair::generate().unwrap();
    (CertificateParams::new(vec!["a.example".to_owned()]).unwrap().self_signed(&key).unwrap(), key)
}

fn backend(options: TlsOptions) -> Backend {
    Backend { tls: true, tls_options: options, ..fixture::backend("a", "a.example", 443) }
}

fn options(ca: Option<&str>, certificate: Option<&str>, server_name: Option<&str>) -> TlsOptions {
    TlsOptions {
        ca: ca.map(str::to_owned),
        certificate: certificate.map(str::to_owned),
        key: certificate.map(|name| format!("{name}.key")),
        server_name: server_name.map(str::to_owned),
    }
}

#[test]
fn whatever_differs_in_trust_identity_name_or_way_out_shares_no_connection() {
    let folder = tempfile::tempdir().unwrap();
    for name in ["one", "two"] {
        let (certificate, key) = certificate();
        std::fs::write(folder.path().join(name), certificate.pem()).unwrap();
        std::fs::write(folder.path().join(format!("{name}.key")), key.serialize_pem()).unwrap();
    }
    let proxied = |host: &str, port| Backend {
        egress: Some(EgressProxy { host: host.into(), port, authorization: None }),
        ..backend(TlsOptions::default())
    };
    let plain = backend(TlsOptions::default());
    let backends = [
        plain.clone(),
        backend(options(Some("one"), None, None)),
        backend(options(Some("two"), None, None)),
        backend(options(None, Some("one"), None)),
        backend(options(None, Some("two"), None)),
        backend(options(Some("one"), Some("one"), None)),
        backend(options(None, None, Some("b.example"))),
        proxied("proxy", 3128),
        proxied("proxy", 3129),
        Backend { port: 8443, ..proxied("proxy", 3128) },
        Backend { host: "b.example".into(), ..proxied("proxy", 3128) },
    ];
    let groups = backends.map(|backend| load(&backend, folder.path()).unwrap().group);
    assert_eq!(groups[0], 0, "nothing special");
    let distinct: std::collections::BTreeSet<u64> = groups.into_iter().collect();
    assert_eq!(distinct.len(), groups.len(), "{groups:?}");
    let again = backend(options(Some("one"), Some("one"), None));
    assert_eq!(load(&again, folder.path()).unwrap().group, groups[5], "the same from read to read");
    assert!(!may_change(&plain));
}

#[test]
fn a_key_of_another_certificate_is_refused_and_no_key_ever_prints() {
    let folder = tempfile::tempdir().unwrap();
    let ((one, key), (_, other)) = (certificate(), certificate());
    std::fs::write(folder.path().join("one"), one.pem()).unwrap();
    let backend = backend(options(None, Some("one"), None));
    std::fs::write(folder.path().join("one.key"), other.serialize_pem()).unwrap();
    let error = load(&backend, folder.path()).unwrap_err();
    assert!(matches!(error, TransportError::Mismatch { .. }), "{error}");
    std::fs::write(folder.path().join("one.key"), key.serialize_pem()).unwrap();
    let transport = load(&backend, folder.path()).unwrap();
    assert_eq!(format!("{:?}", transport.identity), "Some(ClientIdentity { certificates: 1, .. })");
    std::fs::write(folder.path().join("one.key"), one.pem()).unwrap();
    let error = load(&backend, folder.path()).unwrap_err().to_string();
    assert!(error.starts_with("the private key one.key cannot be used"), "{error}");
}

#[test]
fn a_certificate_that_does_not_parse_is_an_error_and_no_panic_later() {
    let folder = tempfile::tempdir().unwrap();
    let pem = "-----BEGIN CERTIFICATE-----\nAAECAwQFBgcICQ==\n-----END CERTIFICATE-----\n";
    std::fs::write(folder.path().join("one"), pem).unwrap();
    let (_, key) = certificate();
    std::fs::write(folder.path().join("one.key"), key.serialize_pem()).unwrap();
    for options in [options(Some("one"), None, None), options(None, Some("one"), None)] {
        let error = load(&backend(options), folder.path()).unwrap_err();
        assert!(matches!(error, TransportError::Unusable { .. }), "{error}");
    }
}

#[test]
fn a_proxys_credential_is_the_whole_header_and_may_change() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("proxy"), "Basic canary\n").unwrap();
    let authorization = Some(SecretRef::File("proxy".into()));
    let egress = Some(EgressProxy { host: "proxy".into(), port: 3128, authorization });
    let backend = Backend { egress, ..fixture::backend("a", "a.example", 443) };
    assert!(may_change(&backend));
    let transport = load(&backend, folder.path()).unwrap();
    assert_eq!(transport.proxy_authorization.as_ref().unwrap(), "Basic canary");
    assert!(!format!("{transport:?}").contains("canary"));
}
