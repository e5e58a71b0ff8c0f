//! A backend's fields fit its kind, and an AI backend serves something.

use super::Context;
use crate::diagnostics::{Code, Finding};
use crate::manifest::{Backend, BackendKind, Quota, QuotaShape, Serving};

pub(super) fn check(context: &Context<'_>) -> Vec<Finding> {
    context.manifest.backends.iter().flat_map(|(name, backend)| one(context, name, backend)).collect()
}

fn one(context: &Context<'_>, name: &str, backend: &Backend) -> Vec<Finding> {
    let fits = backend.kind.serves_in();
    let kind = backend.kind.name();
    let mut findings = Vec::new();
    let unfit = |field: &str, help: String| {
        Finding::new(Code::WrongKind, format!("backend `{name}` of kind `{kind}` has no `{field}`"))
            .at_key(context.document, &["backends", name, field], format!("not for kind `{kind}`"))
            .also(context.document.value_span(&["backends", name, "kind"]), "the kind")
            .help(help)
    };
    for (field, empty) in
        [("models", backend.models.is_empty()), ("deployments", backend.deployments.is_empty())]
    {
        if empty || fits == Some(field) {
            continue;
        }
        let help = match fits {
            Some("models") => "write them as `models`, by the name callers use".to_owned(),
            Some(_) => {
                "write them as `deployments`, by the name in Azure's path, each with its `model`".to_owned()
            }
            None => format!("remove it: requests to kind `{kind}` are passed through unread"),
        };
        findings.push(unfit(field, help));
    }
    if backend.api_version.is_some() && backend.kind != BackendKind::AzureOpenai {
        findings.push(unfit("apiVersion", "remove it".to_owned()));
    }
    findings.extend(serves_nothing(context, name, backend));
    let models = backend.models.iter().map(|(name, model)| ("models", name, model.serving(name)));
    let deployments = backend.deployments.iter().map(|(name, d)| ("deployments", name, d.serving(name)));
    for (field, model, serving) in models.chain(deployments) {
        let path = ["backends", name, field, model];
        findings.extend(check_output(context, &path, &serving));
        if let Some(quota) = serving.quota {
            findings.extend(check_quota(context, &["backends", name, field, model, "quota"], quota));
        }
    }
    findings
}

fn serves_nothing(context: &Context<'_>, name: &str, backend: &Backend) -> Option<Finding> {
    let field = backend.kind.serves_in()?;
    if !backend.models.is_empty() || !backend.deployments.is_empty() {
        return None;
    }
    let example = if field == "models" { "{gpt-4o: {}}" } else { "{gpt-4o: {model: gpt-4o}}" };
    Some(
        Finding::new(Code::NoModels, format!("backend `{name}` serves no model"))
            .at_key(context.document, &["backends", name], format!("no `{field}`"))
            .help(format!("add for example `{field}: {example}`")),
    )
}

fn check_output(context: &Context<'_>, path: &[&str], serving: &Serving<'_>) -> Option<Finding> {
    let (most, window) = (serving.max_output?, serving.context_window?);
    if most <= window {
        return None;
    }
    let field = |last| path.iter().copied().chain([last]).collect::<Vec<_>>();
    let message = format!(
        "`{}` ({most}) is more than the context window holds ({window})",
        field("maxOutput").join(".")
    );
    let finding = Finding::new(Code::OutputBeyondWindow, message);
    let finding = finding.at_value(context.document, &field("maxOutput"), "more than the whole window");
    let finding = finding.also(context.document.value_span(&field("contextWindow")), "the window");
    Some(finding.help(
        "the window holds input and output together: state the output's own ceiling, or correct the window",
    ))
}

fn check_quota(context: &Context<'_>, path: &[&str], quota: &Quota) -> Vec<Finding> {
    let mut findings = Vec::new();
    if quota.tokens.is_none() && quota.requests.is_none() {
        findings.push(
            Finding::new(Code::EmptyQuota, format!("`{}` limits nothing", path.join(".")))
                .at_key(context.document, path, "neither tokens nor requests")
                .help("add for example `tokens: 450k tokens/min`, or remove the quota"),
        );
    }
    for field in ["burst", "outputWeight"] {
        let field_path: Vec<&str> = path.iter().copied().chain([field]).collect();
        if quota.shape == QuotaShape::FixedWindow && context.document.value(&field_path).is_some() {
            findings.push(
                Finding::new(Code::QuotaFieldUnused, format!("`{}` has no effect", field_path.join(".")))
                    .at_key(context.document, &field_path, "only for a leaky bucket")
                    .help("add `shape: leaky-bucket`, or remove it"),
            );
        }
    }
    findings
}
