//! The conditions of routes are well-formed.

use std::collections::BTreeMap;

use super::Context;
use crate::diagnostics::{Code, Finding, Witness};
use crate::resolve;

pub(super) fn check(context: &Context<'_>) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (name, route) in &context.manifest.routes {
        let malformed = |code, field: &[&str], subject: &str, (what, help): (&str, &str)| {
            let path: Vec<&str> =
                ["routes", name.as_str(), "match"].into_iter().chain(field.iter().copied()).collect();
            Finding::new(code, format!("{subject} of route `{name}` can never match: {what}"))
                .at_value(context.document, &path, "")
                .help(help)
        };
        if let Err(fault) = resolve::path(&route.matching.path) {
            findings.push(malformed(Code::MalformedPath, &["path"], "the path", fault));
        }
        if let Some(Err(fault)) = route.matching.host.as_deref().map(resolve::host) {
            findings.push(malformed(Code::MalformedHost, &["host"], "the host", fault));
        }
        for (header, value) in &route.matching.header {
            if let Some(fault) = resolve::header_fault(header, value) {
                let finding = malformed(Code::MalformedHeader, &["header", header], "a header", fault);
                findings.push(finding.at_key(
                    context.document,
                    &["routes", name, "match", "header", header],
                    "",
                ));
            }
        }
        findings.extend(contradiction(context, name, &route.matching.header));
    }
    findings
}

/// A header asked for in two spellings, whose first value would have to be two at once.
fn contradiction(context: &Context<'_>, name: &str, headers: &BTreeMap<String, String>) -> Option<Finding> {
    let stated = || headers.iter().filter(|(_, value)| *value != "*");
    let mut pairs = stated().flat_map(|one| stated().map(move |other| (one, other)));
    let ((first, one), (second, other)) = pairs.find(|((first, one), (second, other))| {
        first < second && one != other && first.eq_ignore_ascii_case(second)
    })?;
    let path = |header| ["routes", name, "match", "header", header];
    let message = format!("route `{name}` asks for two values of the header `{first}` at once");
    let witness = Witness::values([(first.as_str(), one.as_str()), (second.as_str(), other.as_str())]);
    Some(
        Finding::new(Code::ConditionsContradict, message)
            .at_key(context.document, &path(second), "the same header")
            .also(context.document.key_span(&path(first)), "has another value here")
            .witness(witness)
            .help("remove one of the two, or make two routes of this one"),
    )
}
