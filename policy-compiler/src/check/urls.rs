//! Backend URLs are well-formed and fit the kind.

use super::Context;
use crate::diagnostics::{Code, Finding};
use crate::manifest::{Backend, BackendKind};
use crate::resolve::{UrlFault, endpoint};

pub(super) fn check(context: &Context<'_>) -> Vec<Finding> {
    context.manifest.backends.iter().filter_map(|(name, backend)| one(context, name, backend)).collect()
}

fn one(context: &Context<'_>, name: &str, backend: &Backend) -> Option<Finding> {
    let path = ["backends", name, "url"];
    let malformed = |what: &str, help: String| {
        Finding::new(Code::MalformedUrl, format!("the URL of backend `{name}` cannot be used: {what}"))
            .at_value(context.document, &path, "")
            .help(help)
    };
    let url = match endpoint(&backend.url) {
        Ok(url) => url,
        Err(UrlFault::Malformed(what, help)) => {
            let finding = malformed(what, help.to_owned());
            let span = context.document.value_span(&path);
            // Where there is a query there is often a key in it.
            return Some(if backend.url.contains('?') { finding.redacting(span) } else { finding });
        }
        Err(UrlFault::Credentials) => {
            let span = context.document.value_span(&path);
            let finding =
                Finding::new(Code::InlineSecret, format!("the URL of backend `{name}` carries credentials"));
            let help = "remove `user:password@` and refer to an identity by `auth`";
            return Some(finding.at_value(context.document, &path, "not shown").redacting(span).help(help));
        }
    };
    let added = match backend.kind {
        BackendKind::AzureOpenai => "/openai",
        kind if kind.has_models() => "/v1",
        _ => return None,
    };
    let shorter = url.base_path.strip_suffix(added)?;
    let end = backend.url.trim_end_matches('/').strip_suffix(added).unwrap_or(shorter);
    Some(malformed(&format!("the gateway adds `{added}` itself"), format!("write `{end}`")))
}
