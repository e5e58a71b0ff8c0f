//! Listener and admin addresses are well-formed, and no two sockets want the same one.

use std::net::SocketAddr;

use super::Context;
use crate::diagnostics::{Code, Finding};
use crate::resolve::{address, covers};

pub(super) fn check(context: &Context<'_>) -> Vec<Finding> {
    let listeners = context.manifest.listeners.iter();
    let mut sockets: Vec<(Vec<&str>, &str)> =
        listeners.map(|(name, l)| (vec!["listeners", name, "address"], l.address.as_str())).collect();
    if let Some(admin) = &context.manifest.admin {
        sockets.push((vec!["admin", "address"], &admin.address));
    }
    let mut findings = Vec::new();
    let mut taken: Vec<(Vec<&str>, SocketAddr)> = Vec::new();
    for (path, text) in sockets {
        match address(text) {
            Err(fault) => {
                let message = format!("`{}` is not an address: {}", path.join("."), fault.what);
                let finding = Finding::new(Code::MalformedAddress, message);
                findings.push(finding.at_value(context.document, &path, "not an address").help(fault.help));
            }
            Ok(new) => {
                if let Some((first, old)) =
                    taken.iter().find(|(_, old)| covers(*old, new) || covers(new, *old))
                {
                    findings.push(collision(context, &path, new, first, *old));
                }
                taken.push((path, new));
            }
        }
    }
    findings
}

fn collision(
    context: &Context<'_>,
    path: &[&str],
    new: SocketAddr,
    first: &[&str],
    old: SocketAddr,
) -> Finding {
    let (here, there) = (path.join("."), first.join("."));
    let message = if new == old {
        format!("`{here}` and `{there}` are the same address, {new}")
    } else {
        format!("`{here}` ({new}) and `{there}` ({old}) need the same port of the same address")
    };
    Finding::new(Code::AddressTaken, message)
        .at_value(context.document, path, "taken")
        .also(context.document.value_span(first), "by this one")
        .help("give one of them another port")
}
