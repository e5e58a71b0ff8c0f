//! What a policy refers to is there: environment variables, secret files, certificates. It owns these
//! checks, with environment and files handed in; it refuses to keep or show what it reads.

use std::collections::BTreeSet;
use std::io;
use std::path::Path;

use rule_table::{Backend, Credential, EntraSource, KeySet, Listener, Policy, SecretRef, Setting};

use crate::diagnostics::{Code, Finding};

/// Checks every secret and certificate of a policy.
///
/// Relative paths are under `base_dir`, the manifest's directory. `env` gives a variable's value, and
/// `read` a file's content. Findings name their field; `Outcome::locate` adds the place in the text.
#[must_use]
pub fn check_resources(
    policy: &Policy,
    base_dir: &Path,
    env: impl Fn(&str) -> Option<String>,
    read: impl Fn(&Path) -> io::Result<Vec<u8>>,
) -> Vec<Finding> {
    let resources = Resources { base_dir, env, read };
    let mut findings = resources.doors(policy);
    let mut seen = BTreeSet::new();
    let mut secret = |reference: &SecretRef, path: &[&str]| {
        if seen.insert(format!("{reference:?}")) {
            findings.extend(resources.secret(reference, path));
        }
    };
    if let Some(token) = policy.admin.as_ref().and_then(|admin| admin.token.as_ref()) {
        secret(token, &["admin", "token"]);
    }
    for backend in &policy.backends {
        let path = |field| ["backends", backend.name.as_str(), field];
        if let Some(auth) = backend.auth.as_ref().and_then(Credential::secret) {
            secret(auth, &path("auth"));
        }
        for setting in backend.auth.as_ref().map(settings).unwrap_or_default() {
            secret(&setting, &path("auth"));
        }
        if let Some(authorization) = backend.egress.as_ref().and_then(|egress| egress.authorization.as_ref())
        {
            secret(authorization, &["backends", &backend.name, "egressProxy", "authorization"]);
        }
    }
    if let Some(auth) = policy.store.shared.as_ref().and_then(|shared| shared.auth.as_ref()) {
        secret(auth, &["store", "shared", "redis", "auth"]);
    }
    for hook in &policy.hooks {
        if let Some((_, value)) = &hook.header {
            secret(value, &["hooks", &hook.name, "header", "value"]);
        }
    }
    for (name, value) in policy.telemetry.otlp.iter().flat_map(|otlp| &otlp.headers) {
        secret(value, &["telemetry", "otlp", "headers", name]);
    }
    for backend in &policy.backends {
        findings.extend(resources.backend_tls(backend));
    }
    findings
}

/// What besides the secret itself an identity needs to read, and where from.
fn settings(credential: &Credential) -> Vec<SecretRef> {
    let Credential::Entra(entra) = credential else { return Vec::new() };
    let kept = |setting: &Setting| match setting {
        Setting::Literal(_) => None,
        Setting::Env(name) => Some(SecretRef::Env(name.clone())),
        Setting::File(path) => Some(SecretRef::File(path.clone())),
    };
    match &entra.source {
        EntraSource::ManagedIdentity { client_id, .. } => client_id.iter().filter_map(kept).collect(),
        EntraSource::WorkloadFederation { tenant, client_id, token_file } => {
            let token = SecretRef::File(token_file.clone());
            [tenant, client_id].into_iter().filter_map(kept).chain([token]).collect()
        }
        EntraSource::ClientSecret { tenant, client_id, .. } => {
            [tenant, client_id].into_iter().filter_map(kept).collect()
        }
    }
}

struct Resources<'b, E, R> {
    base_dir: &'b Path,
    env: E,
    read: R,
}

