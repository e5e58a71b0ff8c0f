//! Findings as one log of SARIF 2.1.0 (OASIS), the form of code-scanning services. It owns that form; it
//! writes nothing of the source but places.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::diagnostics::{Code, Finding, Label, Severity};
use crate::source::Source;

const SCHEMA: &str =
    "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json";

pub(super) fn render(findings: &[Finding], source: &Source) -> String {
    let codes: BTreeSet<Code> = findings.iter().map(|finding| finding.code).collect();
    let codes: Vec<Code> = codes.into_iter().collect();
    let results: Vec<Value> = findings.iter().map(|finding| result(finding, &codes, source)).collect();
    let rules: Vec<Value> = codes.iter().map(|code| rule(*code)).collect();
    let log = json!({
        "$schema": SCHEMA,
        "version": "2.1.0",
        "runs": [{
            "tool": {"driver": {
                "name": "sluicegate",
                "semanticVersion": env!("CARGO_PKG_VERSION"),
                "rules": rules,
            }},
            // Columns are counted in characters, not in UTF-16 units.
            "columnKind": "unicodeCodePoints",
            "results": results,
        }],
    });
    format!("{log:#}\n")
}

fn rule(code: Code) -> Value {
    json!({
        "id": code.as_str(),
        "shortDescription": {"text": code.title()},
        "fullDescription": {"text": code.explanation()},
        "defaultConfiguration": {"level": code.severity().name()},
    })
}

fn result(finding: &Finding, codes: &[Code], source: &Source) -> Value {
    let mut text = finding.message.clone();
    text.extend(finding.witness.as_ref().map(|witness| format!(", for example: {witness}")));
    text.extend(finding.help.as_ref().map(|help| format!("; {help}")));
    let level = match finding.severity() {
        Severity::Error => "error",
        Severity::Warning => "warning",
        Severity::Note => "note",
    };
    let mut result = json!({
        "ruleId": finding.code.as_str(),
        "ruleIndex": codes.binary_search(&finding.code).unwrap_or_default(),
        "level": level,
        "message": {"text": text},
        "locations": finding.primary.iter().map(|label| location(label, source)).collect::<Vec<_>>(),
    });
    let Some(fields) = result.as_object_mut() else { return result };
    if !finding.secondary.is_empty() {
        let related: Vec<Value> = finding.secondary.iter().map(|label| location(label, source)).collect();
        fields.insert("relatedLocations".to_owned(), Value::Array(related));
    }
    if let Some(witness) = &finding.witness {
        fields.insert("properties".to_owned(), json!({"witness": witness}));
    }
    result
}

fn location(label: &Label, source: &Source) -> Value {
    let (from, to) = (source.position(label.span.start), source.position(label.span.end));
    let mut location = json!({"physicalLocation": {
        "artifactLocation": {"uri": uri(source.file_at(label.span.start).name)},
        "region": {
            "startLine": from.line, "startColumn": from.column, "endLine": to.line, "endColumn": to.column,
        },
    }});
    if let Some(fields) = location.as_object_mut().filter(|_| !label.text.is_empty()) {
        fields.insert("message".to_owned(), json!({"text": label.text}));
    }
    location
}

/// A path as a relative reference of RFC 3986.
fn uri(path: &str) -> String {
    let mut uri = String::with_capacity(path.len());
    for byte in path.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~/".contains(&byte) {
            uri.push(char::from(byte));
        } else {
            uri.push_str(&format!("%{byte:02X}"));
        }
    }
    uri
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_escaped_as_a_uri() {
        assert_eq!(uri("a b/ü.yaml"), "a%20b/%C3%BC.yaml");
    }
}
