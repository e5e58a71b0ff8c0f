//! A change of policy as the audit log tells it: who, why, and which sections differ. It owns the names of
//! the sections; it refuses to show their content.

use decision::Gate;
use rule_table::Policy;
use vocabulary::admin::audit::{AuditAction, PolicyVersion};

use crate::audit::{Actor, Entry};

/// Why a policy is offered, and by whom.
#[derive(Clone, Debug)]
pub struct Cause {
    /// Who.
    pub actor: Actor,
    /// How it came.
    pub action: AuditAction,
    /// Why, in the actor's words.
    pub reason: Option<String>,
    /// The generation whose content it is again.
    pub restores: Option<u64>,
    /// When a canary ends, in milliseconds since the Unix epoch.
    pub until_ms: Option<u64>,
}

impl Cause {
    /// A cause without further particulars.
    #[must_use]
    pub fn new(actor: Actor, action: AuditAction) -> Self {
        Self { actor, action, reason: None, restores: None, until_ms: None }
    }

    /// The manifest file changed, or a signal says to read it again.
    #[must_use]
    pub fn reload(actor: &str) -> Self {
        Self::new(Actor::local(actor), AuditAction::Reload)
    }

    /// The line of the audit log, before it is known what came of it.
    pub(super) fn entry(&self, before: PolicyVersion) -> Entry {
        let entry = Entry::done(self.actor.clone(), self.action, before).because(self.reason.clone());
        match self.restores {
            Some(generation) => entry.to(format!("generation {generation}")),
            None => entry,
        }
    }
}

/// A gate's policy, by number and content.
#[must_use]
pub fn version(gate: &Gate) -> PolicyVersion {
    PolicyVersion { generation: gate.generation(), digest: gate.digest().to_owned() }
}

/// The sections that differ.
pub(super) fn changed_sections(now: &Policy, next: &Policy) -> Vec<String> {
    let sections = [
        ("listeners", now.listeners != next.listeners),
        ("admin", now.admin != next.admin),
        ("backends", now.backends != next.backends),
        ("deployments", now.deployments != next.deployments),
        ("pools", now.pools != next.pools),
        ("routes", now.routes != next.routes),
        ("consumers", now.consumers != next.consumers),
        ("teams", now.teams != next.teams),
        ("models", now.models != next.models),
        ("issuers", now.issuers != next.issuers),
        ("limits", now.limits != next.limits),
        ("acl", now.acl != next.acl),
        ("access", now.access != next.access),
        ("countries", now.countries != next.countries),
        ("hooks", now.hooks != next.hooks),
        ("waf", now.waf != next.waf),
        ("store", now.store != next.store),
        ("overload", now.overload != next.overload),
        ("telemetry", now.telemetry != next.telemetry),
    ];
    sections.into_iter().filter(|(_, differs)| *differs).map(|(name, _)| name.to_owned()).collect()
}

/// Findings for the audit log: their codes alone, since messages quote the manifest.
pub(super) fn codes(findings: &[String]) -> String {
    let mut codes: Vec<&str> = findings
        .iter()
        .filter_map(|finding| finding.split(|c: char| !c.is_ascii_alphanumeric()).find(|word| is_code(word)))
        .collect();
    codes.sort_unstable();
    codes.dedup();
    let count = findings.len();
    if codes.is_empty() {
        format!("{count} findings")
    } else {
        format!("{count} findings: {}", codes.join(", "))
    }
}

fn is_code(word: &str) -> bool {
    word.len() == 6 && word.strip_prefix("SG").is_some_and(|rest| rest.bytes().all(|b| b.is_ascii_digit()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_audit_log_gets_codes_and_never_what_a_finding_quotes() {
        let findings = [
            "error[SG0301]: no pool is called `sk-secret`".to_owned(),
            "SG0102: `sk-secret` is not a number".to_owned(),
            "the manifest cannot be read".to_owned(),
        ];
        assert_eq!(codes(&findings), "3 findings: SG0102, SG0301");
        assert_eq!(codes(&findings[2..]), "1 findings");
    }
}
