//! Access rules can be told apart from typing errors: networks are networks, countries can be looked up,
//! and nothing is allowed in vain.

use std::collections::BTreeSet;

use ipnet::IpNet;

use super::Context;
use super::ranges::Addresses;
use crate::diagnostics::{Code, Finding, Witness};
use crate::manifest::AccessRule;
use crate::resolve::{header_fault, network, reserved};

pub(super) fn check(context: &Context<'_>) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (name, rule) in &context.manifest.access {
        let own = ["access", name.as_str()];
        let allowed = networks(context, &[&own[..], &["allow"]].concat(), &rule.allow, &mut findings);
        let denied = networks(context, &[&own[..], &["deny"]].concat(), &rule.deny, &mut findings);
        findings.extend(denied_networks(context, name, &allowed, &denied));
        findings.extend(countries(context, name, rule));
        findings.extend(headers(context, name, rule));
        let named = rule.countries.as_ref();
        let silent = named.is_none_or(|rule| rule.allow.is_empty() && rule.deny.is_empty());
        if rule.allow.is_empty() && rule.deny.is_empty() && rule.headers.is_empty() && silent {
            findings.push(
                Finding::new(Code::EmptyAccess, format!("access rule `{name}` refuses nothing"))
                    .at_key(context.document, &own, "neither networks, countries nor headers")
                    .help("add for example `allow: [10.0.0.0/8]`"),
            );
        }
    }
    findings
}

/// The networks of a list with their place in it; what is none is a finding.
pub(super) fn networks(
    context: &Context<'_>,
    path: &[&str],
    texts: &[String],
    findings: &mut Vec<Finding>,
) -> Vec<(usize, IpNet)> {
    let mut networks = Vec::new();
    for (index, text) in texts.iter().enumerate() {
        match network(text) {
            Ok(network) => networks.push((index, network)),
            Err(fault) => {
                let place = index.to_string();
                let message = format!("`{text}` in `{}` is not a network: {}", path.join("."), fault.what);
                let finding = Finding::new(Code::MalformedNetwork, message);
                let path = [path, &[place.as_str()]].concat();
                findings.push(finding.at_value(context.document, &path, "not a network").help(fault.help));
            }
        }
    }
    networks
}

/// Allowed networks of which denied ones, one or several together, leave no address.
fn denied_networks(
    context: &Context<'_>,
    name: &str,
    allowed: &[(usize, IpNet)],
    denied: &[(usize, IpNet)],
) -> Vec<Finding> {
    let all = Addresses::of(denied.iter().map(|(_, network)| network));
    let one = |(index, inner): &(usize, IpNet)| {
        let own = Addresses::of([inner]);
        let address = own.some().filter(|_| own.less(&all).is_empty())?;
        let by = denied.iter().filter(|(_, outer)| outer.contains(inner) || inner.contains(outer));
        let by: Vec<&(usize, IpNet)> = by.collect();
        let outer: Vec<String> = by.iter().map(|(_, outer)| outer.to_string()).collect();
        let index = index.to_string();
        let message = format!("access rule `{name}` allows {inner} and denies {}", outer.join(" and "));
        let finding = Finding::new(Code::NeverAllowed, message);
        let mut finding =
            finding.at_value(context.document, &["access", name, "allow", &index], "never let in");
        for (outer, _) in by.iter().take(3) {
            let place = context.document.value_span(&["access", name, "deny", &outer.to_string()]);
            finding = finding.also(place, "denied here");
        }
        let witness = Witness::values([("never let in", address.to_string())]);
        Some(finding.witness(witness).help("remove one of the two"))
    };
    allowed.iter().filter_map(one).collect()
}

fn countries(context: &Context<'_>, name: &str, rule: &AccessRule) -> Vec<Finding> {
    let Some(countries) = &rule.countries else { return Vec::new() };
    let path = ["access", name, "countries"];
    let mut findings = Vec::new();
    if context.manifest.countries.is_none() {
        let message = format!("access rule `{name}` names countries, and there is no database of them");
        findings.push(
            Finding::new(Code::CountriesWithoutFile, message)
                .at_key(context.document, &path, "cannot be looked up")
                .help("add `countries: {file: geo.mmdb}` with a database in MaxMind's format"),
        );
    }
    let denied: BTreeSet<&str> = countries.deny.iter().map(|code| code.0.as_str()).collect();
    for (index, code) in countries.allow.iter().enumerate() {
        if denied.contains(code.0.as_str()) {
            let message = format!("access rule `{name}` allows and denies `{}`", code.0);
            let index = index.to_string();
            let path = [&path[..], &["allow", &index]].concat();
            findings.push(
                Finding::new(Code::NeverAllowed, message)
                    .at_value(context.document, &path, "never let in")
                    .help("remove it from one of the two lists"),
            );
        }
    }
    findings
}

fn headers(context: &Context<'_>, name: &str, rule: &AccessRule) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (header, values) in &rule.headers {
        let path = ["access", name, "headers", header.as_str()];
        let any = ["*".to_owned()];
        let wanted = if values.wanted().is_empty() { &any } else { values.wanted() };
        if let Some((what, help)) = wanted.iter().find_map(|value| header_fault(header, value)) {
            let message = format!("a header of access rule `{name}` can never be there: {what}");
            let finding = Finding::new(Code::MalformedHeader, message);
            findings.push(finding.at_key(context.document, &path, "").help(help));
        }
        if let Some(reserved) = reserved(header) {
            let message = format!("access rule `{name}` requires `{header}`, which {}", reserved.because());
            findings.push(
                Finding::new(Code::RequiredCredential, message)
                    .at_key(context.document, &path, "not to be required")
                    .redacting(context.document.value_span(&path))
                    .help("require a header of your own; callers' keys are `consumers`"),
            );
        }
    }
    findings
}
