//! A key tells who calls: no two consumers share one.

use std::collections::BTreeMap;

use super::Context;
use crate::diagnostics::{Code, Finding};

pub(super) fn check(context: &Context<'_>) -> Vec<Finding> {
    let mut owners: BTreeMap<&str, (&str, &str)> = BTreeMap::new();
    let mut findings = Vec::new();
    for (consumer, definition) in &context.manifest.consumers {
        for (key, source) in &definition.keys {
            let Some((other, other_key)) = owners.insert(&source.sha256.0, (consumer, key)) else { continue };
            if other == consumer {
                continue;
            }
            let path = |consumer, key| ["consumers", consumer, "keys", key, "sha256"];
            findings.push(
                Finding::new(
                    Code::SharedKey,
                    format!("consumers `{other}` and `{consumer}` have the same key"),
                )
                .at_value(context.document, &path(consumer, key), format!("key of `{consumer}`"))
                .also(context.document.value_span(&path(other, other_key)), format!("key of `{other}`"))
                .help("issue a key for each of them"),
            );
        }
    }
    findings
}
