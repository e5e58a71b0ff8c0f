//! Examples of the repository, made to run here. It owns what has to be another for that: addresses, secrets,
//! certificates and keys; it refuses to change what an example decides.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use policy_compiler::{Source, compile};
use serde_json::{Map, Value, json};
use tempfile::TempDir;

use crate::gateway::{Settings, TestGateway};
use crate::manifest::{Manifest, sha256};
use crate::tls::Authority;

/// An example with the authority of its certificates and the folder it is to run in.
#[derive(Debug)]
pub struct Example {
    /// What is run; tests may narrow a limit so that few requests reach it.
    pub manifest: Manifest,
    /// Signs the certificate of each listener that has one, and may sign those of callers.
    pub authority: Authority,
    folder: TempDir,
}

impl Example {
    /// Reads `examples/<name>.yaml`. Listeners get free ports of this machine and certificates of
    /// [`Example::authority`], load balancers stand on this machine, identities become keys in files, the
    /// consumer `x` gets the one key `sk-x` if it has any, and the access log lies where
    /// [`TestGateway::access_log`] looks. Backends stay as they are until [`Example::backend`] moves them.
    #[must_use]
    pub fn read(name: &str) -> Self {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples").join(format!("{name}.yaml"));
        let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{name}: {error}"));
        let outcome = compile(&Source::new(name, text));
        assert!(outcome.findings.is_empty(), "{name}: {:?}", outcome.findings);
        let mut document = outcome.document.expect("a tree").root.to_json();
        let folder = tempfile::tempdir().expect("a folder");
        let authority = Authority::new();
        authority.sign().write(folder.path());
        std::fs::write(folder.path().join("ca.pem"), authority.pem()).expect("a file");
        each(&mut document, "listeners", listen_here);
        each(&mut document, "identities", |name, identity| {
            std::fs::write(folder.path().join(name), format!("secret-of-{name}")).expect("a file");
            *identity = json!({"apiKey": {"file": name}});
        });
        each(&mut document, "consumers", |name, consumer| {
            if let Some(keys) = consumer.get_mut("keys") {
                *keys = json!({"only": {"sha256": sha256(&format!("sk-{name}"))}});
            }
        });
        let manifest = Manifest::of(document)
            .set("/admin", json!({"address": "127.0.0.1:0"}))
            .set("/telemetry/accessLog", json!({"file": "access.jsonl"}))
            .set("/telemetry/traceSampling", "100%");
        Self { manifest, authority, folder }
    }

    /// Puts the backend `name` at an address of this machine.
    ///
    /// # Panics
    /// Where the example has no such backend.
    #[must_use]
    pub fn backend(self, name: &str, address: SocketAddr) -> Self {
        let pointer = format!("/backends/{name}/url");
        assert!(self.manifest.get(&pointer).is_some(), "no backend {name}");
        self.set(&pointer, format!("http://{address}"))
    }

    /// Puts every backend at one address of this machine.
    #[must_use]
    pub fn all_backends(self, address: SocketAddr) -> Self {
        let backends = self.manifest.get("/backends").and_then(Value::as_object);
        let names: Vec<String> = backends.into_iter().flat_map(Map::keys).cloned().collect();
        names.iter().fold(self, |example, name| example.backend(name, address))
    }

    /// Sets what `pointer` leads to.
    #[must_use]
    pub fn set(mut self, pointer: &str, value: impl Into<Value>) -> Self {
        self.manifest = self.manifest.set(pointer, value);
        self
    }

    /// Runs it. The folder, and so the example, has to outlive the gateway.
    pub async fn start(&self) -> TestGateway {
        let folder: PathBuf = self.folder.path().to_owned();
        let settings = Settings { folder: Some(folder), ..Settings::default() };
        let started = TestGateway::start_with(&self.manifest, settings).await;
        started.unwrap_or_else(|error| panic!("{error}: {error:?}"))
    }
}

fn listen_here(_name: &str, listener: &mut Value) {
    listener["address"] = "127.0.0.1:0".into();
    if let Some(balancers) = listener.get_mut("proxyProtocol") {
        balancers["from"] = json!(["127.0.0.0/8"]);
    }
    if let Some(tls) = listener.get_mut("tls") {
        tls["certificate"]["file"] = "certificate.pem".into();
        tls["key"]["file"] = "key.pem".into();
        if let Some(clients) = tls.get_mut("clients") {
            clients["authorities"]["file"] = "ca.pem".into();
        }
    }
}

fn each(document: &mut Value, section: &str, mut change: impl FnMut(&str, &mut Value)) {
    if let Some(Value::Object(entries)) = document.get_mut(section) {
        for (name, entry) in entries {
            change(name, entry);
        }
    }
}
