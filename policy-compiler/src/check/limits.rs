//! A limit limits something, where it is used.

use super::Context;
use crate::diagnostics::{Code, Finding};

pub(super) fn check(context: &Context<'_>) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (name, limit) in &context.manifest.limits {
        if limit.requests.is_none() && limit.tokens.is_none() {
            findings.push(
                Finding::new(Code::EmptyLimit, format!("limit `{name}` limits nothing"))
                    .at_key(context.document, &["limits", name], "neither requests nor tokens")
                    .help("add for example `requests: 600 requests/min` or `tokens: 200k tokens/min`"),
            );
        }
    }
    for (name, route) in &context.manifest.routes {
        let limit = route.limit.as_ref().and_then(|limit| context.manifest.limits.get(limit));
        let pool = context.manifest.pools.get(&route.pool);
        let (Some(limit), Some(pool)) = (limit, pool) else { continue };
        let members = context.members(pool);
        let piped = !members.is_empty() && members.iter().all(|member| member.serving.is_none());
        if piped && limit.tokens.is_some() {
            let message = format!("route `{name}` leads to HTTP backends, whose tokens cannot be counted");
            findings.push(
                Finding::new(Code::UncountableTokens, message)
                    .at_value(context.document, &["routes", name, "limit"], "limits tokens")
                    .help("refer to a limit on requests"),
            );
        }
    }
    findings
}
