//! Several files written as one manifest, for whoever keeps or sends a manifest as one text. It owns that
//! text; comments stay behind in the files.

use crate::source::{Kind, Node, Source, plain_yaml};

/// The manifest as one text: the file itself where there is only one, otherwise all of them joined. `None`
/// when a file cannot be read or files contradict each other; [`crate::compile`] says why.
#[must_use]
pub fn flatten(source: &Source) -> Option<String> {
    if source.count() == 1 && !source.text.contains("include") {
        return Some(source.text.clone());
    }
    let mut findings = Vec::new();
    let document = super::compose(source, &mut findings)?;
    if findings.iter().any(crate::diagnostics::Finding::is_error) {
        return None;
    }
    if source.count() == 1 && source.faults().is_empty() {
        // `include` was a word in a comment, or included nothing.
        let untouched = super::read_part(source.files().next()?, &mut Vec::new());
        if untouched.is_some_and(|root| root.get("include").is_none()) {
            return Some(source.text.clone());
        }
    }
    let names: Vec<_> = source.files().map(|file| file.name.to_owned()).collect();
    let mut text = format!("# Joined from {}\n", names.join(", "));
    block(&document.root, 0, &mut text);
    Some(text)
}

fn block(node: &Node, indent: usize, text: &mut String) {
    for entry in node.entries() {
        text.push_str(&format!("{:indent$}{}:", "", plain_yaml(&entry.key)));
        match &entry.value.kind {
            Kind::Map(_) if !entry.value.entries().is_empty() => {
                text.push('\n');
                block(&entry.value, indent + 2, text);
            }
            _ => text.push_str(&format!(" {}\n", flow(&entry.value))),
        }
    }
}

/// A value on one line.
fn flow(node: &Node) -> String {
    match &node.kind {
        Kind::Text(text) => plain_yaml(text),
        Kind::List(items) => format!("[{}]", items.iter().map(flow).collect::<Vec<_>>().join(", ")),
        Kind::Map(_) => {
            let fields = node.entries().iter();
            let fields: Vec<_> =
                fields.map(|entry| format!("{}: {}", plain_yaml(&entry.key), flow(&entry.value))).collect();
            format!("{{{}}}", fields.join(", "))
        }
        _ => node.to_json().to_string(),
    }
}
