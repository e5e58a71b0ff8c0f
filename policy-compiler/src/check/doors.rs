//! Listeners keep what they promise: private ones are not public, and not everybody is believed.

use super::Context;
use super::access::networks;
use crate::diagnostics::{Code, Finding};
use crate::resolve::address;

pub(super) fn check(context: &Context<'_>) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (name, listener) in &context.manifest.listeners {
        if listener.private {
            findings.extend(public(context, name, &listener.address));
        }
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
