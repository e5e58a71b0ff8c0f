//! A health probe can work.

use super::Context;
use crate::diagnostics::{Code, Finding};
use crate::manifest::{Backend, Health};
use crate::resolve;

pub(super) fn check(context: &Context<'_>) -> Vec<Finding> {
    let all = context.manifest.backends.iter();
    let enabled = all.filter_map(|(name, b)| b.health.as_ref().filter(|h| h.enabled).map(|h| (name, b, h)));
    enabled.flat_map(|(name, backend, health)| one(context, name, backend, health)).collect()
}

fn one(context: &Context<'_>, name: &str, backend: &Backend, health: &Health) -> Vec<Finding> {
    let at = |field: &str, code, message: String, help: &str| {
        let path = ["backends", name, "health", field];
        Finding::new(code, message).at_value(context.document, &path, "").help(help)
    };
    let mut findings = Vec::new();
    if health.spend_tokens && !backend.kind.has_models() {
        let kind = backend.kind.name();
        let message = format!("backend `{name}` of kind `{kind}` cannot be probed with a completion");
        findings.push(at(
            "spendTokens",
            Code::UselessProbe,
            message,
            "remove `spendTokens` and state a `path`",
        ));
    }
    match &health.path {
        None if !health.spend_tokens => {
            let message = format!("the probe of backend `{name}` has no path");
            let help = if backend.kind.has_models() {
                "add `path: /healthz`, or what else answers 2xx without a credential, or `spendTokens: true`"
            } else {
                "add `path: /healthz`, or what else answers 2xx"
            };
            findings.push(at("path", Code::UselessProbe, message, help));
        }
        Some(path) if !matches!(resolve::path(path), Ok(rule_table::PathMatch::Exact(_))) => {
            let message = format!("the probe of backend `{name}` has a path that cannot be requested");
            findings.push(at(
                "path",
                Code::UselessProbe,
                message,
                "begin it with `/`, without query and `*`",
            ));
        }
        _ => {}
    }
    if health.timeout.0 > health.interval.0 {
        let message = format!("a probe of backend `{name}` may take longer than the interval between two");
        let help =
            format!("make `timeout` ({}) at most `interval` ({})", health.timeout.0, health.interval.0);
        findings.push(at("timeout", Code::ProbeOverlap, message, &help));
    }
    findings
}
