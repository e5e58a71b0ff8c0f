//! Every reference by name points at something.

use std::collections::BTreeMap;

use crate::diagnostics::{Code, Finding, suggest};
use crate::manifest::{CERTIFICATES, KEYS};
use crate::resolve::{MemberFault, Names};
use crate::source::{Document, Node};

pub(super) fn check(document: &Document) -> Vec<Finding> {
    let names = Names::of(document);
    let checker = Checker { document, names };
    let mut findings = Vec::new();
    for backend in names.section("backends") {
        findings.extend(checker.reference(
            &["backends", backend, "auth"],
            "identities",
            Code::UnknownIdentity,
        ));
    }
    for consumer in names.section("consumers") {
        findings.extend(checker.limits(&["consumers", consumer, "limit"]));
        findings.extend(checker.reference(&["consumers", consumer, "team"], "teams", Code::UnknownTeam));
    }
    findings.extend(checker.callers());
    for team in names.section("teams") {
        for field in ["limit", "each"] {
            findings.extend(checker.limits(&["teams", team, field]));
        }
    }
    for model in names.section("models") {
        findings.extend(checker.limits(&["models", model, "limit"]));
    }
    for listener in names.section("listeners") {
        findings.extend(checker.access("listeners", listener));
        findings.extend(checker.authn(listener));
        findings.extend(checker.reference(&["listeners", listener, "waf"], "waf", Code::UnknownWaf));
    }
    for route in names.section("routes") {
        findings.extend(checker.access("routes", route));
        findings.extend(checker.reference(&["routes", route, "pool"], "pools", Code::UnknownPool));
        findings.extend(checker.limits(&["routes", route, "limit"]));
        findings.extend(checker.reference(&["routes", route, "hook"], "hooks", Code::UnknownHook));
        findings.extend(checker.reference(&["routes", route, "waf"], "waf", Code::UnknownWaf));
        let consumers = document.value(&["routes", route, "consumers"]).map_or(&[][..], Node::items);
        for index in 0..consumers.len() {
            let path = ["routes", route, "consumers", &index.to_string()];
            findings.extend(checker.reference(&path, "consumers", Code::UnknownConsumer));
        }
        let taken = ["routes", route, "match", "consumer"];
        findings.extend(checker.listed(&taken, "consumers", Code::UnknownConsumer));
    }
    for pool in names.section("pools") {
        findings.extend(checker.members(pool));
        findings.extend(checker.fallbacks(pool));
    }
    findings
}

struct Checker<'d> {
    document: &'d Document,
    names: Names<'d>,
}

