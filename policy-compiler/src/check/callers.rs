//! Callers can be told apart, and whoever vouches for them can be asked: issuers, credentials, administrators.

use std::collections::BTreeMap;

use super::Context;
use crate::diagnostics::{Code, Finding};
use crate::manifest::{Credential, KeySet};
use crate::resolve::{UrlFault, endpoint, is_loopback};

pub(super) fn check(context: &Context<'_>) -> Vec<Finding> {
    let mut findings = repeated_issuers(context);
    findings.extend(places_of_keys(context));
    findings.extend(shared_credentials(context));
    findings.extend(certificates_without_tls(context));
    findings.extend(shared_admin_tokens(context));
    findings
}

/// A token says who made it and no more: one of two entries with that name would never be asked.
fn repeated_issuers(context: &Context<'_>) -> Vec<Finding> {
    let mut seen: BTreeMap<&str, &str> = BTreeMap::new();
    let mut findings = Vec::new();
    for (name, issuer) in &context.manifest.issuers {
        let Some(other) = seen.insert(&issuer.issuer, name) else { continue };
        let message = format!("issuers `{other}` and `{name}` are the same");
        findings.push(
            Finding::new(Code::RepeatedIssuer, message)
                .at_value(context.document, &["issuers", name, "issuer"], "again here")
                .also(context.document.value_span(&["issuers", other, "issuer"]), "first here")
                .help("make them one, with all of their audiences"),
        );
    }
    findings
}

/// Whoever can change an answer with keys can make tokens, so the way there is encrypted.
fn places_of_keys(context: &Context<'_>) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (name, issuer) in &context.manifest.issuers {
        let (text, path) = match &issuer.keys {
            KeySet::Discovery => (&issuer.issuer, ["issuers", name, "issuer"].to_vec()),
            KeySet::Url(url) => (url, ["issuers", name, "keys", "url"].to_vec()),
            KeySet::File(_) => continue,
        };
        let (what, help) = match endpoint(text) {
            Ok(url) if url.tls || is_loopback(&url.host) => continue,
            Ok(_) => ("whoever is on the way could put keys of their own there", "begin with `https://`"),
            Err(UrlFault::Malformed(what, help)) => (what, help),
            Err(UrlFault::Credentials) => {
                let message = format!("`{}` carries credentials", path.join("."));
                let span = context.document.value_span(&path);
                let finding = Finding::new(Code::InlineSecret, message);
                let finding = finding.at_value(context.document, &path, "not shown").redacting(span);
                findings.push(finding.help("remove `user:password@`"));
                continue;
            }
        };
        let message = format!("the keys of issuer `{name}` cannot be fetched: {what}");
        let finding = Finding::new(Code::UnusableKeySet, message);
        findings.push(finding.at_value(context.document, &path, "").help(help));
    }
    findings
}

fn shared_credentials(context: &Context<'_>) -> Vec<Finding> {
    let mut owners: BTreeMap<String, (&str, String)> = BTreeMap::new();
    let mut findings = Vec::new();
    for (consumer, definition) in &context.manifest.consumers {
        for (index, credential) in definition.credentials.iter().enumerate() {
            let identity = match credential {
                Credential::Certificate(name) => format!("certificate {name}"),
                Credential::Token(token) => format!("token {} {}", token.issuer, token.subject),
            };
            let index = index.to_string();
            let Some((other, other_index)) = owners.insert(identity, (consumer, index.clone())) else {
                continue;
            };
            let path = ["consumers", consumer, "credentials", &index];
            let span = context.document.value_span(&["consumers", other, "credentials", &other_index]);
            let message = if other == consumer {
                format!("consumer `{consumer}` has the same credential twice")
            } else {
                format!("consumers `{other}` and `{consumer}` have the same credential")
            };
            findings.push(
                Finding::new(Code::SharedCredential, message)
                    .at_value(context.document, &path, "again here")
                    .also(span, "first here")
                    .help("leave it to one of them, once"),
            );
        }
    }
    findings
}

fn certificates_without_tls(context: &Context<'_>) -> Option<Finding> {
    let admin = context.manifest.admin.as_ref()?;
    let asked = admin.tls.as_ref().is_some_and(|tls| tls.clients.is_some());
    if admin.certificates.is_empty() || asked {
        return None;
    }
    let message = "administrators are known by certificates that nobody asks them for";
    let finding = Finding::new(Code::UnaskedCertificate, message);
    Some(
        finding
            .at_key(context.document, &["admin", "certificates"], "never seen")
            .help("add `tls: {certificate: …, key: …, clients: {file: …}}` to `admin`"),
    )
}

/// The audit log names tokens, so each is one.
fn shared_admin_tokens(context: &Context<'_>) -> Vec<Finding> {
    let mut owners: BTreeMap<&str, &str> = BTreeMap::new();
    let mut findings = Vec::new();
    let tokens = context.manifest.admin.iter().flat_map(|admin| &admin.tokens);
    for (name, token) in tokens {
        let Some(other) = owners.insert(&token.sha256.0, name) else { continue };
        let path = |name| ["admin", "tokens", name, "sha256"];
        findings.push(
            Finding::new(Code::SharedAdminToken, format!("admin tokens `{other}` and `{name}` are the same"))
                .at_value(context.document, &path(name), format!("`{name}`"))
                .also(context.document.value_span(&path(other)), format!("`{other}`"))
                .help("make one for each of them with `sluicegate key`"),
        );
    }
    findings
}
