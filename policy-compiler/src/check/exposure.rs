//! Who can reach what: open routes, the admin API, and credentials on the wire.

use std::net::SocketAddr;

use super::Context;
use super::overlaps::path_of;
use crate::diagnostics::{Code, Finding, Request, Witness, suggest};
use crate::resolve::{address, endpoint, is_loopback};

pub(super) fn check(context: &Context<'_>) -> Vec<Finding> {
    let mut findings: Vec<Finding> = open_routes(context).into_iter().collect();
    findings.extend(plain_keys(context));
    findings.extend(admin(context));
    findings.extend(contradictions(context));
    findings.extend(credentials(context));
    findings
}

/// Listeners that other machines can reach.
fn reachable<'a>(context: &Context<'a>) -> impl Iterator<Item = (&'a str, bool)> {
    let beyond = |text: &str| address(text).is_ok_and(|address: SocketAddr| !address.ip().is_loopback());
    let all = context.manifest.listeners.iter();
    all.filter(move |(_, l)| beyond(&l.address)).map(|(name, l)| (name.as_str(), l.tls.is_some()))
}

fn open_routes(context: &Context<'_>) -> Option<Finding> {
    let (listener, _) = reachable(context).next()?;
    let routes = context.manifest.routes.iter();
    let open: Vec<&str> = routes
        .filter(|(name, route)| {
            // Stated, it is meant.
            route.public == Some(true) && context.document.value(&["routes", name, "public"]).is_none()
        })
        .map(|(name, _)| name.as_str())
        .collect();
    let first = open.first()?;
    let message = format!("anyone who reaches the listener `{listener}` may use {}", suggest::listed(&open));
    let path = context.manifest.routes.get(*first).map(path_of).unwrap_or_default();
    let (listener_name, from) = (Some(listener.to_owned()), Some("203.0.113.7".to_owned()));
    let request = Request { path, listener: listener_name, from, ..Request::default() };
    Some(
        Finding::new(Code::OpenRoute, message)
            .at_key(context.document, &["routes", first], "needs no key")
            .also(context.document.value_span(&["listeners", listener, "address"]), "not only this machine")
            .witness(Witness::from(request))
            .help("add `consumers` with their keys, or write `public: true` on the route if that is meant"),
    )
}

fn plain_keys(context: &Context<'_>) -> Vec<Finding> {
    if context.manifest.consumers.is_empty() && context.manifest.issuers.is_empty() {
        return Vec::new();
    }
    let report = |(name, _): (&str, bool)| {
        Finding::new(Code::PlainKeys, format!("keys of callers travel unencrypted to the listener `{name}`"))
            .at_key(context.document, &["listeners", name], "no `tls`")
            .help("add `tls`, unless something in front of the gateway ends TLS")
    };
    reachable(context).filter(|(_, tls)| !tls).map(report).collect()
}

fn admin(context: &Context<'_>) -> Option<Finding> {
    let admin = context.manifest.admin.as_ref()?;
    let asks = admin.token.is_some()
        || !admin.tokens.is_empty()
        || !admin.certificates.is_empty()
        || admin.oidc.is_some();
    if asks || address(&admin.address).ok()?.ip().is_loopback() {
        return None;
    }
    let finding =
        Finding::new(Code::OpenAdmin, "the admin API can be reached from other machines without a token");
    let finding = finding.at_value(context.document, &["admin", "address"], "not only this machine");
    Some(finding.help("write `address: 127.0.0.1:9901`, or add `token: {env: SLUICEGATE_ADMIN_TOKEN}`"))
}

fn contradictions(context: &Context<'_>) -> Vec<Finding> {
    let routes = context.manifest.routes.iter();
    let both = routes.filter(|(_, route)| route.public == Some(true) && !route.consumers.is_empty());
    both.map(|(name, _)| {
        Finding::new(
            Code::PublicAndConsumers,
            format!("route `{name}` is public and for named consumers at once"),
        )
        .at_key(context.document, &["routes", name, "public"], "lets everyone in")
        .also(context.document.key_span(&["routes", name, "consumers"]), "lets some in")
        .help("remove one of the two")
    })
    .collect()
}

fn credentials(context: &Context<'_>) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (name, backend) in &context.manifest.backends {
        let Ok(url) = endpoint(&backend.url) else { continue };
        if is_loopback(&url.host) {
            continue;
        }
        let hosted = backend.kind.is_hosted();
        if backend.auth.is_some() && !url.tls {
            findings.push(
                Finding::new(
                    Code::PlainCredential,
                    format!("the credential of backend `{name}` is sent unencrypted"),
                )
                .at_value(context.document, &["backends", name, "url"], "not encrypted")
                .also(context.document.value_span(&["backends", name, "auth"]), "the credential")
                .help("use `https://`"),
            );
        }
        if backend.auth.is_none() && hosted && url.tls {
            findings.push(
                Finding::new(
                    Code::NoCredential,
                    format!("backend `{name}` is hosted and called without a key"),
                )
                .at_key(context.document, &["backends", name], "no `auth`")
                .help("add an entry to `identities` and refer to it by `auth`"),
            );
        }
    }
    findings
}