impl<E, R> Resources<'_, E, R>
where
    E: Fn(&str) -> Option<String>,
    R: Fn(&Path) -> io::Result<Vec<u8>>,
{
    /// What lets callers and operators in: certificates, authorities, countries, keys of issuers.
    fn doors(&self, policy: &Policy) -> Vec<Finding> {
        let mut findings: Vec<Finding> =
            policy.listeners.iter().flat_map(|listener| self.listener_tls(listener)).collect();
        if let Some(file) = &policy.countries {
            findings.extend(self.content(file, &["countries", "file"]).err().map(|finding| *finding));
        }
        if let Some(tls) = policy.admin.as_ref().and_then(|admin| admin.tls.as_ref()) {
            let path = |field| ["admin", "tls", field, "file"];
            findings.extend(self.pem(&tls.certificate, &path("certificate"), "CERTIFICATE-----"));
            findings.extend(self.pem(&tls.key, &path("key"), "PRIVATE KEY-----"));
        }
        if let Some(clients) = policy.admin.as_ref().and_then(|admin| admin.clients.as_ref()) {
            let path = ["admin", "tls", "clients", "file"];
            findings.extend(self.pem(&clients.authorities, &path, "CERTIFICATE-----"));
        }
        for issuer in &policy.issuers {
            if let KeySet::File(file) = &issuer.keys {
                let path = ["issuers", issuer.name.as_str(), "keys", "file"];
                findings.extend(self.content(file, &path).err().map(|finding| *finding));
            }
        }
        findings
    }

    fn listener_tls(&self, listener: &Listener) -> Vec<Finding> {
        let Some(tls) = &listener.tls else { return Vec::new() };
        let own = ["listeners", listener.name.as_str(), "tls"];
        let mut findings = Vec::new();
        let mut pair = |certificate: &str, key: &str, at: &[&str]| {
            let path = |field| [&own[..], at, &[field, "file"]].concat();
            findings.extend(self.pem(certificate, &path("certificate"), "CERTIFICATE-----"));
            findings.extend(self.pem(key, &path("key"), "PRIVATE KEY-----"));
        };
        pair(&tls.certificate, &tls.key, &[]);
        for named in &tls.names {
            pair(&named.certificate, &named.key, &["names", &named.host]);
        }
        if let Some(clients) = &tls.clients {
            let path = [&own[..], &["clients", "authorities", "file"]].concat();
            findings.extend(self.pem(&clients.authorities, &path, "CERTIFICATE-----"));
            if let Some(crl) = &clients.crl {
                let path = [&own[..], &["clients", "crl", "file"]].concat();
                findings.extend(self.pem(crl, &path, "X509 CRL-----"));
            }
        }
        findings
    }

    fn secret(&self, reference: &SecretRef, path: &[&str]) -> Option<Finding> {
        match reference {
            SecretRef::Env(name) => {
                if (self.env)(name).is_some_and(|value| !value.trim().is_empty()) {
                    return None;
                }
                let message = format!("the environment variable `{name}` is not set or empty");
                let help = format!("set it for the gateway's process: `export {name}=…`, or refer to a file");
                Some(Finding::new(Code::MissingEnv, message).about(path).help(help))
            }
            SecretRef::File(file) => match self.content(file, path) {
                Err(finding) => Some(*finding),
                Ok(content) if content.trim_ascii().is_empty() => {
                    Some(self.unreadable(file, "it is empty", path))
                }
                Ok(_) => None,
            },
        }
    }

    fn backend_tls(&self, backend: &Backend) -> Vec<Finding> {
        let tls = &backend.tls_options;
        let own = ["backends", backend.name.as_str(), "tls"];
        let files = [
            (&tls.ca, &["ca", "file"][..], "CERTIFICATE-----"),
            (&tls.certificate, &["clientCertificate", "certificate", "file"], "CERTIFICATE-----"),
            (&tls.key, &["clientCertificate", "key", "file"], "PRIVATE KEY-----"),
        ];
        let check = |(file, field, marker): &(&Option<String>, &[&str], &str)| {
            self.pem(file.as_ref()?, &[&own[..], field].concat(), marker)
        };
        files.iter().filter_map(check).collect()
    }

    fn pem(&self, file: &str, path: &[&str], marker: &str) -> Option<Finding> {
        let content = match self.content(file, path) {
            Ok(content) => content,
            Err(finding) => return Some(*finding),
        };
        let text = String::from_utf8_lossy(&content);
        if text.lines().any(|line| line.starts_with("-----BEGIN ") && line.trim_end().ends_with(marker)) {
            return None;
        }
        let kind = if marker.starts_with("CERT") { "certificate" } else { "private key" };
        let help = if content.first() == Some(&0x30) {
            "this looks like DER: convert it with `openssl x509` or `openssl pkey`, each with `-inform der`"
                .to_owned()
        } else {
            format!("expected a line `-----BEGIN …{marker}`")
        };
        let message = format!("`{file}` holds no {kind} in PEM form");
        Some(Finding::new(Code::NotPem, message).about(path).help(help))
    }

    fn content(&self, file: &str, path: &[&str]) -> Result<Vec<u8>, Box<Finding>> {
        (self.read)(&self.base_dir.join(file))
            .map_err(|error| Box::new(self.unreadable(file, &error.to_string(), path)))
    }

    fn unreadable(&self, file: &str, why: &str, path: &[&str]) -> Finding {
        let full = self.base_dir.join(file);
        Finding::new(Code::UnreadableFile, format!("`{file}` cannot be read: {why}"))
            .about(path)
            .help(format!("looked at `{}`; paths are relative to the manifest", full.display()))
    }
}
