//! A policy's backends: what is read before it is in force, what is shared, and what is followed.

use http::HeaderMap;
use rule_table::{BackendKind, Credential, EgressProxy, SecretRef, TlsOptions};
use tempfile::TempDir;

use super::*;
use crate::upstream::fixture::{TokenService, backend, entra_backend, managed, token, until};

const CANARY: &str = "canary-key";

fn with_key(name: &str, kind: BackendKind) -> Backend {
    let auth = Some(Credential::ApiKey(SecretRef::File("key".into())));
    Backend { auth, kind, ..backend(name, "127.0.0.1", 9) }
}

fn folder(files: &[(&str, &str)]) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in files {
        std::fs::write(folder.path().join(name), text).unwrap();
    }
    folder
}

fn presented(upstream: &Upstream) -> String {
    let credential = upstream.credential().unwrap().unwrap();
    let headers = HeaderMap::from_iter([(*credential).clone()]);
    assert!(!format!("{headers:?} {upstream:?}").contains("canary"), "a credential prints");
    format!("{}: {}", credential.0, credential.1.to_str().unwrap())
}

/// Tends as the gateway does, until `look` finds something.
async fn tended<T>(upstreams: &Upstreams, what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let (clock, mut work) = (Clock::new(1.0), JoinSet::new());
    until(what, || {
        upstreams.tend(&clock, &mut work);
        while work.try_join_next().is_some() {}
        look()
    })
    .await
}

#[test]
fn each_kind_gets_its_header_ready_made() {
    let folder = folder(&[("key", CANARY)]);
    for (kind, expected) in [
        (BackendKind::Openai, "authorization: Bearer canary-key"),
        (BackendKind::AzureOpenai, "api-key: canary-key"),
        (BackendKind::Anthropic, "x-api-key: canary-key"),
        (BackendKind::AzureCognitive, "ocp-apim-subscription-key: canary-key"),
        (BackendKind::AzureMl, "authorization: Bearer canary-key"),
    ] {
        let upstreams = Upstreams::build(&[with_key("a", kind)], folder.path(), None).unwrap();
        assert_eq!(presented(upstreams.get(0).unwrap()), expected);
    }
    let named = Credential::Header { name: "x-service-key".into(), value: SecretRef::File("key".into()) };
    let named = Backend { auth: Some(named), ..backend("a", "127.0.0.1", 9) };
    let upstreams = Upstreams::build(&[named, backend("b", "127.0.0.1", 9)], folder.path(), None).unwrap();
    assert_eq!(presented(upstreams.get(0).unwrap()), "x-service-key: canary-key");
    assert_eq!(upstreams.get(1).unwrap().credential(), Ok(None));
}

#[test]
fn what_cannot_be_read_is_known_before_anything_is_in_force() {
    let folder = folder(&[("key", "canary\u{7}"), ("ca.pem", "canary")]);
    let tls = |ca: Option<&str>, certificate: Option<&str>| Backend {
        tls: true,
        tls_options: TlsOptions {
            ca: ca.map(str::to_owned),
            certificate: certificate.map(str::to_owned),
            ..TlsOptions::default()
        },
        ..backend("a", "127.0.0.1", 9)
    };
    let proxied = Backend {
        egress: Some(EgressProxy {
            host: "proxy".into(),
            port: 3128,
            authorization: Some(SecretRef::File("key".into())),
        }),
        ..backend("a", "127.0.0.1", 9)
    };
    for (wrong, part) in [
        (with_key("a", BackendKind::Openai), "control characters"),
        (proxied, "egress proxy: the secret in the file"),
        (tls(Some("ca.pem"), None), "ca.pem cannot be used: it holds no PEM certificate"),
        (tls(Some("gone.pem"), None), "gone.pem"),
        (tls(None, Some("ca.pem")), "come together"),
    ] {
        let (name, error) = Upstreams::build(&[wrong], folder.path(), None).unwrap_err();
        let error = error.to_string();
        assert!(name == "a" && error.contains(part) && !error.contains("canary"), "{part}: {error}");
    }
}

