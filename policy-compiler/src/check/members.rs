//! A pool has members, all of one sort.

use super::Context;
use crate::diagnostics::{Code, Finding};

/// What a pick can look at; the feedback loop's limit.
const MOST_MEMBERS: usize = 64;

pub(super) fn check(context: &Context<'_>) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (name, pool) in &context.manifest.pools {
        let path = ["pools", name, "members"];
        if pool.members.0.is_empty() {
            findings.push(
                Finding::new(Code::EmptyPool, format!("pool `{name}` has no members"))
                    .at_key(context.document, &path, "empty")
                    .help("add a member such as `backend/deployment`, or remove the pool"),
            );
        }
        let count = pool.members.0.len();
        if count > MOST_MEMBERS {
            let message = format!("pool `{name}` has {count} members, and {MOST_MEMBERS} are the most");
            findings.push(
                Finding::new(Code::PoolTooLarge, message)
                    .at_key(context.document, &path, "too many")
                    .help("split it, and route to the parts by model or header"),
            );
        }
        let members = context.members(pool);
        let piped = members.iter().find(|member| member.serving.is_none());
        let served = members.iter().find(|member| member.serving.is_some());
        if let (Some(piped), Some(served)) = (piped, served) {
            let (http, ai) = (piped.name, served.name);
            let kind =
                context.manifest.backends.get(piped.deployed.backend).map_or("http", |b| b.kind.name());
            let message = format!("pool `{name}` mixes the AI member `{ai}` with `{http}` of kind `{kind}`");
            findings.push(
                Finding::new(Code::MixedPool, message)
                    .at_key(context.document, &["pools", name, "members", http], "passed through unread")
                    .also(context.document.key_span(&["pools", name, "members", ai]), "an AI backend")
                    .help("give them pools of their own"),
            );
        }
    }
    findings
}
