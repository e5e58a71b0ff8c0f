//! The access control list leaves some request to every route. It owns the wording; `prover` proves.

use super::Context;
use super::overlaps::peers;
use super::prover::{Prover, Ready, blocks};
use crate::diagnostics::{Code, Finding, Witness, suggest};
use crate::lower;
use crate::space::Clause;

pub(super) fn check(context: &Context<'_>) -> Vec<Finding> {
    // What is malformed has findings of its own.
    let Some(rules) = lower::acl(context.manifest).filter(|rules| rules.iter().any(blocks)) else {
        return Vec::new();
    };
    let ready: Vec<Ready<'_>> = rules.iter().map(Ready::of).collect();
    let listeners = context.manifest.listeners.keys().map(String::as_str).collect();
    let mut prover = Prover::new(listeners);
    let mut findings = Vec::new();
    let mut unknown: Vec<&str> = Vec::new();
    for peer in peers(context) {
        match prover.blocked(&Clause::of_route(&peer.matching), &ready) {
            Ok(None) => {}
            Ok(Some((by, request))) => findings.push(never_let_through(context, peer.name, &by, request)),
            Err(_) => unknown.push(peer.name),
        }
    }
    findings.extend(unknown.first().map(|first| {
        let message = format!(
            "whether the access control list leaves them any request is not proven of routes: {}",
            suggest::listed(&unknown)
        );
        let finding = Finding::new(Code::AclUnknown, message);
        let finding = finding.at_key(context.document, &["routes", first, "match"], "not proven");
        finding.help("nothing has to be done; fewer rules that block make it easier to prove")
    }));
    findings
}

fn never_let_through(context: &Context<'_>, name: &str, by: &[&Ready<'_>], request: Witness) -> Finding {
    let names: Vec<&str> = by.iter().map(|rule| rule.rule.name.as_str()).collect();
    let block = if names.len() == 1 { "blocks" } else { "together block" };
    let message =
        format!("no request comes to route `{name}`: {} {block} all that it takes", suggest::listed(&names));
    let mut finding = Finding::new(Code::RouteBlocked, message)
        .at_key(context.document, &["routes", name, "match"], "blocked before routes are looked for")
        .witness(request);
    for rule in names.iter().take(3) {
        finding = finding.also(context.document.key_span(&["acl", rule]), "blocks");
    }
    finding.help("except what the route takes from the rule by `unless`, allow it by a rule of lower `priority`, or remove the route")
}
