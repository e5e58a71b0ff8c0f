//! A hook can be asked and waited for, and shedding has a bound to shed at.

use super::Context;
use crate::diagnostics::{Code, Finding};
use crate::manifest::Hook;
use crate::resolve::{UrlFault, endpoint, header_fault, is_loopback};

pub(super) fn check(context: &Context<'_>) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (name, hook) in &context.manifest.hooks {
        findings.extend(unusable(context, name, hook));
        findings.extend(slow(context, name, hook));
    }
    findings.extend(no_bound(context));
    findings
}

fn unusable(context: &Context<'_>, name: &str, hook: &Hook) -> Option<Finding> {
    let path = ["hooks", name, "url"];
    let url = match endpoint(&hook.url) {
        Ok(url) => url,
        Err(fault) => {
            let (what, help) = match fault {
                UrlFault::Malformed(what, help) => (what, help),
                UrlFault::Credentials => ("it carries credentials", "put them into `header`, by reference"),
            };
            if hook.url.contains(['?', '@']) {
                return Some(secret_in_url(context, name, &path));
            }
            let message = format!("the URL of hook `{name}` cannot be used: {what}");
            let finding = Finding::new(Code::MalformedHook, message).at_value(context.document, &path, "");
            return Some(finding.help(help));
        }
    };
    let header = hook.header.as_ref()?;
    if header_fault(&header.name, "x").is_some() {
        let message = format!("the header of hook `{name}` has a name that no header can have");
        let path = ["hooks", name, "header", "name"];
        let finding = Finding::new(Code::MalformedHook, message).at_value(context.document, &path, "");
        return Some(finding.help("write a name of letters, digits and `-`, such as `x-functions-key`"));
    }
    if url.tls || is_loopback(&url.host) {
        return None;
    }
    let finding = Finding::new(Code::PlainHook, format!("hook `{name}` is sent a secret without TLS"));
    Some(finding.at_value(context.document, &path, "not encrypted").help("write `https://`"))
}

/// Functions are often called with their key in the query.
fn secret_in_url(context: &Context<'_>, name: &str, path: &[&str]) -> Finding {
    let message = format!("the URL of hook `{name}` has a query or credentials, where a key may stand");
    let finding = Finding::new(Code::InlineSecret, message).at_value(context.document, path, "not shown");
    let help =
        "end it before the `?`, and put the key into `header`, by reference, such as `x-functions-key`";
    finding.redacting(context.document.value_span(path)).help(help)
}

/// A hook that may take as long as the route has is never the one that gives up.
fn slow(context: &Context<'_>, name: &str, hook: &Hook) -> Option<Finding> {
    let mut asking = context.manifest.routes.iter().filter(|(_, route)| route.hook.as_deref() == Some(name));
    let (route, stated) = asking.find(|(_, route)| route.deadline.0 <= hook.timeout.0)?;
    let message = format!(
        "hook `{name}` may take {}, and route `{route}` that asks it has no more than {}",
        hook.timeout.0, stated.deadline.0
    );
    let finding = Finding::new(Code::SlowHook, message);
    let finding = finding.at_key(context.document, &["hooks", name], "outlasts the request");
    Some(finding.help("make `timeout` a fraction of the route's `deadline`"))
}

fn no_bound(context: &Context<'_>) -> Option<Finding> {
    let overload = context.manifest.overload.as_ref()?;
    if overload.max_in_flight.is_some() || overload.max_buffered.is_some() {
        return None;
    }
    let finding = Finding::new(Code::EmptyOverload, "`overload` has no bound, so nothing is ever shed");
    let finding = finding.at_key(context.document, &["overload"], "no bound");
    Some(finding.help("add `maxInFlight: 4000`, `maxBuffered: 1GiB` or both, or remove the section"))
}
