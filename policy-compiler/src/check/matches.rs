//! The conditions of routes are well-formed.

use super::Context;
use crate::diagnostics::{Code, Finding};
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
    }
    findings
}
