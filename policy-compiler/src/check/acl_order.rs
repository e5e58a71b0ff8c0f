//! Every rule of the access control list decides something, and where two of one priority can both apply
//! they do the same. It owns the wording; `prover` proves.

use rule_table::AclRule;

use super::Context;
use super::earlier::Earlier;
use super::prover::{Prover, Reach, Ready, decides};
use crate::diagnostics::{Code, Finding, Witness, suggest};
use crate::lower;

/// Rules of one priority that a rule is compared with.
const MOST_PEERS: usize = 64;

pub(super) fn check(context: &Context<'_>) -> Vec<Finding> {
    // What is malformed has findings of its own.
    let Some(rules) = lower::acl(context.manifest) else { return Vec::new() };
    let ready: Vec<Ready<'_>> = rules.iter().map(Ready::of).collect();
    let listeners = context.manifest.listeners.keys().map(String::as_str).collect();
    let mut order = Order { context, prover: Prover::new(listeners), unknown: Vec::new() };
    let mut findings = Vec::new();
    let mut earlier = Earlier::of(&ready);
    for (index, rule) in ready.iter().enumerate() {
        findings.extend(order.examine(rule, &earlier));
        earlier.add(index);
    }
    findings.extend(order.unknown());
    findings
}

struct Order<'c, 'a> {
    context: &'c Context<'a>,
    prover: Prover<'c>,
    /// Rules of which not everything could be proven.
    unknown: Vec<String>,
}

impl Order<'_, '_> {
    fn examine<'r>(&mut self, rule: &'r Ready<'r>, earlier: &Earlier<'r>) -> Vec<Finding> {
        let name = &rule.rule.name;
        let peers = if decides(rule.rule) { self.prover.peers(rule, earlier) } else { Ok(Vec::new()) };
        let (Ok(peers), Ok(before)) = (peers, self.prover.beside(rule, earlier)) else {
            self.unknown.push(name.clone());
            return Vec::new();
        };
        let mut findings = Vec::new();
        let mut open = false;
        for (index, other) in peers.into_iter().enumerate() {
            let common = if index < MOST_PEERS { self.prover.common(rule, other).ok() } else { None };
            match common {
                Some(None) => {}
                Some(Some(request)) => {
                    findings.push(self.tie(rule.rule, other.rule, request));
                    open = false;
                    break;
                }
                None => open = true,
            }
        }
        match self.prover.reach(rule, before) {
            Ok(Reach::Reached) => {}
            Ok(Reach::Empty) => findings.push(self.never_applies(rule.rule)),
            Ok(Reach::Taken(by, request)) => findings.push(self.never_decides(rule.rule, &by, request)),
            Err(_) => open = true,
        }
        if open {
            self.unknown.push(name.clone());
        }
        findings
    }

    fn tie(&self, rule: &AclRule, other: &AclRule, request: Witness) -> Finding {
        let (first, second) = (&other.name, &rule.name);
        let message = format!(
            "rules `{first}` and `{second}` have one priority, {}, can both apply and do not do the same",
            rule.priority
        );
        Finding::new(Code::AclTie, message)
            .at_value(self.context.document, &["acl", second, "priority"], format!("rule `{second}`"))
            .also(self.context.document.value_span(&["acl", first, "priority"]), format!("rule `{first}`"))
            .witness(request)
            .help("give the one that is to decide the lower priority; names and file order never decide")
    }

    fn never_applies(&self, rule: &AclRule) -> Finding {
        let name = &rule.name;
        let message = format!("no request meets the conditions of rule `{name}` of the access control list");
        Finding::new(Code::AclNeverApplies, message)
            .at_key(self.context.document, &["acl", name], "never applies")
            .help("take out of `unless` what `when` asks for, or remove the rule")
    }

    fn never_decides(&self, rule: &AclRule, by: &[&Ready<'_>], request: Option<Witness>) -> Finding {
        let name = &rule.name;
        let what = if decides(rule) { "decides" } else { "is asked" };
        let names: Vec<&str> = by.iter().map(|other| other.rule.name.as_str()).collect();
        let take = if names.len() == 1 { "takes" } else { "together take" };
        let message =
            format!("rule `{name}` never {what}: {} {take} all its requests", suggest::listed(&names));
        let mut finding = Finding::new(Code::AclNeverDecides, message).at_key(
            self.context.document,
            &["acl", name],
            "comes too late",
        );
        for other in names.iter().take(3) {
            finding = finding.also(self.context.document.key_span(&["acl", other]), "decides before it");
        }
        finding.witness = request.map(Box::new);
        finding.help("give it a lower `priority` than theirs if it is an exception to them, or remove it")
    }

    fn unknown(&self) -> Option<Finding> {
        let first = self.unknown.first()?;
        let names: Vec<&str> = self.unknown.iter().map(String::as_str).collect();
        let message = format!(
            "not everything is proven of rules of the access control list: {}",
            suggest::listed(&names)
        );
        let finding = Finding::new(Code::AclUnknown, message);
        let finding = finding.at_key(self.context.document, &["acl", first], "not proven");
        Some(finding.help("nothing has to be done; fewer rules of one priority make it easier to prove"))
    }
}
