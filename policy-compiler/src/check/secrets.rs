//! No secret stands in the manifest itself. Known by its look, wherever it stands.

use crate::diagnostics::{Code, Finding};
use crate::source::{Document, Kind, Node};

/// How keys and tokens of well-known issuers begin, and the shortest that is one.
const ISSUED: [(&str, usize); 14] = [
    ("sk-", 20),
    ("sk_live_", 16),
    ("sk_test_", 16),
    ("pk_live_", 16),
    ("ghp_", 20),
    ("gho_", 20),
    ("github_pat_", 20),
    ("glpat-", 20),
    ("xoxb-", 20),
    ("xoxp-", 20),
    ("AKIA", 20),
    ("AIza", 30),
    ("hf_", 20),
    ("eyJ", 40),
];

pub(super) fn check(document: &Document) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut path = Vec::new();
    walk(document, &document.root, &mut path, &mut findings);
    findings
}

fn walk(document: &Document, node: &Node, path: &mut Vec<String>, findings: &mut Vec<Finding>) {
    match &node.kind {
        Kind::Text(text) => {
            let reference = matches!(path.last().map(String::as_str), Some("env"));
            if looks_issued(text) || (reference && looks_random(text)) {
                findings.push(finding(document, node, path, reference));
            }
        }
        Kind::Map(_) => {
            for entry in node.entries() {
                path.push(entry.key.clone());
                walk(document, &entry.value, path, findings);
                path.pop();
            }
        }
        Kind::List(items) => {
            for (index, item) in items.iter().enumerate() {
                path.push(index.to_string());
                walk(document, item, path, findings);
                path.pop();
            }
        }
        Kind::Null | Kind::Bool(_) | Kind::Number(_) => {}
    }
}

fn finding(document: &Document, node: &Node, path: &[String], reference: bool) -> Finding {
    let help = if reference {
        "write the name of the variable that holds it, not its value; revoke this one if the file was shared"
    } else {
        "keep it in the environment or a file and refer to it by `{env: NAME}` or `{file: path}`"
    };
    Finding::new(Code::InlineSecret, format!("`{}` looks like a secret itself", path.join(".")))
        .at_value(document, path, "not shown")
        .redacting(node.span)
        .help(help)
}

fn looks_issued(text: &str) -> bool {
    let token = text.strip_prefix("Bearer ").unwrap_or(text);
    let dense = token.bytes().all(|b| b.is_ascii_graphic());
    let issued = ISSUED.iter().any(|(prefix, least)| token.starts_with(prefix) && token.len() >= *least);
    (dense && issued) || text.contains("-----BEGIN ") || (token.len() < text.len() && token.len() >= 16)
}

/// A run of lower-case letters and digits that is too long for the name of a variable. Hexadecimal
/// keys of 32 digits are of this kind.
fn looks_random(text: &str) -> bool {
    let digits = text.bytes().filter(u8::is_ascii_digit).count();
    text.len() >= 24 && digits >= 4 && !text.contains('_') && text.bytes().any(|b| b.is_ascii_lowercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_known_by_their_look() {
        for text in [
            "sk-abcdefghijklmnop1234",
            "Bearer abcdefghijklmnop",
            "AKIAABCDEFGHIJKLMNOP",
            "-----BEGIN PRIVATE KEY-----",
        ] {
            assert!(looks_issued(text), "{text}");
        }
        assert!(looks_random("0f8fad5bd9cb469fa16570867728950e"));
    }

    #[test]
    fn names_and_quantities_are_not_keys() {
        for text in
            ["sk-learn", "gpt-4o-2024-11-20", "meta-llama/Llama-3.3-70B-Instruct", "450k tokens/min", "eyJ"]
        {
            assert!(!looks_issued(text), "{text}");
        }
        assert!(!looks_random("AZURE_OPENAI_KEY_EU_WEST_1"));
        assert!(!looks_random("OPENAIAPIKEYFORPRODUCTION01"));
    }
}
