//! The way to a backend: TLS options have TLS, an egress proxy leads out, timeouts are in order, and the
//! idempotency header is one that can be sent.

use std::net::IpAddr;

use super::Context;
use crate::diagnostics::{Code, Finding, Witness};
use crate::manifest::{Backend, EgressProxy};
use crate::resolve::{
    Endpoint, UrlFault, address, endpoint, header_fault, is_host_name, is_loopback, reserved,
};

pub(super) fn check(context: &Context<'_>) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (name, backend) in &context.manifest.backends {
        findings.extend(tls(context, name, backend));
        findings.extend(nameless(context, name, backend));
        findings.extend(timeouts(context, name, backend));
        findings.extend(idempotency(context, name, backend));
        if let Some(proxy) = &backend.egress_proxy {
            findings.extend(egress(context, name, backend, proxy));
        }
    }
    findings
}

fn tls(context: &Context<'_>, name: &str, backend: &Backend) -> Vec<Finding> {
    let Some(tls) = &backend.tls else { return Vec::new() };
    let mut findings = Vec::new();
    if endpoint(&backend.url).is_ok_and(|url| !url.tls) {
        let message = format!("backend `{name}` has TLS options, but is reached without TLS");
        findings.push(
            Finding::new(Code::TlsOnPlainUrl, message)
                .at_key(context.document, &["backends", name, "tls"], "has no effect")
                .also(context.document.value_span(&["backends", name, "url"]), "not encrypted")
                .help("write `https://`, or remove `tls`"),
        );
    }
    let is_name = |text: &str| is_host_name(text) || text.parse::<IpAddr>().is_ok();
    if tls.server_name.as_deref().is_some_and(|text| !is_name(text)) {
        findings.push(
            Finding::new(Code::MalformedHost, format!("`serverName` of backend `{name}` is not a host name"))
                .at_value(context.document, &["backends", name, "tls", "serverName"], "")
                .help("write the name alone, without scheme, port and wildcard"),
        );
    }
    findings
}

/// TLS to a bare address: certificates rarely name one, so that a stand-in name is soon trusted instead.
fn nameless(context: &Context<'_>, name: &str, backend: &Backend) -> Option<Finding> {
    let url = endpoint(&backend.url).ok()?;
    let stated = backend.tls.as_ref().is_some_and(|tls| tls.server_name.is_some());
    let literal = url.host.trim_start_matches('[').trim_end_matches(']');
    let ip = literal.parse::<IpAddr>().ok().filter(|_| url.tls && !stated)?;
    let message = format!("no name is verified of backend `{name}`, which is reached by the address {ip}");
    let finding = Finding::new(Code::NamelessTls, message);
    let finding = finding.at_value(context.document, &["backends", name, "url"], "an address");
    let finding = finding.witness(Witness::values([("certificate for", ip.to_string())]));
    Some(
        finding.help(
            "write the host's name in `url`, or state `tls: {serverName: …}` as its certificate has it",
        ),
    )
}

fn timeouts(context: &Context<'_>, name: &str, backend: &Backend) -> Option<Finding> {
    let timeouts = &backend.timeouts;
    let first_byte = timeouts.first_byte?.0;
    let first_token = timeouts.first_token.0;
    if first_byte <= first_token {
        return None;
    }
    let path = |field| ["backends", name, "timeouts", field];
    let message = format!(
        "`firstByte` of backend `{name}` ({first_byte}) is longer than its `firstToken` ({first_token})"
    );
    let finding = Finding::new(Code::LateFirstByte, message);
    let finding = finding.at_value(context.document, &path("firstByte"), "never passes");
    let finding = finding.also(context.document.value_span(&path("firstToken")), "passes before it");
    Some(finding.help("make `firstByte` the shorter one, or leave it out"))
}

fn idempotency(context: &Context<'_>, name: &str, backend: &Backend) -> Option<Finding> {
    let header = backend.idempotency_header.as_deref()?;
    let path = ["backends", name, "idempotencyHeader"];
    if let Some((what, help)) = header_fault(header, "*") {
        let message = format!("the idempotency header of backend `{name}` cannot be sent: {what}");
        return Some(
            Finding::new(Code::MalformedHeader, message).at_value(context.document, &path, "").help(help),
        );
    }
    let why = reserved(header)?.because();
    let message = format!("the idempotency header of backend `{name}` cannot be `{header}`, which {why}");
    let finding = Finding::new(Code::ReservedHeader, message);
    Some(finding.at_value(context.document, &path, "reserved").help("write for example `idempotency-key`"))
}

fn egress(context: &Context<'_>, name: &str, backend: &Backend, proxy: &EgressProxy) -> Option<Finding> {
    let path = ["backends", name, "egressProxy", "url"];
    let malformed = |what: &str, help: &str| {
        let message = format!("the egress proxy of backend `{name}` cannot be used: {what}");
        Some(Finding::new(Code::MalformedUrl, message).at_value(context.document, &path, "").help(help))
    };
    let url = match endpoint(&proxy.url) {
        Ok(url) => url,
        Err(UrlFault::Malformed(what, help)) => return malformed(what, help),
        Err(UrlFault::Credentials) => {
            let message = format!("the egress proxy of backend `{name}` carries credentials in its URL");
            let help = "remove `user:password@` and refer to the header: `authorization: {env: PROXY_AUTHORIZATION}`";
            return Some(
                Finding::new(Code::InlineSecret, message)
                    .at_value(context.document, &path, "not shown")
                    .redacting(context.document.value_span(&path))
                    .help(help),
            );
        }
    };
    if url.tls {
        return malformed(
            "the way to a proxy is not encrypted, only what passes through it",
            "begin with `http://`: the backend's own TLS passes through the proxy untouched",
        );
    }
    if !url.base_path.is_empty() {
        return malformed("it has a path", "end it after the port");
    }
    if let Ok(own) = endpoint(&backend.url)
        && (own.host.as_str(), own.port) == (url.host.as_str(), url.port)
    {
        let message = format!("the egress proxy of backend `{name}` is the backend itself");
        let finding =
            Finding::new(Code::EgressLoop, message).at_value(context.document, &path, "the same address");
        let span = context.document.value_span(&["backends", name, "url"]);
        return Some(finding.also(span, "as this one").help("name the proxy, or remove `egressProxy`"));
    }
    let listener = own_listener(context, &url)?;
    let message = format!("the egress proxy of backend `{name}` is this gateway's own listener `{listener}`");
    let finding =
        Finding::new(Code::EgressLoop, message).at_value(context.document, &path, "leads back here");
    let span = context.document.value_span(&["listeners", listener, "address"]);
    Some(finding.also(span, "the listener").help("name the proxy, or remove `egressProxy`"))
}

/// The listener of this gateway at a URL on this machine.
fn own_listener<'a>(context: &Context<'a>, url: &Endpoint) -> Option<&'a str> {
    let at = |text: &str| {
        let Ok(listener) = address(text) else { return false };
        let ip = url.host.parse::<IpAddr>().ok();
        let here = ip == Some(listener.ip())
            || (is_loopback(&url.host) && (listener.ip().is_loopback() || listener.ip().is_unspecified()));
        listener.port() == url.port && here
    };
    let found = context.manifest.listeners.iter().find(|(_, listener)| at(&listener.address));
    found.map(|(name, _)| name.as_str())
}
