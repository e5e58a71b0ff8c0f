//! Listeners keep what they promise: private ones are not public, and not everybody is believed.

use super::Context;
use super::access::networks;
use crate::diagnostics::{Code, Finding};
use crate::manifest::{CERTIFICATES, Listener};
use crate::resolve::address;

pub(super) fn check(context: &Context<'_>) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (name, listener) in &context.manifest.listeners {
        if listener.private {
            findings.extend(public(context, name, &listener.address));
        }
        findings.extend(ways_in(context, name, listener));
        let trusting = [
            (["proxyProtocol", "from"], listener.proxy_protocol.as_ref().map(|protocol| &protocol.from)),
            (["forwarded", "trust"], listener.forwarded.as_ref().map(|forwarded| &forwarded.trust)),
        ];
        for (field, texts) in trusting {
            let Some(texts) = texts else { continue };
            let path = [&["listeners", name.as_str()][..], &field].concat();
            for (index, network) in networks(context, &path, texts, &mut findings) {
                if network.prefix_len() == 0 {
                    findings.push(everyone(context, name, &[&path[..], &[&index.to_string()]].concat()));
                }
            }
        }
    }
    findings
}

/// Somebody can come in, and whoever comes with a certificate is asked for it.
fn ways_in(context: &Context<'_>, name: &str, listener: &Listener) -> Option<Finding> {
    let ways = listener.authn.as_ref()?;
    let path = ["listeners", name, "authn"];
    if ways.is_empty() {
        let message = format!("the listener `{name}` takes no way in");
        let finding = Finding::new(Code::NoWayIn, message);
        let finding = finding.at_value(context.document, &path, "nobody can be known here");
        return Some(
            finding.help("name `keys`, `certificates` or issuers, or leave `authn` out for all of them"),
        );
    }
    let index = ways.iter().position(|way| way == CERTIFICATES)?.to_string();
    if listener.tls.as_ref().is_some_and(|tls| tls.clients.is_some()) {
        return None;
    }
    let message = format!("the listener `{name}` takes certificates that it asks nobody for");
    let path = [&path[..], &[index.as_str()]].concat();
    let finding = Finding::new(Code::UnaskedCertificate, message);
    let finding = finding.at_value(context.document, &path, "never seen");
    Some(finding.help("add `clients: {authorities: {file: …}}` to the listener's `tls`"))
}

fn public(context: &Context<'_>, name: &str, written: &str) -> Option<Finding> {
    let ip = address(written).ok()?.ip();
    if ip.is_unspecified() || vocabulary::is_private(ip) {
        return None;
    }
    let message = format!("the private listener `{name}` has a public address");
    let finding = Finding::new(Code::PublicPrivate, message);
    Some(
        finding
            .at_value(context.document, &["listeners", name, "address"], "public")
            .also(context.document.value_span(&["listeners", name, "private"]), "meant to be private")
            .help("write a private address, `0.0.0.0` on a machine that has no other, or `private: false`"),
    )
}

fn everyone(context: &Context<'_>, name: &str, path: &[&str]) -> Finding {
    let message = format!("whoever connects to the listener `{name}` may state any address");
    Finding::new(Code::EveryoneTrusted, message)
        .at_value(context.document, path, "every address there is")
        .help("name the networks that the proxies in front are in")
}
