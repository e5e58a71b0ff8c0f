//! Identities can be presented: headers that can be sent, sign-in services that can be trusted, and tokens
//! that mean something to whom they are sent.

use super::Context;
use crate::diagnostics::{Code, Finding};
use crate::manifest::{BackendKind, Identity};
use crate::resolve::{Reserved, UrlFault, endpoint, header_fault, is_loopback, reserved};

pub(super) fn check(context: &Context<'_>) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (name, identity) in &context.manifest.identities {
        match identity {
            Identity::ApiKey(_) => {}
            Identity::Header(header) => findings.extend(header_name(context, name, &header.name)),
            Identity::ManagedIdentity(managed) => {
                let path = ["identities", name, "managedIdentity", "endpoint"];
                findings
                    .extend(managed.endpoint.as_deref().and_then(|url| service(context, &path, url, false)));
            }
            Identity::WorkloadIdentity(workload) => {
                let path = ["identities", name, "workloadIdentity", "authority"];
                findings.extend(service(context, &path, &workload.authority.0, true));
            }
            Identity::ClientSecret(application) => {
                let path = ["identities", name, "clientSecret", "authority"];
                findings.extend(service(context, &path, &application.authority.0, true));
            }
        }
    }
    findings.extend(not_understood(context));
    findings
}

fn header_name(context: &Context<'_>, identity: &str, name: &str) -> Option<Finding> {
    let path = ["identities", identity, "header", "name"];
    if let Some((what, help)) = header_fault(name, "*") {
        let message = format!("the header of identity `{identity}` cannot be sent: {what}");
        return Some(
            Finding::new(Code::MalformedHeader, message).at_value(context.document, &path, "").help(help),
        );
    }
    let why = reserved(name).filter(|why| *why != Reserved::Credential)?.because();
    let message = format!("identity `{identity}` cannot be the header `{name}`, which {why}");
    let finding = Finding::new(Code::ReservedHeader, message);
    Some(
        finding
            .at_value(context.document, &path, "carries no credential")
            .help("write the header that the backend reads its credential from, such as `authorization`"),
    )
}

/// Secrets are sent to a sign-in service, so the way there is encrypted; the metadata service is a
/// link-local address that has no certificate.
fn service(context: &Context<'_>, path: &[&str], text: &str, encrypted: bool) -> Option<Finding> {
    let field = path.join(".");
    let malformed = |what: &str, help: &str| {
        let message = format!("`{field}` cannot be used: {what}");
        Some(Finding::new(Code::MalformedUrl, message).at_value(context.document, path, "").help(help))
    };
    match endpoint(text) {
        Err(UrlFault::Malformed(what, help)) => malformed(what, help),
        Err(UrlFault::Credentials) => {
            let span = context.document.value_span(path);
            let finding = Finding::new(Code::InlineSecret, format!("`{field}` carries credentials"));
            let help = "remove `user:password@`";
            Some(finding.at_value(context.document, path, "not shown").redacting(span).help(help))
        }
        Ok(url) if encrypted && !url.tls && !is_loopback(&url.host) => {
            malformed("secrets would be sent to it unencrypted", "begin with `https://`")
        }
        Ok(_) => None,
    }
}

fn not_understood(context: &Context<'_>) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (name, backend) in &context.manifest.backends {
        let Some(identity) = backend.auth.as_ref() else { continue };
        let entra = context.manifest.identities.get(identity).is_some_and(|known| known.scope().is_some());
        let of_azure = matches!(
            backend.kind,
            BackendKind::AzureOpenai | BackendKind::AzureCognitive | BackendKind::AzureMl | BackendKind::Http
        );
        // Azure hosts other makers' models behind their own APIs.
        let in_azure =
            endpoint(&backend.url).is_ok_and(|url| url.host.contains(".azure.") || is_loopback(&url.host));
        if !entra || of_azure || in_azure {
            continue;
        }
        let kind = backend.kind.name();
        let message =
            format!("backend `{name}` of kind `{kind}` has no use for a token of Microsoft Entra ID");
        findings.push(
            Finding::new(Code::UselessEntra, message)
                .at_value(context.document, &["backends", name, "auth"], "a token for Azure")
                .also(context.document.value_span(&["backends", name, "kind"]), "the kind")
                .help("refer to an identity with the backend's own key, such as `apiKey: {env: NAME}`"),
        );
    }
    findings
}
