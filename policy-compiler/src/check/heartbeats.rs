//! A heartbeat comes often enough to hold a connection, and no oftener than any ingress needs.

use std::time::Duration;

use super::Context;
use crate::diagnostics::{Code, Finding};

/// The idle cut of Azure's load balancers and Container Apps.
const COMMON_CUT: Duration = Duration::from_secs(240);
const LEAST: Duration = Duration::from_secs(1);

pub(super) fn check(context: &Context<'_>) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (name, route) in &context.manifest.routes {
        let Some(heartbeat) = route.heartbeat.map(|heartbeat| heartbeat.0) else { continue };
        let members = context.manifest.pools.get(&route.pool).map(|pool| context.members(pool));
        let members = members.unwrap_or_default();
        let piped = !members.is_empty() && members.iter().all(|member| member.serving.is_none());
        let (why, help) = if piped {
            ("its answers are passed through as they are".to_owned(), "remove it")
        } else if heartbeat.0 >= COMMON_CUT {
            ("ingresses commonly cut what is idle for 240 s".to_owned(), "write for example `heartbeat: 15s`")
        } else if heartbeat >= route.deadline.0 {
            let why = format!("the deadline of {} passes before the first one", route.deadline.0);
            (why, "make it shorter than `deadline`, for example `15s`")
        } else if heartbeat.0 < LEAST {
            ("no ingress cuts so soon".to_owned(), "write for example `heartbeat: 15s`")
        } else {
            continue;
        };
        let message = format!("the heartbeat of route `{name}` ({heartbeat}) cannot help: {why}");
        findings.push(
            Finding::new(Code::UselessHeartbeat, message)
                .at_value(context.document, &["routes", name, "heartbeat"], "")
                .help(help),
        );
    }
    findings
}
