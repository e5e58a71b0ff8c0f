//! A route and the pool it leads to fit together.

use rule_table::PathMatch;
use vocabulary::Operation;

use super::failover::{operations, served};
use super::overlaps::path_of;
use super::{Context, Standing};
use crate::diagnostics::{Code, Finding, Request, Witness, suggest};
use crate::manifest::{Pool, Route};
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
            findings.extend(pass_through(context, name, route, true));
        } else {
            findings.extend(operation(context, name, route, pool));
            findings.extend(model(context, name, route, &members));
            findings.extend(pass_through(context, name, route, false));
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

fn pass_through(context: &Context<'_>, name: &str, route: &Route, piped: bool) -> Option<Finding> {
    let exact = matches!(resolve::path(&route.matching.path), Ok(PathMatch::Exact(_)));
    let why = if !route.pass_through {
        return None;
    } else if piped {
        "everything on this route is passed through anyway"
    } else if route.matching.model.is_some() {
        "only requests that are read have a model"
    } else if exact && operations(route) != 0 {
        "its path is an operation, which is read"
    } else {
        return None;
    };
    let message = format!("`passThrough` of route `{name}` has no effect: {why}");
    let finding = Finding::new(Code::UselessPassThrough, message);
    let finding = finding.at_value(context.document, &["routes", name, "passThrough"], "no effect");
    Some(finding.help("remove it, or match a prefix such as `/v1/*`"))
}

fn operation(context: &Context<'_>, name: &str, route: &Route, pool: &Pool) -> Option<Finding> {
    let path = ["routes", name, "match", "path"];
    let asked = operations(route);
    if asked != 0 && asked & served(context, pool) == 0 {
        let message = format!(
            "route `{name}` leads to pool `{}`, no member of which offers what its path asks for",
            route.pool
        );
        let finding = Finding::new(Code::OperationNotServed, message);
        let finding = finding.at_value(context.document, &path, "not offered there");
        let request = Request { method: Some("POST".to_owned()), path: path_of(route), ..Request::default() };
        let finding = finding.witness(Witness::from(request));
        let span = context.document.value_span(&["routes", name, "pool"]);
        return Some(
            finding.also(span, "the pool").help("lead to a pool with a kind of backend that offers it"),
        );
    }
    let reached = asked != 0 || route.pass_through || resolve::path(&route.matching.path).is_err();
    if reached {
        return None;
    }
    let paths = Operation::ALL.map(Operation::path);
    let help = match suggest::nearest(&route.matching.path, paths) {
        Some(path) => format!("did you mean `{path}`?"),
        None => format!("AI operations are at {}; `/v1/*` takes them all", suggest::listed(&paths)),
    };
    let finding = Finding::new(
        Code::NoOperation,
        format!("route `{name}` leads to AI backends from a path without an AI operation"),
    );
    Some(finding.at_value(context.document, &path, "no operation here").help(help))
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
    let (path, asked) = (path_of(route), Some(wanted.to_owned()));
    let request = Request { method: Some("POST".to_owned()), path, model: asked, ..Request::default() };
    let finding = finding.witness(Witness::from(request));
    Some(finding.help(suggest::help(wanted, &served, "models of the pool")))
}

fn deadline(context: &Context<'_>, name: &str, route: &Route, members: &[Standing<'_>]) -> Option<Finding> {
    let slowest = members.iter().filter_map(|member| {
        let timeouts = &context.manifest.backends.get(member.deployed.backend)?.timeouts;
        Some((timeouts.first_token.0, timeouts.first_byte.map(|timeout| timeout.0), member.deployed.backend))
    });
    let (first_token, first_byte, backend) = slowest.max()?;
    if first_token <= route.deadline.0 {
        return None;
    }
    // The shorter of the two is the one to begin with, where it was written.
    let (timeout, field) = match first_byte {
        Some(timeout) if timeout > route.deadline.0 && timeout < first_token => (timeout, "firstByte"),
        _ => (first_token, "firstToken"),
    };
    let message = format!(
        "the deadline of route `{name}` ({}) passes before backend `{backend}` times out ({timeout})",
        route.deadline.0
    );
    let finding = Finding::new(Code::UselessTimeout, message);
    let finding = finding.at_value(context.document, &["routes", name, "deadline"], "the shorter one");
    let values = [("deadline", route.deadline.0.to_string()), (field, timeout.to_string())];
    let finding = finding.witness(Witness::values(values));
    let other = context.document.value_span(&["backends", backend, "timeouts", field]);
    Some(
        finding.also(other, format!("`{field}` is {timeout}")).help(format!(
            "lower `{field}`, so that another backend can still be tried, or raise `deadline`"
        )),
    )
}
