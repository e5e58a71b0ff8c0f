//! A backend's fields fit its kind, and an AI backend serves something.

use super::Context;
use crate::diagnostics::{Code, Finding};
use crate::manifest::{Backend, BackendKind, Quota, QuotaShape};

pub(super) fn check(context: &Context<'_>) -> Vec<Finding> {
    context.manifest.backends.iter().flat_map(|(name, backend)| one(context, name, backend)).collect()
}

fn kind_name(kind: BackendKind) -> &'static str {
    match kind {
        BackendKind::Openai => "openai",
        BackendKind::AzureOpenai => "azure-openai",
        BackendKind::Vllm => "vllm",
        BackendKind::Http => "http",
    }
}

fn one(context: &Context<'_>, name: &str, backend: &Backend) -> Vec<Finding> {
    let azure = backend.kind == BackendKind::AzureOpenai;
    let http = backend.kind == BackendKind::Http;
    let mut findings = Vec::new();
    let unfit = |field: &str, help: &str| {
        let kind = kind_name(backend.kind);
        Finding::new(Code::WrongKind, format!("backend `{name}` of kind `{kind}` has no `{field}`"))
            .at_key(context.document, &["backends", name, field], format!("not for kind `{kind}`"))
            .also(context.document.value_span(&["backends", name, "kind"]), "the kind")
            .help(help)
    };
    if !backend.deployments.is_empty() && !azure {
        let help = if http {
            "remove it: requests to kind `http` are passed through unread"
        } else {
            "write them as `models`, by the name callers use"
        };
        findings.push(unfit("deployments", help));
    }
    if !backend.models.is_empty() && (azure || http) {
        let help = if http {
            "remove it, or choose an AI kind: `openai`, `azure-openai` or `vllm`"
        } else {
            "write them as `deployments`, by the name in Azure's path, each with its `model`"
        };
        findings.push(unfit("models", help));
    }
    if backend.api_version.is_some() && !azure {
        findings.push(unfit("apiVersion", "remove it"));
    }
    let serves_nothing = backend.models.is_empty() && backend.deployments.is_empty();
    if !http && serves_nothing {
        let field = if azure { "deployments" } else { "models" };
        findings.push(
            Finding::new(Code::NoModels, format!("backend `{name}` serves no model"))
                .at_key(context.document, &["backends", name], format!("no `{field}`"))
                .help(if azure {
                    "add for example `deployments: {gpt-4o: {model: gpt-4o}}`"
                } else {
                    "add for example `models: {gpt-4o: {}}`"
                }),
        );
    }
    let models = backend.models.iter().map(|(model, m)| ("models", model, m.quota.as_ref()));
    let deployments = backend.deployments.iter().map(|(model, d)| ("deployments", model, d.quota.as_ref()));
    for (field, model, quota) in models.chain(deployments) {
        let Some(quota) = quota else { continue };
        findings.extend(check_quota(context, &["backends", name, field, model, "quota"], quota));
    }
    findings
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