#[tokio::test]
async fn a_rotated_key_is_presented_without_a_restart() {
    let folder = folder(&[("key", "canary-first")]);
    let upstreams = Upstreams::build(&[with_key("a", BackendKind::Openai)], folder.path(), None).unwrap();
    let upstream = upstreams.get(0).unwrap();
    assert_eq!(presented(upstream), "authorization: Bearer canary-first");
    for (text, expected) in [
        (Some("canary-second\n"), "authorization: Bearer canary-second"),
        (Some(""), "authorization: Bearer canary-second"),
        (None, "authorization: Bearer canary-second"),
        (Some("canary\u{7}"), "authorization: Bearer canary-second"),
        (Some("canary-third"), "authorization: Bearer canary-third"),
    ] {
        match text {
            Some(text) => std::fs::write(folder.path().join("key"), text).unwrap(),
            None => std::fs::remove_file(folder.path().join("key")).unwrap(),
        }
        // Refused by its backend, it is read again within a second or two; what cannot be used is not.
        upstream.credential_refused(&Clock::new(1.0));
        let settle = Instant::now() + Duration::from_millis(1500);
        let found = tended(&upstreams, "the key", || {
            let presented = presented(upstream);
            (Instant::now() >= settle).then_some(presented)
        })
        .await;
        assert_eq!(found, expected, "{text:?}");
    }
}

#[tokio::test]
async fn backends_with_the_same_identity_share_its_token_and_a_new_policy_keeps_it() {
    let service = TokenService::start(|count, _| token(&format!("canary-{count}"), 3600)).await;
    let entra = managed(service.address);
    let other = Entra { scope: "https://ml.azure.com/.default".into(), ..entra.clone() };
    let backends = [entra_backend("a", entra.clone()), entra_backend("b", entra), entra_backend("c", other)];
    let clock = Clock::new(1.0);
    let upstreams = Upstreams::build(&backends, Path::new(""), None).unwrap();
    assert!(matches!(upstreams.get(0).unwrap().credential(), Err(CredentialError::NoToken(_))));
    upstreams.prepare(&clock).await;
    let shown = |upstreams: &Upstreams| [0, 1, 2].map(|index| presented(upstreams.get(index).unwrap()));
    let before = shown(&upstreams);
    assert_eq!(before[0], before[1]);
    assert_ne!(before[0], before[2]);
    assert_eq!(service.asked().len(), 2);
    let next = Upstreams::build(&backends, Path::new(""), Some(&upstreams)).unwrap();
    next.prepare(&clock).await;
    assert_eq!(shown(&next), before);
    assert_eq!(service.asked().len(), 2, "a new policy asks for no new token");
}

#[tokio::test]
async fn a_silent_token_service_holds_a_policy_up_for_a_while_and_not_for_good() {
    let service = TokenService::start(|count, _| if count == 0 { None } else { token("canary", 3600) }).await;
    let upstreams =
        Upstreams::build(&[entra_backend("a", managed(service.address))], Path::new(""), None).unwrap();
    let began = Instant::now();
    upstreams.prepare(&Clock::new(1.0)).await;
    assert!(began.elapsed() < PREPARE_AT_MOST + Duration::from_secs(2));
    assert!(upstreams.get(0).unwrap().credential().is_err());
    tended(&upstreams, "a token", || upstreams.get(0).unwrap().credential().ok()).await;
}

#[tokio::test]
async fn behind_a_proxy_only_the_proxys_name_is_resolved() {
    let egress = Some(EgressProxy { host: "localhost".into(), port: 3128, authorization: None });
    // RFC 6761 §6.4: this name never resolves.
    let proxied = Backend { egress, ..backend("a", "model.invalid", 443) };
    let upstreams = Upstreams::build(&[proxied], Path::new(""), None).unwrap();
    upstreams.prepare(&Clock::new(1.0)).await;
    let upstream = upstreams.get(0).unwrap();
    let address = upstream.address().unwrap();
    assert!(address.ip().is_loopback() && address.port() == 3128, "{address}");
    let tunnel = upstream.tunnel(&upstream.transport()).unwrap();
    assert_eq!((tunnel.host.as_str(), tunnel.port), ("model.invalid", 443));
}