impl Checker<'_> {
    /// A limit's name, or a list of them.
    fn limits(&self, path: &[&str]) -> Vec<Finding> {
        self.listed(path, "limits", Code::UnknownLimit)
    }

    /// A scalar that names an entry of a section, or a list of them.
    fn listed(&self, path: &[&str], section: &str, code: Code) -> Vec<Finding> {
        let count = self.document.value(path).map_or(&[][..], Node::items).len();
        let items = (0..count).map(|index| index.to_string());
        let listed = items.filter_map(|index| {
            let path: Vec<&str> = path.iter().copied().chain([index.as_str()]).collect();
            self.reference(&path, section, code)
        });
        listed.chain(self.reference(path, section, code)).collect()
    }

    /// A scalar that names an entry of a section.
    fn reference(&self, path: &[&str], section: &str, code: Code) -> Option<Finding> {
        let given = self.document.value(path)?.text()?;
        if self.document.value(&[section, given]).is_some() {
            return None;
        }
        let known = self.names.section(section);
        let (kind, holder) =
            (path.first().copied().unwrap_or_default(), path.get(1).copied().unwrap_or_default());
        let target = match section {
            "identities" => "identity",
            "access" => "access rule",
            "waf" => "firewall",
            plural => plural.strip_suffix('s').unwrap_or(plural),
        };
        let holder_kind = kind.strip_suffix('s').unwrap_or(kind);
        let message =
            format!("{holder_kind} `{holder}` refers to the {target} `{given}`, which does not exist");
        let help = suggest::help(given, &known, section);
        Some(
            Finding::new(code, message).at_value(self.document, path, format!("no such {target}")).help(help),
        )
    }

    /// What credentials and administrators say of issuers, and issuers of teams.
    fn callers(&self) -> Vec<Finding> {
        let mut findings = Vec::new();
        for consumer in self.names.section("consumers") {
            let path = ["consumers", consumer, "credentials"];
            for index in 0..self.document.value(&path).map_or(0, |node| node.items().len()) {
                let path = ["consumers", consumer, "credentials", &index.to_string(), "token", "issuer"];
                findings.extend(self.reference(&path, "issuers", Code::UnknownIssuer));
            }
        }
        findings.extend(self.reference(&["admin", "oidc", "issuer"], "issuers", Code::UnknownIssuer));
        for issuer in self.names.section("issuers") {
            let path = ["issuers", issuer, "teams", "values"];
            for entry in self.document.value(&path).map_or(&[][..], Node::entries) {
                let path = ["issuers", issuer, "teams", "values", &entry.key];
                findings.extend(self.reference(&path, "teams", Code::UnknownTeam));
            }
        }
        findings
    }

    /// The issuers among the ways in that a listener takes.
    fn authn(&self, listener: &str) -> Vec<Finding> {
        let path = ["listeners", listener, "authn"];
        let count = self.document.value(&path).map_or(0, |node| node.items().len());
        let one = |index: usize| {
            let index = index.to_string();
            let path = ["listeners", listener, "authn", &index];
            let text = self.document.value(&path)?.text()?;
            let is_word = matches!(text, KEYS | CERTIFICATES);
            if is_word { None } else { self.reference(&path, "issuers", Code::UnknownIssuer) }
        };
        (0..count).filter_map(one).collect()
    }

    /// The access rules of a listener or route.
    fn access(&self, section: &str, holder: &str) -> Vec<Finding> {
        let path = [section, holder, "access"];
        let count = self.document.value(&path).map_or(0, |node| node.items().len());
        let one = |index: usize| {
            let index = index.to_string();
            self.reference(&[&path[..], &[index.as_str()]].concat(), "access", Code::UnknownAccess)
        };
        (0..count).filter_map(one).collect()
    }

    /// A fallback, or a list of them.
    fn fallbacks(&self, pool: &str) -> Vec<Finding> {
        let path = ["pools", pool, "fallback"];
        let Some(written) = self.document.value(&path) else { return Vec::new() };
        let indexes: Vec<String> = (0..written.items().len()).map(|index| index.to_string()).collect();
        let mut all: Vec<Vec<&str>> = indexes.iter().map(|index| [&path[..], &[index]].concat()).collect();
        if all.is_empty() {
            all.push(path.to_vec());
        }
        let mut findings = Vec::new();
        for fallback in all {
            let to = [&fallback[..], &["to"]].concat();
            findings.extend(self.reference(&to, "pools", Code::UnknownPool));
            let consumers = [&fallback[..], &["unless", "consumers"]].concat();
            let count = self.document.value(&consumers).map_or(0, |node| node.items().len());
            for index in 0..count {
                let index = index.to_string();
                let path = [&consumers[..], &[index.as_str()]].concat();
                findings.extend(self.reference(&path, "consumers", Code::UnknownConsumer));
            }
        }
        findings
    }

    /// Members of a pool, written as a list or as a map.
    fn members(&self, pool: &str) -> Vec<Finding> {
        let path = ["pools", pool, "members"];
        let Some(members) = self.document.value(&path) else { return Vec::new() };
        let listed = members.items().iter().filter_map(|item| item.text().map(|text| (text, item.span)));
        let mapped = members.entries().iter().map(|entry| (entry.key.as_str(), entry.key_span));
        let mut findings = Vec::new();
        let mut seen = BTreeMap::new();
        for (given, span) in listed.chain(mapped) {
            let finding = match self.names.member(given) {
                Ok(deployed) => match seen.get(&deployed) {
                    None => {
                        seen.insert(deployed, span);
                        continue;
                    }
                    Some(first) => {
                        let message = format!("pool `{pool}` has the member `{}` twice", deployed.name());
                        let finding = Finding::new(Code::RepeatedMember, message).at(span, "again here");
                        finding
                            .also(*first, "first here")
                            .help("remove one of the two; a `weight` gives a larger share")
                    }
                },
                Err(MemberFault::Unknown(help)) => {
                    let message = format!("pool `{pool}` has the member `{given}`, which does not exist");
                    Finding::new(Code::UnknownMember, message)
                        .at(span, "no such model or deployment")
                        .help(help)
                }
                Err(MemberFault::Ambiguous(choices)) => {
                    let choices: Vec<&str> = choices.iter().map(String::as_str).collect();
                    let message =
                        format!("pool `{pool}` does not say which deployment of `{given}` it means");
                    let finding = Finding::new(Code::AmbiguousMember, message).at(span, "it has several");
                    finding.help(format!("write one of: {}", suggest::listed(&choices)))
                }
                Err(MemberFault::Empty) => continue,
            };
            findings.push(finding.about(&path));
        }
        findings
    }
}
