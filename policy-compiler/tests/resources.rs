//! Secrets and certificates that a policy refers to, checked against an environment and files at hand.
#![expect(clippy::expect_used, reason = "a broken test environment is best shown by a panic")]

use std::io;
use std::path::{Path, PathBuf};

use policy_compiler::{Code, Finding, Source, Style, check_resources, compile, expired_prices, render};

const MANIFEST: &str = r#"
apiVersion: sluicegate/v1
listeners:
  tls: {address: 127.0.0.1:8443, tls: {certificate: {file: gw.pem}, key: {file: /keys/gw.key}}}
admin: {token: {env: ADMIN_TOKEN}}
identities:
  vllm: {apiKey: {file: vllm.key}}
backends:
  vllm: {kind: vllm, url: "http://127.0.0.1:8000", auth: vllm, models: {m: {}}}
pools: {all: {members: [vllm]}}
routes: {all: {match: {path: /v1/*}, pool: all}}
telemetry: {otlp: {endpoint: "http://127.0.0.1:4317", headers: {authorization: {env: OTLP_AUTH}}}}
"#;

const CERTIFICATE: &str = "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n";
const KEY: &str = "-----BEGIN EC PRIVATE KEY-----\nMHcC\n-----END EC PRIVATE KEY-----\n";

struct World {
    env: Vec<(&'static str, &'static str)>,
    files: Vec<(PathBuf, Vec<u8>)>,
}

impl World {
    fn whole() -> Self {
        Self {
            env: vec![("ADMIN_TOKEN", "t"), ("OTLP_AUTH", "a")],
            files: vec![
                ("/etc/sluicegate/gw.pem".into(), CERTIFICATE.into()),
                ("/keys/gw.key".into(), KEY.into()),
                ("/etc/sluicegate/vllm.key".into(), b"k\n".into()),
            ],
        }
    }

    fn set(mut self, path: &str, content: &[u8]) -> Self {
        self.files.retain(|(at, _)| at != Path::new(path));
        self.files.push((path.into(), content.into()));
        self
    }

    fn without(mut self, name: &str) -> Self {
        self.env.retain(|(at, _)| *at != name);
        self.files.retain(|(at, _)| at != Path::new(name));
        self
    }

    fn findings(&self) -> Vec<Finding> {
        self.findings_of(MANIFEST)
    }

    fn findings_of(&self, manifest: &str) -> Vec<Finding> {
        let outcome = compile(&Source::new("gateway.yaml", manifest));
        let bundle = outcome.bundle.as_ref().expect("a sound manifest");
        let env =
            |name: &str| self.env.iter().find(|(at, _)| *at == name).map(|(_, value)| (*value).to_owned());
        let read = |path: &Path| {
            let found = self.files.iter().find(|(at, _)| at == path).map(|(_, content)| content.clone());
            found.ok_or_else(|| io::Error::from(io::ErrorKind::NotFound))
        };
        outcome.locate(check_resources(bundle.policy(), Path::new("/etc/sluicegate"), env, read))
    }
}

fn only(findings: &[Finding]) -> &Finding {
    assert_eq!(findings.len(), 1, "{findings:?}");
    findings.first().expect("one finding")
}

#[test]
fn nothing_is_found_where_everything_is_there() {
    assert_eq!(World::whole().findings(), []);
}

#[test]
fn a_variable_that_is_not_set_is_named_at_its_field() {
    let findings = World::whole().without("OTLP_AUTH").findings();
    let finding = only(&findings);
    assert_eq!(finding.code, Code::MissingEnv);
    assert_eq!(finding.path, ["telemetry", "otlp", "headers", "authorization"]);
    let text = render(&findings, &Source::new("gateway.yaml", MANIFEST), Style::Plain);
    assert!(text.contains("gateway.yaml:12:65"), "{text}");
}

#[test]
fn a_file_that_is_missing_or_empty_is_named_with_where_it_was_looked_for() {
    let missing = World::whole().without("/etc/sluicegate/vllm.key").findings();
    assert_eq!(only(&missing).code, Code::UnreadableFile);
    assert!(only(&missing).help.as_ref().is_some_and(|help| help.contains("/etc/sluicegate/vllm.key")));
    let empty = World::whole().set("/etc/sluicegate/vllm.key", b"\n").findings();
    assert_eq!(only(&empty).message, "`vllm.key` cannot be read: it is empty");
}

#[test]
fn a_certificate_is_not_a_key_and_der_is_not_pem() {
    let swapped = World::whole().set("/keys/gw.key", CERTIFICATE.as_bytes()).findings();
    assert_eq!(only(&swapped).code, Code::NotPem);
    assert_eq!(only(&swapped).path, ["listeners", "tls", "tls", "key", "file"]);
    let der = World::whole().set("/etc/sluicegate/gw.pem", &[0x30, 0x82, 0xff]).findings();
    assert!(only(&der).help.as_ref().is_some_and(|help| help.contains("-inform der")));
}

#[test]
fn what_a_way_in_to_a_backend_needs_is_looked_for_at_its_field() {
    const WAYS_IN: &str = r#"
apiVersion: sluicegate/v1
listeners: {local: {address: 127.0.0.1:8080}}
identities:
  pod: {workloadIdentity: {tokenFile: token}}
backends:
  swe:
    kind: azure-openai
    url: https://corp-swe.openai.azure.com
    auth: pod
    deployments: {std: {model: gpt-4o}}
    tls: {ca: {file: ca.pem}, clientCertificate: {certificate: {file: gw.pem}, key: {file: ca.pem}}}
    egressProxy: {url: "http://proxy.corp:3128", authorization: {env: PROXY_AUTHORIZATION}}
pools: {all: {members: [swe]}}
routes: {all: {match: {path: /v1/*}, pool: all}}
"#;
    let world = World {
        env: vec![("AZURE_TENANT_ID", "t")],
        files: vec![("/etc/sluicegate/ca.pem".into(), CERTIFICATE.into())],
    };
    let found: Vec<(Code, String)> = world
        .findings_of(WAYS_IN)
        .into_iter()
        .map(|finding| (finding.code, finding.path.join(".")))
        .collect();
    let at = |code, path: &str| (code, path.to_owned());
    assert_eq!(
        found,
        [
            // AZURE_CLIENT_ID, then the token.
            at(Code::MissingEnv, "backends.swe.auth"),
            at(Code::UnreadableFile, "backends.swe.auth"),
            at(Code::MissingEnv, "backends.swe.egressProxy.authorization"),
            at(Code::UnreadableFile, "backends.swe.tls.clientCertificate.certificate.file"),
            at(Code::NotPem, "backends.swe.tls.clientCertificate.key.file"),
        ]
    );
}

#[test]
fn everything_a_door_reads_is_looked_for_at_its_field() {
    const DOORS: &str = r#"
apiVersion: sluicegate/v1
listeners:
  tls:
    address: 127.0.0.1:8443
    tls:
      certificate: {file: gw.pem}
      key: {file: /keys/gw.key}
      names: {api.example.com: {certificate: {file: api.pem}, key: {file: api.key}}}
      clients: {authorities: {file: clients.pem}, crl: {file: revoked.pem}}
countries: {file: geo.mmdb}
access: {home: {countries: {allow: [SE]}}}
backends:
  vllm: {kind: vllm, url: "http://127.0.0.1:8000", models: {m: {}}}
pools: {all: {members: [vllm]}}
routes: {all: {match: {path: /v1/*}, pool: all, access: [home]}}
"#;
    let at = |name: &str| format!("/etc/sluicegate/{name}");
    let list = b"-----BEGIN X509 CRL-----\nMIIB\n-----END X509 CRL-----\n";
    let whole = || {
        World::whole()
            .set(&at("api.pem"), CERTIFICATE.as_bytes())
            .set(&at("api.key"), KEY.as_bytes())
            .set(&at("clients.pem"), CERTIFICATE.as_bytes())
            .set(&at("revoked.pem"), list)
            .set(&at("geo.mmdb"), b"x")
    };
    assert_eq!(whole().findings_of(DOORS), []);
    let tls = ["listeners", "tls", "tls"];
    let names = [&tls[..], &["names", "api.example.com"]].concat();
    let clients = [&tls[..], &["clients"]].concat();
    for (file, path) in [
        ("api.pem", [&names[..], &["certificate", "file"]].concat()),
        ("api.key", [&names[..], &["key", "file"]].concat()),
        ("clients.pem", [&clients[..], &["authorities", "file"]].concat()),
        ("revoked.pem", [&clients[..], &["crl", "file"]].concat()),
        ("geo.mmdb", vec!["countries", "file"]),
    ] {
        let missing = whole().without(&at(file)).findings_of(DOORS);
        assert_eq!(
            (only(&missing).code, &only(&missing).path[..]),
            (Code::UnreadableFile, &path[..].iter().map(|part| (*part).to_owned()).collect::<Vec<_>>()[..]),
            "{file}"
        );
    }
    for (file, content) in [("clients.pem", &list[..]), ("revoked.pem", CERTIFICATE.as_bytes())] {
        let swapped = whole().set(&at(file), content).findings_of(DOORS);
        assert_eq!(only(&swapped).code, Code::NotPem, "{file}");
    }
}

#[test]
fn a_price_is_out_of_date_from_the_day_it_is_known_until() {
    let priced = MANIFEST.replace(
        "models: {m: {}}",
        "models: {m: {price: {input: 1 USD/1M, output: 1 USD/1M, until: 2027-01-01}}}",
    );
    let source = Source::new("gateway.yaml", &priced);
    let outcome = compile(&source);
    let bundle = outcome.bundle.as_ref().expect("a sound manifest");
    let on = |day: &str| {
        let day = day.parse().expect("a date");
        outcome.locate(expired_prices(bundle.policy(), day))
    };
    assert_eq!(on("2026-12-31"), []);
    let findings = on("2027-01-01");
    assert_eq!(only(&findings).code, Code::PriceExpired);
    let shown = render(&findings, &source, Style::Plain);
    assert!(shown.contains("gateway.yaml:9:") && shown.contains("until"), "{shown}");
}
