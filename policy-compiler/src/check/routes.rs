//! A route and the pool it leads to fit together.

use rule_table::PathMatch;
use vocabulary::Operation;

use super::{Context, Standing};
use crate::diagnostics::{Code, Finding, suggest};
use crate::manifest::Route;
use crate::resolve;

pub(super) fn check(context: &Context<'_>) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (name, route) in &context.manifest.routes {
        let Some(pool) = context.manifest.pools.get(&route.pool) else { continue };
        let members = context.members(pool);
        if members.is_empty() {
            continue;
        }
        if members.iter().all(|member| member.serving.is_none()) {
            findings.extend(piped(context, name, route));
        } else {
            findings.extend(operation(context, name, route));
            findings.extend(model(context, name, route, &members));
        }
        findings.extend(deadline(context, name, route, &members));
    }
    findings
}

fn piped(context: &Context<'_>, name: &str, route: &Route) -> Option<Finding> {
    route.matching.model.as_ref()?;
    let message = format!("route `{name}` leads to HTTP backends and cannot ask for a model");
    let finding = Finding::new(Code::ModelOnPipedRoute, message);
    let finding =
        finding.at_key(context.document, &["routes", name, "match", "model"], "the body is not read");
    Some(finding.help("remove `model`, or lead to a pool of AI backends"))
}

const OPERATIONS: [Operation; 4] =
    [Operation::Chat, Operation::TextCompletion, Operation::Embeddings, Operation::ListModels];

fn operation(context: &Context<'_>, name: &str, route: &Route) -> Option<Finding> {
    let reached = match resolve::path(&route.matching.path).ok()? {
        PathMatch::Exact(path) => Operation::from_path(&path).is_some(),
        PathMatch::Prefix(prefix) => OPERATIONS.iter().any(|operation| {
            operation
                .path()
                .strip_prefix(prefix.as_str())
                .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        }),
    };
    if reached {
        return None;
    }
    let paths = OPERATIONS.map(Operation::path);
    let help = match suggest::nearest(&route.matching.path, paths) {
        Some(path) => format!("did you mean `{path}`?"),
        None => format!("AI operations are at {}; `/v1/*` takes them all", suggest::listed(&paths)),
    };
    let finding = Finding::new(
        Code::NoOperation,
        format!("route `{name}` leads to AI backends from a path without an AI operation"),
    );
    Some(
        finding
            .at_value(context.document, &["routes", name, "match", "path"], "no operation here")
            .help(help),
    )
}

fn model(context: &Context<'_>, name: &str, route: &Route, members: &[Standing<'_>]) -> Option<Finding> {
    let wanted = route.matching.model.as_deref()?;
    let mut served: Vec<&str> = members.iter().filter_map(|m| m.serving.as_ref()).map(|s| s.model).collect();
    if served.contains(&wanted) {
        return None;
    }
    served.sort_unstable();
    served.dedup();
    let message = format!(
        "route `{name}` takes requests for `{wanted}`, which no member of pool `{}` serves",
        route.pool
    );
    let finding = Finding::new(Code::ModelNotServed, message);
    let finding = finding.at_value(context.document, &["routes", name, "match", "model"], "not served there");
    Some(finding.help(suggest::help(wanted, &served, "models of the pool")))
}

fn deadline(context: &Context<'_>, name: &str, route: &Route, members: &[Standing<'_>]) -> Option<Finding> {
    let slowest = members.iter().filter_map(|member| {
        let timeouts = &context.manifest.backends.get(member.deployed.backend)?.timeouts;
        Some((timeouts.first_token.0, member.deployed.backend))
    });
    let (first_token, backend) = slowest.max()?;
    if first_token <= route.deadline.0 {
        return None;
    }
    let message = format!(
        "the deadline of route `{name}` ({}) passes before backend `{backend}` times out ({first_token})",
        route.deadline.0
    );
    let finding = Finding::new(Code::UselessTimeout, message);
    let finding = finding.at_value(context.document, &["routes", name, "deadline"], "the shorter one");
    let other = context.document.value_span(&["backends", backend, "timeouts", "firstToken"]);
    Some(
        finding
            .also(other, format!("`firstToken` is {first_token}"))
            .help("lower `firstToken`, so that another backend can still be tried, or raise `deadline`"),
    )
}
